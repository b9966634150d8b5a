"""Objects of Python in place of SPECs: settings keep their names, a plugin of the run offers the objects."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from impasto.errors import SettingsError
from impasto.host.host import KINDS, Kind
from impasto.host.offer import Offer, hookimpl
from impasto.model.canvas import Canvas
from impasto.model.extractor import Extractor
from impasto.model.inputs import distinct
from impasto.model.loss import Loss
from impasto.settings.spec import OF_OBJECTS, Spec

SEVERAL: tuple[Kind, ...] = ("loss", "callback")
"""Kinds that a run may have several of."""


@dataclass(frozen=True)
class GivenObject:
    """An object that was given where a SPEC goes."""

    kind: Kind
    name: str
    """Its module and class, or function, with a colon between; numbered from the second of a kind on."""
    factory: Callable[..., object]
    """Gives the object, or makes it from what the engine gives."""


class GivenObjects:
    """The objects that a run was given, as a plugin that offers them to this run alone."""

    def __init__(self, objects: Iterable[GivenObject]) -> None:
        self.objects = tuple(objects)

    def offers(self, kind: Kind) -> list[Offer]:
        """The objects of a kind."""
        return [
            Offer(one.name, one.factory, "an object given in Python")
            for one in self.objects
            if one.kind == kind
        ]

    @hookimpl
    def impasto_extractors(self) -> list[Offer]:
        return self.offers("extractor")

    @hookimpl
    def impasto_losses(self) -> list[Offer]:
        return self.offers("loss")

    @hookimpl
    def impasto_optimizers(self) -> list[Offer]:
        return self.offers("optimizer")

    @hookimpl
    def impasto_canvases(self) -> list[Offer]:
        return self.offers("canvas")

    @hookimpl
    def impasto_callbacks(self) -> list[Offer]:
        return self.offers("callback")


class OfEachStep:
    """A plain function as a callback."""

    def __init__(self, function: Callable[[Any], object]) -> None:
        self.function = function

    @hookimpl
    def impasto_after_step(self, step: object) -> None:
        self.function(step)


def take_objects(given: Mapping[str, object]) -> tuple[dict[str, object], GivenObjects]:
    """Settings with the names of objects in their place, and the objects.

    Args:
        given: settings by name.

    Raises:
        SettingsError: an object of the wrong kind, with what was given and what is wanted.
    """
    table, objects = dict(given), list[GivenObject]()
    for kind in KINDS:
        value = table.get(kind)
        several = kind in SEVERAL and isinstance(value, (list, tuple))
        values = list(value) if several else [value]  # type: ignore[call-overload]
        if all(is_plain(one) for one in values):
            continue
        for place, one in enumerate(values):
            if not is_plain(one):
                name = distinct(name_of(one), [made.name for made in objects if made.kind == kind])
                objects.append(GivenObject(kind, name, FACTORIES[kind](one)))
                values[place] = Spec(name)
        table[kind] = values if several else values[0]
    return table, GivenObjects(objects)


def is_plain(value: object) -> bool:
    """Whether a value is what settings hold: a SPEC as text, table or :class:`impasto.Spec`, or nothing."""
    return value is None or isinstance(value, (str, Mapping, Spec))


def name_of(thing: object) -> str:
    """The module and the class of an object, or the function itself, as ``module:name``."""
    while isinstance(thing, functools.partial):
        thing = thing.func
    named = thing if isinstance(thing, type) or inspect.isroutine(thing) else type(thing)
    return f"{named.__module__}{OF_OBJECTS}{named.__qualname__}"


def extractor_factory(given: object) -> Callable[[], Extractor]:
    """What gives an extractor to each run, which moves its copy to a device and freezes it.

    Raises:
        SettingsError: it is no extractor.
    """
    if not isinstance(given, Extractor):
        raise refusal(
            "extractor",
            given,
            "an impasto.Extractor, which names its layers and takes sRGB in [0, 1]",
        )
    return lambda: copy.deepcopy(given)


def loss_factory(given: object) -> Callable[[], Loss]:
    """What gives a loss to each run, which weights its copy.

    Raises:
        SettingsError: it is no loss.
    """
    if not isinstance(given, Loss):
        raise refusal("loss", given, "an impasto.Loss")
    return lambda: copy.deepcopy(given)


def optimizer_factory(given: object) -> Callable[[list[Tensor]], object]:
    """What makes the optimizer of each stage.

    Raises:
        SettingsError: it is not callable.
    """
    if not callable(given):
        wanted = "a class of torch.optim, or a function of the list of parameters"
        raise refusal("optimizer", given, wanted)

    def make(parameters: list[Tensor]) -> object:
        made = given(parameters)
        if not isinstance(made, torch.optim.Optimizer):
            raise refusal("optimizer", made, "a torch.optim.Optimizer", name_of(given))
        return made

    return make


def canvas_factory(given: object) -> Callable[[Tensor], Canvas]:
    """What makes the canvas of each stage.

    Raises:
        SettingsError: it is not callable, or a canvas that is made already.
    """
    if not callable(given) or isinstance(given, Canvas):
        wanted = "a class of canvases, or a function of the image that it starts from"
        raise refusal("canvas", given, wanted)

    def make(image: Tensor) -> Canvas:
        made = given(image)
        if not isinstance(made, Canvas):
            raise refusal("canvas", made, "an impasto.Canvas", name_of(given))
        return made

    return make


def callback_factory(given: object) -> Callable[[], object]:
    """What gives a callback to each run: the object itself, so that it can be looked at afterwards.

    Raises:
        SettingsError: it has no hooks, and is no function of the step.
    """
    wanted = "an object with hooks (@impasto.hookimpl), or a function of the step"
    if isinstance(given, type):
        raise refusal("callback", given, wanted)
    if any(name.startswith("impasto_") for name in dir(given)):
        return lambda: given
    if not callable(given) or not takes_one(given):
        raise refusal("callback", given, wanted)
    return lambda: OfEachStep(given)


def takes_one(function: Callable[..., object]) -> bool:
    """Whether a function can be called with one argument; true where its signature is not known."""
    try:
        inspect.signature(function).bind(None)
    except ValueError:
        return True
    except TypeError:
        return False
    return True


FACTORIES: Mapping[Kind, Callable[[object], Callable[..., object]]] = {
    "extractor": extractor_factory,
    "loss": loss_factory,
    "optimizer": optimizer_factory,
    "canvas": canvas_factory,
    "callback": callback_factory,
}
"""How an object of each kind becomes the factory of an offer."""


def refusal(kind: Kind, given: object, wanted: str, maker: str = "") -> SettingsError:
    """The error for an object of the wrong kind.

    Args:
        kind: that was asked for.
        given: the object.
        wanted: what it should be.
        maker: what made it; empty where it was given itself.
    """
    what = (
        f"the class {given.__qualname__}" if isinstance(given, type) else type(given).__qualname__
    )
    if inspect.isroutine(given):
        what = f"the function {getattr(given, '__qualname__', given)}"
    subject = f"what '{maker}' made for the {kind}" if maker else f"the {kind}"
    return SettingsError(f"{subject} is {what}; wanted is {wanted}", settings=(kind,))
