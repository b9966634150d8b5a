"""What is in memory before a step begins: the network, targets, pictures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor, nn

MIB = 2**20


@dataclass(frozen=True)
class Holder:
    """How much somebody holds in memory."""

    part: str
    mebibytes: float
    tensors: int


def standing_of(network: nn.Module) -> list[Holder]:
    """Tensors that are alive now, by whom they belong to, the most first.

    Args:
        network: the extractor; what is not among its weights are targets, pictures and the like.
    """
    from impasto_profiling.out_of_memory import alive

    tensors = alive()
    weights = {
        one.untyped_storage().data_ptr() for one in (*network.parameters(), *network.buffers())
    }
    own = [one for one in tensors if one.untyped_storage().data_ptr() in weights]
    others = [one for one in tensors if one.untyped_storage().data_ptr() not in weights]
    return [_held("weights of the network", own), _held("targets, pictures, all else", others)]


def _held(name: str, tensors: Iterable[Tensor]) -> Holder:
    sizes = [one.untyped_storage().nbytes() / MIB for one in tensors]
    return Holder(name, sum(sizes), len(sizes))
