"""The parts of a run by themselves, for your own loops: parts made by name, and features of a picture."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable
from typing import Any, Literal, overload

import numpy
import torch
from PIL import Image
from torch import Tensor

from impasto.builtin import build_host
from impasto.host.host import Kind
from impasto.images.arrays import photo_of_samples
from impasto.images.tensors import fitted, open_picture, photo_of, resized
from impasto.model.canvas import Canvas
from impasto.model.extractor import IMAGE, Extractor, Features
from impasto.model.inputs import refuse_other_shapes
from impasto.model.loss import Loss
from impasto.optimization.making import made
from impasto.settings.spec import Spec

EXPECTED: dict[Kind, type] = {
    "extractor": Extractor,
    "loss": Loss,
    "optimizer": torch.optim.Optimizer,
    "canvas": Canvas,
    "callback": object,
}
"""What each kind of plugin has to make."""


@overload
def make(kind: Literal["extractor"], spec: str | Spec, **options: Any) -> Extractor: ...
@overload
def make(kind: Literal["loss"], spec: str | Spec, **options: Any) -> Loss: ...
@overload
def make(
    kind: Literal["optimizer"], spec: str | Spec, *parameters: Iterable[Tensor], **options: Any
) -> torch.optim.Optimizer: ...
@overload
def make(kind: Literal["canvas"], spec: str | Spec, *image: Tensor, **options: Any) -> Canvas: ...
@overload
def make(kind: Literal["callback"], spec: str | Spec, **options: Any) -> object: ...
def make(
    kind: Kind,
    spec: str | Spec,
    *given: object,
    plugin: Iterable[str] = (),
    seed: int = 0,
    **options: Any,
) -> object:
    """Make a part as a run does, by the name that its plugin has.

    Args:
        kind: ``extractor``, ``loss``, ``optimizer``, ``canvas`` or ``callback``.
        spec: its name, with options after a colon if wanted: ``gram:weight=2``.
        given: for an optimizer its parameters; for a canvas its image, (1, 3, H, W) sRGB in [0, 1].
        plugin: plugins to load: files that end in ``.py``, or modules.
        seed: of what the part draws at random.
        options: of the plugin; they win over those in ``spec``.

    Returns:
        The part. An extractor is on the CPU in float32, its weights frozen.

    Raises:
        SettingsError: an unknown name or option, or a value that does not fit.
        PluginError: a plugin that cannot be loaded, or that failed.
    """
    parsed = Spec.parse(spec)
    parsed = Spec(parsed.name, {**parsed.options, **options})
    generator = torch.Generator().manual_seed(seed)
    host = build_host(plugins=plugin)
    part = made(host, kind, parsed, EXPECTED[kind], *given, generator=generator)
    if isinstance(part, Extractor):
        part.prepare(torch.device("cpu"), torch.float32)
    if isinstance(part, Loss):
        part.spec = parsed
    return part


def features(
    picture: str | os.PathLike[str] | Image.Image | numpy.ndarray[Any, Any] | Tensor,
    layers: Iterable[str],
    extractor: str | Spec | Extractor = "vgg19",
    *,
    size: int | None = None,
) -> Features:
    """Features of a picture at named layers.

    Args:
        picture: a file, a picture of Pillow, an array (H, W, 3), or a tensor (1, 3, H, W) sRGB in [0, 1].
            The gradient of a tensor that requires one passes through.
        layers: of the extractor; ``image`` is the picture itself.
        extractor: a SPEC, or an extractor, which is left as it is; one that is made once serves many
            pictures.
        size: longer side, pixels, that the picture is brought to; None leaves it.

    Returns:
        By layer, (1, C, h, w) each, on the device and in the precision of the extractor.

    Raises:
        PictureError: the picture cannot be read or used.
        SettingsError: an extractor or a layer that is not there.
    """
    image = read_image(picture, size)
    if isinstance(extractor, Extractor):
        network = copy.deepcopy(extractor)
    else:
        network = make("extractor", extractor).to(image.device)
    wanted = tuple(layers)
    network.select(wanted)
    network.wraps = ()
    found: Features = {IMAGE: image, **(network(image) if network.selected else {})}
    return {layer: found[layer] for layer in wanted}


def read_image(
    picture: str | os.PathLike[str] | Image.Image | numpy.ndarray[Any, Any] | Tensor,
    size: int | None = None,
) -> Tensor:
    """A picture as a tensor.

    Args:
        picture: a file, a picture of Pillow, an array (H, W, 3), or a tensor (1, 3, H, W) sRGB in [0, 1].
        size: longer side, pixels, that it is brought to; None leaves it.

    Returns:
        (1, 3, H, W) sRGB in [0, 1]; of a file or picture float32 on the CPU.

    Raises:
        PictureError: it cannot be read, or is no picture.
    """
    if isinstance(picture, Image.Image):
        image = photo_of(picture).image
    elif isinstance(picture, (str, os.PathLike)):
        image = open_picture(picture).image
    elif isinstance(picture, numpy.ndarray):
        image = photo_of_samples(picture).image
    else:
        refuse_other_shapes(picture)
        image = picture
    if size is None:
        return image
    width, height = fitted(image.shape[3], image.shape[2], size)
    return resized(image, height, width)
