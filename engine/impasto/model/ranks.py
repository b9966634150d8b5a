"""Several processes that paint one picture: each computes the features of some of its rows.

A block's input lies on each rank for the rows that it owns, and the halo around them, which its neighbors
send. What a loss summarizes is added over the ranks, once an evaluation; and so is the picture's gradient,
so that the canvas stays the same on all of them, bit for bit, on machines of one kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from impasto.errors import ImpastoError
from impasto.model.extractor import Block

Rows = tuple[int, int]
"""The first row, and the one after the last."""


class Ranks:
    """The processes of one run, as torch.distributed has connected them."""

    def __init__(self, rank: int, count: int) -> None:
        """Keep which one this is.

        Args:
            rank: of this process, from 0.
            count: of all processes.
        """
        self.rank, self.count = rank, count

    @property
    def is_first(self) -> bool:
        """Whether this is the one that talks and writes."""
        return self.rank == 0

    def rows_of(self, height: int, blocks: Sequence[Block]) -> Rows | None:
        """The rows of a picture that this rank owns; None where there are too few for all ranks.

        Args:
            height: of the picture, in rows.
            blocks: of the network.
        """
        strips = strips_of(height, blocks, self.count)
        return strips[self.rank] if strips else None

    def add(self, tensors: Sequence[Tensor], mine: bool = True) -> None:
        """Add tensors over all ranks, in place: the same on all of them.

        Args:
            tensors: of the same shapes on each rank.
            mine: whether this rank's count.
        """
        for dtype in dict.fromkeys(tensor.dtype for tensor in tensors):
            of_one = [tensor for tensor in tensors if tensor.dtype == dtype]
            flat = torch.cat([tensor.reshape(-1) for tensor in of_one])
            if not mine:
                flat.zero_()
            self._sum(flat)
            parts = torch.split(flat, [tensor.numel() for tensor in of_one])
            for tensor, part in zip(of_one, parts, strict=True):
                tensor.copy_(part.view(tensor.shape))

    def fill_halo(self, feature: Tensor, rows: Rows, halo: int) -> None:
        """Get the rows around one's own from the neighbors, in place.

        Args:
            feature: (1, C, h, w), with the rows that this rank owns.
            rows: that it owns; as many as ``halo`` at least.
            halo: rows on each side.
        """
        first, end = rows

        def put(rows: slice, received: Tensor) -> None:
            feature[:, :, rows] = received

        inside = (slice(first, first + halo), slice(end - halo, end))
        outside = (slice(first - halo, first), slice(end, end + halo))
        self._swap(feature, inside, outside, put)

    def add_halo(self, gradient: Tensor, rows: Rows, halo: int) -> None:
        """Give the neighbors what this rank found for their rows, and add what they found for its own.

        Args:
            gradient: (1, C, h, w), in place.
            rows: that this rank owns.
            halo: rows on each side.
        """
        first, end = rows

        def put(rows: slice, received: Tensor) -> None:
            gradient[:, :, rows] += received

        inside = (slice(first, first + halo), slice(end - halo, end))
        outside = (slice(first - halo, first), slice(end, end + halo))
        self._swap(gradient, outside, inside, put)

    def _swap(
        self,
        tensor: Tensor,
        sent: tuple[slice, slice],
        taken: tuple[slice, slice],
        put: Callable[[slice, Tensor], None],
    ) -> None:
        neighbors = [
            (other, sent[side], taken[side])
            for side, other in ((0, self.rank - 1), (1, self.rank + 1))
            if 0 <= other < self.count
        ]
        leaving = {
            other: tensor[:, :, rows].permute(0, 2, 3, 1).contiguous()
            for other, rows, _ in neighbors
        }
        coming = self._exchanged(leaving)
        for other, _, rows in neighbors:
            put(rows, coming[other].permute(0, 3, 1, 2))

    def _sum(self, flat: Tensor) -> None:
        """Add a vector over the ranks, in place."""
        with together():
            torch.distributed.all_reduce(flat)

    def _exchanged(self, leaving: Mapping[int, Tensor]) -> dict[int, Tensor]:
        """Send a tensor to each neighbor, by its rank, and get one of the same shape."""
        coming = {other: torch.empty_like(tensor) for other, tensor in leaving.items()}
        operations = [
            torch.distributed.P2POp(operation, tensor, other)
            for operation, tensors in (
                (torch.distributed.isend, leaving),
                (torch.distributed.irecv, coming),
            )
            for other, tensor in tensors.items()
        ]
        with together():
            for work in torch.distributed.batch_isend_irecv(operations):
                work.wait()
        return coming

    def agree(self, value: Any) -> Any:
        """What the first rank says: a value that can be pickled."""
        said = [value]
        with together():
            torch.distributed.broadcast_object_list(said, src=0)
        return said[0]


@contextmanager
def together() -> Iterator[None]:
    """Turn what torch says of a rank that is gone into a line.

    Raises:
        ImpastoError: a process of the run has ended.
    """
    try:
        yield
    except RuntimeError as error:
        raise ImpastoError(
            "another process of this run has ended, so this one ends, too"
        ) from error


def strips_of(height: int, blocks: Sequence[Block], count: int) -> list[Rows]:
    """The rows of a picture that each rank owns; none where they would be too few.

    Each strip begins at a multiple of what one row of the deepest features stands for, and has at each block
    as many rows as its halo, so that only the next strips have part in it.

    Args:
        height: of the picture, in rows.
        blocks: of the network.
        count: of ranks.
    """
    scale, fewest = 1, 1
    for block in blocks:
        fewest = max(fewest, block.halo * scale)
        scale *= block.stride
    units = height // scale
    if units // count * scale < fewest or units < count:
        return []
    firsts = [units * rank // count * scale for rank in range(count)]
    return list(zip(firsts, [*firsts[1:], height], strict=True))
