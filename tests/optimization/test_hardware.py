"""Precision: why it was chosen is said under -v, and what the processor only imitates is warned of."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from helpers import Invoke, Pair

ABLE = {"avx512_bf16": True, "amx_bf16": False, "avx512_fp16": False, "amx_fp16": False}
UNABLE = dict.fromkeys(ABLE, False)


@pytest.mark.parametrize(
    ("asked", "able", "taken", "said"),
    [
        ("auto", ABLE, "bfloat16", "precision bfloat16: this processor multiplies bfloat16"),
        ("auto", UNABLE, "float32",
         "precision float32: this processor has no instructions that multiply bfloat16"),
        ("float16", ABLE, "float16", "warning: precision float16: this processor has no instructions"),
        ("bfloat16", UNABLE, "bfloat16",
         "warning: precision bfloat16: this processor has no instructions"),
        ("bfloat16", ABLE, "bfloat16", None),
        ("float32", UNABLE, "float32", None),
    ],
)  # fmt: skip
def test_precision(
    invoke: Invoke, pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    asked: str, able: dict[str, bool], taken: str, said: str | None,
) -> None:  # fmt: skip
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", 32,
                  "--steps", 1, "--loss", "tv", "--precision", asked, "--device", "cpu",
                  "--json", "-v")  # fmt: skip
    assert done.status == 0, done.err
    assert f'"precision": "{taken}"' in done.out
    lines = [line for line in done.err.splitlines() if "precision" in line]
    assert len(lines) == (said is not None)
    assert all(line.startswith(f"impasto: {said}") for line in lines)
