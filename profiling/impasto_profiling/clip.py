"""A drawn film whose motion is known: objects that move and cover each other, a camera that pans, a cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy

Array = numpy.ndarray[Any, Any]


@dataclass(frozen=True)
class DrawnFrame:
    """A frame, and where each of its pixels was in the frame before."""

    image: Array
    """(H, W, 3) uint8."""
    flow: Array
    """(2, H, W): pixels to the right and down, back to the frame before."""
    seen: Array
    """(H, W) of truth values: whether the pixel could be seen in the frame before."""
    begins: bool
    """Whether the frame is the first after a cut."""


@dataclass(frozen=True)
class Layer:
    """A texture in a disk, or everywhere, that moves evenly; later layers cover earlier ones."""

    seed: int
    start: tuple[float, float]
    """Its middle in the first frame of its scene: column and row, as parts of width and height."""
    speed: tuple[float, float]
    """Pixels a frame to the right and down, for a picture of 128 pixels."""
    radius: float | None = None
    """Part of the width; None is everywhere."""


SCENES = (
    (
        Layer(1, (0.5, 0.5), (-1.4, 0.3)),
        Layer(2, (0.2, 0.4), (2.2, 0.4), 0.16),
        Layer(3, (0.75, 0.6), (-1.8, -0.7), 0.2),
        Layer(4, (0.5, 0.2), (-0.4, 1.6), 0.1),
    ),
    (
        Layer(5, (0.5, 0.5), (1.1, -0.6)),
        Layer(6, (0.3, 0.7), (1.9, -1.2), 0.18),
        Layer(7, (0.8, 0.3), (-2.0, 0.5), 0.13),
    ),
)
"""What moves before and after the cut, from back to front."""


def drawn_clip(
    frames: int = 24, width: int = 128, height: int = 96, cut: int = 16
) -> list[DrawnFrame]:
    """The film.

    Args:
        frames: how many.
        width: pixels.
        height: pixels.
        cut: the frame, from 0, that the second scene begins with.
    """
    return [
        drawn_frame(SCENES[number >= cut], number - cut * (number >= cut), width, height)
        for number in range(frames)
    ]


def drawn_frame(layers: tuple[Layer, ...], time: int, width: int, height: int) -> DrawnFrame:
    """A frame of a scene, ``time`` frames after its beginning."""
    down, right = numpy.mgrid[:height, :width].astype(float)
    image = numpy.zeros((height, width, 3))
    flow = numpy.zeros((2, height, width))
    top = numpy.zeros((height, width), int)
    for number, layer in enumerate(layers):
        here = covers(layer, right, down, time, width, height)
        x, y = middle(layer, time, width, height)
        image[here] = texture(layer.seed, right - x, down - y, width)[here]
        flow[:, here] = [[-speed * width / 128] for speed in layer.speed]
        top = numpy.where(here, number, top)
    before_x, before_y = right + flow[0], down + flow[1]
    seen = (before_x >= 0) & (before_x <= width - 1) & (before_y >= 0) & (before_y <= height - 1)
    for number, layer in enumerate(layers):
        # What lay in front of it then hid it.
        seen &= ~((number > top) & covers(layer, before_x, before_y, time - 1, width, height))
    levels = numpy.round(image.clip(0, 1) * 255).astype(numpy.uint8)
    return DrawnFrame(levels, flow, seen & (time > 0), time == 0)


def middle(layer: Layer, time: int, width: int, height: int) -> tuple[float, float]:
    """Column and row of a layer's middle."""
    return (
        layer.start[0] * width + layer.speed[0] * time * width / 128,
        layer.start[1] * height + layer.speed[1] * time * width / 128,
    )


def covers(layer: Layer, right: Array, down: Array, time: int, width: int, height: int) -> Array:
    """Where a layer is."""
    if layer.radius is None:
        return numpy.ones_like(right, bool)
    x, y = middle(layer, time, width, height)
    found: Array = numpy.hypot(right - x, down - y) < layer.radius * width
    return found


def texture(seed: int, right: Array, down: Array, width: int) -> Array:
    """Waves of many lengths around a color, (H, W, 3) in [0, 1]."""
    random = numpy.random.default_rng(seed)
    color = random.uniform(0.25, 0.75, 3)
    image = numpy.zeros((*right.shape, 3)) + color
    for length in (7, 10, 15, 24, 40):
        for _ in range(2):
            angle, phase = random.uniform(0, 2 * numpy.pi, 2)
            way = (numpy.cos(angle) * right + numpy.sin(angle) * down) * 128 / width
            wave = numpy.sin(2 * numpy.pi * way / length + phase)
            image += wave[..., None] * random.uniform(-0.1, 0.1, 3)
    return image
