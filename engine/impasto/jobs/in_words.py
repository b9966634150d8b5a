"""What a comparison says, in words: for each measure which result is better, and by how much."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from impasto.jobs.compare import Score

ALIKE = 0.03
"""Relative difference up to which two results count as alike: layers between those of the losses see much of
the same."""
NAMED = 3
"""Results that a line names beside the best one."""


@dataclass(frozen=True)
class Measure:
    """One way to tell which result is better."""

    title: str
    """What is measured."""
    best: str
    """What the best result is or does."""
    other: str
    """What others do, with a place for the percentage."""
    of: Callable[[Score], float]
    """The number of a score."""
    more_is_better: bool = False


def measures_of(score: Score) -> Iterator[Measure]:
    """The measures that a score has."""
    near, far = "is nearest to the style", "{} farther"
    yield Measure("style, Wasserstein", near, far, lambda one: one.style["wasserstein"])
    yield Measure("style, Gram", near, far, lambda one: one.style["gram"])
    for name in score.networks:
        yield Measure(
            f"style, Wasserstein, on {short_name(name, score.networks)}",
            near,
            far,
            partial(_on_network, name),
        )
    yield Measure("colors", "has the most of the style's", far, lambda one: one.colors["style"])
    kept = "keeps the most of the content"
    yield Measure("content, features", kept, far, lambda one: one.content["content"])
    yield Measure("content, shapes", kept, far, lambda one: one.content["self_similarity"])
    if "ssim" in score.structure:
        yield Measure("structure, SSIM", kept, "{} less", lambda one: one.structure["ssim"], True)
    if "lpips" in score.structure:
        yield Measure("seen as a whole, LPIPS", kept, far, lambda one: one.structure["lpips"])


def short_name(spec: str, others: Iterable[str]) -> str:
    """A network's name without options, unless others have it, too."""
    name = spec.partition(":")[0]
    return name if sum(one.partition(":")[0] == name for one in others) == 1 else spec


def _on_network(name: str, score: Score) -> float:
    return score.networks[name]["wasserstein"]


def in_words(scores: Sequence[Score]) -> list[str]:
    """A line for each measure; they are never summed.

    Args:
        scores: of two or more results.
    """
    return [line_of(measure, scores) for measure in measures_of(scores[0])]


def line_of(measure: Measure, scores: Sequence[Score]) -> str:
    """The line for one measure."""
    found = sorted(scores, key=measure.of, reverse=measure.more_is_better)
    values = [measure.of(score) for score in found]
    best = values[0]
    whole = max(map(abs, values)) if measure.more_is_better else abs(best)
    apart = [abs(value - best) / max(whole, 1e-9) for value in values]
    title = f"{measure.title}: "
    if apart[-1] <= ALIKE:
        return f"{title}alike ({values[0]:.3f} to {values[-1]:.3f})"
    names = [Path(score.name).name for score in found]
    alike = [name for name, part in zip(names[1:], apart[1:], strict=True) if part <= ALIKE]
    others = [
        f"{name} {measure.other.format(f'{100 * part:.0f} %')}"
        for name, part in zip(names[1:], apart[1:], strict=True)
        if part > ALIKE
    ]
    beside = f", beside it {', '.join(alike)}" if alike else ""
    more = f", and {len(others) - NAMED} more" if len(others) > NAMED else ""
    return (
        f"{title}{names[0]} {measure.best} ({best:.3f}){beside}; {', '.join(others[:NAMED])}{more}"
    )
