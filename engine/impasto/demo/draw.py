"""Draw the demonstration pictures: ``harbor.jpg`` (content) and ``strokes.jpg`` (style).

Run ``python -m impasto.demo.draw [FOLDER]``; without a folder the pictures land beside this file.
Every shape is computed here from a fixed seed, so the same two pictures come out each time.

Positions are pixels of the finished picture, x to the right and y down, unless a docstring says
otherwise; the harbor is painted ``FINER`` times larger, the strokes twice. Pixels are RGB, 0 to 1.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw

from impasto.demo import CONTENT, STYLE

Floats = NDArray[np.floating[Any]]
Place = tuple[float, float]
Random = np.random.Generator

SEED = 1887
FINER = 3
HARBOUR_SIZE = (768, 576)
STROKES_SIZE = (640, 640)

QUAY, WATERLINE = 338, 349
SUN = (92, 292)
FAR_RIDGE = [(0, 318), (150, 300), (300, 240), (460, 196), (620, 214), (768, 180)]
NEAR_RIDGE = [(0, 352), (110, 334), (220, 296), (360, 262), (520, 244), (640, 250), (768, 226)]
SHORE = [(768, 452), (700, 462), (640, 482), (570, 508), (500, 532), (430, 552), (372, 576)]
BOATS = [
    (560, 356, 34, "#7d3b34"),
    (392, 366, 40, "#e8d8b8"),
    (236, 372, 50, "#2f5d73"),
    (436, 412, 66, "#2e4a66"),
    (130, 428, 104, "#9c3f32"),
]
SKY = ["#3f6fa8", "#6f9cc4", "#a9c0c8", "#f0cf9e", "#f9c27c", "#f6b46c"]
CLOUDS = ["#7d7f9f", "#b39aa6", "#e9bfa0", "#ffe3b8", "#fff3dc"]
FAR_HILL = ["#6a6d8c", "#8d8799", "#c79f92", "#efc79a"]
NEAR_HILL = ["#3c4a38", "#5f6a40", "#9a8f4c", "#e0bf70"]
WALLS = ["#e9c588", "#d98e5f", "#efe0c0", "#b9604a", "#9fb3a6", "#e3aa58", "#d9a59a", "#c9b99a"]
ROOFS = ["#a9553a", "#8d4636", "#b5663f", "#6d5050"]
WATER = ["#8f8a86", "#4b6f80", "#254b63", "#17364d"]
GRASS = ["#2b3a1c", "#4e5f28", "#7d8034", "#b9a648", "#e2c86a"]
PETALS = ["#f7e9c4", "#f2b33e", "#d9583c"]
LEAVES = ["#1d2b1c", "#2f4222", "#55662a", "#8f8f38", "#d6b655"]
PAINTS = ["#0b1a4a", "#14347e", "#1c5fae", "#1f97b5", "#6cc9bd", "#f4e6b0", "#f7bd34", "#ec7f22"]
PAINTS += ["#c4451c"]
SWIRLS = [(0.64, 0.42, 0.27, 0.24, 0.95), (0.05, 0.72, 0.22, 0.20, -0.55)]
BRUSHES = [(1100, 300, 64), (1200, 210, 42), (900, 140, 26)]


def _ramp(position: Floats, colors: Sequence[str]) -> Floats:
    """Colors at ``position`` (any shape, 0 to 1) along evenly spaced ones; adds an axis of 3."""
    table = np.array([ImageColor.getrgb(color) for color in colors]) / 255
    stops = np.linspace(0, 1, len(colors))
    channels = [np.interp(position, stops, channel).astype(np.float32) for channel in table.T]
    return np.stack(channels, axis=-1)


def _scaled(color: str, factor: float) -> str:
    return "#" + bytes(min(255, int(part * factor)) for part in ImageColor.getrgb(color)).hex()


def _smoothstep(values: Floats, low: float, high: float) -> Floats:
    steps = np.clip((values - low) / (high - low), 0, 1)
    return np.asarray(steps * steps * (3 - 2 * steps))


def _noise(
    rng: Random, size: tuple[int, int], cell: float, octaves: int, wide: float = 1
) -> Floats:
    """Smooth noise, shape (height, width), mean 0, deviation 1; grains of ``cell`` by that * wide."""
    total: Floats = np.zeros(size[::-1], np.float32)
    for octave in range(octaves):
        shape = (int(size[1] / cell * 2**octave) + 2, int(size[0] / cell / wide * 2**octave) + 2)
        coarse = Image.fromarray(rng.standard_normal(shape, np.float32))
        total += np.asarray(coarse.resize(size, Image.Resampling.BICUBIC)) * 0.55**octave
    return np.asarray((total - total.mean()) / total.std())


def _relief(height: Floats, down: int, across: int) -> Floats:
    """Each point of a map less the one ``down`` and ``across`` from it: positive faces the light."""
    rows = np.clip(np.arange(height.shape[0]) + down, 0, height.shape[0] - 1)
    columns = np.clip(np.arange(height.shape[1]) + across, 0, height.shape[1] - 1)
    return height - height[np.ix_(rows, columns)]


def _picture(pixels: Floats, size: tuple[int, int]) -> Image.Image:
    image = Image.fromarray((np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8))
    return image.resize(size, Image.Resampling.LANCZOS)


def _bar(start: Place, end: Place, width: float, end_width: float | None = None) -> Floats:
    """The four corners of a straight piece, which may narrow toward its end."""
    along = np.subtract(end, start)
    across = np.array([-along[1], along[0]]) / (2 * np.hypot(*along))
    reach = across * np.array([[width], [width if end_width is None else end_width]])
    return np.array([start + reach[0], start - reach[0], end - reach[1], end + reach[1]])


def _oval(x: float, y: float, wide: float, tall: float, tilt: float = 0) -> Floats:
    turn = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    rim = np.exp(1j * tilt) * (wide * np.cos(turn) + 1j * tall * np.sin(turn))
    return np.stack([x + rim.real, y + rim.imag], axis=-1)


class _Canvas:
    """The harbor while it is being painted: float32 ``pixels``, shape (height, width, 3)."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.size = (HARBOUR_SIZE[0] * FINER, HARBOUR_SIZE[1] * FINER)
        rows, columns = np.indices(self.size[::-1], np.float32, sparse=True)
        self.x, self.y = columns / FINER, rows / FINER
        self.pixels = np.zeros((*self.size[::-1], 3), np.float32)
        self.grain = self.noise(4, 3)

    def noise(self, cell: float, octaves: int, wide: float = 1) -> Floats:
        return _noise(self.rng, self.size, cell * FINER, octaves, wide)

    def cover(self, mask: Floats, colors: Floats) -> None:
        """Lay ``colors`` over the whole picture where ``mask`` is 1."""
        self.pixels += mask[..., None] * (colors - self.pixels)

    def fill(
        self,
        outline: Floats | Sequence[Place],
        *colors: str,
        opacity: float = 1,
        grain: float = 0.07,
        sideways: bool = False,
    ) -> None:
        """Fill a polygon with a gradient of ``colors``, downwards or ``sideways``, and grain."""
        corners = np.asarray(outline) * FINER
        low = np.clip(np.floor(corners.min(axis=0)), 0, self.size).astype(int)
        high = np.clip(np.ceil(corners.max(axis=0)) + 1, 0, self.size).astype(int)
        width, height = (high - low).tolist()
        stencil = Image.new("L", (width, height))
        ImageDraw.Draw(stencil).polygon((corners - low).ravel().tolist(), fill=255)
        mask = np.asarray(stencil, np.float32).reshape(height, width, 1) * (opacity / 255)
        box = np.s_[low[1] : high[1], low[0] : high[0]]
        steps = np.linspace(0, 1, width)[None] if sideways else np.linspace(0, 1, height)[:, None]
        shades = _ramp(steps, colors) * (1 + grain * self.grain[box][..., None])
        self.pixels[box] += mask * (shades - self.pixels[box])

    def box(self, x: float, y: float, width: float, height: float, *colors: str) -> None:
        self.fill([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], *colors)


def _paint_sky(canvas: _Canvas) -> None:
    height = canvas.y / WATERLINE
    canvas.pixels[:] = _ramp(height, SKY)
    density = canvas.noise(110, 7, wide=2.4)
    # The sun stands low on the left, so a bank of cloud is bright where it thins out that way.
    lit = _relief(density, 20, -50) + 0.3 * _relief(density, 6, -10)
    thickness = _smoothstep(density, -0.3, 1.0) * _smoothstep(1.25 - height, 0.1, 0.6)
    canvas.cover(0.9 * thickness, _ramp(0.5 + 0.42 * lit, CLOUDS))
    distance = np.hypot(canvas.x - SUN[0], 1.25 * (canvas.y - SUN[1]))
    canvas.cover(0.75 * np.exp(-distance / 95), np.array([1, 0.88, 0.63]))
    canvas.cover(_smoothstep(-distance, -17, -11), np.array([1, 0.95, 0.78]))


def _paint_hill(canvas: _Canvas, ridge: Sequence[Place], rough: float, colors: list[str]) -> None:
    line = np.interp(canvas.x[0], *np.transpose(ridge)) + rough * canvas.noise(60, 6)[0]
    woods = canvas.noise(22, 5, wide=2.2)
    slope = _ramp(0.45 + 0.3 * _relief(woods, 6, 6) + 0.1 * woods, colors)
    mist = 0.45 * _smoothstep(canvas.y, 230, WATERLINE + 20)[..., None]
    slope += mist * (np.array([0.91, 0.73, 0.55]) - slope)
    canvas.cover(_smoothstep(canvas.y - line, 0, 0.7), slope)


def _paint_leaves(
    canvas: _Canvas, x: float, y: float, radius: float, leaf: float, sun: float
) -> None:
    """A clump of leaves of ``leaf`` pixels, bright to the upper left and, overall, by ``sun``."""
    rng, count = canvas.rng, int(1.6 * (radius / leaf) ** 2)
    angle, reach = rng.uniform(0, 2 * np.pi, count), np.sqrt(rng.uniform(0, 1, count))
    across, down = np.cos(angle) * reach, 0.8 * np.sin(angle) * reach
    light = 0.42 + sun - 0.3 * (across + down) + rng.normal(0, 0.13, count)
    tones = (255 * _ramp(light, LEAVES)).astype(np.uint8)
    for index in np.argsort(light + rng.normal(0, 0.15, count)):
        size = leaf * rng.uniform(0.6, 1.3)
        center = (x + radius * across[index], y + radius * down[index])
        outline = _oval(*center, size, 0.55 * size, rng.uniform(0, np.pi))
        canvas.fill(outline, "#" + tones[index].tobytes().hex(), grain=0.1)


def _paint_window(canvas: _Canvas, x: float, y: float, width: float, height: float) -> None:
    panes = ["#7f97a8", "#33445c", "#2a3347"]
    if canvas.rng.uniform() < 0.3:
        panes = ["#ffd98a", "#e99a42"]
    canvas.box(x - 1, y - 1, width + 2, height + 2, "#f3e6cc", "#cdb999")
    canvas.box(x, y, width, height, *panes)
    canvas.box(x + width / 2 - 0.3, y, 0.6, height, "#eadcc0")
    canvas.box(x, y + height * 0.45, width, 0.6, "#eadcc0")
    canvas.box(x - 1.6, y + height + 1, width + 3.2, 1.1, "#8a7765")


def _paint_tiles(canvas: _Canvas, outline: list[Place], tile: str) -> None:
    """A roof in rows of tiles; its four corners run clockwise from the upper left."""
    canvas.fill(outline, _scaled(tile, 1.25), _scaled(tile, 0.8), grain=0.14)
    (left, top), (right, _), (far, bottom), (near, _) = outline
    for row in np.arange(top + 2, bottom, 2.2):
        share = (row - top) / (bottom - top)
        edge = _bar((left + share * (near - left), row), (right + share * (far - right), row), 0.6)
        canvas.fill(edge, _scaled(tile, 0.5), opacity=0.5, grain=0.4)


def _paint_house(canvas: _Canvas, x: float, base: float, width: float, height: float) -> None:
    """A house whose wall is ``width`` by ``height``, with a gable or a tiled roof above it."""
    wall, tile = str(canvas.rng.choice(WALLS)), str(canvas.rng.choice(ROOFS))
    gabled = canvas.rng.uniform() < 0.6
    eaves, middle, end = base - height, x + width / 2, x + width
    peak = eaves - width * (0.62 if gabled else 0.42)
    canvas.box(x + width * 0.68, peak - 3, 5, 16, "#b98a6a", "#70493c")
    front = [(x, base), (x, eaves), (middle, peak if gabled else eaves), (end, eaves), (end, base)]
    canvas.fill(front, _scaled(wall, 1.12), wall, _scaled(wall, 0.72), sideways=True)
    if gabled:
        canvas.fill(_bar((x - 2, eaves + 2), (middle, peak - 1), 3), _scaled(tile, 1.3))
        canvas.fill(_bar((end + 2, eaves + 2), (middle, peak - 1), 3), _scaled(tile, 0.65))
        _paint_window(canvas, middle - 2.5, eaves - width * 0.2, 5, 7)
    else:
        roof = [(x + 3, peak), (end - 3, peak), (end + 2, eaves), (x - 2, eaves)]
        _paint_tiles(canvas, roof, tile)
        canvas.fill(_bar((x, eaves + 2), (end, eaves + 2), 4), "#4a3340", opacity=0.5)
    columns, floors = max(2, int(width / 13)), max(1, int(height / 19))
    for floor, column in np.ndindex(floors, columns):
        left = x + (column + 0.5) * width / columns - 3
        _paint_window(canvas, left, eaves + 7 + floor * (height - 4) / floors, 6, 8.5)
    # The neighbor on the sunny side keeps the light off the first few pixels of a wall.
    shadow = [(x, eaves + 6), (x + 4, eaves + 12), (x + 4, base), (x, base)]
    canvas.fill(shadow, "#4b3b55", opacity=0.35)


def _paint_church(canvas: _Canvas, x: float) -> None:
    middle = x + 13.5
    _paint_tiles(canvas, [(x + 22, 236), (x + 84, 236), (x + 92, 268), (x + 22, 268)], "#7a5a58")
    canvas.box(x + 22, 268, 68, 50, "#e8cfa4", "#b08f74")
    tower = _bar((middle, 184), (middle, 320), 27)
    canvas.fill(tower, "#f6dcae", "#e4bd8c", "#a67c6c", sideways=True, grain=0.1)
    for y in (184, 214, 250):
        canvas.box(x - 1.5, y, 30, 2.5, "#fbe7c2", "#8f6f5f")
    for left in (x + 5, x + 15.5):
        canvas.fill(_oval(left + 3.2, 197, 3.2, 5), "#3b3040")
        canvas.box(left, 197, 6.4, 13, "#3b3040", "#6d5048")
    canvas.fill(_oval(middle, 232, 8, 8), "#5c4038")
    canvas.fill(_oval(middle, 232, 6.6, 6.6), "#fff0cf")
    canvas.fill([(middle, 232), (middle, 227), (middle + 1, 231), (middle + 4, 234)], "#3b2a2a")
    canvas.fill([(x - 2, 184), (middle, 104), (middle, 184)], "#9fb8a4", "#6f9a8c", grain=0.12)
    canvas.fill([(x + 29, 184), (middle, 104), (middle, 184)], "#587a7c", "#3c565f", grain=0.12)
    canvas.fill(_bar((middle, 106), (middle, 94), 1.2), "#e8c070")
    canvas.fill(_bar((middle - 3, 98), (middle + 3, 98), 1.2), "#e8c070")


def _paint_town(canvas: _Canvas) -> None:
    rng = canvas.rng
    for base in (268, 290, 312):
        x = 300 - (base - 268) * 3.4
        while x < 640:
            width = rng.uniform(20, 30)
            _paint_house(canvas, x, base + rng.uniform(-6, 6), width, rng.uniform(16, 26))
            if rng.uniform() < 0.6:
                _paint_leaves(canvas, x + width + 8, base - 4, rng.uniform(7, 12), 1.4, 0)
            x += width + rng.uniform(6, 26)
        if base == 268:
            _paint_church(canvas, 262)
    x = 128.0
    while x < 700:
        width = rng.uniform(28, 46)
        _paint_house(canvas, x, QUAY, width, rng.uniform(38, 64))
        x += width + 0.5
    quay = [(96, WATERLINE), (104, QUAY - 1), (768, QUAY - 1), (768, WATERLINE)]
    canvas.fill(quay, "#e2c294", "#8d7768", "#4e4650", grain=0.18)
    for joint in range(112, 768, 9):
        canvas.fill(_bar((joint, QUAY + 3), (joint, WATERLINE), 0.7), "#3d343a", opacity=0.6)


def _paint_boat(
    canvas: _Canvas, x: float, y: float, size: float, paint: str, up: float = 1
) -> None:
    """A sailing boat afloat at (x, y), ``size`` pixels long; ``up`` of -1 gives its reflection."""

    def placed(points: Sequence[Place]) -> Floats:
        return np.add([x, y], np.multiply(points, [size, -up * size]))

    rail = [(0.56, 0.22), (0.2, 0.15), (-0.2, 0.14), (-0.5, 0.17)]
    hull = [*rail, (-0.4, 0.03), (-0.3, -0.02), (0.33, -0.02), (0.43, 0.05)]
    canvas.fill(placed(hull), paint, _scaled(paint, 0.45), grain=0.1)
    canvas.fill(placed([*rail, (-0.2, 0.17), (0.2, 0.18)]), "#fff0d0")
    cabin = [(-0.28, 0.15), (-0.25, 0.24), (-0.02, 0.24), (0, 0.15)]
    canvas.fill(placed(cabin), "#f0dcb4", "#a8805c")
    canvas.fill(placed([(0.04, 0.15), (0.045, 1.32), (0.06, 1.32), (0.07, 0.15)]), "#6a4a38")
    drop = np.linspace(0, 1, 12)
    leech = np.stack([0.03 - 0.5 * drop - 0.1 * np.sin(np.pi * drop), 1.26 - drop], axis=-1)
    mainsail = [*leech.tolist(), (0.03, 0.28)]
    canvas.fill(placed(mainsail), "#fff4dc", "#f6dcb0", "#d9a982", sideways=True, grain=0.04)
    jib = [(0.08, 1.12), (0.28, 0.66), (0.52, 0.25), (0.3, 0.3), (0.1, 0.3)]
    canvas.fill(placed(jib), "#d9a982", "#f4d3a4", "#c98f70", sideways=True, grain=0.04)
    for height in (0.5, 0.72, 0.94):
        back = -0.45 * (1.26 - height) - 0.05
        seam = [
            (0.03, height),
            (back, height - 0.03),
            (back, height - 0.022),
            (0.03, height + 0.008),
        ]
        canvas.fill(placed(seam), "#b58c68", opacity=0.7)


def _paint_water(canvas: _Canvas) -> None:
    """Mirror what stands above the waterline, ripple it, and let the low sun glitter on it."""
    line = WATERLINE * FINER
    depth, width = canvas.size[1] - line, canvas.size[0]
    canvas.pixels[line:] = canvas.pixels[line - depth : line][::-1]
    for boat in BOATS:
        _paint_boat(canvas, *boat, up=-1)
    nearness = canvas.y[line:] - WATERLINE
    # Ripples shrink with distance: one sheet of noise is read ever more densely toward the line,
    # and folded back where a view reaches past it, which leaves no seam.
    sheet = _noise(canvas.rng, (2048, 2048), 64, 5, wide=3)
    sheet_x = 1024 + (canvas.x - 384) * 560 / (nearness + 40)
    folded = [abs((at - 2047) % 4094 - 2047) for at in (2300 * np.log1p(nearness / 28), sheet_x)]
    ripple = sheet[folded[0].astype(int), folded[1].astype(int)]
    sway = ripple * FINER * (0.6 + 0.055 * nearness)
    rows = np.clip(np.arange(depth)[:, None] + 1.3 * sway, 0, depth - 1).astype(int)
    columns = np.clip(np.arange(width) + 0.8 * sway, 0, width - 1).astype(int)
    mirror = canvas.pixels[line:][rows, columns]
    clarity = np.clip(0.76 - 0.1 * ripple - 0.0016 * nearness, 0.2, 1)[..., None]
    water = 0.94 * mirror * clarity + _ramp(nearness / 227, WATER) * (1 - clarity)
    path = np.exp(-(((canvas.x - SUN[0]) / (40 + 0.45 * nearness)) ** 2))
    sparkle = _smoothstep(ripple + 1.1 * path, 1.35, 2.1) * (0.18 + 0.75 * path)
    canvas.pixels[line:] = water + sparkle[..., None] * (np.array([1, 0.91, 0.7]) - water)
    for boat in BOATS:
        _paint_boat(canvas, *boat)


def _paint_grass(canvas: _Canvas, top: float, bottom: float, count: int) -> None:
    """Blades and flowers on the near shore between two heights, from back to front."""
    rng = canvas.rng
    edge_x, edge_y = np.transpose(SHORE)
    for y in np.sort(rng.uniform(top, bottom, count)):
        x = rng.uniform(np.interp(y, edge_y, edge_x), 768)
        tip = (x + rng.normal(-2, 3), y - rng.uniform(5, 13) * (0.6 + (y - 450) / 130))
        shade = str(rng.choice(GRASS, p=[0.3, 0.3, 0.2, 0.13, 0.07]))
        canvas.fill(_bar((x, y), tip, 1.8, 0.3), shade, _scaled(shade, 0.6))
        if rng.uniform() < 0.03:
            petal = str(rng.choice(PETALS))
            canvas.fill(_oval(*tip, 1.9, 1.5), petal, _scaled(petal, 0.7))


def _branches(
    canvas: _Canvas, foot: Place, heading: float, length: float, width: float
) -> list[Place]:
    """Draw a limb of the tree and all that grows from it; return where leaves belong."""
    rng = canvas.rng
    tip = (foot[0] + length * np.cos(heading), foot[1] - length * np.sin(heading))
    bark = _bar(foot, tip, width, 0.7 * width)
    canvas.fill(bark, "#a8703f", "#5b3d2e", "#241c1e", sideways=True, grain=0.2)
    leafy = [tip] if width < 8 else []
    for spread in (-0.5, 0.05, 0.5) if width > 4 else ():
        turned = heading + spread + rng.normal(0, 0.13) + 0.1 * (np.pi / 2 - heading)
        thinner = width * rng.uniform(0.5, 0.66)
        leafy += _branches(canvas, tip, turned, length * rng.uniform(0.62, 0.8), thinner)
    return leafy


def _paint_tree(canvas: _Canvas) -> None:
    crown = _branches(canvas, (722, 536), 1.7, 150, 32)
    for x, y in sorted(crown, key=lambda place: place[1] - place[0]):
        sun = (575 - x) / 700 + (165 - y) / 500
        _paint_leaves(canvas, x, y, canvas.rng.uniform(18, 30), 2.5, sun)


def _harbor(rng: Random) -> Image.Image:
    canvas = _Canvas(rng)
    _paint_sky(canvas)
    _paint_hill(canvas, FAR_RIDGE, 7, FAR_HILL)
    _paint_hill(canvas, NEAR_RIDGE, 5, NEAR_HILL)
    _paint_town(canvas)
    _paint_water(canvas)
    canvas.fill([*SHORE, (768, 576)], "#6f7a34", "#39481f", "#222d18", grain=0.25)
    _paint_grass(canvas, 452, 530, 1400)
    _paint_tree(canvas)
    _paint_grass(canvas, 530, 590, 1600)
    return _picture(canvas.pixels, HARBOUR_SIZE)


def _stream(size: tuple[int, int]) -> Floats:
    """A smooth relief, 0 to 1, shape (height, width): paint runs along its level lines."""
    rows, columns = np.indices(size[::-1], np.float32)
    x, y = columns / size[0], rows / size[1]
    stream = 1.5 * y - 0.5 * x + 0.13 * np.sin(6 * x + 4 * y) + 0.06 * np.sin(13 * y - 9 * x)
    for center_x, centre_y, wide, tall, power in SWIRLS:
        stream += power * np.exp(-(((x - center_x) / wide) ** 2) - ((y - centre_y) / tall) ** 2)
    return np.asarray((stream - stream.min()) / np.ptp(stream))


def _paths(rng: Random, stream: Floats, count: int, length: int) -> Floats:
    """Strokes that nearly follow the level lines; shape (count, length, 2), x first, in samples."""
    slope_y, slope_x = np.gradient(stream)
    heading, limits = np.arctan2(-slope_x, slope_y), np.array(stream.shape[::-1]) - 1
    places = [rng.uniform(-0.1, 1.1, (count, 2)) * limits]
    slant = rng.normal(0.12, 0.16, count)
    while len(places) < length:
        column, row = np.clip(places[-1], 0, limits).astype(int).T
        turned = heading[row, column] + slant
        places.append(places[-1] + np.stack([np.cos(turned), np.sin(turned)], axis=-1))
    return np.stack(places, axis=1)


def _tones(rng: Random, stream: Floats, places: Floats) -> Floats:
    """Where in the palette, 0 to 1, the stroke at each of ``places`` (count, 2) takes its paint."""
    column, row = np.clip(places, 0, np.array(stream.shape[::-1]) - 1).astype(int).T
    # Going once up the palette and down again sets a warm band between two cold ones.
    tones = np.clip(1 - abs(1 - 2.1 * stream[row, column] - rng.normal(0, 0.09, len(row))), 0, 1)
    return np.asarray(np.where(rng.uniform(size=len(row)) < 0.03, 0.9 - tones, tones**1.3))


def _lay_strokes(rng: Random, paint: Floats, stream: Floats, brush: tuple[int, int, int]) -> None:
    """Lay a layer of (count, length, width) over ``paint``, whose channels are RGB and thickness."""
    count, length, width = brush
    side = np.linspace(-1, 1, int(width * 1.6))
    share = np.linspace(0, 1, length)[:, None]
    paths = _paths(rng, stream, count, length)
    normals = np.gradient(paths, axis=1)[..., ::-1] * [1, -1]
    swell = np.sqrt(np.clip(share * 9, 0, 1)) * np.clip((1.03 - share) * 9, 0, 1) ** 0.25
    # A brush pushes paint out to both edges of its stroke and leaves a lump where it lifts.
    edge = 0.6 * (1 - side**4) + 0.3 * np.exp(-30 * (abs(side) - 0.8) ** 2)
    body = edge + 0.4 * np.exp(-90 * (0.95 - share) ** 2)
    tones = _tones(rng, stream, paths[:, length // 2])
    for path, normal, tone in zip(paths, normals, tones, strict=True):
        hairs = 0.8 * _noise(rng, (len(side), 3), width / 5, 2)[1]
        hairs = hairs + 0.35 * _noise(rng, (len(side), length), width / 4, 2)
        colors = _ramp(tone + 0.05 * hairs + rng.normal(0, 0.06) * side, PAINTS)
        colors *= 1 + rng.normal(0, 0.09) + 0.05 * hairs[..., None]
        reach = width / 2 * rng.uniform(0.7, 1.15) * swell * side
        spots = path[:, None] + normal[:, None] * reach[..., None]
        column, row = np.moveaxis(np.rint(spots).astype(int), -1, 0)
        # Towards its end a stroke runs dry: the thinner hairs stop leaving paint.
        held = (hairs > 9 * (share - 0.95)) | (share < 0.7)
        held &= (column >= 0) & (row >= 0) & (column < stream.shape[1]) & (row < stream.shape[0])
        column, row = column[held], row[held]
        thickness = 0.3 * paint[row, column, 3] + (body + 0.16 * hairs)[held] * width**0.7
        paint[row, column] = np.column_stack([colors[held], thickness])


def _strokes(rng: Random) -> Image.Image:
    stream = _stream((STROKES_SIZE[0] * 2, STROKES_SIZE[1] * 2))
    paint = np.dstack([_ramp(stream, PAINTS), 0 * stream])
    for brush in BRUSHES:
        _lay_strokes(rng, paint, stream, brush)
    height = np.mean([np.roll(paint[..., 3], shift, (0, 1)) for shift in np.ndindex(3, 3)], axis=0)
    light = np.tanh(_relief(height, 4, 4) / 5)[..., None]
    lit = paint[..., :3] * (1 + 0.4 * light) + 0.3 * _smoothstep(light, 0.45, 1)
    return _picture(lit, STROKES_SIZE)


def draw(folder: Path) -> list[Path]:
    """Write both pictures into ``folder`` as RGB JPEG files, content first; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {CONTENT.name: _harbor, STYLE.name: _strokes}
    for name, paint in pictures.items():
        paint(np.random.default_rng(SEED)).save(folder / name, quality=88, optimize=True)
    return [folder / name for name in pictures]


def main() -> None:
    """Draw into the folder named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m impasto.demo.draw", description=draw.__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=CONTENT.parent)
    draw(parser.parse_args().folder)


if __name__ == "__main__":
    main()
