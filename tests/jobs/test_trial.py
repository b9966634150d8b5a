"""Seconds of a run from those of two small trials."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

import impasto
from helpers import Pair
from impasto.jobs.trial import Trial, seconds_of_stages, trial_stage
from impasto.optimization.stages import Stage

SMALL = Trial(Stage(0, 100, 50, 4), beginning=1.0, step=0.1)
LARGE = Trial(Stage(0, 200, 100, 4), beginning=2.0, step=0.3)


@pytest.mark.parametrize(
    ("width", "height", "beginning", "step"),
    [
        (100, 50, 1.0, 0.1),
        (200, 100, 2.0, 0.3),
        # Halfway between 5000 and 20000 pixels.
        (125, 100, 1.5, 0.2),
        # Four times the larger one, and a quarter of the smaller one.
        (400, 200, 8.0, 1.2),
        (50, 25, 0.25, 0.025),
    ],
)
def test_seconds_follow_the_pixels(width: int, height: int, beginning: float, step: float) -> None:
    stages = [Stage(0, width, height, 10), Stage(1, width, height, 0)]
    expected = (beginning + 10 * step, beginning)
    assert seconds_of_stages(stages, [SMALL, LARGE]) == pytest.approx(expected)


def test_one_trial_is_scaled_by_pixels() -> None:
    assert seconds_of_stages([Stage(0, 200, 50, 5)], [SMALL]) == pytest.approx((2 + 5 * 0.2,))


def test_a_larger_trial_that_happened_to_be_faster_does_not_bend_the_line() -> None:
    faster = Trial(LARGE.stage, beginning=0.5, step=0.05)
    (seconds,) = seconds_of_stages([Stage(0, 100, 100, 10)], [SMALL, faster])
    assert seconds == pytest.approx(0.25 + 10 * 0.025)


def test_a_trial_has_the_shape_of_the_stage_and_is_no_larger() -> None:
    assert trial_stage(Stage(0, 1024, 512, 9), 128, 16) == Stage(0, 128, 64, 4)
    assert trial_stage(Stage(0, 1024, 512, 9), 128, 100) == Stage(0, 200, 100, 4)
    assert trial_stage(Stage(0, 40, 30, 9), 128, 16) == Stage(0, 40, 30, 4)


def test_steps_after_restarts_take_their_own_time() -> None:
    trial = Trial(Stage(0, 100, 50, 4), beginning=1.0, step=0.1, restart=5.0, later=0.3)
    stages = [Stage(0, 100, 50, 10), Stage(1, 100, 50, 10)]
    seconds = seconds_of_stages(stages, [trial], restarts=(4, 7))
    # Four steps before the first restart, two restarts, four steps after them.
    assert seconds == pytest.approx((1 + 10 * 0.1, 1 + 4 * 0.1 + 2 * 5 + 4 * 0.3))
    (seconds_of_all,) = seconds_of_stages(stages[1:], [trial], restarts=(0,))
    assert seconds_of_all == pytest.approx(1 + 5 + 9 * 0.3)


CLOCK = [0.0]
"""Seconds, which a loss moves on."""


class Waits(impasto.Loss):
    """Takes a second for each step, ten where it starts anew, and three after that."""

    layers = ("image",)
    target = "none"

    def summarize_layer(self, feature: Tensor) -> impasto.Summary:
        return {"sum": feature.square().sum(), "pixels": torch.tensor(feature[0, 0].numel())}

    def compare_layer(self, summary: impasto.Summary, target: impasto.Summary) -> Tensor:
        return summary["sum"] / summary["pixels"]

    def restarts(self, steps: int) -> Sequence[int]:
        return [-1, 6, 12, steps]

    def before_step(self, run: impasto.Run) -> None:
        assert run.current is not None
        done = run.done_in(run.current.stage)
        CLOCK[0] += 1 if done < 6 else 10 if done in (6, 12) else 3


def estimated(pair: Pair, loss: impasto.Loss, size: int) -> impasto.Estimate:
    return impasto.estimate(
        pair.content, pair.style, loss=[loss], size=size, scales="single", steps=20,
        extractor="tiny", plugin=["impasto.testing"],
    )  # fmt: skip


def test_an_estimate_knows_that_later_steps_take_longer(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(perf_counter=lambda: CLOCK[0])
    monkeypatch.setattr("impasto.jobs.trial.time", clock)
    assert estimated(pair, Waits(), 32).seconds == (6 * 1 + 2 * 10 + 12 * 3,)
    # The second trial does not go on from the first one's steps.
    made = estimated(pair, Waits(), 160)
    assert " and " in made.trial
    assert made.seconds == (6 * 1 + 2 * 10 + 12 * 3,)


def test_what_fails_in_a_loss_is_named(pair: Pair) -> None:
    class Broken(Waits):
        def restarts(self, steps: int) -> Sequence[int]:
            raise ValueError("no idea")

    with pytest.raises(impasto.PluginError, match=r"Broken.*failed.*no idea"):
        estimated(pair, Broken(), 32)
