"""From maps of regions to what a run has: regions of the result, and the parts of styles that paint them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from impasto.errors import PictureError, SettingsError, counted
from impasto.images.reading import Photo
from impasto.model.color_maps import ColorMap, read_maps
from impasto.model.masks import SMALLEST_AREA, Region, mask_of, plan_regions
from impasto.settings.settings import Settings
from impasto.settings.style import normalized_weights

logger = logging.getLogger("impasto")


@dataclass(frozen=True)
class Part:
    """A style, or the part of it that paints a region."""

    style: int
    """Its index among those of the settings."""
    mask: Tensor | None = None
    """(1, 1, H, W) in [0, 1], the part of the style picture; None is all of it."""
    file: str = ""
    """That the mask comes from; empty without one."""
    color: str = ""
    """Of the region in a map; empty for a mask of its own."""


def check_regions(settings: Settings) -> None:
    """Refuse maps of regions beside what they take the place of, and too many or too few.

    Raises:
        SettingsError: with what to give instead.
    """
    if not settings.regions:
        if settings.region_weight != 1:
            raise SettingsError(
                "region_weight is that of regions, and there are none: give their maps",
                settings=("regions", "region_weight"),
            )
        return
    wanted = 1 + len(settings.style)
    if len(settings.regions) != wanted:
        raise SettingsError(
            f"regions names {counted(len(settings.regions), 'map')}; with"
            f" {counted(len(settings.style), 'style')} it has {wanted}: one of the content, and one of each"
            " style",
            settings=("regions",),
        )
    for style in settings.style:
        if style.content_mask or style.style_mask:
            raise SettingsError(
                f"style '{style.file}' has a mask, and regions give each style its masks: leave one out",
                settings=("regions",),
            )
        if style.is_style_file:
            raise SettingsError(
                f"style '{style.file}' has the statistics of a whole picture, and regions need those of its"
                " parts: give the picture, or a style file of each part, learned with style_mask, with a"
                " content_mask",
                settings=("regions",),
            )


def plan_parts(
    settings: Settings,
    content: tuple[int, int],
    photos: Sequence[Photo | None],
    read: Callable[[str], Photo],
) -> tuple[list[Region], list[Part]]:
    """The regions of a run, and the parts of the styles that paint them.

    Args:
        settings: name the styles, and masks or maps.
        content: width and height of the content picture, pixels.
        photos: the style pictures; None for a style file.
        read: reads a picture file.

    Raises:
        PictureError: a mask or map that cannot be used.
        SettingsError: no region is in both the content's map and a style's.
    """
    if not settings.regions:
        parts = [
            Part(place)
            if photo is None or style.style_mask is None
            else Part(place, mask_of(style.style_mask, photo.size, read), style.style_mask)
            for place, (style, photo) in enumerate(zip(settings.style, photos, strict=True))
        ]
        return plan_regions(settings.style, content, read), parts
    sizes = [content, *(photo.size for photo in photos if photo is not None)]
    of_content, *of_styles = read_maps(settings.regions, sizes, read)
    _say_missing(of_content, of_styles)
    regions: list[Region] = []
    parts = []

    def paint(mask: Tensor, members: list[Part], strength: float = 1.0) -> None:
        weights = normalized_weights([settings.style[part.style] for part in members])
        places = range(len(parts), len(parts) + len(members))
        owners = tuple(part.style for part in members)
        regions.append(
            Region(tuple(places), tuple(weights), mask, strength=strength, parts_of=owners)
        )
        parts.extend(members)

    for color, mask in of_content.masks.items():
        members = [
            Part(place, own.masks[color], own.path, color)
            for place, own in enumerate(of_styles)
            if color in own.masks
        ]
        if members:
            paint(mask, members, settings.region_weight)
    taken = [region.mask for region in regions if region.mask is not None]
    rest = (1 - sum(taken[1:], start=taken[0])).clamp(0, 1)
    if rest.mean() >= SMALLEST_AREA:
        paint(rest, [Part(place) for place in range(len(settings.style))])
    return regions, parts


def _say_missing(of_content: ColorMap, of_styles: Sequence[ColorMap]) -> None:
    """Say which regions are on one side alone.

    Raises:
        PictureError: all of them.
    """
    in_styles = {color for one in of_styles for color in one.masks}
    if not in_styles & set(of_content.masks):
        raise PictureError(
            f"no region is in both: '{of_content.path}' has {', '.join(of_content.masks)}, and"
            f" {', '.join(repr(one.path) for one in of_styles)} {', '.join(sorted(in_styles))}; a region has"
            " the same color in both",
            settings=("regions",),
        )
    for color in of_content.masks:
        if color not in in_styles:
            logger.warning(
                "region %s of '%s' is in no style's map: the whole style paints it",
                color, of_content.path,
            )  # fmt: skip
    for one in of_styles:
        for color in one.masks:
            if color not in of_content.masks:
                logger.warning(
                    "region %s of '%s' is not in the content's map: it paints nothing",
                    color,
                    one.path,
                )
