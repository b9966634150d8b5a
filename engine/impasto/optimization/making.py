"""Extractor, losses and callbacks as plugins make them, checked for what they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import torch
from torch.optim import Optimizer

from impasto.errors import PluginError, defined_at, with_place
from impasto.host.host import Host, Kind, Origin
from impasto.model.extractor import IMAGE, Extractor
from impasto.model.inputs import distinct
from impasto.model.loss import Loss
from impasto.model.objective import Objective
from impasto.optimization.shared import Share
from impasto.settings.settings import Settings
from impasto.settings.spec import Spec

Thing = TypeVar("Thing")


def make_objective(
    host: Host,
    settings: Settings,
    generator: torch.Generator,
    device: torch.device,
    precision: torch.dtype,
    share: Share | None = None,
) -> Objective:
    """Extractor and losses of a run, on its device, the network in its precision.

    Args:
        host: has the plugins.
        settings: of the run.
        generator: of the run.
        device: of the run.
        precision: of the network.
        share: has the network of an earlier run; None makes it anew.

    Raises:
        SettingsError: an option that does not fit, or a layer that the extractor does not have.
        PluginError: a plugin failed, or returned something else than it offers.
    """
    before = generator.get_state()
    kept = share.extractor() if share else None
    extractor = kept or made(host, "extractor", settings.extractor, Extractor, generator=generator)
    drawn = generator.get_state()
    losses = make_losses(host, settings, generator, share)
    wanted = {layer for loss in losses for layer in loss.layers} - {IMAGE}
    if share is not None and kept is not None and wanted != set(kept.selected):
        # What it left out when its layers were selected cannot be had again.
        share.forget()
        generator.set_state(before)
        return make_objective(host, settings, generator, device, precision, share)
    if share is not None:
        share.keep_extractor(extractor, drawn)
    objective = Objective(extractor, losses, settings.wraps)
    if kept is None:
        extractor.prepare(device, precision)
    return objective.to(device)


def make_losses(
    host: Host, settings: Settings, generator: torch.Generator, share: Share | None
) -> list[Loss]:
    """The losses of a run, in order; see :func:`make_objective`."""
    losses: list[Loss] = []
    for number, spec in enumerate(settings.loss):
        loss = made(host, "loss", spec, Loss, generator=generator)
        loss.spec = spec
        loss.weight *= weight_factor(settings, loss)
        vars(loss).update(host.attributes("loss", spec))
        losses.append(loss)
        if share is not None and loss.target == "style":
            namesakes = sum(other.name == spec.name for other in settings.loss[:number])
            share.has_style_loss(spec, namesakes)
    return losses


def weight_factor(settings: Settings, loss: Loss) -> float:
    """What the settings multiply the weight of a loss by: it depends on what the loss compares with."""
    factors = {"style": settings.style_weight, "content": settings.content_weight}
    return factors.get(loss.target, 1.0)


def made(
    host: Host,
    kind: Kind,
    spec: Spec,
    expected: Callable[..., Thing],
    *given: object,
    generator: torch.Generator | None = None,
) -> Thing:
    """The thing that a plugin makes, checked for its type.

    Raises:
        PluginError: the factory returned something else.
    """
    thing = host.make(kind, spec, *given, generator=generator)
    wanted = cast("type[object]", expected)
    who = f"{kind} '{spec.name}' of plugin {host.origin_of(kind, spec.name)}"
    if not isinstance(thing, wanted):
        factory = host.find(kind, spec.name).offer.factory
        raise PluginError(f"{who} {_other(thing, wanted, factory)}")
    if kind in KEPT_BY_BASE and KEPT_BY_BASE[kind] not in vars(thing):
        made_by = with_place(f"{type(thing).__name__}.__init__", defined_at(type(thing).__init__))
        raise PluginError(f"{who} is not whole: {made_by} must call super().__init__() first")
    return cast("Thing", thing)


KEPT_BY_BASE: dict[Kind, str] = {
    "loss": "layer_weights",
    "extractor": "selected",
    "canvas": "_parameters",
    "optimizer": "param_groups",
}
"""An attribute that the base class of each kind sets when it is made."""


def _other(thing: object, expected: type[object], factory: Callable[..., object]) -> str:
    base = f"{'torch.optim' if expected is Optimizer else 'impasto'}.{expected.__name__}"
    if thing is None:
        return f"made nothing, not {base}: return what is made ({defined_at(factory)})"
    kind = type(thing)
    made_of = with_place(kind.__name__, defined_at(kind) or defined_at(factory))
    return f"made {made_of}, not {base}: derive it from {base}"


def register_callback(host: Host, spec: Spec) -> Origin:
    """Make a callback and register it for this run.

    Raises:
        SettingsError: an option that does not fit.
        PluginError: the plugin failed, or made something that has no valid hooks.
    """
    callback = host.make("callback", spec)
    offered_by = host.origin_of("callback", spec.name)
    name = distinct(spec.name, [origin.name for origin in host.origins])
    origin = host.register(callback, name, offered_by.source if offered_by else "object")
    if not host.manager.get_hookcallers(callback):
        raise PluginError(
            f"callback '{spec.name}' of plugin {offered_by} made"
            f" {with_place(type(callback).__name__, defined_at(type(callback)))}, which has no hook of"
            " Impasto; its methods need the decorator @impasto.hookimpl and a hook's name, as"
            " impasto_after_step"
        )
    return origin
