"""Regions: which style paints where, by soft masks.

Gatys, Ecker, Bethge, Hertzmann and Shechtman, "Controlling Perceptual Factors in Neural Style Transfer",
CVPR 2017, section 4: spatial guidance by guided Gram matrices. Departures: a mask weighs the terms of a
sum over pixels rather than the features, so that it serves every loss that sums; it is averaged down to a
layer's size; and a region counts by its area, so that a small one is not painted more strongly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from impasto.errors import PictureError, SettingsError
from impasto.images.reading import Photo
from impasto.images.tensors import resized
from impasto.model import gpu
from impasto.model.color import luminance
from impasto.model.loss import Loss
from impasto.settings.style import Style, normalized, normalized_weights

SMALLEST_AREA = 1e-4
"""Fraction of the picture's area that a mask has to leave for a region to count."""
SHAPE = 0.02
"""Relative difference up to which a mask's shape counts as that of its picture."""


@dataclass(frozen=True)
class Region:
    """A part of the result, and the styles that paint it."""

    styles: tuple[int, ...]
    """Indices of their statistics among those of the run: one of each style, or one of each of its parts."""
    weights: tuple[float, ...]
    """One weight for each style, with a sum of one."""
    mask: Tensor | None = None
    """(1, 1, H, W) in [0, 1]; None is the whole picture."""
    known_area: float | None = None
    """Area that was computed before the mask was moved to a device, so that reading it never waits; on the
    ``meta`` device there would be nothing to compute it from."""
    strength: float = 1.0
    """Factor of what the region counts by its area."""
    parts_of: tuple[int, ...] = ()
    """Indices of the styles that these are parts of, where maps divide them; empty where all are whole."""

    @property
    def area(self) -> float:
        """Fraction of the result that the region covers."""
        if self.mask is None:
            return 1.0
        return float(self.mask.mean()) if self.known_area is None else self.known_area

    def weighted(self, weights: Sequence[float]) -> Region:
        """The region with other weights of its styles.

        Args:
            weights: one for each style of the run, 0 or more.

        Raises:
            SettingsError: those of the region's styles are all 0.
        """
        mine = normalized([weights[place] for place in self.parts_of or self.styles])
        return replace(self, weights=tuple(mine))

    def at(self, height: int, width: int, wraps: Sequence[int] = ()) -> Region:
        """The region with its mask at another size; its ends are neighbors along the axes that wrap."""
        mask = None if self.mask is None else resized(self.mask, height, width, wraps)
        return replace(self, mask=mask, known_area=None)

    def to(self, device: torch.device) -> Region:
        """The region with its mask on a device."""
        mask = None if self.mask is None else self.mask.to(device)
        return replace(self, mask=mask, known_area=self.area)


def plan_regions(
    styles: Sequence[Style], content: tuple[int, int], read: Callable[[str], Photo]
) -> list[Region]:
    """The regions of a run: one for each mask, and one of what the masks leave for the other styles.

    Args:
        styles: the styles of the run; those with the same ``content_mask`` paint the same region.
        content: width and height of the content picture, pixels.
        read: reads a picture file.

    Raises:
        PictureError: a mask that cannot be read, is empty, or has another shape than the content.
        SettingsError: the masks leave no room for a style without one.
    """
    members: dict[str | None, list[int]] = {}
    for place, style in enumerate(styles):
        members.setdefault(style.content_mask, []).append(place)
    masks: dict[str | None, Tensor | None] = {
        file: mask_of(file, content, read) for file in members if file is not None
    }
    if None in members and masks:
        taken = [resized(mask, *content[::-1]) for mask in masks.values() if mask is not None]
        rest = 1 - sum(taken[1:], start=taken[0])
        masks[None] = rest.clamp(0, 1)
        if rest.clamp(0, 1).mean() < SMALLEST_AREA:
            raise SettingsError(
                f"the masks leave no room for the style '{styles[members[None][0]].file}', which has"
                " none; give it a content_mask"
            )
    return [
        Region(
            tuple(places),
            tuple(normalized_weights([styles[place] for place in places])),
            masks.get(file),
        )
        for file, places in members.items()
    ]


def mask_of(path: str, of: tuple[int, int], read: Callable[[str], Photo]) -> Tensor:
    """A mask, (1, 1, H, W): its luminance, white is 1; black and transparent are 0.

    Args:
        path: of a picture file.
        of: width and height of the picture that it masks.
        read: reads a picture file.

    Raises:
        PictureError: it cannot be read, is black, or has another shape.
    """
    try:
        picture = read(path)
    except PictureError as error:
        raise PictureError(f"mask: {error}", settings=error.settings) from None
    refuse_other_aspect(f"mask '{path}'", picture.size, of)
    mask = luminance(picture.image)
    if picture.alpha is not None:
        mask = mask * picture.alpha
    if mask.mean() < SMALLEST_AREA:
        raise PictureError(f"mask '{path}' is black or transparent: it leaves nothing")
    return mask


def refuse_other_aspect(what: str, size: tuple[int, int], of: tuple[int, int]) -> None:
    """Refuse a mask, or a map, of another shape than its picture.

    Args:
        what: it is, for the error.
        size: its width and height.
        of: those of the picture.

    Raises:
        PictureError: with both sizes.
    """
    if abs(size[0] * of[1] / (size[1] * of[0]) - 1) > SHAPE:
        raise PictureError(
            f"{what} is {size[0]} × {size[1]} pixels, its picture {of[0]} × {of[1]}: the shapes differ"
        )


def at_layers(mask: Tensor, sizes: Mapping[str, tuple[int, int]]) -> dict[str, Tensor]:
    """The mask at the size of each layer, (1, 1, h, w): the mean over the area of each pixel there.

    Args:
        mask: (1, 1, H, W) in [0, 1].
        sizes: height and width by layer.
    """
    able = mask if gpu.pools_to_any_size(mask.device) else mask.cpu()
    return {layer: adaptive_avg_pool2d(able, size).to(mask.device) for layer, size in sizes.items()}


def takes_masks(loss: object) -> bool:
    """Whether a loss, or a class of losses, can summarize a part of the picture."""
    kind = loss if isinstance(loss, type) else type(loss)
    return issubclass(kind, Loss) and kind.summarize_region is not Loss.summarize_region
