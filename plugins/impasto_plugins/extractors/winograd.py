"""Winograd's convolution F(4 × 4, 3 × 3): a quarter of the products of a direct one.

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, equations 12 to 15. A tile of
6 × 6 pixels and the kernel are transformed, multiplied point by point, and transformed into 4 × 4 pixels of
output. Departure: the points are 0, ±2/3, ±3/2 and infinity instead of 0, ±1, ±2 and infinity. Their
reciprocals are the same points, so that the gradient's kernel, which is turned by half a circle, has
the same transform in another order, and one copy of the weights serves both ways.

Relative error in float32: 1e-6. Measured on two cores with AVX2, beside direct convolution: 1.4 times faster
with 128 channels, 2.1 times with 256 or 512, 0.8 times with 64; a whole step of the default losses 1.5 to
1.7 times at 256 pixels and 1.55 at 512. Products are 80 % of it with 512 channels, half with 128.
"""

from __future__ import annotations

import platform
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from impasto_plugins.extractors.operation import laid_out, operation, with_gradient

MADE, TAKEN = 4, 6
"""Sides of a tile of output, and of the input that it is made from, pixels."""
POINTS = (0.0, 2 / 3, -2 / 3, 3 / 2, -3 / 2)
"""Where the polynomials are evaluated; infinity comes last."""
RECIPROCAL = (5, 3, 4, 1, 2, 0)
"""Of each point, infinity included, the place of its reciprocal."""
FEWEST_CHANNELS = 128
"""With fewer, coming in or going out, the transforms cost more than the products save."""
MEASURED = platform.machine() in ("x86_64", "AMD64")
"""On other processors it was not measured."""
TILES_AT_ONCE = 256
"""So many tiles with all their channels stay in the processor's cache."""


class Transforms(NamedTuple):
    """The transforms of both sides of a tile at once, as matrices for its pixels in rows."""

    taken: Tensor
    """(36, 36): tile of the input → points."""
    made: Tensor
    """(16, 36): points → tile of the output."""


def pays(kernel: Tensor) -> bool:
    """Whether this is faster than direct convolution for a kernel of (outgoing, incoming, 3, 3)."""
    # In bfloat16 the transforms lose too many digits, unless they are done in float32.
    able = MEASURED and kernel.device.type == "cpu" and kernel.dtype == torch.float32
    return able and min(kernel.shape[:2]) >= FEWEST_CHANNELS


def transformed(kernel: Tensor) -> Tensor:
    """The kernel, (outgoing, incoming, 3, 3), at the points: (36, incoming, outgoing)."""
    one = torch.from_numpy(_of_kernel()).to(kernel)
    return torch.einsum("ai, bj, oqij -> abqo", one, one, kernel).flatten(0, 1).contiguous()


def convolved(feature: Tensor, weights: Tensor, bias: Tensor) -> Tensor:
    """The convolution, padded with zeros, with a gradient toward the feature alone.

    Args:
        feature: (1, incoming, h, w).
        weights: from :func:`transformed`.
        bias: (outgoing,).

    Returns:
        (1, outgoing, h, w), channels last.
    """
    return _with_gradient(feature, weights, bias)


# An operation, so that profiles show it with its shapes, and that the compiler need not look into it.
@operation("impasto::winograd")
def _convolved(feature: Tensor, weights: Tensor, bias: Tensor | None, backwards: bool) -> Tensor:
    transforms = _transforms(backwards)
    weights = weights.transpose(1, 2) if backwards else weights
    _, incoming, height, width = feature.shape
    outgoing = weights.shape[2]
    rows, columns = -(-height // MADE), -(-width // MADE)
    output = laid_out(feature, outgoing, MADE * rows, MADE * columns)
    of_rows = output[0].permute(1, 2, 0).view(rows, MADE, columns, MADE, outgoing)
    each = min(rows, max(1, TILES_AT_ONCE // columns))
    band = feature.new_zeros(MADE * each + 2, MADE * columns + 2, incoming)
    for first in range(0, rows, each):
        _fill(band, feature, MADE * first - 1)
        tiles = _tiles(band, min(each, rows - first), columns)
        number = tiles.shape[0] * columns
        taken = transforms.taken.expand(number, -1, -1)
        made = transforms.made.expand(number, -1, -1)
        points = torch.bmm(taken, tiles.reshape(number, TAKEN * TAKEN, incoming)).transpose(0, 1)
        products = torch.bmm(points, weights).transpose(0, 1)
        pixels = torch.bmm(made, products).view(-1, columns, MADE, MADE, outgoing).transpose(1, 2)
        place = of_rows[first : first + each]
        if bias is None:
            place.copy_(pixels)
        else:
            torch.add(pixels, bias, out=place)
    if output.shape[2:] == feature.shape[2:]:
        return output
    return laid_out(feature, outgoing, height, width).copy_(output[:, :, :height, :width])


def _shaped(feature: Tensor, weights: Tensor, bias: Tensor | None, backwards: bool) -> Tensor:
    return laid_out(feature, weights.shape[1 if backwards else 2], *feature.shape[2:])


torch.library.register_fake("impasto::winograd", _shaped)
_with_gradient = with_gradient(_convolved)


def _fill(band: Tensor, feature: Tensor, top: int) -> None:
    """Fill a band, (h, w, C), with rows of the feature from ``top`` on, and with zeros around them."""
    height, width = feature.shape[2:]
    first, last = max(top, 0), min(top + band.shape[0], height)
    # Its first row and its sides are zero from the beginning.
    band[first - top : last - top, 1 : width + 1] = feature[0, :, first:last].permute(1, 2, 0)
    band[last - top :] = 0


def _tiles(padded: Tensor, rows: int, columns: int) -> Tensor:
    """The overlapping tiles of some rows, as a view: (rows, columns, 6, 6, C)."""
    down, right, channel = padded.stride()
    shape = (rows, columns, TAKEN, TAKEN, padded.shape[2])
    steps = (MADE * down, MADE * right, down, right, channel)
    return padded.as_strided(shape, steps, padded.storage_offset())


@cache
def _transforms(backwards: bool) -> Transforms:
    taken, made = _of_input(), _of_output()
    if backwards:
        order = list(RECIPROCAL)
        taken, made = (taken * _factors()[:, None])[order], made[:, order]
    return Transforms(*(torch.from_numpy(np.kron(one, one)).float() for one in (taken, made)))


def _of_kernel() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """(6, 3): the kernel as a polynomial at each point, divided so that the products interpolate."""
    finite = [np.array([1, point, point**2]) / _apart(point) for point in POINTS]
    return np.stack([*finite, np.array([0.0, 0, 1])])


def _of_input() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """(6, 6): the coefficients, lowest first, of the polynomial with all the other points as roots."""
    finite = [
        np.append(np.poly([other for other in POINTS if other != point])[::-1], 0)
        for point in POINTS
    ]
    return np.stack([*finite, np.poly(POINTS)[::-1]])


def _of_output() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """(4, 6): the powers of each point."""
    finite = [np.array([point**power for power in range(MADE)]) for point in POINTS]
    return np.stack([*finite, np.array([0.0, 0, 0, 1])], 1)


def _factors() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """What a turned kernel has at each point, divided by what the kernel has at its reciprocal.

    With coefficients the other way round a polynomial of degree two at p is p² times itself at 1 / p.
    """
    middle = [point**2 * _apart(1 / point) / _apart(point) for point in POINTS[1:]]
    return np.array([1 / _apart(0.0), *middle, _apart(0.0)])


def _apart(point: float) -> float:
    """The product of a point's distances to all others."""
    return float(np.prod([point - other for other in POINTS if not np.isclose(other, point)]))
