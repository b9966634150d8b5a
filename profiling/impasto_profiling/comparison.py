"""Two profiles, and a verdict: whether the second is faster, by how much, and which parts changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from impasto.errors import SettingsError
from impasto_profiling.interval import Ratio, paired, unpaired
from impasto_profiling.report import PartTime, Report, StageReport

SMALLEST = 0.01
"""Fraction of a step: less is not called a change of a part, nor a difference of the whole."""
SLOWER = 3
"""Exit status where the second is slower; 1 and 2 are errors."""

Verdict = Literal["faster", "slower", "no difference"]


@dataclass(frozen=True)
class Turns:
    """Steps of both that were taken in turns, A B A B, without the profiler."""

    first: list[float]
    """Seconds of each step."""
    second: list[float]


@dataclass(frozen=True)
class PartChange:
    """A part in both. Times are milliseconds a step; None where it is not there."""

    name: str
    first: float | None
    second: float | None
    change: float
    """Milliseconds a step that the second takes longer."""
    ratio: Ratio | None
    changed: bool
    """Whether the interval leaves out 1, and the change is worth a hundredth of a step."""


@dataclass(frozen=True)
class Comparison:
    """What is to be said of two profiles. All ratios are of the second by the first."""

    first: str
    second: str
    size: str
    in_turns: bool
    verdict: Verdict
    ratio: Ratio
    steps: tuple[list[float], list[float]]
    """Seconds of each step that was compared."""
    parts: list[PartChange]
    """Those that changed the most first."""
    settings: list[tuple[str, str, str]]
    """Name, the first's, the second's."""
    sentences: list[str]
    warnings: list[str]


def compared(
    first: Report, second: Report, names: tuple[str, str], turns: Turns | None = None
) -> Comparison:
    """Compare two profiles at the stage that takes the most time of the first.

    Args:
        first: what there was before.
        second: what is asked about.
        names: of both, for people.
        turns: steps that were taken in turns; without them those that were recorded count.

    Raises:
        SettingsError: they have no stage of the same number in common.
    """
    before, after = common_stage(first, second)
    steps = (turns.first, turns.second) if turns else (before.times, after.times)
    if not all(steps):
        raise SettingsError(
            f"the times of single steps are not in '{names[bool(steps[0])]}': profile it anew"
        )
    ratio = paired(*steps) if turns else unpaired(*steps)
    parts = changes(before, after)
    verdict = verdict_of(ratio)
    return Comparison(
        *names, f"{before.width} × {before.height}", turns is not None, verdict, ratio, steps, parts,
        settings_of(first, second), sentences(names, verdict, ratio, parts, (before, after)),
        warnings(first, second, (before, after), turns is not None),
    )  # fmt: skip


def common_stage(first: Report, second: Report) -> tuple[StageReport, StageReport]:
    """The stage of both that takes the most time of the first."""
    others = {stage.stage: stage for stage in second.stages}
    both = [(stage, others[stage.stage]) for stage in first.stages if stage.stage in others]
    if not both:
        raise SettingsError("the two profiles have no recorded stage in common")
    return max(both, key=lambda pair: pair[0].step * pair[0].planned)


def verdict_of(ratio: Ratio) -> Verdict:
    """In a word. What the interval does not tell from 1, or is less than a hundredth, is no difference."""
    if not ratio.is_apart or abs(ratio.middle - 1) < SMALLEST:
        return "no difference"
    return "faster" if ratio.middle < 1 else "slower"


def changes(first: StageReport, second: StageReport) -> list[PartChange]:
    """Every part of either, those that changed the most first."""
    before, after = ({part.name: part for part in stage.parts} for stage in (first, second))
    found = [
        _change(name, (before.get(name), first.steps), (after.get(name), second.steps), first.step)
        for name in {**before, **after}
    ]
    return sorted(found, key=lambda one: (not one.changed, -abs(one.change)))


def _change(
    name: str, first: tuple[PartTime | None, int], second: tuple[PartTime | None, int], step: float
) -> PartChange:
    a, b = (part.seconds / steps * 1e3 if part else None for part, steps in (first, second))
    change = (b or 0.0) - (a or 0.0)
    large = abs(change) >= SMALLEST * step * 1e3
    times = [
        [time for time in part.times if time > 0] if part else [] for part, _ in (first, second)
    ]
    ratio = unpaired(*times) if all(times) else None
    # A part that only one of them has is another by itself.
    apart = ratio.is_apart if ratio else a is None or b is None
    return PartChange(name, a, b, change, ratio, large and apart)


def sentences(
    names: tuple[str, str],
    verdict: Verdict,
    ratio: Ratio,
    parts: Sequence[PartChange],
    stages: tuple[StageReport, StageReport],
) -> list[str]:
    """The verdict, the parts and the memory, each in a sentence."""
    first, second = names
    changed = [part for part in parts if part.changed]
    told = [f"{part.name} ({part.change:+.1f} ms a step)" for part in changed[:4]]
    more = f" and {len(changed) - 4} more" if len(changed) > 4 else ""
    which = f"What changed: {', '.join(told)}{more}." if told else "No part changed by itself."
    return [spoken(first, second, verdict, ratio), which, *memory(names, stages)]


def spoken(first: str, second: str, verdict: Verdict, ratio: Ratio) -> str:
    """The verdict in a sentence."""
    if ratio.low is None or ratio.high is None:
        between = "too few steps for an interval: record more with --active"
    else:
        between = f"95 % interval {percent(ratio.low)} to {percent(ratio.high)}"
    taken = f"a step takes {percent(ratio.middle)} of the time ({between})"
    if verdict == "no difference":
        return f"No difference is seen between {first} and {second}: {taken}."
    return f"{second} is {verdict} than {first}: {taken}."


def percent(ratio: float) -> str:
    """A ratio in percent."""
    return f"{100 * ratio:.1f} %"


def memory(names: tuple[str, str], stages: tuple[StageReport, StageReport]) -> list[str]:
    """What a step holds at most, of both; nothing where one did not record it."""
    peaks = [stage.peak for stage in stages]
    if peaks[0] is None or peaks[1] is None:
        return []
    a, b = peaks[0].mebibytes, peaks[1].mebibytes
    return [
        f"Memory of a step: at most {a:.1f} MiB in {peaks[0].part} before, {b:.1f} MiB in {peaks[1].part} now"
        f" ({b - a:+.1f} MiB)."
    ]


COMPARED = (
    "machine", "device", "threads", "precision", "compiled", "extractor", "losses", "optimizer", "content",
    "styles", "versions", "ceiling", "bandwidth", "peak_memory",
)  # fmt: skip


def settings_of(first: Report, second: Report) -> list[tuple[str, str, str]]:
    """What both runs were, the same or not."""
    return [
        (name.replace("_", " "), _text(getattr(first, name)), _text(getattr(second, name)))
        for name in COMPARED
    ]


def warnings(
    first: Report, second: Report, stages: tuple[StageReport, StageReport], in_turns: bool
) -> list[str]:
    """What makes the comparison less than it seems."""
    found = []
    for name, why in (
        ("machine", "the verdict is about the machines as much as about the programs"),
        ("device", "the verdict is about the devices as much as about the programs"),
        ("threads", "more threads are faster by themselves"),
    ):
        a, b = getattr(first, name), getattr(second, name)
        if a and b and a != b:
            found.append(f"Not the same {name} ({a} and {b}): {why}.")
    sizes = [(stage.width, stage.height) for stage in stages]
    if sizes[0] != sizes[1]:
        found.append(
            "Not the same size of picture ({} × {} and {} × {}).".format(*sizes[0], *sizes[1])
        )
    if not in_turns:
        found.append(
            "Recorded one after the other: what else the machine did meanwhile is in the difference, and"
            " not in the interval."
        )
    return found


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {version}" for name, version in value.items())
    if isinstance(value, float):
        return f"{value:.0f}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
