"""Maps of regions: pictures in which each color is a region, as painting programs make them.

Champandard, "Semantic Style Transfer and Turning Two-Bit Doodles into Fine Artworks", 2016, and Kolkin,
Salavon and Shakhnarovich (STROTSS), CVPR 2019, section 3.4, guide by such maps. A color is a region where it
fills a square; what lies between, as soft borders, thin lines and JPEG's noise, goes to the region beside it
whose color is nearest.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from impasto.errors import PictureError
from impasto.images.reading import Photo
from impasto.model.masks import SMALLEST_AREA, refuse_other_aspect

NEAR = 24.0
"""Distance in RGB, levels of 255, up to which two colors count as one."""
NOISE = 8.0
"""Distance up to which it is the noise of JPEG, and not a color that somebody chose."""
SMALLEST_SQUARE = 0.01
"""Side of the square that a region has to fill, as a part of the map's longer side."""
FEWEST_PIXELS = 5
"""The same in pixels; what JPEG makes of a border is narrower."""
MOST = 32
"""Regions that a map may have; a photograph has more colors."""
FLAT = 0.5
"""Part of a map that its regions have to fill with their own colors, but for noise; a photograph has less."""
FAR = 1e3
"""More than two colors can be apart: a region beside a pixel wins over those that are not."""
SAID = 1e-3
"""Part of a map from which on a color is named that counts as another."""

logger = logging.getLogger("impasto")


@dataclass(frozen=True)
class ColorMap:
    """A map whose regions are known."""

    path: str
    """Of its file."""
    masks: dict[str, Tensor]
    """(1, 1, H, W), 0 or 1, by the color of the region, as ``#ff0000``; largest regions of all maps first."""


def read_maps(
    paths: Sequence[str], sizes: Sequence[tuple[int, int]], read: Callable[[str], Photo]
) -> list[ColorMap]:
    """The regions of maps; the same color is the same region in all of them.

    Args:
        paths: of the maps.
        sizes: width and height of the picture that each is for; its own may be another, of this shape.
        read: reads a picture file.

    Raises:
        PictureError: one cannot be read, has another shape, or has no flat colors, or too many.
    """
    maps = [_Levels.of(path, size, read) for path, size in zip(paths, sizes, strict=True)]
    for one in maps:
        if len(leaders(one.colors, one.shares)) > MOST:
            raise no_map(one.path, f"has more than {MOST} colors")
    palette = leaders(
        torch.cat([one.colors for one in maps]), torch.cat([one.shares for one in maps])
    )
    return [one.divided(palette) for one in maps]


def leaders(colors: Tensor, shares: Tensor) -> Tensor:
    """The most frequent colors that are not near a more frequent one; no more than one beyond ``MOST``.

    Args:
        colors: (N, 3), levels of 255.
        shares: (N,), how frequent each is.
    """
    found: list[Tensor] = []
    shares = shares.clone()
    while bool((shares > 0).any()) and len(found) <= MOST:
        found.append(colors[shares.argmax()])
        shares[torch.linalg.vector_norm(colors - found[-1], dim=1) <= NEAR] = 0
    return torch.stack(found)


@dataclass(frozen=True)
class _Levels:
    """A map as it was read."""

    path: str
    levels: Tensor
    """(3, H, W), levels of 255."""
    seen: Tensor
    """(H, W), whether it is opaque there."""
    square: int
    """Side of the square that a region has to fill, pixels; odd."""
    colors: Tensor
    """(N, 3), those that fill a square, nearly."""
    shares: Tensor
    """(N,), part of the map where they do."""

    @classmethod
    def of(cls, path: str, size: tuple[int, int], read: Callable[[str], Photo]) -> _Levels:
        """Read a map.

        Raises:
            PictureError: it cannot be read, has another shape, or no flat colors.
        """
        try:
            photo = read(path)
        except PictureError as error:
            raise PictureError(f"map of regions: {error}", settings=error.settings) from None
        refuse_other_aspect(f"map of regions '{path}'", photo.size, size)
        levels = photo.image[0].mul(255).round()
        seen = (
            torch.ones_like(levels[0]) if photo.alpha is None else (photo.alpha[0, 0] >= 0.5) * 1.0
        )
        square = max(FEWEST_PIXELS, round(max(photo.size) * SMALLEST_SQUARE)) | 1
        spread = widened(levels, square) + widened(-levels, square)
        flat = (spread.amax(0) <= NEAR) & narrowed(seen[None], square)[0].bool()
        colors, counts = counted_colors(levels[:, flat])
        if not len(colors):
            raise no_map(path, f"has no color that fills {square} × {square} pixels")
        return cls(path, levels, seen > 0, square, colors, counts / seen.numel())

    def divided(self, palette: Tensor) -> ColorMap:
        """The regions by the colors (K, 3) of all maps.

        Raises:
            PictureError: a photograph, by its colors.
        """
        bodies: dict[int, Tensor] = {}
        filled = 0.0
        nearest = nearest_of(map(self._distance, palette))
        for number, color in enumerate(palette):
            distance = self._distance(color)
            own = (nearest == number) & (distance <= NEAR) & self.seen
            if own.sum() < max(self.square**2, SMALLEST_AREA * own.numel()):
                continue
            body = widened(narrowed(own[None] * 1.0, self.square), self.square)[0]
            if body.mean() >= SMALLEST_AREA:
                bodies[number] = body
                filled += float((body * (distance <= NOISE)).sum())
        if filled < FLAT * float(self.seen.sum()) or len(bodies) > MOST:
            raise no_map(self.path, "has hardly any flat colors")
        self._say_merged(palette)
        reach = 2 * self.square + 1
        region = nearest_of(
            self._distance(palette[number]) + FAR * (1 - widened(body[None], reach)[0])
            for number, body in bodies.items()
        )
        names = [as_hex(palette[number]) for number in bodies]
        return ColorMap(
            self.path,
            {
                name: ((region == number) & self.seen)[None, None].to(torch.float32)
                for number, name in enumerate(names)
            },
        )

    def _distance(self, color: Tensor) -> Tensor:
        """How far each pixel's color is from this one, (H, W), levels of 255."""
        apart: Tensor = torch.linalg.vector_norm(self.levels - color[:, None, None], dim=0)
        return apart

    def _say_merged(self, palette: Tensor) -> None:
        """Say which frequent colors count as others."""
        apart = torch.cdist(self.colors, palette)
        often = (self.shares >= SAID) & (apart.amin(1) > NOISE)
        pairs = [
            f"{as_hex(color)} as {as_hex(palette[place])}"
            for color, place in zip(self.colors[often], apart.argmin(1)[often], strict=True)
        ]
        if pairs:
            more = f" and {len(pairs) - 3} more" if len(pairs) > 3 else ""
            logger.info(
                "map of regions '%s': colors count as others that they are near: %s%s",
                self.path, ", ".join(pairs[:3]), more,
            )  # fmt: skip


def counted_colors(levels: Tensor) -> tuple[Tensor, Tensor]:
    """The colors of pixels, (3, N) in levels of 255: (M, 3), and how many pixels have each, (M,)."""
    # As one number each, since rows take long to sort.
    numbers = (levels * levels.new_tensor([[65536], [256], [1]])).sum(0).long()
    found, counts = torch.unique(numbers, return_counts=True)
    colors = torch.stack([found >> 16, found >> 8 & 255, found & 255], 1)
    return colors.to(levels.dtype), counts


def no_map(path: str, why: str) -> PictureError:
    """The error for a picture that is no map."""
    return PictureError(
        f"'{path}' is no map of regions: it {why}. Fill each region with one color, at most {MOST} of"
        " them, and save it as PNG",
        settings=("regions",),
    )


def as_hex(color: Tensor) -> str:
    """A color, (3,) in levels of 255, as ``#ff0000``."""
    return "#" + "".join(f"{int(level):02x}" for level in color)


def nearest_of(distances: Iterable[Tensor]) -> Tensor:
    """The index of the smallest at each pixel, the first of equal ones; (H, W), of one or more (H, W)."""
    rest = iter(distances)
    best = next(rest)
    place = torch.zeros_like(best, dtype=torch.long)
    for number, distance in enumerate(rest, 1):
        place = torch.where(distance < best, number, place)
        best = torch.minimum(best, distance)
    return place


def widened(values: Tensor, side: int) -> Tensor:
    """The largest value in a square about each pixel: (C, H, W) of such."""
    rows = max_pool2d(values[None], (side, 1), 1, (side // 2, 0))
    widest: Tensor = max_pool2d(rows, (1, side), 1, (0, side // 2))[0]
    return widest


def narrowed(values: Tensor, side: int) -> Tensor:
    """The smallest value in a square about each pixel: (C, H, W) of such."""
    return -widened(-values, side)
