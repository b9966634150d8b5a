"""Changes that are made to a run while it paints: records, which recipes and checkpoints hold as well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

from impasto.errors import SettingsError, unknown

MOST = 1e30
"""Largest weight: with more, a loss could become infinite or NaN in float32."""

WEIGHT, STYLE_WEIGHT, FINISH_STAGE = "weight", "style_weight", "finish_stage"
KINDS = (WEIGHT, STYLE_WEIGHT, FINISH_STAGE)


@dataclass(frozen=True)
class Change:
    """A change that a run has taken. The same changes give the same picture again."""

    step: int
    """Steps that were done before it, over all stages."""
    what: str
    """``weight`` of a term, ``style_weight``, or ``finish_stage``."""
    name: str | int | None = None
    """The term; the style's place in the settings, from 0; None for a stage."""
    value: float | None = None
    """The weight; None for a stage."""

    def as_list(self) -> list[Any]:
        """What JSON can hold; :func:`read_change` reads it."""
        return list(astuple(self))

    @property
    def style(self) -> int:
        """The style's place in the settings, of a ``style_weight``."""
        assert isinstance(self.name, int)
        return self.name

    @property
    def weight(self) -> float:
        """The value, of a weight."""
        assert self.value is not None
        return self.value

    def is_at_the_moment_of(self, other: Change) -> bool:
        """Whether nothing was done in between; after what finished a stage, the next one began."""
        return other.step == self.step and other.what != FINISH_STAGE

    def replaces(self, other: Change) -> bool:
        """Whether another one of the same moment has no effect any more."""
        return (self.what, self.name) == (other.what, other.name)

    def __str__(self) -> str:
        if self.what == FINISH_STAGE:
            return f"after step {self.step} the stage was finished"
        of = "style weight" if self.what == STYLE_WEIGHT else "weight"
        return f"after step {self.step} {of} {self.name} = {self.value:g}"


def checked(change: Change, terms: Sequence[str], styles: int) -> Change:
    """The change, with its value as a float.

    Args:
        change: as it was asked for, or read.
        terms: names of the run's terms.
        styles: how many styles the run has.

    Raises:
        SettingsError: the run has no such term or style, or that is no weight.
    """
    name, value = change.name, change.value
    if change.what not in KINDS:
        raise SettingsError(unknown("change", str(change.what), KINDS))
    if change.what == FINISH_STAGE:
        if name is not None or value is not None:
            raise SettingsError(f"{FINISH_STAGE} has neither name nor value")
        return change
    if change.what == WEIGHT:
        if not isinstance(name, str) or name not in terms:
            raise SettingsError(unknown("term", str(name), terms))
        what = f"the weight of term '{name}'"
    else:
        if isinstance(name, bool) or not isinstance(name, int) or not 0 <= name < styles:
            raise SettingsError(f"no style {name!r}: the run has {styles}, counted from 0")
        if styles == 1:
            raise SettingsError(
                "the run has one style, and its weight is relative to others: change a term's weight"
            )
        what = f"the weight of style {name}"
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST:
        raise SettingsError(f"{what} must be a number from 0 to {MOST:g}, not {value!r}")
    return Change(change.step, change.what, name, float(value))


def read_change(given: object, terms: Sequence[str], styles: int, first: int, last: int) -> Change:
    """A change as :meth:`Change.as_list` gave it, out of a document that may be damaged.

    Args:
        given: what is said to be a change.
        terms: names of the run's terms.
        styles: how many styles the run has.
        first: earliest step that it may be of.
        last: latest.

    Raises:
        SettingsError: this run cannot have taken it.
    """
    if not isinstance(given, list | tuple) or len(given) != 4:
        raise SettingsError("it is no list of step, what, name and value")
    step, what, name, value = given
    if isinstance(step, bool) or not isinstance(step, int) or not first <= step <= last:
        raise SettingsError(f"step {step!r} is not from {first} to {last}")
    return checked(Change(step, what, name, value), terms, styles)
