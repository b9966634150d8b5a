"""Following every operation that torch does, those of the backward pass included."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode


class FollowedOperations(TorchDispatchMode, ABC):  # type: ignore[no-untyped-call]
    """A context in which :meth:`done` is called after each operation; not for compiled ones."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # torch's hook. To hide the method below from its compiler it would import that, which takes
        # seconds and 145 MB.
        return False

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        self.done(func, args, result)
        return result

    @abstractmethod
    def done(self, operation: Any, given: Sequence[Any], result: Any) -> None:
        """Follow an operation that was done.

        Args:
            operation: such as ``torch.ops.aten.convolution.default``.
            given: its positional arguments.
            result: what it returned.
        """
