"""The record of a benchmark: strict JSON with a schema, see :class:`Report`."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Number = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(ge=0, allow_inf_nan=False)]


Unit = Literal["s", "ms", "GFLOP/s", "MB", "%", "steps", "loss"]


class Strict(BaseModel):
    """A part of the record: unknown names, NaN and infinity are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Figure(Strict):
    """What one contestant took, in the unit of its comparison."""

    name: str
    median: Number
    lowest: Number
    highest: Number
    samples: Annotated[list[Number], Field(min_length=1)]
    """In the order in which they were taken."""


class Conditions(Strict):
    """What a figure of the engine depends on besides the code."""

    processor: str
    instructions: str
    """That are used: ``AVX2``; and what limits them, if something does."""
    threads: int
    precision: str
    kernel: str
    """Of the convolutions: ``Winograd``, ``direct``, or both, by layer."""

    def __str__(self) -> str:
        threads = f"{self.threads} thread" + ("s" if self.threads > 1 else "")
        return f"{self.processor}, {self.instructions}, {threads}, {self.precision}, {self.kernel}"


class Comparison(Strict):
    """One thing that was measured, of Impasto and of what it is compared with."""

    suite: str
    case: str
    """What was done, e.g. ``512 px, bfloat16``."""
    unit: Unit
    better: Literal["lower", "higher"]
    impasto: Figure
    rival: Figure | None = None
    """None where a figure stands alone."""
    times_better: Positive | None = None
    """Above 1 Impasto is ahead; a fraction of the ceiling where that is the rival. None without a rival."""
    conditions: Conditions | None = None
    """Under which it was measured; each comparison of a report has them."""
    notes: dict[str, str | int | Number] = Field(default_factory=dict)
    """Whatever else is needed to read the figures."""


class Machine(Strict):
    """Where it was measured."""

    processor: str
    cores: int
    memory_gb: Positive
    system: str
    device: str
    load: Positive
    """Processes that ran or waited when the benchmark began, averaged over a minute; much above zero
    means that others computed meanwhile."""


class Report(Strict):
    """A whole benchmark."""

    version: Literal[2] = 2
    """Version of the schema."""
    began: str
    """Date and time, ISO 8601, UTC."""
    quick: bool
    commit: str
    """Git commit of the code that ran, with a + where files were changed; empty outside a checkout."""
    threads: int
    versions: dict[str, str]
    machine: Machine
    comparisons: list[Comparison]


def figure(name: str, samples: Sequence[float]) -> Figure:
    """Median and spread of samples."""
    kept = [float(sample) for sample in samples]
    return Figure(
        name=name,
        median=statistics.median(kept),
        lowest=min(kept),
        highest=max(kept),
        samples=kept,
    )


def compared(
    suite: str,
    case: str,
    unit: Unit,
    impasto: Figure,
    rival: Figure | None = None,
    *,
    better: Literal["lower", "higher"] = "lower",
    **notes: str | int | float,
) -> Comparison:
    """A comparison, with how many times Impasto is ahead, by the medians."""
    ahead = None
    if rival is not None:
        pair = (rival.median, impasto.median)
        above, below = pair if better == "lower" else reversed(pair)
        ahead = above / below if below > 0 else None
    return Comparison(
        suite=suite,
        case=case,
        unit=unit,
        better=better,
        impasto=impasto,
        rival=rival,
        times_better=ahead,
        notes=dict(notes),
    )
