"""A device "gpu" that needs no driver: tensors on it say that they lie there, and are in main memory.

torch keeps a backend free for devices of others. Under :class:`FakeDevice` whatever is computed of
tensors on it, forward and backward, is computed in main memory, and written down with what a GPU would mind.
torch cannot forget the backend, so that this wants a process of its own.

Not seen: time, kernels and what they lack or round, streams, what a compiler makes.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "gpu"
COPIES = ("_to_copy", "copy_")
"""Operations that may take tensors of both sides: they move them."""
READS = (
    "_local_scalar_dense", "item", "is_nonzero", "nonzero", "masked_select", "equal", "_unique2",
    "unique_dim", "bincount", "_linalg_check_errors", "repeat_interleave",
)  # fmt: skip
"""Operations after which the host knows something about the numbers, for which it has to wait."""
NO_KERNELS = ("detach", "empty", "empty_like", "new_empty", "_unsafe_view")
"""Operations without a kernel, beside views."""
PRODUCTS = ("mm", "bmm", "addmm", "baddbmm")


def wide_product(one: Tensor, other: Tensor, out_dtype: torch.dtype) -> Tensor:
    return one.to(out_dtype) @ other.to(out_dtype)


def convolution_with_relu(
    feature: Tensor, weight: Tensor, bias: Tensor, stride: Any, padding: Any, *more: Any
) -> Tensor:
    return torch.conv2d(feature, weight, bias, stride, padding).relu_()


ONLY_THERE = {
    torch.ops.aten.mm.dtype: wide_product,
    torch.ops.aten.cudnn_convolution_relu.default: convolution_with_relu,
}
"""Operations that CUDA has and a processor lacks, as others."""
WEIGHED = {"convolution": 1, "cudnn_convolution_relu": 1, "convolution_backward": 2}
"""Convolutions, and how many of their first arguments are features."""


def refused(kind: type, func: Any, *given: Any, **more: Any) -> Any:
    raise RuntimeError(f"{func} of a tensor on the device, outside of FakeDevice")


class OnDevice(torch.Tensor):
    """A tensor that lies on the device; ``memory`` has its numbers."""

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]
    __torch_dispatch__: Any = classmethod(refused)
    memory: Tensor

    @staticmethod
    def __new__(cls, memory: Tensor) -> OnDevice:
        made: OnDevice = torch.Tensor._make_wrapper_subclass(
            cls, memory.shape, strides=memory.stride(), storage_offset=memory.storage_offset(),
            dtype=memory.dtype, device=torch.device(f"{NAME}:0"),
        )  # fmt: skip
        made.memory = memory
        return made

    def tolist(self) -> Any:
        # torch's own looks for the numbers at an address.
        return self.cpu().tolist()

    def __setitem__(self, key: Any, value: Any) -> None:
        # As for CUDA: of a number torch makes a tensor on the host, and copies that.
        given = value if torch.is_tensor(value) else torch.tensor(value, dtype=self.dtype)
        super().__setitem__(key, given)


@dataclass(frozen=True)
class Call:
    """One operation that the host asked the device for."""

    name: str
    place: str
    """The innermost line of Impasto: ``impasto_plugins.losses.tv:53``."""
    shapes: tuple[tuple[int, ...], ...]
    launches: bool
    """Whether it needs a kernel; a view does not."""
    waits: bool
    """Whether the host waits for the device."""
    rows_first: bool
    """Whether it is a convolution of features that do not lie channels last."""
    full_product: bool
    """Whether it is a matrix product in float32, of more than three colors."""
    moved: int
    """Bytes of its tensors, read and written."""


class FakeDevice(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Computes for the device, and keeps a list of calls."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[Call] = []

    def __enter__(self) -> FakeDevice:
        # Otherwise new_tensor would look for a driver.
        torch._C._set_only_lift_cpu_tensors(True)
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        torch._C._set_only_lift_cpu_tensors(False)

    @property
    def launches(self) -> int:
        return sum(call.launches for call in self.calls)

    def places(self, what: str) -> Counter[str]:
        """Calls with this mark, by their name and place."""
        marked = [call for call in self.calls if getattr(call, what)]
        return Counter(f"{call.name} {call.place} {call.shapes}" for call in marked)

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = dict(kwargs or {})
        name = func.overloadpacket.__name__
        tensors = [leaf for leaf in tree_leaves((args, given)) if torch.is_tensor(leaf)]
        here = [one for one in tensors if isinstance(one, OnDevice)]
        to_device = bool(here)
        if name == "copy_":
            to_device = isinstance(tensors[0], OnDevice)
        elif (device := given.get("device")) is not None:
            to_device = torch.device(device).type == NAME
            given["device"] = torch.device("cpu")
        if here and name not in COPIES:
            self._refuse_mixed(func, name, tensors)
        in_memory = {id(one.memory): one for one in here}
        plain, plain_given = tree_map_only(OnDevice, lambda one: one.memory, (args, given))
        found = ONLY_THERE.get(func, func)(*plain, **plain_given)
        if here or to_device:
            crosses = bool(here) != to_device or 0 < len(here) < len(tensors)
            # What is sent there goes through a buffer of the driver's, if nobody asks to wait.
            waits = not (given.get("non_blocking") or (name == "copy_" and args[2:] == (True,)))
            crosses &= waits or not to_device
            self._write_down(func, name, tensors, name in COPIES and crosses, found)
        if not to_device:
            return found
        # What is changed in place stays the tensor that it was.

        def of_device(one: Tensor) -> Tensor:
            known = in_memory.get(id(one))
            return OnDevice(one) if known is None else known

        return tree_map_only(Tensor, of_device, found)

    def _refuse_mixed(self, func: Any, name: str, tensors: Sequence[Tensor]) -> None:
        """Fail as CUDA does: single numbers of the host alone may take part, point by point."""
        takes_numbers = torch.Tag.pointwise in func.tags or name in ("fill_", "index_put_")
        for one in tensors:
            if not isinstance(one, OnDevice) and (one.dim() or not takes_numbers):
                raise RuntimeError(f"{name} mixes devices at {place()}")

    def _write_down(
        self, func: Any, name: str, tensors: Sequence[Tensor], crosses: bool, found: Any
    ) -> None:
        # One number is written by a mask without looking for its places.
        looks = name == "index" or (name.startswith("index_put") and tensors[-1].numel() > 1)
        by_mask = looks and any(one.dtype == torch.bool for one in tensors[1:])
        features = [one for one in tensors[: WEIGHED.get(name, 0)] if one.shape[1] > 3]
        laid = [one.is_contiguous(memory_format=torch.channels_last) for one in features]
        launches = not (func.is_view or name in NO_KERNELS)
        made = [leaf for leaf in tree_leaves(found) if torch.is_tensor(leaf)]
        self.calls.append(
            Call(
                name=name,
                place=place(),
                shapes=tuple(tuple(one.shape) for one in tensors),
                launches=launches,
                waits=crosses or name in READS or by_mask,
                rows_first=not all(laid),
                full_product=name in PRODUCTS
                and tensors[0].dtype == torch.float32
                and tuple(tensors[0].shape[-2:]) != (3, 3),
                moved=sum(one.numel() * one.itemsize for one in [*tensors, *made]) * launches,
            )
        )


def place() -> str:
    """The innermost line of Impasto that runs now."""
    frame = sys._getframe(1)
    while not frame.f_globals.get("__name__", "").startswith("impasto"):
        if frame.f_back is None:
            return "outside"
        frame = frame.f_back
    return f"{frame.f_globals['__name__']}:{frame.f_lineno}"


@contextmanager
def fake_backend() -> Iterator[None]:
    """Register the device, and let modules and optimizers of torch take its tensors."""
    _setup_privateuseone_for_python_backend(NAME)
    # The mode holds in this thread alone.
    with pytest.MonkeyPatch.context() as patch, torch.autograd.set_multithreading_enabled(False):
        patch.setattr(torch.__future__, "_overwrite_module_params_on_conversion", True)
        optimizers = sys.modules["torch.optim.optimizer"]
        patch.setattr(optimizers, "_foreach_supported_types", [OnDevice, torch.Tensor])
        yield
