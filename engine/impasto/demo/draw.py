"""Draw the demonstration pictures: ``harbour.jpg`` (content) and ``strokes.jpg`` (style).

Run ``python -m impasto.demo.draw [FOLDER]``; without a folder the pictures land beside this file.
Every shape is computed here from a fixed seed, so the same two pictures come out each time.

Positions are in pixels of the finished picture, x to the right and y down; the canvas behind it is
``OVERSAMPLING`` times finer in both directions. Colours are ``#rrggbb``, and float pixels 0 to 1.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFilter

from impasto.demo import CONTENT, STYLE

Floats = NDArray[np.float32]
Points = Sequence[tuple[float, float]]

SEED = 1887
OVERSAMPLING = 3
HARBOUR_SIZE = (768, 576)
STROKES_SIZE = (640, 640)
JPEG_QUALITY = 88

QUAY, WATERLINE = 338.0, 349.0
SUN = (92.0, 292.0)
WALLS = ["#e9c588", "#d98e5f", "#efe0c0", "#b9604a", "#9fb3a6", "#e3aa58", "#d9a59a", "#c9b99a"]
ROOFS = ["#a9553a", "#8d4636", "#b5663f", "#6d5050"]
LEAVES = ["#1d2b1c", "#2f4222", "#55662a", "#8f8f38", "#d6b655"]
PAINTS = ["#0b1a4a", "#14347e", "#1c5fae", "#1f97b5", "#6cc9bd", "#f4e6b0", "#f7bd34", "#ec7f22"]


def _ramp(position: Floats, colours: Sequence[str]) -> Floats:
    """Colours at ``position`` (any shape, 0 to 1) along evenly spaced ``colours``; adds an axis of 3."""
    stops = np.linspace(0, 1, len(colours))
    table = np.array([ImageColor.getrgb(colour) for colour in colours]) / 255
    channels = [np.interp(position, stops, table[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def _resized(values: Floats, size: tuple[int, int]) -> Floats:
    image = Image.fromarray(values.astype(np.float32))
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC))


def _noise(
    rng: np.random.Generator, size: tuple[int, int], cell: float, octaves: int, stretch: float = 1
) -> Floats:
    """Smooth noise of mean 0 and deviation 1, shape (height, width); ``cell`` is its largest grain."""
    total = np.zeros(size[::-1], np.float32)
    for octave in range(octaves):
        columns = int(size[0] / cell / stretch * 2**octave) + 2
        rows = int(size[1] / cell * 2**octave) + 2
        total += _resized(rng.standard_normal((rows, columns)), size) * 0.55**octave
    return (total - total.mean()) / total.std()


def _smoothstep(values: Floats, low: float, high: float) -> Floats:
    steps = np.clip((values - low) / (high - low), 0, 1)
    return (steps * steps * (3 - 2 * steps)).astype(np.float32)


def _relief(height: Floats, reach: int) -> Floats:
    """How far each point of a height map faces a light from the upper left; negative in shadow."""
    return height - np.roll(height, (-reach, -reach), (0, 1))


def _finished(pixels: Floats, size: tuple[int, int]) -> Image.Image:
    image = Image.fromarray((np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8))
    return image.resize(size, Image.Resampling.LANCZOS)


class _Canvas:
    """The harbour while it is being painted: float RGB pixels, shape (height, width, 3)."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.size = (HARBOUR_SIZE[0] * OVERSAMPLING, HARBOUR_SIZE[1] * OVERSAMPLING)
        self.pixels: Floats = np.zeros((*self.size[::-1], 3), np.float32)
        self.grain = self.noise(5, 3)
        rows, columns = np.mgrid[: self.size[1], : self.size[0]].astype(np.float32)
        self.x: Floats = columns / OVERSAMPLING
        self.y: Floats = rows / OVERSAMPLING

    def noise(self, cell: float, octaves: int, stretch: float = 1) -> Floats:
        return _noise(self.rng, self.size, cell * OVERSAMPLING, octaves, stretch)

    def cover(self, mask: Floats, colours: Floats) -> None:
        """Lay full-size ``colours`` over the picture where ``mask`` is 1."""
        self.pixels += mask[..., None] * (colours - self.pixels)

    def fill(
        self,
        outline: Points,
        colours: Sequence[str],
        *,
        opacity: float = 1,
        grain: float = 0.06,
        sideways: bool = False,
    ) -> None:
        """Fill a polygon with a gradient of ``colours``, downwards or ``sideways``, and some grain."""
        corners = np.asarray(outline) * OVERSAMPLING
        low = np.clip(np.floor(corners.min(axis=0)), 0, self.size).astype(int)
        high = np.clip(np.ceil(corners.max(axis=0)) + 1, 0, self.size).astype(int)
        width, height = (high - low).tolist()
        if width < 1 or height < 1:
            return
        stencil = Image.new("L", (width, height))
        ImageDraw.Draw(stencil).polygon([(x, y) for x, y in (corners - low).tolist()], fill=255)
        mask = np.asarray(stencil, np.float32)[..., None] * (opacity / 255)
        box = np.s_[low[1] : high[1], low[0] : high[0]]
        steps = np.linspace(0, 1, width if sideways else height, dtype=np.float32)
        gradient = _ramp(steps, colours)[None, :] if sideways else _ramp(steps, colours)[:, None]
        shaded = gradient * (1 + grain * self.grain[box][..., None])
        self.pixels[box] += mask * (shaded - self.pixels[box])

    def rectangle(self, x: float, y: float, width: float, height: float, *colours: str) -> None:
        self.fill([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], colours)

    def limb(self, start: tuple[float, float], end: tuple[float, float], *widths: float) -> Points:
        """The outline of a straight piece that narrows from the first of ``widths`` to the last."""
        along = np.subtract(end, start)
        across = np.array([-along[1], along[0]]) / (np.hypot(*along) + 1e-6) / 2
        ends = np.array([start, start, end, end])
        sides = np.array([widths[0], -widths[0], -widths[-1], widths[-1]])
        return [(x, y) for x, y in (ends + sides[:, None] * across).tolist()]


def _paint_sky(canvas: _Canvas) -> None:
    height = canvas.y / WATERLINE
    sky = _ramp(height, ["#3f6fa8", "#6f9cc4", "#a9c0c8", "#f0cf9e", "#f9c27c", "#f6b46c"])
    density = canvas.noise(120, 7, stretch=2.6) + 0.25 * canvas.noise(26, 4, stretch=2)
    cover = _smoothstep(density, 0.0, 1.5) * _smoothstep(1.25 - height, 0.1, 0.6)
    # The sun stands low on the left, so a bank of cloud is lit where it thins out towards it.
    lit = density - np.roll(density, (-8 * OVERSAMPLING, 14 * OVERSAMPLING), (0, 1))
    clouds = _ramp(0.5 + 0.42 * lit, ["#7d7f9f", "#b39aa6", "#e9bfa0", "#ffe3b8", "#fff3dc"])
    canvas.pixels[:] = sky
    canvas.cover(0.9 * cover, clouds)
    distance = np.hypot(canvas.x - SUN[0], 1.25 * (canvas.y - SUN[1]))
    canvas.cover(0.75 * np.exp(-distance / 95), _ramp(0 * height, ["#ffe2a0"]))
    canvas.cover(_smoothstep(-distance, -15, -13), _ramp(0 * height, ["#fff6d8"]))


def _paint_hill(canvas: _Canvas, profile: Points, roughness: float, colours: Sequence[str]) -> None:
    """A hillside below ``profile``, its ridge lifted and dropped by ``roughness`` pixels of noise."""
    columns = canvas.x[0]
    ridge = np.interp(columns, *np.transpose(profile)) + roughness * canvas.noise(60, 6)[0]
    woods = canvas.noise(22, 5, stretch=2.2)
    light = 0.45 + 0.3 * _relief(woods, OVERSAMPLING * 2) + 0.1 * woods
    mist = _smoothstep(canvas.y, 230, WATERLINE + 20)[..., None] * 0.45
    slope = _ramp(light, colours)
    slope += mist * (_ramp(0 * light, ["#e9b98c"]) - slope)
    canvas.cover(_smoothstep(canvas.y - ridge, 0, 0.7), slope)


def _paint_foliage(
    canvas: _Canvas, x: float, y: float, radius: float, leaf: float, count: int
) -> None:
    """A round clump of ``count`` leaves of ``leaf`` pixels, bright to the upper left."""
    rng = canvas.rng
    angles, reach = rng.uniform(0, 2 * np.pi, count), radius * np.sqrt(rng.uniform(0, 1, count))
    across, down = np.cos(angles) * reach, 0.8 * np.sin(angles) * reach
    light = 0.42 - (across + down) / radius * 0.3 + rng.normal(0, 0.13, count)
    turn = np.linspace(0, 2 * np.pi, 7)[:-1]
    for index in np.argsort(light + rng.normal(0, 0.15, count)):
        tilt, size = rng.uniform(0, np.pi), leaf * rng.uniform(0.6, 1.3)
        blob = np.exp(1j * tilt) * (np.cos(turn) + 0.55j * np.sin(turn)) * size
        centre = complex(x + across[index], y + down[index])
        shade = _ramp(light[index], LEAVES)
        tone = "#" + "".join(f"{round(255 * value):02x}" for value in shade)
        canvas.fill([((centre + p).real, (centre + p).imag) for p in blob], [tone], grain=0.1)


def _paint_window(canvas: _Canvas, x: float, y: float, width: float, height: float) -> None:
    glow = canvas.rng.uniform() < 0.3
    canvas.rectangle(x - 1, y - 1, width + 2, height + 2, "#f3e6cc", "#cdb999")
    panes = ["#ffd98a", "#e99a42"] if glow else ["#7f97a8", "#33445c", "#2a3347"]
    canvas.rectangle(x, y, width, height, *panes)
    canvas.rectangle(x + width / 2 - 0.3, y, 0.6, height, "#eadcc0")
    canvas.rectangle(x, y + height * 0.45, width, 0.6, "#eadcc0")
    canvas.rectangle(x - 1.6, y + height + 1, width + 3.2, 1.1, "#8a7765")


def _darker(colour: str, factor: float) -> str:
    return "#" + "".join(
        f"{int(min(255, part * factor)):02x}" for part in ImageColor.getrgb(colour)[:3]
    )


def _paint_roof(canvas: _Canvas, outline: Points, tile: str) -> None:
    """An eaves-on roof whose four corners run clockwise from the upper left, laid in rows of tiles."""
    canvas.fill(outline, [_darker(tile, 1.25), _darker(tile, 0.8)], grain=0.14)
    (left, top), (right, _), (far, bottom), (near, _) = outline
    for row in np.arange(top + 2, bottom, 2.2):
        share = (row - top) / (bottom - top)
        start, end = left + share * (near - left), right + share * (far - right)
        canvas.fill(
            canvas.limb((start, row), (end, row), 0.6), [_darker(tile, 0.5)], opacity=0.5, grain=0.4
        )


def _paint_house(canvas: _Canvas, x: float, base: float, width: float, height: float) -> None:
    """A house whose wall is ``width`` by ``height``, with a gable or a tiled roof above."""
    rng = canvas.rng
    wall, tile = WALLS[rng.integers(len(WALLS))], ROOFS[rng.integers(len(ROOFS))]
    eaves, middle, end = base - height, x + width / 2, x + width
    shades = [_darker(wall, 1.12), _darker(wall, 1.0), _darker(wall, 0.72)]
    gabled = rng.uniform() < 0.6
    peak = eaves - width * (0.62 if gabled else 0.42)
    canvas.rectangle(x + width * 0.68, peak - 3, 5, 16, "#b98a6a", "#70493c")
    if gabled:
        outline = [(x, base), (x, eaves), (middle, peak), (end, eaves), (end, base)]
        canvas.fill(outline, shades, sideways=True, grain=0.07)
        canvas.fill(canvas.limb((x - 2, eaves + 2), (middle, peak - 1), 3), [_darker(tile, 1.3)])
        canvas.fill(canvas.limb((end + 2, eaves + 2), (middle, peak - 1), 3), [_darker(tile, 0.65)])
        _paint_window(canvas, middle - 2.5, eaves - width * 0.2, 5, 7)
    else:
        corners = [(x, base), (x, eaves), (end, eaves), (end, base)]
        canvas.fill(corners, shades, sideways=True, grain=0.07)
        _paint_roof(
            canvas, [(x + 3, peak), (end - 3, peak), (end + 2, eaves), (x - 2, eaves)], tile
        )
        canvas.fill(
            [(x, eaves), (end, eaves), (end, eaves + 4), (x, eaves + 4)], ["#4a3340"], opacity=0.5
        )
    columns, floors = max(2, int(width / 13)), max(1, int(height / 19))
    for floor in range(floors):
        for column in range(columns):
            spot = x + (column + 0.5) * width / columns - 3
            _paint_window(canvas, spot, eaves + 7 + floor * (height - 4) / floors, 6, 8.5)
    # The neighbour on the sunny side keeps the light off the first few pixels of a wall.
    canvas.fill(
        [(x, eaves + 6), (x + 4, eaves + 12), (x + 4, base), (x, base)], ["#4b3b55"], opacity=0.35
    )


def _paint_church(canvas: _Canvas, x: float) -> None:
    _paint_roof(canvas, [(x + 22, 236), (x + 84, 236), (x + 92, 268), (x + 22, 268)], "#7a5a58")
    canvas.rectangle(x + 22, 268, 68, 50, "#e8cfa4", "#b08f74")
    stone = ["#f6dcae", "#e4bd8c", "#a67c6c"]
    canvas.fill([(x, 320), (x, 184), (x + 27, 184), (x + 27, 320)], stone, sideways=True, grain=0.1)
    for y in (184, 214, 250):
        canvas.rectangle(x - 1.5, y, 30, 2.5, "#fbe7c2", "#8f6f5f")
    for shift in (5.0, 15.5):
        arch = [(0, 18), (0, 4), (1.5, 1), (3.2, 0), (5, 1), (6.5, 4), (6.5, 18)]
        canvas.fill([(x + shift + u, 192 + v) for u, v in arch], ["#3b3040", "#6d5048"])
    turn = np.linspace(0, 2 * np.pi, 24)
    for radius, face in ((8.0, "#5c4038"), (6.6, "#fff0cf")):
        dial = zip(x + 13.5 + radius * np.cos(turn), 232 + radius * np.sin(turn), strict=True)
        canvas.fill(list(dial), [face])
    canvas.fill(canvas.limb((x + 13.5, 232), (x + 13.5, 227), 1), ["#3b2a2a"])
    canvas.fill(canvas.limb((x + 13.5, 232), (x + 17, 234), 1), ["#3b2a2a"])
    canvas.fill(
        [(x - 2, 184), (x + 13.5, 104), (x + 13.5, 184)], ["#9fb8a4", "#6f9a8c"], grain=0.12
    )
    canvas.fill(
        [(x + 13.5, 184), (x + 13.5, 104), (x + 29, 184)], ["#587a7c", "#3c565f"], grain=0.12
    )
    canvas.fill(canvas.limb((x + 13.5, 106), (x + 13.5, 94), 1.2), ["#e8c070"])
    canvas.fill(canvas.limb((x + 10.5, 98), (x + 16.5, 98), 1.2), ["#e8c070"])


def _paint_town(canvas: _Canvas) -> None:
    rng = canvas.rng
    for base in (268.0, 290.0, 312.0):
        x = 300 - (base - 268) * 3.4
        while x < 640:
            width = rng.uniform(20, 30)
            _paint_house(canvas, x, base + rng.uniform(-6, 6), width, rng.uniform(16, 26))
            if rng.uniform() < 0.6:
                _paint_foliage(canvas, x + width + 8, base - 4, rng.uniform(7, 12), 1.6, 130)
            x += width + rng.uniform(6, 26)
        if base < 280:
            _paint_church(canvas, 262)
    x = 128.0
    while x < 700:
        width = rng.uniform(28, 46)
        _paint_house(canvas, x, QUAY, width, rng.uniform(38, 64))
        x += width + 0.5
    quay = [(96, WATERLINE), (104, QUAY - 1), (768, QUAY - 1), (768, WATERLINE)]
    canvas.fill(quay, ["#e2c294", "#8d7768", "#4e4650"], grain=0.18)
    for x in np.arange(112, 768, 9.0):
        canvas.fill(canvas.limb((x, QUAY + 3), (x, WATERLINE), 0.7), ["#3d343a"], opacity=0.6)


def _paint_boat(
    canvas: _Canvas, x: float, y: float, size: float, paint: str, up: float = 1
) -> None:
    """A sailing boat afloat at (x, y), ``size`` pixels long; ``up`` of -1 gives its reflection."""

    def placed(points: Points) -> Points:
        return [(x + u * size, y - up * v * size) for u, v in points]

    hull = [(-0.5, 0.17), (-0.4, 0.03), (-0.3, -0.02), (0.33, -0.02), (0.43, 0.05), (0.56, 0.22)]
    canvas.fill(
        placed([*hull, (0.2, 0.15), (-0.2, 0.14)]), [paint, _darker(paint, 0.45)], grain=0.1
    )
    rail = [(-0.5, 0.17), (-0.2, 0.14), (0.2, 0.15), (0.56, 0.22), (0.2, 0.17), (-0.2, 0.16)]
    canvas.fill(placed(rail), ["#fff0d0"])
    canvas.fill(
        placed([(-0.28, 0.15), (-0.25, 0.24), (-0.02, 0.24), (0, 0.15)]), ["#f0dcb4", "#a8805c"]
    )
    canvas.fill(placed([(0.04, 0.15), (0.045, 1.32), (0.06, 1.32), (0.07, 0.15)]), ["#6a4a38"])
    bulge = np.linspace(0, 1, 12)
    leech = zip(0.03 - 0.5 * bulge - 0.1 * np.sin(np.pi * bulge), 1.26 - 1.0 * bulge, strict=True)
    main = ["#fff4dc", "#f6dcb0", "#d9a982"]
    canvas.fill(placed([*leech, (0.03, 0.28)]), main, sideways=True, grain=0.04)
    jib = [(0.08, 1.12), (0.28, 0.66), (0.52, 0.25), (0.3, 0.3), (0.1, 0.3)]
    canvas.fill(placed(jib), ["#d9a982", "#f4d3a4", "#c98f70"], sideways=True, grain=0.04)
    for height in (0.5, 0.72, 0.94):
        seam = placed([(0.03, height), (-0.45 * (1.26 - height) - 0.05, height - 0.03)])
        canvas.fill(canvas.limb(seam[0], seam[1], 0.5), ["#b58c68"], opacity=0.7)


BOATS = [
    (560.0, 356.0, 34.0, "#7d3b34"),
    (236.0, 372.0, 50.0, "#2f5d73"),
    (392.0, 366.0, 40.0, "#e8d8b8"),
]
BOATS += [(130.0, 428.0, 104.0, "#9c3f32"), (436.0, 412.0, 66.0, "#2e4a66")]


def _paint_water(canvas: _Canvas) -> None:
    """Mirror what stands above the waterline, ripple it, and let the low sun glitter on it."""
    line = int(WATERLINE * OVERSAMPLING)
    depth = canvas.size[1] - line
    canvas.pixels[line:] = canvas.pixels[line - depth : line][::-1]
    for boat in BOATS:
        _paint_boat(canvas, *boat, up=-1)
    nearness = canvas.y[line:] - WATERLINE
    # Ripples shrink with distance: one sheet of noise is read ever more densely towards the line.
    sheet = _noise(canvas.rng, (2048, 2048), 64, 5, stretch=3)
    rows = (2600 * np.log1p(nearness / 28)).astype(int) % 2048
    columns = ((canvas.x[line:] - 384) * 340 / (nearness + 40)).astype(int) % 2048
    ripple = sheet[rows, columns]
    reach = OVERSAMPLING * (0.6 + 0.055 * nearness)
    down, across = np.mgrid[:depth, : canvas.size[0]]
    down = np.clip(down + ripple * reach * 1.3, 0, depth - 1).astype(int)
    across = np.clip(across + ripple * reach * 0.8, 0, canvas.size[0] - 1).astype(int)
    mirror = canvas.pixels[line:][down, across]
    deep = _ramp(nearness / 227, ["#8f8a86", "#4b6f80", "#254b63", "#17364d"])
    weight = np.clip(0.24 + 0.1 * ripple + 0.0016 * nearness, 0, 0.8)[..., None]
    water = mirror * 0.94 * (1 - weight) + deep * weight
    path = np.exp(-(((canvas.x[line:] - SUN[0]) / (40 + 0.45 * nearness)) ** 2))
    sparkle = _smoothstep(ripple + 1.1 * path, 1.35, 2.1) * (0.18 + 0.75 * path)
    canvas.pixels[line:] = water + sparkle[..., None] * (_ramp(0 * path, ["#ffe9b4"]) - water)
    for boat in BOATS[::1]:
        _paint_boat(canvas, *boat)


def _paint_bank(canvas: _Canvas) -> None:
    """The grassy near shore, lower right, blade by blade from back to front."""
    rng = canvas.rng
    shore = [
        (768, 452),
        (700, 462),
        (640, 482),
        (570, 508),
        (500, 532),
        (430, 552),
        (372, 576),
        (768, 576),
    ]
    canvas.fill(shore, ["#6f7a34", "#39481f", "#222d18"], grain=0.25)
    edge = np.array(shore[:7])[::-1]
    for y in np.sort(rng.uniform(455, 590, 3600)):
        x = rng.uniform(370, 775)
        if y < np.interp(x, edge[:, 0], edge[:, 1]):
            continue
        tall = rng.uniform(5, 13) * (0.6 + (y - 450) / 130)
        light = ["#2b3a1c", "#4e5f28", "#7d8034", "#b9a648", "#e2c86a"][
            rng.choice(5, p=[0.3, 0.3, 0.2, 0.13, 0.07])
        ]
        tip = (x + rng.normal(-2, 3), y - tall)
        canvas.fill(canvas.limb((x, y), tip, 1.8, 0.3), [light, _darker(light, 0.6)])
        if rng.uniform() < 0.035:
            petal = ["#f7e9c4", "#f2b33e", "#d9583c"][rng.integers(3)]
            turn = np.linspace(0, 2 * np.pi, 8)
            bloom = zip(tip[0] + 1.8 * np.cos(turn), tip[1] + 1.5 * np.sin(turn), strict=True)
            canvas.fill(list(bloom), [petal, _darker(petal, 0.7)])


def _grow(
    canvas: _Canvas, foot: tuple[float, float], heading: float, length: float, width: float
) -> None:
    """Draw a limb of the tree and, recursively, the limbs and leaves it carries."""
    rng = canvas.rng
    tip = (foot[0] + length * np.cos(heading), foot[1] - length * np.sin(heading))
    bark = ["#b98552", "#6b4a34", "#2d2220"]
    canvas.fill(canvas.limb(foot, tip, width, width * 0.72), bark, sideways=True, grain=0.25)
    if width < 4:
        _paint_foliage(canvas, *tip, rng.uniform(17, 26), 2.5, 150)
        return
    for spread in (-0.5, 0.08, 0.55):
        turned = heading + spread + rng.normal(0, 0.12)
        _grow(canvas, tip, turned, length * rng.uniform(0.66, 0.84), width * rng.uniform(0.5, 0.66))


def _harbour(rng: np.random.Generator) -> Image.Image:
    canvas = _Canvas(rng)
    _paint_sky(canvas)
    far = [(0, 318), (150, 300), (300, 240), (460, 196), (620, 214), (768, 180)]
    near = [(0, 352), (110, 334), (220, 296), (360, 262), (520, 244), (640, 250), (768, 226)]
    _paint_hill(canvas, far, 7, ["#6a6d8c", "#8d8799", "#c79f92", "#efc79a"])
    _paint_hill(canvas, near, 5, ["#3c4a38", "#5f6a40", "#9a8f4c", "#e0bf70"])
    _paint_town(canvas)
    _paint_water(canvas)
    _paint_bank(canvas)
    _grow(canvas, (690, 530), 1.75, 120, 26)
    return _finished(canvas.pixels, HARBOUR_SIZE)


def _flow(size: tuple[int, int]) -> Floats:
    """The stream function of the strokes, shape (height, width): paint runs along its level lines."""
    rows, columns = np.mgrid[: size[1], : size[0]].astype(np.float32)
    x, y = columns / size[0], rows / size[1]
    stream = 1.3 * y - 0.55 * x + 0.12 * np.sin(7 * x + 2) + 0.06 * np.sin(11 * y + 5 * x)
    for centre_x, centre_y, radius, power in (
        (0.27, 0.30, 0.21, 0.75),
        (0.74, 0.62, 0.24, -0.8),
        (0.82, 0.16, 0.14, 0.4),
        (0.20, 0.83, 0.16, -0.4),
    ):
        stream += power * np.exp(-((x - centre_x) ** 2 + (y - centre_y) ** 2) / radius**2)
    return stream


def _traced(stream: Floats, starts: Floats, steps: int, stride: float) -> Floats:
    """Paths along the level lines of ``stream`` from ``starts`` (n, 2); shape (n, steps, 2), x first."""
    slope_y, slope_x = np.gradient(stream)
    limits = np.array(stream.shape[::-1]) - 1
    places, paths = starts.copy(), []
    for _ in range(steps):
        paths.append(places)
        column, row = np.clip(places, 0, limits).astype(int).T
        along = np.stack([slope_y[row, column], -slope_x[row, column]], axis=-1)
        places = places + stride * along / (np.linalg.norm(along, axis=-1, keepdims=True) + 1e-9)
    return np.stack(paths, axis=1).astype(np.float32)


def _lay_strokes(
    rng: np.random.Generator,
    paint: Floats,
    height: Floats,
    stream: Floats,
    count: int,
    length: int,
    width: float,
) -> None:
    """Lay ``count`` strokes over ``paint`` (RGB) and ``height`` in place, the last on top."""
    along, across = int(length * 1.3), int(width * 1.6)
    sides = np.linspace(-1, 1, across, dtype=np.float32)
    shares = np.linspace(0, 1, along, dtype=np.float32)[:, None]
    starts = rng.uniform(-0.05, 1.05, (count, 2)) * stream.shape[::-1]
    paths = _traced(stream, starts, along, length / along)
    normals = np.gradient(paths, axis=1)[..., ::-1] * [1, -1]
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True) + 1e-9
    columns, rows = np.clip(paths[:, along // 2], 0, np.array(stream.shape[::-1]) - 1).astype(int).T
    level = (stream[rows, columns] - stream.min()) / (stream.max() - stream.min())
    for index in range(count):
        bristles = _noise(rng, (across, along), width / 7, 2, 1)
        streaks = _noise(rng, (across, 3), width / 9, 2)[1]
        tuft = 0.75 * streaks + 0.35 * bristles
        spot = np.array([0.0, 0.0])
        tone = (level[index] * 2.0 + rng.normal(0, 0.05)) % 2
        tone = 1 - abs(1 - tone)
        if rng.uniform() < 0.06:
            tone = rng.uniform(0, 1)
        tones = np.clip(tone + 0.05 * tuft + 0.05 * sides, 0, 1)
        colours = _ramp(tones, PAINTS) * (1 + 0.05 * tuft[..., None] + rng.normal(0, 0.06))
        half = width / 2 * rng.uniform(0.7, 1.1) * np.sqrt(np.clip(shares * 8, 0, 1))
        places = paths[index][:, None] + normals[index][:, None] * (half * sides)[..., None] + spot
        body = (
            0.5 * (1 - sides**2)
            + 0.35 * sides**6
            + 0.22 * tuft
            + 0.5 * np.exp(-40 * (1 - shares) ** 2)
        )
        column, row = np.round(places).astype(int).transpose(2, 0, 1)
        held = (tuft > 5 * (shares - 0.78) * 2 - 2.0) & (column >= 0) & (row >= 0)
        held &= (column < stream.shape[1]) & (row < stream.shape[0])
        paint[row[held], column[held]] = colours[held]
        height[row[held], column[held]] = (
            0.45 * height[row[held], column[held]] + body[held] * width
        )


def _strokes(rng: np.random.Generator) -> Image.Image:
    size = (STROKES_SIZE[0] * 2, STROKES_SIZE[1] * 2)
    stream = _flow(size)
    level = (stream - stream.min()) / (stream.max() - stream.min())
    paint, height = _ramp(level, PAINTS), np.zeros(size[::-1], np.float32)
    for count, length, width in ((700, 330, 62.0), (1100, 240, 38.0), (1500, 170, 24.0)):
        _lay_strokes(rng, paint, height, stream, count, length, width)
    soft = np.asarray(Image.fromarray(height).filter(ImageFilter.BoxBlur(1)))
    light = np.tanh(_relief(soft, 3) / 9)
    lit = paint * (1 + 0.42 * light[..., None])
    lit += 0.35 * _smoothstep(light, 0.45, 1)[..., None]
    return _finished(lit, STROKES_SIZE)


def draw(folder: Path) -> list[Path]:
    """Write both pictures into ``folder`` as RGB JPEG files and return where they are."""
    content, style = folder / CONTENT.name, folder / STYLE.name
    _harbour(np.random.default_rng(SEED)).save(content, quality=JPEG_QUALITY)
    _strokes(np.random.default_rng(SEED)).save(style, quality=JPEG_QUALITY)
    return [content, style]


def main() -> None:
    """Draw into the folder named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m impasto.demo.draw", description=draw.__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=CONTENT.parent)
    draw(parser.parse_args().folder)


if __name__ == "__main__":
    main()
