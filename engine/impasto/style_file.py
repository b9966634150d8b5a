"""Style files: what a painting's style comes down to, in a file that stands for the painting.

One file of the format safetensors, which holds tensors and text and runs no code: the summaries of each
size and term, and as JSON in its metadata what they were made with. A run that does not fit is refused.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from impasto.errors import PictureError, SettingsError
from impasto.extractor import IMAGE
from impasto.host import GIVEN_BY_HOST, Host, Kind
from impasto.images import umask
from impasto.loss import Loss
from impasto.objective import Objective, StyleSummaries
from impasto.options import options_of
from impasto.settings import Settings
from impasto.spec import Spec
from impasto.state import Stage
from impasto.style import Style

FORMAT = "impasto style 1"
PROBE_SIDE = 64
"""Pixels of the picture by which networks are told apart."""
LIKE = 0.05
"""Relative difference of the probe's features up to which two networks count as the same: precisions
differ by less, weights by more."""
NOT_IN_SUMMARIES = ("weight", "layer_weights")
"""Options of losses that may differ from what a style was learned with: they come in afterwards."""

logger = logging.getLogger("impasto")


@dataclass(frozen=True)
class LearnedStyle:
    """A style file that fits its run."""

    path: str
    terms: Mapping[str, str]
    """Term of the run → term of the file."""

    def at(self, stage: Stage) -> StyleSummaries:
        """Summaries for a stage, on the CPU."""
        length = max(stage.width, stage.height)
        summaries: StyleSummaries = {term: {} for term in self.terms}
        for term, stored in self.terms.items():
            for name, value in read_tensors(self.path, f"{length}/{stored}/").items():
                layer, key = name.rsplit("/", 1)
                summaries[term].setdefault(layer, {})[key] = value
        return summaries


def refuse_what_depends_on_the_content(settings: Settings) -> None:
    """Raises SettingsError for settings by which a style follows the content picture."""
    follows = {
        "--size original": settings.size == "original",
        "--side shorter": settings.side == "shorter",
        "--style-fit stretch": settings.style_fit == "stretch",
        f"--colours {settings.colours}": settings.colours != "style",
    }
    for option, is_set in follows.items():
        if is_set:
            raise SettingsError(
                f"a style file cannot be had with {option}: the style would depend on the content"
            )


def read_record(path: str) -> dict[str, Any]:
    """What a style file says about itself.

    Raises:
        PictureError: no such file, or it is not a style file.
    """
    try:
        with safe_open(path, "pt") as file:
            record: dict[str, Any] = json.loads((file.metadata() or {})["impasto"])
    except FileNotFoundError:
        raise PictureError(f"style file '{path}' does not exist") from None
    except (SafetensorError, OSError, KeyError, json.JSONDecodeError) as error:
        raise PictureError(f"'{path}' is not a style file of Impasto: {error}") from None
    if record.get("format") != FORMAT:
        raise PictureError(f"style file '{path}' is of another version: {record.get('format')}")
    return record


def read_tensors(path: str, prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin so, by the rest of the name."""
    with safe_open(path, "pt") as file:
        names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118
        return {name.removeprefix(prefix): file.get_tensor(name) for name in names}


def fitting(
    style: Style, settings: Settings, host: Host, objective: Objective, stages: Sequence[Stage]
) -> LearnedStyle:
    """A style file, checked against the run that is to use it.

    Raises:
        PictureError: the file cannot be read.
        SettingsError: it was learned with another network, other losses, another seed, or not for
            one of the stages.
    """
    path = style.file
    record = read_record(path)
    refuse_what_depends_on_the_content(settings)
    for option in ("scale", "size", "style_mask"):
        if option in style.options:
            raise SettingsError(
                f"style file '{path}': {option} is fixed when it is learned; give it to"
                " impasto style learn"
            )
    check_network(path, record, settings, host, objective)
    for length in (max(stage.width, stage.height) for stage in stages):
        if length not in record["sizes"]:
            raise SettingsError(
                f"style file '{path}' was learned for results of"
                f" {', '.join(map(str, record['sizes']))} pixels on the longer side, not {length};"
                " learn it again with the --size and --scales of this run"
            )
    terms = {}
    for wanted in style_losses(host, settings, objective):
        terms[wanted["term"]] = matching_term(path, record, wanted, settings.seed)
    if (precision := str(feature_precision(objective))) != f"torch.{record['precision']}":
        logger.info(
            "style file '%s' was learned in %s, this run computes in %s: the picture will differ"
            " slightly from its painting's",
            path, record["precision"], precision.removeprefix("torch."),
        )  # fmt: skip
    return LearnedStyle(path, terms)


def check_network(
    path: str, record: dict[str, Any], settings: Settings, host: Host, objective: Objective
) -> None:
    """Raises SettingsError unless the run's network gives the features that the style was learned on."""
    used = described(host, "extractor", settings.extractor)
    pairs = [(record["extractor"], used), (record["weights"], objective.extractor.weights)]
    same = all(learned == here for learned, here in pairs)
    stored = read_tensors(path, "probe/")
    for layer, mean in probe(objective).items() if same else ():
        learned = stored.get(layer)
        if learned is not None and (mean - learned).norm() > LIKE * learned.norm():
            same = False
    if not same:
        raise SettingsError(
            f"style file '{path}' was learned with the extractor {said(record['extractor'])} and the"
            f" weights {record['weights']}; this run has {said(used)} and"
            f" {objective.extractor.weights}, or other weights of that name"
        )


def matching_term(path: str, record: dict[str, Any], wanted: dict[str, Any], seed: int) -> str:
    """The term of the file that is a term of the run.

    Raises:
        SettingsError: there is none, or it was learned with another seed and depends on it.
    """
    for stored in record["losses"]:
        if all(stored[key] == wanted[key] for key in ("name", "options")):
            if stored["random"] and record["seed"] != seed:
                raise SettingsError(
                    f"style file '{path}' was learned with --seed {record['seed']}, which the loss"
                    f" '{stored['name']}' depends on, not with {seed}"
                )
            return str(stored["term"])
    raise SettingsError(
        f"style file '{path}' was learned for the losses"
        f" {'; '.join(said(loss) for loss in record['losses'])}; this run has {said(wanted)}: learn it"
        " again with that"
    )


def style_losses(host: Host, settings: Settings, objective: Objective) -> list[dict[str, Any]]:
    """The terms that compare with a style: term, name, options, and whether they are random."""
    found = []
    for term, spec in zip(objective.names, settings.loss, strict=True):
        loss = objective.loss(term)
        if loss.target == "style":
            table = described(host, "loss", spec)
            for option in NOT_IN_SUMMARIES:
                table["options"].pop(option, None)
            found.append({"term": term, **table, "random": is_random(loss)})
    return found


def is_random(loss: Loss) -> bool:
    """Whether the summaries may depend on the seed: sums do not, unless the loss keeps numbers."""
    return loss.summary != "sum" or any(True for _ in loss.buffers())


def described(host: Host, kind: Kind, spec: Spec) -> dict[str, Any]:
    """A plugin with all its options, also those that were not given, as JSON holds them."""
    offered = host.find(kind, spec.name)
    defaults = options_of(offered.offer.factory, GIVEN_BY_HOST[kind])
    options = {option.name: option.default for option in defaults} | host.check(kind, spec)
    table: dict[str, Any] = {"name": spec.name, "options": options}
    plain: dict[str, Any] = json.loads(json.dumps(table, default=str))
    return plain


def said(table: dict[str, Any]) -> str:
    """The plugin of a record as a SPEC."""
    return str(Spec(table["name"], table["options"]))


@torch.no_grad()
def probe(objective: Objective) -> dict[str, Tensor]:
    """Mean of each channel, (C,) by layer, for a fixed picture: it tells networks apart."""
    side = max(PROBE_SIDE, objective.extractor.smallest_side)
    down = torch.linspace(0, 12, side).sin()
    colours = [down[:, None] * down[None] * factor / 2 + 0.5 for factor in (1.0, -0.7, 0.4)]
    device = next((p.device for p in objective.extractor.parameters()), torch.device("cpu"))
    features = objective.features(torch.stack(colours)[None].to(device))
    return {
        layer: feature.float().mean((0, 2, 3)).cpu()
        for layer, feature in features.items()
        if layer != IMAGE
    }


def feature_precision(objective: Objective) -> torch.dtype:
    """Precision that the network computes in."""
    return next((p.dtype for p in objective.extractor.parameters()), torch.float32)


def write(path: Path, tensors: dict[str, Tensor], record: dict[str, Any]) -> None:
    """Write the file whole, or not at all.

    Raises:
        PictureError: it cannot be written.
    """
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            part = Path(folder) / "part"
            save_file(tensors, part, {"impasto": json.dumps(record)})
            part.chmod(0o666 & ~umask())
            part.replace(path)
    except (OSError, SafetensorError) as error:
        raise PictureError(f"'{path}' cannot be written: {error}") from None
