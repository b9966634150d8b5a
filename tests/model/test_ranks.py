"""One picture by several ranks: the same losses and gradients as by one, and the same on all of them."""

from __future__ import annotations

import copy
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor

from impasto.model.masks import Region
from impasto.model.objective import Objective
from impasto.model.ranks import Ranks, strips_of
from impasto_plugins.extractors.vgg import VGG
from impasto_plugins.extractors.vgg_weights import random_weights
from impasto_plugins.losses.content import ContentLoss
from impasto_plugins.losses.gram import GramLoss
from impasto_plugins.losses.laplacian import LaplacianLoss
from impasto_plugins.losses.tv import TotalVariation
from tiled import all_losses, objective, picture, value_and_gradient


class Threads:
    """What the threads of a test have in common."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.barrier = threading.Barrier(count, timeout=60)
        self.posted: dict[tuple[int, int], Tensor] = {}


class ThreadRanks(Ranks):
    """Ranks that are threads of one process."""

    def __init__(self, rank: int, threads: Threads) -> None:
        super().__init__(rank, threads.count)
        self.threads = threads

    def __deepcopy__(self, memo: object) -> ThreadRanks:
        return self

    def _sum(self, flat: Tensor) -> None:
        self.threads.posted[self.rank, -1] = flat.clone()
        self.threads.barrier.wait()
        parts = [self.threads.posted[rank, -1] for rank in range(self.count)]
        flat.copy_(torch.stack(parts).sum(0))
        self.threads.barrier.wait()

    def _exchanged(self, leaving: Mapping[int, Tensor]) -> dict[int, Tensor]:
        for other, tensor in leaving.items():
            self.threads.posted[self.rank, other] = tensor
        self.threads.barrier.wait()
        coming = {other: self.threads.posted[other, self.rank].clone() for other in leaving}
        self.threads.barrier.wait()
        return coming


def by_ranks(
    made: Objective, count: int, tile: int, height: int, width: int
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Total, terms and gradient as each rank finds them."""
    threads = Threads(count)

    def one(rank: int) -> tuple[Tensor, Tensor, Tensor]:
        mine = copy.deepcopy(made)
        mine.tile, mine.ranks = tile, ThreadRanks(rank, threads)
        set_targets(mine, height, width)
        return value_and_gradient(mine, picture(3, height, width))

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def set_targets(made: Objective, height: int, width: int) -> None:
    mask = torch.zeros(1, 1, height, width, dtype=torch.float64)
    mask[..., : width // 3] = 1
    regions = [Region((0,), (1.0,), mask), Region((1,), (1.0,), 1 - mask)]
    made.set_targets(
        picture(0, height, width), [picture(1, 61, 50), picture(2, 37, 80)], [0.5, 0.5], regions
    )


@pytest.mark.parametrize(
    ("count", "tile", "height", "width"),
    [(2, 16, 53, 37), (2, 1000, 64, 32), (3, 16, 91, 33), (3, 1000, 30, 41)],
    ids=["odd", "held", "three", "too few rows for three"],
)
def test_ranks_find_the_gradient_of_one_and_the_same_bits(
    count: int, tile: int, height: int, width: int
) -> None:
    weights = random_weights("vgg16", torch.Generator().manual_seed(0))
    made = objective(VGG(weights, "max", "zeros", scale=True), all_losses())
    set_targets(made, height, width)
    whole = value_and_gradient(made, picture(3, height, width))
    found = by_ranks(made, count, tile, height, width)
    for wanted, tensor in zip(whole, found[0], strict=True):
        assert (wanted - tensor).norm() <= 1e-10 * wanted.norm()
    for other in found[1:]:
        assert all(torch.equal(*both) for both in zip(found[0], other, strict=True))


def test_the_default_of_a_deep_network_is_that_of_one() -> None:
    weights = random_weights("vgg19", torch.Generator().manual_seed(0))
    losses = [GramLoss(), ContentLoss(), LaplacianLoss(1), TotalVariation(1)]
    made = objective(VGG(weights, "max", "zeros", scale=True), losses)
    set_targets(made, 70, 24)
    whole = value_and_gradient(made, picture(3, 70, 24))
    for _, _, gradient in by_ranks(made, 2, 16, 70, 24):
        assert (whole[2] - gradient).norm() <= 1e-10 * whole[2].norm()


@pytest.mark.parametrize("height", [64, 70, 128, 161, 1000])
@pytest.mark.parametrize("count", [2, 3, 4])
def test_strips_are_long_enough_for_the_next_ones(height: int, count: int) -> None:
    extractor = VGG(random_weights("vgg19"), "max", "zeros", scale=False)
    extractor.select(["conv5_1"])
    strips = strips_of(height, extractor.blocks(), count)
    if not strips:
        assert height < 64 * count
        return
    assert [first for first, _ in strips[1:]] == [end for _, end in strips[:-1]]
    assert (strips[0][0], strips[-1][1]) == (0, height)
    # Four rows of the fourth block's input, which stand for 32 of the picture.
    assert all(first % 16 == 0 and end - first >= 32 for first, end in strips)
