"""An inverse Hessian for L-BFGS to start from: diagonal by band of frequency, measured from its pairs.

Pixels are badly conditioned, the worse the larger the picture: the objective's curvature depends on
frequency far more than on the place or the channel. L-BFGS starts each direction from a multiple of the
identity; Nocedal and Wright, "Numerical Optimization", 2nd edition, section 7.2, let any positive
definite matrix take its place. In each band of half an octave the inverse curvature is |s| / |y|, the
geometric mean of both formulas of Barzilai and Borwein, "Two-point step size gradient methods", 1988.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d, pad

HIGHEST = math.sqrt(0.5)
"""The highest frequency of a picture, cycles a pixel: that of a chessboard."""
BANDS_PER_OCTAVE = 2


class FrequencyBands:
    """Vectors of numbers, seen as bands of frequency.

    A parameter of four dimensions, (N, C, H, W), is taken for a picture, and a band is what it has of half
    an octave, in all channels together. Any other parameter is one band.
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

    def squares(self, vector: Tensor) -> Tensor:
        """The sum of squares in each band, (bands,); their sum is that of the vector."""
        parts = torch.split(vector, self.sizes)
        return torch.cat([one.squares(part) for one, part in zip(self.parts, parts, strict=True)])

    def multiplied(self, vector: Tensor, factors: Tensor) -> Tensor:
        """The vector with each band multiplied by its factor: a symmetric matrix, positive if they are.

        Args:
            vector: (n,), of all parameters.
            factors: (bands,).
        """
        given = torch.split(factors, [one.bands for one in self.parts])
        parts = zip(self.parts, torch.split(vector, self.sizes), given, strict=True)
        return torch.cat([one.multiplied(part, factors) for one, part, factors in parts])

    def inverse_curvatures(self, moves: Tensor, changes: Tensor) -> Tensor:
        """|s| / |y| of each band, (bands,), smoothed over its neighbors.

        Args:
            moves: sums of squares of moves s in each band, (bands,).
            changes: the same of the changes y of the gradient that they made.
        """
        counts = [one.bands for one in self.parts]
        parts = zip(torch.split(moves, counts), torch.split(changes, counts), strict=True)
        return torch.cat([_smoothed(_ratio(moved, changed)) for moved, changed in parts])


class _Plain:
    """A parameter that is one band."""

    bands = 1

    def squares(self, vector: Tensor) -> Tensor:
        return (vector @ vector).reshape(1)

    def multiplied(self, vector: Tensor, factors: Tensor) -> Tensor:
        return vector * factors


class _Picture:
    """A parameter that is a picture."""

    def __init__(self, parameter: Tensor) -> None:
        self.shape = parameter.shape
        grid = band_numbers(*self.shape[2:])
        numbers, orders = torch.unique(grid, return_inverse=True)
        self.bands = len(numbers)
        """Those that have a frequency; a small picture lacks some."""
        self.numbers = orders.to(parameter.device)
        flat = orders.flatten()
        self.order = flat.argsort(stable=True).to(parameter.device)
        self.counts: list[int] = flat.bincount().tolist()
        # Half of the spectrum is left out, since it mirrors the other; these columns have no mirror.
        self.times = torch.full((orders.shape[1],), 2.0, dtype=parameter.dtype)
        self.times[0] = 1
        if self.shape[3] % 2 == 0:
            self.times[-1] = 1
        self.times = self.times.to(parameter.device)

    def squares(self, vector: Tensor) -> Tensor:
        spectrum = torch.view_as_real(torch.fft.rfft2(vector.view(self.shape), norm="ortho"))
        power = spectrum.square().sum((0, 1, 4)) * self.times
        # Sums of runs, not index_add, whose order on a GPU changes from time to time.
        runs = torch.split(power.flatten()[self.order], self.counts)
        return torch.stack([run.sum() for run in runs])

    def multiplied(self, vector: Tensor, factors: Tensor) -> Tensor:
        spectrum = torch.fft.rfft2(vector.view(self.shape), norm="ortho")
        spectrum.mul_(factors[self.numbers])
        picture: Tensor = torch.fft.irfft2(spectrum, s=self.shape[2:], norm="ortho")
        return picture.reshape(-1)


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
    """Geometric mean with both neighbors."""
    logarithms = pad(values.log()[None, None], (1, 1), mode="replicate")
    smooth: Tensor = avg_pool1d(logarithms, 3, 1)[0, 0].exp()
    return smooth
