"""Drawn textures to judge texture synthesis by: bricks, leaves, cloth and stones; they need no file.

python -m impasto_profiling.drawn_textures FOLDER [--size 512]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy
from PIL import Image

Array = numpy.ndarray[Any, Any]


def noise(size: int, random: numpy.random.Generator, exponent: float = 1.0) -> Array:
    """Noise whose amplitude falls with the frequency to that power, (size, size), deviation 1."""
    frequency = numpy.hypot(*numpy.meshgrid(numpy.fft.fftfreq(size), numpy.fft.fftfreq(size)))
    frequency[0, 0] = 1
    spectrum = numpy.fft.fft2(random.normal(size=(size, size))) / frequency**exponent
    spectrum[0, 0] = 0
    values: Array = numpy.fft.ifft2(spectrum).real
    made: Array = values / values.std()
    return made


def brick(size: int) -> Array:
    """Rows of bricks, each of its own red, with light mortar between."""
    random = numpy.random.default_rng(1)
    height, width = size / 12, size / 6
    down, right = numpy.mgrid[:size, :size] + 0.5
    down = down + 0.006 * size * noise(size, random, 1.5)
    right = right + 0.006 * size * noise(size, random, 1.5)
    row = numpy.floor(down / height).astype(int)
    shifted = right / width + 0.5 * (row % 2)
    column = numpy.floor(shifted).astype(int)
    edge = numpy.minimum(
        numpy.minimum(down / height - row, row + 1 - down / height) * height,
        numpy.minimum(shifted - column, column + 1 - shifted) * width,
    )
    colors = numpy.array([0.58, 0.27, 0.2]) + random.normal(size=(40, 40, 1)) * [0.08, 0.05, 0.04]
    bricks = colors[row % 40, column % 40] * (1 + 0.1 * noise(size, random, 0.8)[..., None])
    mortar = numpy.array([0.76, 0.73, 0.67]) * (1 + 0.06 * noise(size, random, 0.4)[..., None])
    share = (edge / (0.006 * size) - 0.9).clip(0, 1)[..., None]
    made: Array = bricks * share * (
        0.75 + 0.25 * (edge / (0.02 * size)).clip(0, 1)[..., None]
    ) + mortar * (1 - share)
    return made


def foliage(size: int) -> Array:
    """Leaves over leaves, the upper ones lighter."""
    random = numpy.random.default_rng(2)
    image = numpy.full((size, size, 3), (0.04, 0.08, 0.03))
    down, right = numpy.mgrid[:size, :size] + 0.5
    for number in range(700):
        length = size * random.uniform(0.04, 0.075)
        x, y, angle = *random.uniform(0, size, 2), random.uniform(0, 2 * numpy.pi)
        top, left = int(max(0, y - length)), int(max(0, x - length))
        part = (slice(top, int(y + length) + 1), slice(left, int(x + length) + 1))
        along = numpy.cos(angle) * (right[part] - x) + numpy.sin(angle) * (down[part] - y)
        across = numpy.cos(angle) * (down[part] - y) - numpy.sin(angle) * (right[part] - x)
        breadth = 0.42 * length * (1 - (along / length) ** 2).clip(0, None)
        light = (0.35 + 0.65 * number / 700) * random.uniform(0.75, 1.15)
        color = numpy.array([0.3, 0.52, 0.14]) + random.normal(size=3) * [0.07, 0.05, 0.03]
        shade = light * (1 + 0.25 * across / length * 4 + 0.3 * (abs(across) < 0.02 * length))
        inside = abs(across) < breadth
        image[part][inside] = (color * shade[..., None])[inside]
    return image


def fabric(size: int) -> Array:
    """Threads that go over and under each other, in blue and in cream, with stripes."""
    random = numpy.random.default_rng(3)
    pitch = size / 48
    down, right = numpy.mgrid[:size, :size] + 0.5
    down = down + 0.25 * pitch * noise(size, random, 1.2)
    right = right + 0.25 * pitch * noise(size, random, 1.2)
    row, column = numpy.floor(down / pitch).astype(int), numpy.floor(right / pitch).astype(int)
    over = (row + column) % 2 == 0
    across = numpy.where(over, down / pitch - row, right / pitch - column) - 0.5
    along = numpy.where(over, right / pitch - column, down / pitch - row) - 0.5
    blue, cream = numpy.array([0.16, 0.25, 0.48]), numpy.array([0.82, 0.76, 0.62])
    is_cream = numpy.where(over, row % 12 < 3, column % 12 < 3)
    image = numpy.where(is_cream[..., None], cream, blue)
    light = (1 - 1.6 * across**2) * (1 - 0.9 * along**2) * (1 + 0.07 * noise(size, random, 0.3))
    made: Array = image * light[..., None]
    return made


def stone(size: int) -> Array:
    """Cobbles: the cells of points at random, rounded, each of its own gray."""
    random = numpy.random.default_rng(4)
    cells = 11
    down, right = numpy.mgrid[:size, :size] + 0.5
    down = down / size + 0.004 * noise(size, random, 1.4)
    right = right / size + 0.004 * noise(size, random, 1.4)
    nearest, second = numpy.full((2, size, size), numpy.inf)
    owner = numpy.zeros((size, size), int)
    for y in range(-1, cells + 1):
        for x in range(-1, cells + 1):
            away = random.uniform(0.15, 0.85, 2)
            distance = numpy.hypot(right - (x + away[0]) / cells, down - (y + away[1]) / cells)
            owner = numpy.where(distance < nearest, y * 31 + x + 40, owner)
            second = numpy.minimum(numpy.maximum(distance, nearest), second)
            nearest = numpy.minimum(distance, nearest)
    dome = ((second - nearest) * cells / 0.5).clip(0, 1) ** 0.6
    tint = random.normal(size=(500, 1)) * 0.1 + random.normal(size=(500, 3)) * 0.02
    color = numpy.array([0.56, 0.54, 0.5]) + tint[owner]
    made: Array = (
        color * (0.15 + 0.85 * dome[..., None]) * (1 + 0.13 * noise(size, random, 0.7)[..., None])
    )
    return made


DRAWN: Mapping[str, Callable[[int], Array]] = {
    "brick": brick,
    "foliage": foliage,
    "fabric": fabric,
    "stone": stone,
}
"""Functions of the side in pixels, each giving a square picture (size, size, 3)."""


def draw(name: str, size: int = 512) -> Image.Image:
    """One of :data:`DRAWN`, as a picture."""
    levels = (DRAWN[name](size).clip(0, 1) * 255).round().astype(numpy.uint8)
    return Image.fromarray(levels)


def main() -> None:
    """Draw all of them into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=512)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    for name in DRAWN:
        draw(name, asked.size).save(asked.folder / f"{name}.png")


if __name__ == "__main__":
    main()
