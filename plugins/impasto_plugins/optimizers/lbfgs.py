"""L-BFGS, the optimizer of Gatys et al. 2016: few, well-aimed steps from the curvature of past ones.

Liu and Nocedal, "On the limited memory BFGS method for large scale optimization", 1989; the two-loop
recursion (``lbfgs_pairs.py``) is algorithm 7.4 of Nocedal and Wright, "Numerical Optimization", 2nd edition.

With ``precondition`` directions start from curvature by band of frequency (``frequency_bands.py``).

Departures, since a style objective is not convex and is computed in low precision: pairs whose
curvature is not clearly positive are dropped; without a line search, a loss that explodes or is
NaN sends the canvas back to the best picture so far, with an empty history and half the learning rate.
"""

from __future__ import annotations

import inspect
import logging
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

import impasto
from impasto_plugins.optimizers.frequency_bands import FrequencyBands
from impasto_plugins.optimizers.lbfgs_pairs import Pair, Pairs, products_of
from impasto_plugins.optimizers.strong_wolfe import line_search as strong_wolfe

logger = logging.getLogger("impasto")

LineSearch = Literal["strong_wolfe"]
HistoryPrecision = Literal["full", "bfloat16"]
EXPLOSION = 10.0
"""A loss this many times the best one is an explosion, unless it is negligible."""
NEGLIGIBLE = 1e-2
"""A loss below this fraction of the first one is negligible: close to zero, multiples mean nothing."""
PATIENCE = 5
"""Returns to the best picture, with no better one found in between, after which it gives up."""
REGAIN = 1.25
"""Factor by which a reduced learning rate grows with every better picture, until it is whole again."""
LENGTHENED = 1.5
"""Factor for the inverse curvature of what no pair has seen. The fit is short, since pairs couple what a
diagonal keeps apart: in a band, a step and its change of gradient have a cosine of 0.2 to 0.5. 1.5 saved
2 to 4 of 40 evaluations on each of two pairs of pictures; 2 threw early steps too far, 3 farther."""
KEPT = 0.9
"""How much of what older pairs say of the bands' curvature is kept with each new one."""


class LBFGS(torch.optim.Optimizer):
    """L-BFGS; each step is one evaluation, unless a line search takes more.

    Its state is tensors and numbers only, all of it under the first parameter.
    """

    recovers = True
    """It comes back from an explosion by itself, within the step, and the engine leaves that to it."""

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 1.0,
        history_size: int = 20,
        line_search_fn: LineSearch | None = None,
        max_step: float = math.inf,
        first_step: float = 0.0,
        precondition: bool = False,
        history_precision: HistoryPrecision = "full",
        carries_over: bool = True,
    ) -> None:
        """Take the parameters, which must be contiguous.

        Args:
            parameters: real tensors; optimized together as one flat vector of n numbers.
            lr: length of a step, in units of the quasi-Newton step; a line search starts from it.
            history_size: pairs of steps and changes of gradient that are kept; they take
                2 · history_size · n numbers.
            line_search_fn: ``strong_wolfe`` finds a length that meets the strong Wolfe conditions; None
                takes the step as it is.
            max_step: root mean square of the longest step, in units of the parameters.
            first_step: the same for the first step, times ``lr``; 0 takes torch's rule, in which all
                parameters together move by one at most.
            precondition: whether directions start from an inverse Hessian that is diagonal by band of
                frequency, and not from a multiple of the identity.
            history_precision: ``full``, that of the parameters, or ``bfloat16``, with which pairs of float32
                take half as much memory.
            carries_over: whether :meth:`carry_over` does anything.
        """
        super().__init__(parameters, {"lr": lr})
        if len(self.param_groups) != 1:
            raise ValueError("L-BFGS takes one group of parameters")
        self.history_size, self.line_search_fn = history_size, line_search_fn
        self.max_step, self.first_step = max_step, first_step
        self.carries_over = carries_over
        self.history_precision = (
            torch.bfloat16 if history_precision == "bfloat16" else self._parameters[0].dtype
        )
        self.bands = FrequencyBands(self._parameters) if precondition else None

    @torch.no_grad()
    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """One step.

        Args:
            closure: computes the gradients and returns the loss, a tensor of no dimensions.

        Returns:
            The loss before the step.

        Raises:
            ImpastoError: the loss is NaN or infinite at the start, or explodes again and again; the
                parameters are then those of the best loss.
        """
        with torch.enable_grad():
            loss = closure()
        memory = self._memory()
        gradient = self._flat(parameter.grad for parameter in self._parameters)
        point = self._flat(self._parameters)
        value, finite, pair, squares = self._told_by_the_device(loss.detach(), point, gradient)
        if self._exploded(value, finite):
            value, point, gradient = self._back_to_best(value)
        else:
            if pair is not None:
                self._learn(pair, squares)
            self._remember_best(value, point, gradient)
        memory["point"], memory["gradient"] = point, gradient
        # Not held, nor the last ones, while the direction is computed.
        pair = None
        direction = self._direction(gradient)
        # The host need not know the slope now: uphill the direction is the gradient's, and the next
        # step forgets the pairs.
        memory["slope"] = slope = gradient @ direction
        uphill = slope > 0
        direction = torch.where(uphill, -gradient, direction)
        first = self._first_length(direction, gradient, uphill)
        length: Tensor | float = first
        if self.line_search_fn is not None:
            length = self._search(closure, point, direction, value, gradient @ direction, first)
        self._put(point + length * direction)
        return loss

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        # torch's own is wrapped in a way that imports the compiler: a second, and 160 MB of memory.
        inspect.unwrap(super().add_param_group)(self, param_group)

    @property
    def _parameters(self) -> list[Tensor]:
        parameters: list[Tensor] = self.param_groups[0]["params"]
        return parameters

    def _memory(self) -> dict[str, Any]:
        memory: dict[str, Any] = self.state[self._parameters[0]]
        if not memory:
            memory.update(returns=0, shrink=1.0, first=math.nan, best=math.inf)
        return memory

    @property
    def _pairs(self) -> Pairs:
        return Pairs(
            self._memory(),
            self._parameters[0],
            sum(parameter.numel() for parameter in self._parameters),
            self.history_size,
            self.history_precision,
        )

    @torch.no_grad()
    def carry_over(self, old: LBFGS, resize: Callable[[Tensor, Tensor], Tensor]) -> None:
        """Take over what was learned of the curvature at a smaller size.

        The objective is a mean over pixels: of the same wave, gradient and curvature fall with their
        number, and so do the changes. Where it is a sum, steps are too long until new pairs say so.

        Args:
            old: of the stage before.
            resize: resizes a tensor of the shape of an old parameter to that of a new one, its second
                argument.
        """
        if not self.carries_over:
            return
        fewer, more = old._parameters, self._parameters
        growth = sum(one.numel() for one in more) / sum(one.numel() for one in fewer)

        def larger(vector: Tensor) -> Tensor:
            parts = torch.split(vector.to(fewer[0]), [one.numel() for one in fewer])
            pictures = (part.view_as(one) for part, one in zip(parts, fewer, strict=True))
            return self._flat(map(resize, pictures, more))

        pairs = self._pairs
        for move, change in old._pairs.newest(self.history_size):
            move, change = pairs.as_kept(larger(move)), pairs.as_kept(larger(change) / growth)
            told = torch.stack(products_of(move, change)).tolist()
            self._learn(Pair(move, change, *told), self._squares(move, change).tolist())

    def forget(self) -> None:
        """Forget losses and curvature of an objective that is another one from now on.

        The best point stays, to go back to should the loss of the present one be NaN.
        """
        memory = self._memory()
        self._pairs.forget()
        memory.update(returns=0, shrink=1.0, first=math.nan, best=math.inf)
        for name in ("point", "gradient", "slope", "scale", "moved", "changed", "factors"):
            memory.pop(name, None)

    def _told_by_the_device(
        self, loss: Tensor, point: Tensor, gradient: Tensor
    ) -> tuple[float, bool, Pair | None, list[float]]:
        """The loss, whether it and the gradient are finite, the last pair, and its squares by band.

        This is the one wait of a step.
        """
        memory, pairs, numbers = self._memory(), self._pairs, [loss, gradient.sum()]
        if "point" not in memory:
            value, total = torch.stack(numbers).tolist()
            return value, math.isfinite(value) and math.isfinite(total), None, []
        # From where the canvas is now, not where it was sent: it may have been clipped in between.
        move = pairs.as_kept(point - memory["point"])
        change = pairs.as_kept(gradient - memory["gradient"])
        numbers += [memory["slope"], *products_of(move, change)]
        asked = torch.cat([torch.stack(numbers), self._squares(move, change)])
        value, total, slope, curvature, move_square, change_square, *squares = asked.tolist()
        if slope > 0:
            pairs.forget()
        pair = Pair(move, change, curvature, move_square, change_square)
        return value, math.isfinite(value) and math.isfinite(total), pair, squares

    def _squares(self, move: Tensor, change: Tensor) -> Tensor:
        """Of a move, then of its change, in each band, (2 · bands,); none without preconditioning."""
        if self.bands is None:
            return move.new_empty(0)
        return self.bands.squares([move, change]).flatten()

    def _learn(self, pair: Pair, squares: Sequence[float]) -> None:
        """Keep the last move and what it did to the gradient, if its curvature is positive."""
        if self._pairs.learn(pair):
            self._memory()["scale"] = pair.curvature / pair.change_square
            if self.bands is not None:
                self._learn_bands(self.bands, squares, pair.curvature)

    def _learn_bands(
        self, bands: FrequencyBands, squares: Sequence[float], curvature: float
    ) -> None:
        """Measure the inverse Hessian that the next direction starts from.

        By the host: these are many operations on a few numbers, which it knows.
        """
        memory, like = self._memory(), self._parameters[0]
        half = len(squares) // 2
        moved, changed = (
            torch.tensor(part, dtype=like.dtype) for part in (squares[:half], squares[half:])
        )
        for name, newest in (("moved", moved), ("changed", changed)):
            # torch sends a state that it loads to the device of the parameters.
            memory[name] = newest + memory[name].cpu() * KEPT if name in memory else newest
        factors = bands.inverse_curvatures(memory["moved"], memory["changed"])
        # Made to have the curvature of the newest pair, as the multiple of the identity has, and longer.
        fitted = curvature / (changed @ factors)
        factors = factors * (LENGTHENED * fitted)
        memory["factors"] = factors.to(like.device, non_blocking=True)

    def _direction(self, gradient: Tensor) -> Tensor:
        return self._pairs.direction(gradient, self._from_curvature)

    def _from_curvature(self, vector: Tensor) -> Tensor:
        """The first inverse Hessian times a vector."""
        memory = self._memory()
        if self.bands is not None:
            weights = self.bands.weights(vector)
            return self.bands.multiplied(vector.mul_(weights), memory["factors"]).mul_(weights)
        return vector.mul_(memory["scale"])

    def _first_length(self, direction: Tensor, gradient: Tensor, uphill: Tensor) -> Tensor:
        """Length of the step before a search, no dimensions."""
        length = float(self.param_groups[0]["lr"]) * float(self._memory()["shrink"])
        # Root mean square of the direction; steps are compared in that unit.
        unit = _wide(direction.norm()) / math.sqrt(direction.numel())
        unit = unit.clamp_min(1e-30)
        # Nothing is known of the curvature. A step that is lost in the rounding teaches nothing.
        unknown: Tensor | float = min(length * self.first_step, self.max_step)
        if not self.first_step:
            most = (1 / _wide(gradient.abs().sum()).clamp_min(1e-30)).clamp_max(1.0)
            unknown = (length * unit * most).clamp_max(self.max_step)
        if not self._pairs.number:
            return unknown / unit
        known = (length * unit).clamp_max(self.max_step)
        return torch.where(uphill, unknown, known) / unit

    def _search(
        self, closure: Callable[[], Any], point: Tensor, direction: Tensor, value: float,
        first_slope: Tensor, first_length: Tensor,
    ) -> float:  # fmt: skip
        slope, length = torch.stack([_wide(first_slope), first_length]).tolist()
        if slope >= 0:
            return float(length)

        def evaluate(length: float) -> tuple[float, float]:
            self._put(point + length * direction)
            with torch.enable_grad():
                loss = closure().detach()
            gradient = self._flat(parameter.grad for parameter in self._parameters)
            told: list[float] = torch.stack([loss, gradient @ direction]).tolist()
            return told[0], told[1]

        found = strong_wolfe(evaluate, value, slope, length)
        if found == 0:
            self._pairs.forget()
        return found

    def _exploded(self, value: float, finite: bool) -> bool:
        memory = self._memory()
        if not finite:
            return True
        if math.isnan(memory["first"]):
            memory["first"] = value
        best, first = float(memory["best"]), float(memory["first"])
        return value > EXPLOSION * best and value > NEGLIGIBLE * abs(first)

    def _remember_best(self, value: float, point: Tensor, gradient: Tensor) -> None:
        memory = self._memory()
        if value < memory["best"]:
            memory.update(best=value, best_point=point, best_gradient=gradient, returns=0)
            memory["shrink"] = min(1.0, memory["shrink"] * REGAIN)

    def _back_to_best(self, value: float) -> tuple[float, Tensor, Tensor]:
        memory = self._memory()
        if "best_point" not in memory:
            raise impasto.ImpastoError(f"the loss is {value} before the first step")
        point, gradient = memory["best_point"], memory["best_gradient"]
        self._put(point)
        memory["returns"] += 1
        if memory["returns"] > PATIENCE:
            raise impasto.ImpastoError(
                f"the loss went from {memory['best']:.4g} to {value:.4g}, for the"
                f" {memory['returns']}th time with no gain in between; the picture is the best one:"
                " give line_search_fn=strong_wolfe, a smaller lr, or precision float32",
                settings=("optimizer", "precision"),
            )
        if not memory.get("told"):
            logger.warning(
                "lbfgs: the loss went from %.4g to %.4g; back to the best picture, with half the"
                " learning rate (said once)", memory["best"], value,
            )  # fmt: skip
        memory.update(told=True, shrink=memory["shrink"] / 2)
        self._pairs.forget()
        return memory["best"], point, gradient

    def _put(self, point: Tensor) -> None:
        parts = torch.split(point, [parameter.numel() for parameter in self._parameters])
        for parameter, part in zip(self._parameters, parts, strict=True):
            parameter.copy_(part.view_as(parameter))

    def _flat(self, tensors: Iterable[Tensor | None]) -> Tensor:
        # Always a copy, so that what is kept does not change with the canvas.
        return torch.cat([tensor.reshape(-1) for tensor in tensors if tensor is not None])


def _wide(number: Tensor) -> Tensor:
    """In double precision on processors; Apple's GPUs have none, and elsewhere it gains nothing."""
    return number.double() if number.device.type == "cpu" else number


def lbfgs(
    parameters: list[Tensor],
    lr: Annotated[float, Field(gt=0, description="length of a step")] = 1.0,
    history_size: Annotated[
        int, Field(ge=1, description="pairs of steps that are remembered")
    ] = 20,
    line_search_fn: Annotated[
        LineSearch | None,
        Field(description="a line search takes two or more evaluations a step; none does without"),
    ] = None,
    max_step: Annotated[
        float, Field(gt=0, description="root mean square of the longest step, in pixel values")
    ] = 0.05,
    first_step: Annotated[
        float, Field(ge=0, description="the same of the first step; 0 takes torch's rule")
    ] = 0.003,
    precondition: Annotated[
        bool,
        Field(description="start from curvature by band of frequency, measured from the steps"),
    ] = True,
    history_precision: Annotated[
        HistoryPrecision,
        Field(description="bfloat16 takes half the memory; max_memory chooses it where needed"),
    ] = "full",
    carry_over: Annotated[
        bool,
        Field(description="start a stage from the curvature that the one before found"),
    ] = True,
) -> torch.optim.Optimizer:
    """L-BFGS, which returns to the best picture should the loss explode."""
    return LBFGS(
        parameters, lr, history_size, line_search_fn, max_step, first_step, precondition,
        history_precision, carry_over,
    )  # fmt: skip


@impasto.hookimpl
def impasto_optimizers() -> Iterable[impasto.Offer]:
    return [impasto.Offer("lbfgs", lbfgs)]
