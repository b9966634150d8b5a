"""Measures of quality: how near a result is to style and content on features that no loss optimized.

It tells whether a run reached the style's statistics and kept the content's shapes, also where the
optimizer was not looking: a run that fooled its own layers shows here. It cannot tell which picture people
like. The layers lie between those of the losses, so they see much of the same: ignore small differences,
and use another network (``--extractor``) where there is one. Patches copied from the style picture come
out near it; and a run whose losses used these layers has an advantage.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from PIL import Image

from impasto.builtin import build_host
from impasto.errors import ImpastoError, SettingsError
from impasto.images.tensors import Photo, fitted, open_picture, resized, to_tensor
from impasto.jobs.measures import color_distance, structure_measures
from impasto.model.extractor import Extractor
from impasto.model.loss import Loss
from impasto.model.masks import SHAPE
from impasto.model.objective import Objective
from impasto.optimization.hardware import choose_device, choose_precision
from impasto.optimization.making import made
from impasto.settings.settings import validate
from impasto.settings.spec import Spec
from impasto.settings.style import Style, normalized_weights
from impasto.storage.recipe import read_recipe

HELD_OUT = ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_2")
"""Layers that no loss of Impasto has by default, but ``neural_neighbors``, which takes all of them as one."""

STYLE_TERMS = ("wasserstein", "gram")
CONTENT_TERMS = ("content", "self_similarity")

logger = logging.getLogger("impasto")


@dataclass(frozen=True)
class Score:
    """Distances of one picture: 0 is equal, and of style about 1 is nothing in common."""

    name: str
    """The picture's file, or ``content`` and ``style`` for those themselves."""
    style: Mapping[str, float]
    """Mean over the layers: ``wasserstein`` and ``gram``, relative to the style."""
    content: Mapping[str, float]
    """Mean over the layers: ``content``, squared difference of features relative to the content's own
    mean square; ``self_similarity``, of shapes alone, 0 to 2."""
    layers: Mapping[str, Mapping[str, float]]
    """Each distance by layer."""
    structure: Mapping[str, float] = field(default_factory=dict)
    """How near it is to the content: ``ssim``, 1 is equal; ``lpips``, 0 is equal. What is not installed is
    left out."""
    colors: Mapping[str, float] = field(default_factory=dict)
    """Distance of its colors from those of ``style`` and ``content``, in units of CIE Lab."""
    networks: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """``wasserstein``, ``gram``, ``content`` and ``self_similarity`` on further networks, by their SPEC."""


@torch.no_grad()
def compare(
    results: Mapping[str, Photo | Image.Image],
    content: Photo | Image.Image,
    styles: Mapping[Style, Photo | Image.Image],
    *,
    layers: Sequence[str] = HELD_OUT,
    extractor: str | Sequence[str] = "vgg19",
    device: str = "auto",
    size: int | None = None,
) -> list[Score]:
    """Distances of results to content and style; the first two rows are these themselves.

    Args:
        results: pictures by name.
        content: the content picture.
        styles: pictures by style; their weights and scales count.
        layers: of the extractor, on which distances are taken.
        extractor: a SPEC, or several: the first gives ``style`` and ``content``, the others ``networks``.
        device: as in :class:`impasto.Settings`.
        size: longer side in pixels at which all are compared; None is the smallest result's.

    Raises:
        SettingsError: a layer or an extractor that is not there.
    """
    size = common_size(results, content, size)
    first, *others = [extractor] if isinstance(extractor, str) else extractor
    scores = on_network(first, results, content, styles, layers, device, size)
    further = {
        name: on_network(name, results, content, styles, layers, device, size) for name in others
    }
    shape = fitted(*content.size, size)
    target = sized(content, *shape)
    measures = structure_measures(target)
    weights = normalized_weights(list(styles))
    of_styles = [
        sized(picture, *style_shape(picture, style, size)) for style, picture in styles.items()
    ]
    pictures = [content, next(iter(styles.values())), *results.values()]
    found: list[Score] = []
    for number, (score, picture) in enumerate(zip(scores, pictures, strict=True)):
        image = sized(picture, *shape)
        apart = [color_distance(image, style) for style in of_styles]
        colors = {
            "style": sum(weight * one for weight, one in zip(weights, apart, strict=True)),
            "content": color_distance(image, target),
        }
        structure = {name: measure(image) for name, measure in measures.items()}
        networks = {
            name: {**there[number].style, **there[number].content}
            for name, there in further.items()
        }
        found.append(replace(score, structure=structure, colors=colors, networks=networks))
    return found


def common_size(
    results: Mapping[str, Photo | Image.Image], content: Photo | Image.Image, size: int | None
) -> int:
    """The longer side at which all are compared; what differs in size or shape is said."""
    sizes = {name: picture.size for name, picture in results.items()}
    smallest = min(map(max, sizes.values()))
    if size is None and len({max(one) for one in sizes.values()}) > 1:
        logger.info(
            "the results have different sizes: all are compared at the smallest's, %d pixels",
            smallest,
        )
    for name, (width, height) in sizes.items():
        if abs(width * content.size[1] / (height * content.size[0]) - 1) > SHAPE:
            logger.warning(
                "'%s' is %d × %d pixels and the content %d × %d: it is stretched to the content's shape",
                name, width, height, *content.size,
            )  # fmt: skip
    return size or smallest


def on_network(
    extractor: str,
    results: Mapping[str, Photo | Image.Image],
    content: Photo | Image.Image,
    styles: Mapping[Style, Photo | Image.Image],
    layers: Sequence[str],
    device: str,
    size: int,
) -> list[Score]:
    """The distances on one network; see :func:`compare`."""
    shape = fitted(*content.size, size)
    where = choose_device(device)
    objective = make_objective(extractor, layers)
    objective.extractor.prepare(where, choose_precision("float32", where))
    objective.to(where)
    of_style = [
        sized(picture, *style_shape(picture, style, size)) for style, picture in styles.items()
    ]
    target = sized(content, *shape).to(where)
    objective.set_targets(
        target, [image.to(where) for image in of_style], normalized_weights(list(styles))
    )
    pictures = {"content": content, "style": next(iter(styles.values())), **results}
    scale = {
        layer: feature.square().mean().item()
        for layer, feature in objective.features(target).items()
    }
    return [
        score(name, objective, sized(picture, *shape).to(where), scale)
        for name, picture in pictures.items()
    ]


def say_layers_of_runs(
    results: Sequence[str], networks: Sequence[str], layers: Sequence[str]
) -> None:
    """Say which results were painted with layers that they are measured on, by their recipes.

    Args:
        results: files.
        networks: SPECs.
        layers: of each.
    """
    names = {Spec.parse(network).name for network in networks}
    for result in results:
        try:
            settings = validate(read_recipe(result)["settings"])
        except ImpastoError:
            continue
        used = {
            layer
            for loss in settings.loss
            for layer in _several(loss.options.get("layers", ()))
            if settings.extractor.name in names and layer in layers
        }
        if used:
            logger.warning(
                "'%s' was painted with the layers %s, on which it is measured: that is an advantage",
                result, ", ".join(sorted(used)),
            )  # fmt: skip


def _several(value: object) -> Sequence[str]:
    return value.split(",") if isinstance(value, str) else tuple(map(str, value))  # type: ignore[call-overload]


def make_objective(extractor: str, layers: Sequence[str]) -> Objective:
    """One term for each distance and layer.

    Raises:
        SettingsError: a layer or an extractor that is not there.
    """
    host = build_host()
    losses: dict[str, Loss] = {}
    for name in (*STYLE_TERMS, *CONTENT_TERMS):
        for layer in layers:
            spec = Spec(name, {"layers": [layer], "weight": 1})
            losses[f"{name} {layer}"] = made(host, "loss", spec, Loss)
    # A network of random weights is the same one each time.
    generator = torch.Generator().manual_seed(0)
    made_extractor = made(host, "extractor", Spec.parse(extractor), Extractor, generator=generator)
    return Objective(made_extractor, losses)


def score(
    name: str, objective: Objective, image: torch.Tensor, scale: Mapping[str, float]
) -> Score:
    """Distances of one picture, (1, 3, H, W), from the targets of the objective."""
    terms = dict(zip(objective.names, objective(image)[1].tolist(), strict=True))
    layers: dict[str, dict[str, float]] = {}
    for term, value in terms.items():
        distance, layer = term.split(" ", 1)
        relative = max(scale[layer], 1e-12) if distance == "content" else 1.0
        layers.setdefault(distance, {})[layer] = value / relative
    means = {distance: sum(by.values()) / len(by) for distance, by in layers.items()}
    return Score(
        name,
        {distance: means[distance] for distance in STYLE_TERMS},
        {distance: means[distance] for distance in CONTENT_TERMS},
        layers,
    )


def sized(picture: Photo | Image.Image, width: int, height: int) -> torch.Tensor:
    """The picture as (1, 3, height, width) sRGB in [0, 1]."""
    return resized(to_tensor(picture), height, width)


def style_shape(picture: Photo | Image.Image, style: Style, size: int) -> tuple[int, int]:
    """Width and height of a style picture when it is compared with results of this longer side."""
    return fitted(*picture.size, style.size or max(1, round(size * style.scale)))


def opened(names: Sequence[str]) -> dict[str, Photo]:
    """Pictures by the name of their file.

    Raises:
        PictureError: one cannot be read.
        SettingsError: one is named twice.
    """
    if len(set(names)) != len(names):
        raise SettingsError("compare: a picture is named twice")
    return {name: open_picture(name) for name in names}
