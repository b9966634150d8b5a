"""Whether a style file fits a run: the same network, losses and sizes as those that it was made with."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from impasto.errors import SettingsError
from impasto.host.host import GIVEN_BY_HOST, Host, Kind
from impasto.model.extractor import IMAGE
from impasto.model.loss import Loss
from impasto.model.objective import Objective
from impasto.model.precision import network_precision, precision_name
from impasto.optimization.stages import Stage
from impasto.optimization.style_statistics import SavedStyleStatistics
from impasto.settings.options import options_of
from impasto.settings.settings import Settings
from impasto.settings.spec import Spec
from impasto.settings.style import Style
from impasto.storage.style_file import Plugin, Record, StyleFile, Term

PROBE_SIDE = 64
"""Side, in pixels, of the picture by which networks are told apart."""
LIKE = 0.05
"""Relative difference of the probe's features up to which two networks count as the same: precisions
differ by less, weights by more."""
NOT_IN_SUMMARIES = ("weight", "layer_weights", "by_stage")
"""Options of losses that may differ from what a style file was made with: they come in afterwards."""

logger = logging.getLogger("impasto")


def refuse_other_statistics(settings: Settings) -> None:
    """Refuse settings that make the statistics of a style depend on the content picture, or on a torus.

    Raises:
        SettingsError: with the first such setting.
    """
    follows = {
        "size": settings.size == "original",
        "side": settings.side == "shorter",
        "style_fit": settings.style_fit == "stretch",
        "colors": settings.colors != "style",
    }
    for name, is_so in follows.items():
        if is_so:
            raise SettingsError(
                f"style files do not work with {name} {getattr(settings, name)}, which makes the style's"
                " statistics depend on the content picture: use the style picture itself, or another"
                f" {name}",
                settings=(name,),
            )
    if settings.regions:
        raise SettingsError(
            "a style file has the statistics of one part of a picture: learn one of each region, with a"
            " style_mask, and give each a content_mask",
            settings=("regions",),
        )
    if settings.seamless != "none":
        raise SettingsError(
            f"style files do not work with seamless {settings.seamless}, for which the style picture itself"
            " is made periodic: use that",
            settings=("seamless",),
        )


def fitting_statistics(
    read: StyleFile,
    style: Style,
    settings: Settings,
    host: Host,
    objective: Objective,
    stages: Sequence[Stage],
) -> SavedStyleStatistics:
    """The statistics in a style file, checked against the run that is to use them.

    Raises:
        SettingsError: it was made with another network, other losses or another seed, or not for one of
            the stages.
    """
    path, record, tensors = style.file, read.record, read.tensors
    refuse_other_statistics(settings)
    if (turns := record.get("style_turns", 1)) != settings.style_turns:
        raise SettingsError(
            f"style file '{path}' was made with style_turns {turns}, not {settings.style_turns}: make it"
            " again with that of this run",
            settings=("style_turns",),
        )
    for option in ("scale", "size", "style_mask"):
        if option in style.options:
            raise SettingsError(
                f"style file '{path}': its {option} was fixed when it was made; to change it, make the"
                f" style file again with that {option}"
            )
    if (fit := record.get("style_fit", "keep")) != settings.style_fit:
        raise SettingsError(
            f"style file '{path}' was made with style_fit {fit}, not {settings.style_fit}: make it again"
            " with that of this run",
            settings=("style_fit",),
        )
    if (strokes := record.get("strokes", 1.0)) != stages[-1].strokes:
        raise SettingsError(
            f"style file '{path}' was made for strokes of {strokes:g} times their size, not"
            f" {stages[-1].strokes:g}: make it again with the stroke_size of this run",
            settings=("stroke_size",),
        )
    check_network(path, record, with_prefix("probe/", tensors), settings, host, objective)
    for length in (max(stage.width, stage.height) for stage in stages):
        if length not in record["sizes"]:
            raise SettingsError(
                f"style file '{path}' was made for results of"
                f" {', '.join(map(str, record['sizes']))} pixels on the longer side, not {length};"
                " make it again with the size and scales of this run",
                settings=("size", "scales"),
            )
    terms = {}
    for wanted in style_losses(host, objective):
        terms[wanted["term"]] = matching_term(path, record, wanted, settings.seed)
    if (precision := precision_name(network_precision(objective.extractor))) != record["precision"]:
        logger.info(
            "style file '%s' was made in %s and this run computes in %s: the picture will differ"
            " slightly from one made with the style picture itself",
            path, record["precision"], precision,
        )  # fmt: skip
    return SavedStyleStatistics(tensors, terms)


def check_network(
    path: str,
    record: Record,
    stored: Mapping[str, Tensor],
    settings: Settings,
    host: Host,
    objective: Objective,
) -> None:
    """Refuse a style file that was made with another network than the run's.

    Raises:
        SettingsError: with both networks.
    """
    used = described(host, "extractor", settings.extractor)
    weights = objective.extractor.weights
    pairs: list[tuple[object, object]] = [(record["extractor"], used), (record["weights"], weights)]
    same = all(stored_one == used_one for stored_one, used_one in pairs)
    for layer, mean in probe(objective).items() if same else ():
        before = stored.get(layer)
        if before is not None and not _alike(mean, before):
            same = False
    if not same:
        raise SettingsError(
            f"style file '{path}' was made with the extractor {as_spec(record['extractor'])} and the"
            f" weights {record['weights']}; this run has {as_spec(used)} and"
            f" {objective.extractor.weights}, or other weights of that name",
            settings=("extractor",),
        )


def _alike(mean: Tensor, before: Tensor) -> bool:
    return mean.shape == before.shape and bool((mean - before).norm() <= LIKE * before.norm())


def matching_term(path: str, record: Record, wanted: Term, seed: int) -> str:
    """The term of the file that is a term of the run.

    Raises:
        SettingsError: there is none, or it was made with another seed and depends on it.
    """
    for stored in record["losses"]:
        if (stored["name"], stored["options"]) == (wanted["name"], wanted["options"]):
            if stored["random"] and record["seed"] != seed:
                raise SettingsError(
                    f"style file '{path}' was made with seed {record['seed']}, which the loss"
                    f" '{stored['name']}' depends on, not with {seed}",
                    settings=("seed",),
                )
            return str(stored["term"])
    raise SettingsError(
        f"style file '{path}' was made for the losses"
        f" {'; '.join(as_spec(loss) for loss in record['losses'])}; this run has {as_spec(wanted)}: make"
        " it again with that loss",
        settings=("loss",),
    )


def style_losses(host: Host, objective: Objective) -> list[Term]:
    """The terms that compare with a style: term, name, options, and whether they are random."""
    found: list[Term] = []
    for term in objective.names:
        loss = objective.loss(term)
        if loss.target == "style":
            assert loss.spec is not None
            table = described(host, "loss", loss.spec)
            for option in NOT_IN_SUMMARIES:
                table["options"].pop(option, None)
            found.append(Term(term=term, random=is_random(loss), **table))
    return found


def is_random(loss: Loss) -> bool:
    """Whether the summaries may depend on the seed: sums do not, unless the loss has buffers."""
    return loss.summary != "sum" or any(True for _ in loss.buffers())


def described(host: Host, kind: Kind, spec: Spec) -> Plugin:
    """A plugin with all its options, also those that were not given, as JSON holds them."""
    offered = host.find(kind, spec.name)
    defaults = options_of(offered.offer.factory, GIVEN_BY_HOST[kind])
    options = {option.name: option.default for option in defaults} | host.check(kind, spec)
    table: dict[str, Any] = {"name": spec.name, "options": options}
    plain: Plugin = json.loads(json.dumps(table, default=str))
    return plain


def as_spec(table: Mapping[str, Any]) -> str:
    """The plugin of a record as a SPEC."""
    return str(Spec(table["name"], table["options"]))


@torch.no_grad()
def probe(objective: Objective) -> dict[str, Tensor]:
    """Mean of each channel, (C,) by layer, for a fixed picture: it tells networks apart."""
    side = max(PROBE_SIDE, objective.extractor.smallest_side)
    down = torch.linspace(0, 12, side).sin()
    colors = [down[:, None] * down[None] * factor / 2 + 0.5 for factor in (1.0, -0.7, 0.4)]
    device = next((p.device for p in objective.extractor.parameters()), torch.device("cpu"))
    features = objective.features(torch.stack(colors)[None].to(device))
    return {
        layer: feature.float().mean((0, 2, 3)).cpu()
        for layer, feature in features.items()
        if layer != IMAGE
    }


def with_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin so, by the rest of the name."""
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
