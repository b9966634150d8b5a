"""A line search: how far to go along a direction, by the strong Wolfe conditions.

Nocedal and Wright, "Numerical Optimization", 2nd edition, algorithms 3.5 and 3.6.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

ENOUGH_DECREASE = 1e-4
ENOUGH_FLATNESS = 0.9
EVALUATIONS = 20


class Trial(NamedTuple):
    """A length, and the loss and its slope along the direction there."""

    length: float
    loss: float
    slope: float


def line_search(
    evaluate: Callable[[float], tuple[float, float]], loss: float, slope: float, length: float
) -> float:
    """A length that meets the conditions, or the best one found with ``EVALUATIONS`` evaluations.

    Args:
        evaluate: length → loss and slope there; a NaN counts as infinite.
        loss: at length 0.
        slope: at length 0, less than 0.
        length: the first to be tried, more than 0.

    Returns:
        The length; 0 if none was found that lowers the loss.
    """
    start = low = Trial(0.0, loss, slope)
    high: Trial | None = None
    for _ in range(EVALUATIONS):
        trial = _trial(evaluate, length)
        if _too_high(trial, start) or trial.loss >= low.loss:
            high = trial
        elif abs(trial.slope) <= -ENOUGH_FLATNESS * start.slope:
            return trial.length
        else:
            # The minimum lies between the better end and where the slope leads up again.
            ahead = 1.0 if high is None else high.length - low.length
            high = low if trial.slope * ahead >= 0 else high
            low = trial
        length = 2 * low.length if high is None else _between(low, high)
    return low.length


def _trial(evaluate: Callable[[float], tuple[float, float]], length: float) -> Trial:
    loss, slope = evaluate(length)
    finite = math.isfinite(loss) and math.isfinite(slope)
    return Trial(length, loss if finite else math.inf, slope if finite else math.nan)


def _too_high(trial: Trial, start: Trial) -> bool:
    return trial.loss > start.loss + ENOUGH_DECREASE * trial.length * start.slope


def _between(low: Trial, high: Trial) -> float:
    """The lowest point of the parabola through both losses and the slope at ``low``, kept inside."""
    width = high.length - low.length
    bend = high.loss - low.loss - low.slope * width
    fraction = -low.slope * width / (2 * bend) if 0 < bend < math.inf else 0.5
    return low.length + min(0.9, max(0.1, fraction)) * width
