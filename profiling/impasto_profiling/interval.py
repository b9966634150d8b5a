"""How much longer one thing takes than another, with an interval: by counting, without a bell curve.

Times of steps have outliers, when something else runs on the machine; so nothing here takes a mean.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

TAIL = 0.025
"""Chance on each side that the interval misses: together 5 %."""


@dataclass(frozen=True)
class Ratio:
    """How many times as long the second takes."""

    middle: float
    low: float | None
    """End of the 95 % interval; None if there are too few times for one."""
    high: float | None

    @property
    def is_apart(self) -> bool:
        """Whether the interval leaves out 1."""
        return self.low is not None and self.high is not None and not self.low <= 1 <= self.high


def paired(first: Sequence[float], second: Sequence[float]) -> Ratio:
    """Of times that were taken in turns: the median of the pairs' ratios, and the sign test's interval."""
    ratios = sorted(b / a for a, b in zip(first, second, strict=True))
    number = len(ratios)
    chance, left_out = 0.0, 0
    for below in range(number):
        chance += math.comb(number, below) / 2**number
        if chance > TAIL:
            break
        left_out = below + 1
    return _between(ratios, left_out)


def unpaired(first: Sequence[float], second: Sequence[float]) -> Ratio:
    """Of times that were taken one after the other: the median of all ratios, and its interval.

    Hodges and Lehmann, "Estimates of Location Based on Rank Tests", 1963: as many ratios are left out at
    each end as the test of Mann and Whitney allows.
    """
    ratios = sorted(b / a for a in first for b in second)
    chance, left_out = 0.0, 0
    ways = math.comb(len(first) + len(second), len(first))
    for value in range(len(ratios) + 1):
        chance += _ways(value, len(first), len(second)) / ways
        if chance > TAIL:
            break
        left_out = value + 1
    return _between(ratios, left_out)


def _between(ratios: Sequence[float], left_out: int) -> Ratio:
    middle = statistics.median(ratios)
    if not left_out:
        return Ratio(middle, None, None)
    return Ratio(middle, ratios[left_out - 1], ratios[-left_out])


@cache
def _ways(value: int, first: int, second: int) -> int:
    """Orders of the times of two groups in which a time of the first follows one of the second so often."""
    if value < 0 or value > first * second:
        return 0
    if not first or not second:
        return int(value == 0)
    return _ways(value - second, first - 1, second) + _ways(value, first, second - 1)
