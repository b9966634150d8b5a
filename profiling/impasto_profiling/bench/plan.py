"""What a suite is given: pictures, sizes, and how thorough to be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from impasto_profiling.bench.record import Comparison


@dataclass(frozen=True)
class Plan:
    """How the suites are to measure."""

    pairs: tuple[tuple[str, str], ...]
    """Files of content and style pictures; suites that need one pair take the first."""
    quick: bool
    """Whether to measure for a few minutes only."""
    folder: Path
    """For pictures that other programs read and write; thrown away at the end."""
    say: Callable[[str], None]
    """A function that shows progress."""
    compile: bool = False
    """Whether to measure the compiled objective, too."""
    size: int | None = None
    """Longer side in pixels instead of a suite's own sizes."""
    steps: int | None = None
    """Number of steps of a competitor, instead of a suite's own."""
    rounds: int | None = None
    """Instead of a suite's own number of rounds."""
    plot: Path | None = None
    """A picture file; plots are written beside it, each with a name that says more."""

    def sizes(self, *own: int) -> tuple[int, ...]:
        """The sizes to measure at, unless one was asked for."""
        return own if self.size is None else (self.size,)

    def choose(self, quick: int, full: int) -> int:
        """The number of rounds, quick or full, unless one was asked for."""
        return self.rounds or (quick if self.quick else full)

    def steps_of(self, quick: int, full: int) -> int:
        """The number of a competitor's steps, unless one was asked for."""
        return self.steps or (quick if self.quick else full)


Suite = Callable[[Plan], Iterator[Comparison]]
"""A function that measures and yields one comparison after the other, so that what was measured is kept
if a later one fails."""


def name_of(pair: tuple[str, str]) -> str:
    """Both pictures' names, for the record."""
    return f"{Path(pair[0]).stem} as {Path(pair[1]).stem}"
