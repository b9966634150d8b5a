"""The convolutions of an extractor: which layer each belongs to, its shapes, and what it has to compute."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import conv_flop_count

from impasto.model.extractor import Extractor
from impasto.optimization.dispatch import FollowedOperations


class Flops(NamedTuple):
    """Floating-point operations by the direct algorithm; a multiplication and an addition are two.

    Products with the zeros of the padding are counted, too.
    """

    forward: int
    backward: int
    """For the gradient of the input only, since the weights are frozen: as many as forward."""

    @property
    def both(self) -> int:
        """Operations of one evaluation of the loss and its gradient."""
        return self.forward + self.backward


@dataclass(frozen=True)
class Convolution:
    """One convolution that an extractor does."""

    layer: str
    """The extractor's name of the layer, or the module's name where it is no layer."""
    input: tuple[int, ...]
    """(1, C, H, W), padded where the network pads by itself."""
    weight: tuple[int, ...]
    """(channels out, channels in of a group, height, width)."""
    output: tuple[int, ...]
    """(1, C, h, w)."""

    @property
    def flops(self) -> Flops:
        """What it has to compute."""
        one_way = conv_flop_count([*self.input], [*self.weight], [*self.output])
        return Flops(one_way, one_way)


def convolution_flops(extractor: Extractor, height: int, width: int) -> dict[str, Flops]:
    """Floating-point operations of each convolution, for the selected layers.

    Args:
        extractor: with layers selected; no further than the deepest is counted.
        height: of the picture, pixels.
        width: of the picture, pixels.
    """
    counted: dict[str, Flops] = {}
    for one in convolutions_of(extractor, height, width):
        before = counted.get(one.layer, Flops(0, 0))
        counted[one.layer] = Flops(*map(sum, zip(before, one.flops, strict=True)))
    return counted


def convolutions_of(extractor: Extractor, height: int, width: int) -> list[Convolution]:
    """The convolutions in the order in which they are done; nothing is computed for it.

    Args:
        extractor: with layers selected.
        height: of the picture, pixels.
        width: of the picture, pixels.
    """
    if not extractor.selected:
        return []
    device = next(extractor.parameters()).device
    with (
        _names_of_modules(extractor) as inside,
        _Watch(extractor, inside) as watch,
        FakeTensorMode(allow_non_fake_inputs=True),
        torch.no_grad(),
    ):
        found: list[Convolution] = watch.found
        extractor(torch.zeros(1, 3, height, width, device=device))
    return found


# torch's FlopCounterMode adds up by module; a trace's convolutions are told apart by their shapes.
class _Watch(FollowedOperations):  # type: ignore[no-untyped-call]
    """Records the shapes of each convolution, and the module that it is done in."""

    def __init__(self, extractor: Extractor, inside: Sequence[str]) -> None:
        super().__init__()
        self.found: list[Convolution] = []
        self.extractor, self.inside = extractor, inside

    def done(self, operation: Any, given: Sequence[Any], result: Any) -> None:
        """Record the operation if it is a convolution."""
        if operation is torch.ops.aten.convolution.default:
            shapes = (tuple(one.shape) for one in (*given[:2], result))
            self.found.append(Convolution(layer_of(self.extractor, self.inside[-1]), *shapes))


@contextmanager
def _names_of_modules(network: nn.Module) -> Iterator[Sequence[str]]:
    """The dotted names of the modules whose ``forward`` is being run, the innermost last."""
    inside = [""]
    hooks = []
    for name, module in network.named_modules():
        hooks += [
            module.register_forward_pre_hook(lambda *_, name=name: inside.append(name)),
            module.register_forward_hook(lambda *_: _leave(inside)),
        ]
    try:
        yield inside
    finally:
        for hook in hooks:
            hook.remove()


def _leave(inside: list[str]) -> None:
    inside.pop()


def layer_of(extractor: Extractor, module: str) -> str:
    """The extractor's layer that a module's dotted name stands for or lies in, or the whole name.

    >>> layer_of(vgg, "convolutions.conv3_1")
    'conv3_1'
    """
    parts = module.split(".")
    ends = range(len(parts), 0, -1)
    names = (".".join(parts[start:end]) for end in ends for start in range(end))
    return next((name for name in names if name in extractor.layers), module)
