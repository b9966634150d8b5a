"""Seconds of a run from those of two small trials."""

from __future__ import annotations

import pytest

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
