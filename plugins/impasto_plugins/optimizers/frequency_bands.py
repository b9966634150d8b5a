"""An inverse Hessian for L-BFGS to start from: diagonal by band of frequency and axis of color.

Pixels are badly conditioned, the worse the larger the picture: the objective's curvature depends on
frequency, and on whether light or color changes, far more than on the place. L-BFGS starts each
direction from a multiple of the identity; Nocedal and Wright, "Numerical Optimization", 2nd edition,
section 7.2, let any positive definite matrix take its place. In each band of half an octave the inverse
curvature is |s| / |y|, the geometric mean of both formulas of Barzilai and Borwein, "Two-point step size
gradient methods", 1988.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d, avg_pool2d, normalize, pad

HIGHEST = math.sqrt(0.5)
"""The highest frequency of a picture, cycles a pixel: that of a chessboard."""
BANDS_PER_OCTAVE = 2


OPPONENT = ((1.0, 1.0, 1.0), (1.0, 0.0, -1.0), (1.0, -2.0, 1.0))
"""Axes of color in RGB: light, red against blue, and both against green. Scaled to length one, a rotation."""

AT_ONCE = 2**20
"""Numbers of vectors that are transformed at once; of more, one vector and one axis of color after the other.
The result is the same, from a third of the memory."""

NEAR, FAINT = 9, 0.1
"""A gradient is faint where its mean square within so many pixels is below this fraction of the picture's."""


class FrequencyBands:
    """Vectors of numbers, seen as bands of frequency.

    A parameter of four dimensions, (N, C, H, W), is taken for a picture, and a band is what it has of half
    an octave; with three channels, along one axis of color, else in all channels together. Any other
    parameter is one band.
    """

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        """Take the parameters whose flat concatenation the vectors are.

        Args:
            parameters: real tensors on one device.
        """
        self.sizes = [parameter.numel() for parameter in parameters]
        self.parts: list[_Picture | _Plain] = [
            _Picture(one) if one.dim() == 4 and one.numel() else _Plain() for one in parameters
        ]

    def squares(self, vectors: Sequence[Tensor]) -> Tensor:
        """The sums of squares in each band, (k, bands), of k vectors, (n,); they add up to the vector's."""
        if len(vectors) > 1 and len(vectors) * vectors[0].numel() > AT_ONCE:
            return torch.cat([self.squares([one]) for one in vectors])
        stacked = torch.stack(list(vectors)) if len(vectors) > 1 else vectors[0][None]
        parts = torch.split(stacked, self.sizes, dim=1)
        squares = [one.squares(part) for one, part in zip(self.parts, parts, strict=True)]
        return _joined(squares, dim=1)

    def multiplied(self, vector: Tensor, factors: Tensor) -> Tensor:
        """The vector with each band multiplied by its factor: a symmetric matrix, positive if they are.

        Args:
            vector: (n,), of all parameters.
            factors: (bands,).
        """
        given = torch.split(factors, [one.bands for one in self.parts])
        parts = zip(self.parts, torch.split(vector, self.sizes), given, strict=True)
        return _joined([one.multiplied(part, factors) for one, part, factors in parts])

    def weights(self, vector: Tensor) -> Tensor:
        """1 where a vector is not faint, and less the fainter it is, (n,).

        Broad waves reach everywhere, and around the border. With these weights before and behind them, what
        the objective says nothing about, as what no mask covers, stays as it is.
        """
        parts = torch.split(vector, self.sizes)
        return _joined([one.weights(part) for one, part in zip(self.parts, parts, strict=True)])

    def inverse_curvatures(self, moves: Tensor, changes: Tensor) -> Tensor:
        """|s| / |y| of each band, (bands,), smoothed over its neighbors.

        Args:
            moves: sums of squares of moves s in each band, (bands,).
            changes: the same of the changes y of the gradient that they made.
        """
        counts = [one.bands for one in self.parts]
        parts = zip(
            self.parts, torch.split(moves, counts), torch.split(changes, counts), strict=True
        )
        return torch.cat([
            _smoothed(_ratio(moved, changed).view(one.axes, -1)).flatten()
            for one, moved, changed in parts
        ])  # fmt: skip


class _Plain:
    """A parameter that is one band."""

    axes, bands = 1, 1

    def squares(self, vectors: Tensor) -> Tensor:
        return vectors.square().sum(1, keepdim=True)

    def multiplied(self, vector: Tensor, factors: Tensor) -> Tensor:
        return vector * factors

    def weights(self, vector: Tensor) -> Tensor:
        return torch.ones_like(vector)


class _Picture:
    """A parameter that is a picture."""

    def __init__(self, parameter: Tensor) -> None:
        self.shape = parameter.shape
        self.rotation = torch.eye(self.shape[1]).to(parameter)
        self.axes = 1
        """Axes of color that have bands of their own."""
        if self.shape[1] == len(OPPONENT):
            self.rotation = normalize(torch.tensor(OPPONENT, dtype=torch.float64)).to(parameter)
            self.axes = len(OPPONENT)
        grid = band_numbers(*self.shape[2:])
        # Only those that have a frequency; a small picture lacks some.
        numbers, orders = torch.unique(grid, return_inverse=True)
        self.bands = self.axes * len(numbers)
        """Those of the first axis of color, then of the next."""
        self.numbers = orders.to(parameter.device)
        flat = orders.flatten()
        self.order = flat.argsort(stable=True).to(parameter.device)
        self.counts = flat.bincount().to(parameter.device)
        # Half of the spectrum is left out, since it mirrors the other; these columns have no mirror.
        self.times = torch.full((orders.shape[1],), 2.0, dtype=parameter.dtype)
        self.times[0] = 1
        if self.shape[3] % 2 == 0:
            self.times[-1] = 1
        self.times = self.times.to(parameter.device)

    def in_axes(self, vectors: Tensor) -> Tensor:
        """(k · N, C, H, W) of k vectors, (k, n); each channel is an axis of color."""
        channels, *size = self.shape[1:]
        axes = self.rotation @ vectors.reshape(-1, channels, math.prod(size))
        return axes.view(-1, channels, *size)

    def at_once(self, axes: Tensor) -> list[slice]:
        """The channels that are transformed at once: all, or of a large picture one after the other."""
        if self.axes == 1 or axes.numel() <= AT_ONCE:
            return [slice(None)]
        return [slice(axis, axis + 1) for axis in range(self.axes)]

    def squares(self, vectors: Tensor) -> Tensor:
        axes = self.in_axes(vectors)
        some = [self._squares(axes[:, channels], len(vectors)) for channels in self.at_once(axes)]
        return _joined(some, dim=1)

    def _squares(self, axes: Tensor, count: int) -> Tensor:
        """Of so many vectors' channels, (k · N, c, H, W): (k, bands)."""
        spectrum = torch.view_as_real(torch.fft.rfft2(axes, norm="ortho"))
        power = spectrum.square().view(count, -1, *spectrum.shape[1:]).sum((1, 5)) * self.times
        bands = 1 if self.axes == 1 else axes.shape[1]
        power = power.view(count, bands, -1, math.prod(power.shape[2:])).sum(2)
        # Sums of runs, not index_add, whose order on a GPU changes from time to time.
        lengths = self.counts.expand(*power.shape[:2], -1)
        runs = torch.segment_reduce(power[..., self.order], "sum", lengths=lengths, axis=2)
        return runs.flatten(1)

    def weights(self, vector: Tensor) -> Tensor:
        power = vector.view(self.shape).square().mean(1, keepdim=True)
        near = avg_pool2d(power, NEAR, 1, NEAR // 2, count_include_pad=False)
        weights = near.div_((FAINT * power.mean()).clamp_min(1e-30)).clamp_max_(1)
        return weights.expand(self.shape).reshape(-1)

    def multiplied(self, vector: Tensor, factors: Tensor) -> Tensor:
        axes, given = self.in_axes(vector[None]), factors.view(self.axes, -1)
        some = [
            self._multiplied(axes[:, channels], given[channels]) for channels in self.at_once(axes)
        ]
        del axes
        flat = _joined(some, dim=1).reshape(*self.shape[:2], -1)
        return (self.rotation.T @ flat).reshape(-1)

    def _multiplied(self, axes: Tensor, factors: Tensor) -> Tensor:
        """Channels, (N, c, H, W), of which each band is multiplied by its factor."""
        spectrum = torch.fft.rfft2(axes, norm="ortho")
        spectrum.mul_(factors[:, self.numbers])
        multiplied: Tensor = torch.fft.irfft2(spectrum, s=self.shape[2:], norm="ortho")
        return multiplied


def _joined(parts: Sequence[Tensor], dim: int = 0) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), dim)


def band_numbers(height: int, width: int) -> Tensor:
    """The band of each frequency that ``rfft2`` has, (H, W // 2 + 1) int64, 0 for the highest.

    Counted from the highest frequency down, so that a band is the same waves in pixels at any size.

    Args:
        height: of the picture, pixels.
        width: of the picture, pixels.
    """
    vertical = torch.fft.fftfreq(height, dtype=torch.float64)[:, None]
    horizontal = torch.fft.rfftfreq(width, dtype=torch.float64)
    # The mean color has no frequency; it goes with the broadest wave.
    frequency = torch.hypot(vertical, horizontal).clamp_min(1 / max(height, width))
    octaves = torch.log2(HIGHEST / frequency).clamp_min(0)
    return (octaves * BANDS_PER_OCTAVE).round().long()


def _ratio(moves: Tensor, changes: Tensor) -> Tensor:
    ratio = (moves / changes).sqrt()
    measured = ratio.isfinite() & (ratio > 0)
    # A band that no step has moved says nothing, as where all is masked or gray.
    number = measured.sum()
    mean = torch.where(measured, ratio.log(), 0.0).sum() / number
    typical = torch.where(number > 0, mean.exp(), 1.0)
    return torch.where(measured, ratio, typical)


def _smoothed(values: Tensor) -> Tensor:
    """Geometric mean of each with both neighbors in its row, (rows, bands)."""
    logarithms = pad(values.log()[None], (1, 1), mode="replicate")
    smooth: Tensor = avg_pool1d(logarithms, 3, 1)[0].exp()
    return smooth
