"""How near each layer's convolutions come to what the machine can multiply.

A convolution in a trace is tied to its layer by its shapes, and by its order among those of the same
shapes, which holds for compiled code too, where scopes are gone. Where the numbers do not fit (another
network of the same shapes next to it, a compiler that computes convolutions in another way), the layer
is left out rather than guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

from impasto_profiling.convolutions import Convolution
from impasto_profiling.cost import Cost
from impasto_profiling.trace import Span, Trace

WINOGRAD = "impasto::winograd"
"""Both ways; see :mod:`impasto_plugins.extractors.winograd`."""
PRODUCTS = ("aten::bmm", "aten::mm")
FORWARD = (
    "aten::conv2d", "aten::convolution", "aten::_convolution", "aten::mkldnn_convolution",
    "aten::cudnn_convolution", "aten::thnn_conv2d", WINOGRAD,
)  # fmt: skip
BACKWARD = ("aten::convolution_backward",)

Shapes = tuple[tuple[int, ...], ...]


@dataclass
class Achieved:
    """What a layer's convolutions took, in all recorded steps, and had to compute."""

    layer: str
    forward: float = 0.0
    """Seconds."""
    backward: float = 0.0
    """Seconds."""
    forward_flops: float = 0.0
    """Floating-point operations by the direct algorithm."""
    backward_flops: float = 0.0
    done_flops: float = 0.0
    """What was in fact computed: Winograd's algorithm multiplies less, and transforms besides."""

    @property
    def seconds(self) -> float:
        """Seconds of the forward and the backward pass."""
        return self.forward + self.backward

    @property
    def rate(self) -> float:
        """GFLOP/s of both directions, as if by the direct algorithm."""
        flops = self.forward_flops + self.backward_flops
        return flops / self.seconds / 1e9 if self.seconds else 0.0

    @property
    def done_rate(self) -> float:
        """GFLOP/s of both directions, of what was computed."""
        return self.done_flops / self.seconds / 1e9 if self.seconds else 0.0


def achieved_by(
    trace: Trace, convolutions: Sequence[Convolution], cost: Cost | None = None
) -> list[Achieved]:
    """What each layer achieved, in the order of the network; layers that cannot be told are missing.

    Args:
        trace: recorded with shapes.
        convolutions: of the extractor at the size of the picture that the trace was recorded at.
        cost: of recording, to be taken out; None takes out nothing.
    """
    cost = cost or Cost()
    achieved = {one.layer: Achieved(one.layer) for one in convolutions}
    backwards = list(reversed(convolutions))
    forward = [span for span in outermost(trace, FORWARD) if not _turned(span)]
    for span, one in tied(forward, convolutions):
        achieved[one.layer].forward += _busy(trace, span, cost)
        achieved[one.layer].forward_flops += one.flops.forward
        achieved[one.layer].done_flops += done_by(trace, span, one.flops.forward)
    turned = [span for span in outermost(trace, [WINOGRAD]) if _turned(span)]
    for span, one in [
        *tied(outermost(trace, BACKWARD), backwards, 1),
        *tied(turned, backwards, shapes=_of_turned),
    ]:
        achieved[one.layer].backward += _busy(trace, span, cost)
        achieved[one.layer].backward_flops += one.flops.backward
        achieved[one.layer].done_flops += done_by(trace, span, one.flops.backward)
    return [one for one in achieved.values() if one.seconds]


def done_by(trace: Trace, span: Span, direct: float) -> float:
    """Floating-point operations that a convolution computed.

    Args:
        trace: that the span is in.
        span: of the convolution.
        direct: operations of the direct algorithm, which is what all but Winograd's convolution do.
    """
    if span.name != WINOGRAD:
        return direct
    products = (
        _product_flops(one.details.get("Input Dims", []))
        for one in trace.within(span)
        if one.name in PRODUCTS
    )
    # Without the shapes of its products, as when they are compiled, nothing else is known.
    return sum(products) or direct


def _product_flops(shapes: Sequence[Sequence[int]]) -> float:
    """Of a product of matrices, or of many: (…, rows, inner) by (…, inner, columns)."""
    left, right = shapes[:2]
    return 2.0 * prod(left) * right[-1]


def tied(
    spans: Sequence[Span],
    convolutions: Sequence[Convolution],
    first: int = 0,
    shapes: Callable[[Convolution], Shapes] = lambda one: (one.input, one.weight),
) -> list[tuple[Span, Convolution]]:
    """Each span with the convolution that it is of.

    Args:
        spans: in the order in which they ran.
        convolutions: in the order in which one evaluation runs them.
        first: place of the input's shape among a span's shapes; the weight's follows.
        shapes: that a convolution shows there.
    """
    pairs = []
    for shown in dict.fromkeys(map(shapes, convolutions)):
        alike = [one for one in convolutions if shapes(one) == shown]
        ran = [span for span in spans if shapes_of(span, first) == shown]
        if len(ran) % len(alike) == 0:
            pairs += [(span, alike[place % len(alike)]) for place, span in enumerate(ran)]
    return pairs


def shapes_of(span: Span, first: int) -> Shapes:
    """Shapes of input and weight, (outgoing, incoming, height, width)."""
    shapes = span.details.get("Input Dims", [])
    shown, weight = shapes[first : first + 1], shapes[first + 1 : first + 2]
    if span.name == WINOGRAD:
        # (points, incoming, outgoing)
        weight = [(outgoing, incoming, 3, 3) for _, incoming, outgoing in weight]
    return tuple(tuple(one) for one in [*shown, *weight])


def outermost(trace: Trace, names: Sequence[str]) -> list[Span]:
    """Spans with one of these names in the recorded steps, those inside another one left out."""
    found: list[Span] = []
    steps = trace.steps
    for span in trace.spans:
        inside = any(step.start <= span.start < step.end for step in steps)
        if span.name in names and inside and (not found or span.start >= found[-1].end):
            found.append(span)
    return found


def _turned(span: Span) -> bool:
    """Whether it is a backward pass by Winograd's algorithm: that has no bias."""
    return span.name == WINOGRAD and not any(span.details.get("Input Dims", [])[2:3])


def _of_turned(one: Convolution) -> Shapes:
    outgoing, incoming, *kernel = one.weight
    return one.output, (incoming, outgoing, *kernel)


def _busy(trace: Trace, span: Span, cost: Cost) -> float:
    """Seconds: on the CPU of the call, on a GPU of what it launched there."""
    if not trace.launches:
        return max(span.seconds / 2, span.seconds - sum(map(cost.of, trace.within(span))))
    return sum(
        launch.seconds
        for launch in trace.launches
        if launch.call.thread == span.thread and span.start <= launch.call.start < span.end
    )
