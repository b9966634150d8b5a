"""Stages that end when their steps hardly lower the loss any more."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest
from PIL import Image

import impasto
from helpers import Invoke, Pair, stopped_at
from impasto.optimization.tolerance import has_settled
from impasto.settings.settings import gather

SHORT: dict[str, object] = {
    "size": 32, "scales": "20,26", "steps": 40, "precision": "float32",
    "loss": ["content:layers=conv1_2", "gram:layers=conv1_1"],
}  # fmt: skip
OPTIMIZERS = ("lbfgs", "adam", "torch.RMSprop:lr=0.01")


def by_hand(losses: list[float], stages: list[int], tolerance: float, planned: int) -> list[int]:
    """Steps that each stage should have had, from the losses of a run."""
    taken = [stages.count(stage) for stage in range(3)]
    expected, start = [], 0
    for count in taken[:-1]:
        mine = losses[start : start + count]
        start += count
        for done in [*range(10, planned, 5), planned]:
            if done > len(mine):
                break
            before, after = min(mine[: done - 5]), min(mine[done - 5 : done])
            if mine[done - 1] <= before and 1 - after / before < tolerance:
                break
        expected.append(done)
    return [*expected, planned]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_rule_is_the_same_for_every_optimizer(pair: Pair, optimizer: str) -> None:
    run = impasto.run(pair.content, pair.style, **SHORT, optimizer=optimizer, tolerance=0.5)  # type: ignore[arg-type]
    stages = [int(stage) for stage in run.history["stage"]]
    assert [stages.count(stage) for stage in range(3)] == by_hand(run.losses, stages, 0.5, 40)
    assert run.steps == len(run.losses) < 120, "none ended early"
    assert stages == sorted(stages)


def test_without_a_tolerance_all_steps_are_taken(pair: Pair) -> None:
    run = impasto.run(pair.content, pair.style, **{**SHORT, "steps": 12, "tolerance": 0})  # type: ignore[arg-type]
    assert run.steps == 36


@pytest.mark.parametrize(("losses", "settled"), [
    ([100.0, *[90.0] * 5], False),
    ([100.0, *[91.0] * 5], True),
    ([100.0, *[91.0] * 4, 101.0], False),
    ([100.0, 50.0, *[100.0] * 5], False),
    ([100.0, 50.0, *[50.0] * 5], True),
    ([0.0, *[0.0] * 5], False),
    ([-1.0, *[-1.05] * 5], True),
    ([-1.0, *[-1.2] * 5], False),
    ([100.0, *[math.nan] * 5], False),
    ([100.0, *[math.inf] * 5], False),
])  # fmt: skip
def test_five_steps_that_gain_less_than_a_tenth(losses: list[float], settled: bool) -> None:
    assert has_settled(losses, 0.1) is settled


def test_it_is_said_once_recorded_and_repeated(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    first, again = tmp_path / "first.png", tmp_path / "again.png"
    losses = [option for loss in SHORT["loss"] for option in ("--loss", loss)]  # type: ignore[attr-defined]
    shots = tmp_path / "shots"
    done = invoke("run", pair.content, pair.style, "-o", first, "--size", 32, "--scales", "20,26",
                  "--steps", 40, "--tolerance", 0.9, "--precision", "float32", *losses,
                  "--callback", f"snapshots:folder={shots},every=1000")  # fmt: skip
    assert done.status == 0, done.err
    said = "stage 1 of 3 ended after 10 of at most 40 steps"
    assert done.err.count(said) == done.err.count("less than the tolerance") == 1
    assert [path.name for path in shots.iterdir()] == ["step_00060.png"], "the last step's"
    shown = invoke("show", first)
    assert "tolerance = 0.9" in shown.out
    done = invoke("rerun", first, "-o", again)
    assert done.status == 0, done.err
    with Image.open(first) as one, Image.open(again) as other:
        assert one.tobytes() == other.tobytes()


def test_a_resumed_run_ends_its_stages_at_the_same_steps(pair: Pair, tmp_path: Path) -> None:
    given = {**SHORT, "content": str(pair.content), "style": str(pair.style), "tolerance": 0.9}
    settings = gather(given, None, None)
    whole = impasto.run(pair.content, pair.style, **SHORT, tolerance=0.9)  # type: ignore[arg-type]
    assert whole.steps == 60
    for step in (7, 10, 15, 20, 50):
        stopped_at(step, folder := tmp_path / f"after {step}", settings)
        resumed = impasto.resume(folder)
        assert resumed.losses == whole.losses, step
        assert list(resumed.history["stage"]) == list(whole.history["stage"])
        assert (resumed.image == whole.image).all()


def test_progress_knows_what_is_left(pair: Pair) -> None:
    seen = []

    def look(step: impasto.Step, run: impasto.Run) -> None:
        seen.append((step.number, run.total_steps))

    class Look:
        @impasto.hookimpl
        def impasto_after_step(self, run: impasto.Run, step: impasto.Step) -> None:
            look(step, run)

    impasto.run(pair.content, pair.style, **SHORT, tolerance=0.9, callback=Look())  # type: ignore[arg-type]
    assert [total for _, total in itertools.islice(seen, 0, None, 10)] == [120, 90, 60, 60, 60, 60]
    assert seen[-1] == (60, 60)


@pytest.mark.parametrize("bad", ["1", "-0.1", "much", "nan"])
def test_what_is_no_fraction_is_refused(
    invoke: Invoke, pair: Pair, tmp_path: Path, bad: str
) -> None:
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "a.png", "--tolerance", bad)
    assert done.status != 0
    assert "tolerance" in done.error
