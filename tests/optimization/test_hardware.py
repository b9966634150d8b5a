"""Precision: why it was chosen is said under -v, and what the processor only imitates is warned of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import impasto
from helpers import Invoke, Pair, refused
from impasto.jobs.trial import Trial, seconds_of_stages
from impasto.model import gpu
from impasto.model.masks import at_layers
from impasto.optimization.hardware import choose_device
from impasto.optimization.memory import is_out_of_memory
from impasto.optimization.stages import Stage

ABLE = {"avx512_bf16": True, "amx_bf16": False, "avx512_fp16": False, "amx_fp16": False}
UNABLE = dict.fromkeys(ABLE, False)


@pytest.mark.parametrize(
    ("asked", "able", "taken", "said"),
    [
        ("auto", ABLE, "bfloat16", "precision bfloat16: this processor multiplies bfloat16"),
        ("auto", UNABLE, "float32",
         "precision float32: this processor has no instructions that multiply bfloat16"),
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


def test_float16_is_refused(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    """It would flush about a third of the gradient to zero."""
    base = ("run", pair.content, pair.style, "-o", tmp_path / "out.png")
    assert "'float16'; did you mean 'bfloat16'?" in refused(invoke(*base, "--precision", "float16"))
    assert "float16 would lose a third" in refused(invoke(*base, "--fp16"))


def test_a_device_that_is_none(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    line = refused(
        invoke("run", pair.content, pair.style, "-o", tmp_path / "out.png", "--device", "meta")
    )
    assert line.startswith("device 'meta' cannot be used here: it has shapes and no numbers")


def test_a_card_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "init", lambda: None)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(impasto.SettingsError) as caught:
        choose_device("cuda:7")
    assert str(caught.value) == (
        "device 'cuda:7' cannot be used here: there is no such card; there is cuda:0, cuda:1"
    )


def test_a_driver_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    def init() -> None:
        raise RuntimeError(
            "The NVIDIA driver on your system is too old (found version 11040).\nPlease"
        )

    monkeypatch.setattr(torch.cuda, "init", init)
    with pytest.raises(impasto.SettingsError, match=r"is too old \(found version 11040\)\.$"):
        choose_device("cuda")


@pytest.mark.parametrize(
    "words",
    [
        "CUDNN_STATUS_ALLOC_FAILED", "CUBLAS_STATUS_ALLOC_FAILED", "CUFFT_ALLOC_FAILED",
        "CUSOLVER_STATUS_ALLOC_FAILED", "GET was unable to find an engine to execute this computation",
    ],
)  # fmt: skip
def test_out_of_memory_by_the_libraries_of_cuda(words: str) -> None:
    assert is_out_of_memory(RuntimeError(f"cuDNN error: {words}"))


def test_a_card_is_recorded_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "is_cuda", lambda device: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H100")
    monkeypatch.setattr(torch._C, "_cuda_getDriverVersion", lambda: 13000, raising=False)
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91002)
    device = torch.device("cpu")
    assert gpu.card(device) == "NVIDIA H100, capability 9.0, driver for CUDA 13000, cuDNN 91002"
    assert gpu.multiplies_bfloat16(device)


def test_on_cuda_float32_is_float32_and_the_same_each_time() -> None:
    cudnn: Any = torch.backends.cudnn
    places = [
        (torch.backends.cuda.matmul, "fp32_precision"),
        (cudnn.conv, "fp32_precision"),
        (cudnn, "deterministic"),
    ]
    before = [getattr(place, name) for place, name in places]
    try:
        gpu.configure(torch.device("cuda"))
        assert [getattr(place, name) for place, name in places] == ["ieee", "ieee", True]
    finally:
        for (place, name), value in zip(places, before, strict=True):
            setattr(place, name, value)


def test_seconds_on_a_card_have_a_part_that_no_pixel_adds_to() -> None:
    trials = [Trial(Stage(0, 10, 10, 4), 0.0, 2.0), Trial(Stage(0, 20, 10, 4), 0.0, 3.0)]
    (seconds,) = seconds_of_stages([Stage(0, 40, 10, 1)], trials, launches=True)
    assert seconds == pytest.approx(5.0)
    (seconds,) = seconds_of_stages([Stage(0, 40, 10, 1)], trials)
    assert seconds == pytest.approx(6.0)


def test_where_the_device_pools_to_few_sizes_masks_are_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mask = torch.linspace(0, 1, 63).reshape(1, 1, 7, 9)
    plain = at_layers(mask, {"a": (3, 4)})["a"]
    asked: list[torch.device] = []
    monkeypatch.setattr(gpu, "pools_to_any_size", asked.append)
    assert torch.equal(at_layers(mask, {"a": (3, 4)})["a"], plain)
    assert asked == [mask.device]
    monkeypatch.undo()
    assert not gpu.pools_to_any_size(torch.device("mps"))
