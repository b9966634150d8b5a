"""The initial image of a run. INIT is a name, a name with options, or a picture file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from impasto.errors import PictureError, SettingsError
from impasto.images.reading import Photo, open_picture
from impasto.images.tensors import resized
from impasto.model.color import power, statistics
from impasto.optimization.stages import Stage
from impasto.settings.options import check_options
from impasto.settings.settings import Settings
from impasto.settings.spec import Spec

Fraction = Annotated[float, Field(ge=0)]


@dataclass(frozen=True)
class InitialImageInputs:
    """What the initial image can be made from."""

    content: Tensor | None
    """(1, 3, H, W) sRGB in [0, 1], at its own size; None where there is none."""
    style: Tensor | None
    """The first style picture, at its own size; None if a style file stands for it."""
    height: int
    """Height of the first canvas, in pixels."""
    width: int
    """Width of the first canvas, in pixels."""
    generator: torch.Generator
    """Source of the noise."""
    read: Callable[[str], Photo] = open_picture
    """Reads a picture file."""

    def painting(self) -> Tensor:
        """The first style picture.

        Raises:
            SettingsError: there is none.
        """
        if self.style is None:
            raise SettingsError("init: a style file holds no picture to start from, nor its colors")
        return self.style


def content(given: InitialImageInputs) -> Tensor:
    """The content picture.

    Raises:
        SettingsError: there is none.
    """
    if given.content is None:
        raise SettingsError(
            "init: there is no content picture to start from; allowed: noise, style, or a picture file",
            settings=("init",),
        )
    return resized(given.content, given.height, given.width)


def style(given: InitialImageInputs) -> Tensor:
    """The first style picture, stretched."""
    return resized(given.painting(), given.height, given.width)


def noise(given: InitialImageInputs, colors: Literal["gray", "style"] = "gray") -> Tensor:
    """White noise: about gray with a deviation of 0.1, or with the style picture's mean and covariance."""
    drawn = torch.randn(1, 3, given.height, given.width, generator=given.generator)
    if colors == "gray":
        # Full contrast would leave grain that hundreds of steps do not remove.
        return drawn.mul(0.1).add(0.5).clamp(0, 1)
    mean, covariance = statistics(given.painting())
    mixed = torch.einsum("ij,bjhw->bihw", power(covariance, 0.5).float(), drawn)
    return (mixed + mean.float().view(1, 3, 1, 1)).clamp(0, 1)


def blend(
    given: InitialImageInputs, content: Fraction = 0.0, style: Fraction = 0.0, noise: Fraction = 0.0
) -> Tensor:
    """A mean of these, by weights relative to each other.

    Raises:
        SettingsError: fewer than two weights above 0.
    """
    weights = {"content": content, "style": style, "noise": noise}
    used = {name: weight for name, weight in weights.items() if weight > 0}
    if len(used) < 2:
        raise SettingsError(
            "init 'blend' needs two weights or more, e.g. blend:content=0.8,noise=0.2;"
            f" of {', '.join(weights)}"
        )
    parts = [weight * INITIAL_IMAGES[name](given) for name, weight in used.items()]
    return torch.stack(parts).sum(0) / sum(used.values())


INITIAL_IMAGES: dict[str, Callable[..., Tensor]] = {
    "content": content,
    "style": style,
    "noise": noise,
    "blend": blend,
}
"""The initial images by name; parameters after the first are their options."""


def with_detail(start: Tensor, content: Tensor, before: Stage, settings: Settings) -> Tensor:
    """The start of a stage, with the content's detail for which the stage before was too small.

    Kolkin, Salavon and Shakhnarovich, "Style Transfer by Relaxed Optimal Transport and Self-Similarity",
    CVPR 2019, start their stages so. Departure: the last stage, too.

    Args:
        start: the picture of the stage before, (1, 3, H, W) sRGB in [0, 1], enlarged.
        content: at the same size.
        before: the stage before.
        settings: ``content_detail`` and ``seamless`` count.
    """
    wraps, (height, width) = settings.wraps, content.shape[2:]
    coarse = resized(content, before.height, before.width, wraps)
    detail = content - resized(coarse, height, width, wraps)
    return torch.add(start, detail, alpha=settings.content_detail).clamp(0, 1)


def make_initial_image(init: str, given: InitialImageInputs) -> Tensor:
    """The first canvas, (1, 3, H, W) sRGB in [0, 1].

    Args:
        init: a name, or ``name:key=value``, or a picture file.
        given: what it can be made from.

    Raises:
        SettingsError: an option that is not allowed.
        PictureError: ``init`` is neither such a name nor a picture that can be read.
    """
    name = init.partition(":")[0].strip()
    if name in INITIAL_IMAGES:
        spec = Spec.parse(init)
        return INITIAL_IMAGES[name](
            given, **check_options(f"init '{name}'", INITIAL_IMAGES[name], 1, spec.options)
        )
    try:
        picture = given.read(init)
    except PictureError as error:
        allowed = ", ".join(INITIAL_IMAGES)
        raise PictureError(
            f"init: {error}; allowed: {allowed}, or a picture file", settings=error.settings
        ) from None
    return resized(picture.image, given.height, given.width)
