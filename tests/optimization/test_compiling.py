"""Whether to compile: as the user says, and said with the reason."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

import impasto
from helpers import SHALLOW, Invoke, Pair
from impasto.optimization.compiling import reason_against


@pytest.mark.parametrize(("asked", "wanted"), [("auto", False), ("on", True), ("off", False)])
def test_a_run_compiles_where_it_is_asked_for(
    invoke: Invoke, pair: Pair, tmp_path: Path, asked: str, wanted: bool
) -> None:
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "out.png", *SHALLOW, "--size", 48,
                  "--scales", "single", "--dry-run", "--json", "-v", "--compile", asked)  # fmt: skip
    assert done.status == 0, done.err
    assert json.loads(done.out)["compiled"] is wanted
    assert ("compile off: gains at most a twentieth" in done.err) is (asked == "auto")


def test_on_a_gpu_the_reason_is_another() -> None:
    assert "'--compile on' tries it" in reason_against(torch.device("cuda"))


@pytest.mark.slow
def test_other_sizes_do_not_pay_again(pair: Pair) -> None:
    from torch._dynamo.utils import counters

    def losses(compile_: Literal["on", "off"]) -> list[float]:
        return impasto.run(
            pair.content, pair.style, size=96, scales=[32, 48, 80], steps=2, compile=compile_,
            precision="float32", loss=["content:layers=conv2_1", "gram:layers=conv1_1,conv2_1"],
        ).losses  # fmt: skip

    plain = losses("off")
    torch._dynamo.reset()
    counters.clear()
    assert losses("on") == pytest.approx(plain, rel=1e-3)
    assert counters["stats"]["unique_graphs"] == 2


@pytest.mark.slow
def test_every_loss_compiles_whole_with_a_style_file(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss = ["gram", "wasserstein", "sliced", "histogram", "moments", "nearest", "relaxed_emd", "laplacian",
            "tv", "range", "self_similarity", "content"]  # fmt: skip
    options: dict[str, Any] = {"size": 64, "scales": "single", "steps": 3, "precision": "float32"}
    style = tmp_path / "painting.style"
    impasto.learn(pair.style, style, loss=loss, **options)
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))

    def losses(compile_: Literal["on", "off"]) -> list[float]:
        return impasto.run(pair.content, style, loss=loss, compile=compile_, **options).losses

    assert losses("on") == pytest.approx(losses("off"), rel=1e-3)


@pytest.mark.slow
def test_the_benchmark_measures_it(invoke: Invoke, pair: Pair) -> None:
    done = invoke("bench", "evaluation", "--compile", "--quick", "--size", 32, "--rounds", 1,
                  "--pair", f"{pair.content},{pair.style}", "--json")  # fmt: skip
    assert done.status == 0, done.err
    assert '"compiled"' in done.out
