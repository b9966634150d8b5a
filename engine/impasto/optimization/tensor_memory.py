"""How much memory the tensors take that are alive at once, by their sizes alone."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_leaves

from impasto.optimization.dispatch import FollowedOperations


class LiveTensors(FollowedOperations):  # type: ignore[no-untyped-call]
    """Follows every tensor that is made inside it, also by the backward pass, until it is freed."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0
        """Alive now."""
        self.peak = 0
        """Most that was alive at once."""
        self._sizes: dict[int, int] = {}

    def done(self, operation: Any, given: Sequence[Any], result: Any) -> None:
        """Follow the tensors that an operation returned."""
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._follow(tensor)

    def _follow(self, tensor: Tensor) -> None:
        # Views share a storage, which is what takes memory.
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._sizes:
            return
        self._sizes[key] = storage.nbytes()
        self.bytes += storage.nbytes()
        self.peak = max(self.peak, self.bytes)
        weakref.finalize(storage, self._freed, key)

    def _freed(self, key: int) -> None:
        self.bytes -= self._sizes.pop(key)
