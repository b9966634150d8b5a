"""Whether to compile: decided on what was measured, and said with the reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import pytest
import torch

import impasto
from helpers import SHALLOW, Invoke, Pair
from impasto.optimization import compiling
from impasto.optimization.compiling import Measured, pays_off
from impasto.optimization.stages import Stage

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.setenv(name, str(tmp_path))
    assert tmp_path in compiling.file().parents


def measured(
    plain: float = 1.0, compiled: float = 0.5, seconds: float = 20.0, side: int = 100
) -> Measured:
    return Measured(
        device=compiling.device_name(CPU), precision="float32", torch=torch.__version__,
        pixels=side * side, plain=plain, compiled=compiled, compiling=seconds,
    )  # fmt: skip


def square(side: int, steps: int) -> Stage:
    return Stage(0, side, side, steps)


def test_steps_ahead_are_weighed_against_compiling() -> None:
    assert pays_off([measured()], [square(100, 41)])[0]
    assert not pays_off([measured()], [square(100, 39)])[0]
    # A picture of twice the side has four times the pixels, and so the time.
    assert pays_off([measured()], [square(200, 11)])[0]
    _, reason = pays_off([measured()], [square(100, 39)])
    assert (
        reason
        == "these steps would take 20 s less, less than the 20 s of compiling, as measured here"
    )


def test_each_stage_pays_for_compiling_and_goes_by_the_nearest_size() -> None:
    stages = [square(100, 30), square(200, 8)]
    assert not pays_off([measured()], stages)[0]
    near = [measured(), measured(plain=4.0, compiled=1.0, seconds=1.0, side=200)]
    pays, reason = pays_off(near, stages)
    assert pays
    assert reason.startswith("these steps would take 39 s less, more than the 21 s")
    pays, reason = pays_off(near, [*stages, square(300, 1)])
    assert "more than the 21 s" in reason, "what is compiled for the second size is for all others"


def test_slower_steps_never_pay() -> None:
    pays, reason = pays_off([measured(compiled=1.25)], [square(100, 10**6)])
    assert not pays
    assert reason == "compiled steps take 1.25 times as long here, as measured"


def chosen(invoke: Invoke, pair: Pair, tmp_path: Path, *options: object) -> tuple[bool, str]:
    small = (*SHALLOW, "--size", 48, "--scales", "single", "--precision", "float32")
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "out.png", *small, "--dry-run",
                  "--json", "-v", *options)  # fmt: skip
    assert done.status == 0, done.err
    said = [line for line in done.err.splitlines() if "compile" in line]
    return json.loads(done.out)["compiled"], "\n".join(said)


def test_a_run_goes_by_what_was_measured(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    compiled, said = chosen(invoke, pair, tmp_path, "--steps", 1000)
    assert not compiled
    assert "compile off: gains little on processors; 'impasto bench evaluation --compile'" in said
    compiling.keep(measured(side=48))
    compiled, said = chosen(invoke, pair, tmp_path, "--steps", 1000)
    assert compiled
    assert "compile on: these steps would take" in said
    compiled, said = chosen(invoke, pair, tmp_path, "--steps", 10)
    assert not compiled
    assert "less than the 20 s of compiling" in said
    assert not chosen(invoke, pair, tmp_path, "--steps", 1000, "--compile", "off")[0]


@pytest.mark.parametrize(
    "other", [{"device": "another"}, {"precision": "bfloat16"}, {"torch": "1.0"}]
)
def test_what_was_measured_otherwise_does_not_count(
    invoke: Invoke, pair: Pair, tmp_path: Path, other: dict[str, str]
) -> None:
    compiling.keep(measured().model_copy(update=other))
    assert not chosen(invoke, pair, tmp_path, "--steps", 100000)[0]


def test_a_new_measurement_takes_the_place_of_the_old_one() -> None:
    compiling.keep(measured(seconds=1))
    compiling.keep(measured(side=200))
    compiling.keep(measured(seconds=2))
    assert compiling.kept() == [measured(side=200), measured(seconds=2)]


@pytest.mark.parametrize("text", ["{", '{"measured": [{"plain": 1}]}', "\udc80"])
def test_a_damaged_file_is_said_and_does_not_count(
    invoke: Invoke, pair: Pair, tmp_path: Path, text: str
) -> None:
    compiling.file().parent.mkdir(parents=True)
    compiling.file().write_text(text, encoding="utf-8", errors="surrogateescape")
    compiled, said = chosen(invoke, pair, tmp_path, "--steps", 10)
    assert not compiled
    assert f"'{compiling.file()}' cannot be read and does not count" in said


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
def test_the_benchmark_keeps_what_it_measured(invoke: Invoke, pair: Pair) -> None:
    done = invoke("bench", "evaluation", "--compile", "--quick", "--size", 32, "--rounds", 1,
                  "--pair", f"{pair.content},{pair.style}", "--json")  # fmt: skip
    assert done.status == 0, done.err
    (one,) = compiling.kept()
    assert one.pixels == 32 * 24
    assert one.device == compiling.device_name(CPU)
    assert one.compiling > one.compiled
    assert str(compiling.file()) in done.err
