"""The pairs of L-BFGS, moves and the changes of the gradient that they made, and the direction from them.

Algorithm 7.4 of Nocedal and Wright, "Numerical Optimization", 2nd edition.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

AT_ONCE = 2**20
"""Numbers of a pair in bfloat16 that are worked on at once."""

SMALLEST_COSINE = 1e-4
"""Smallest cosine between a step and its change of gradient: below it, curvature is rounding error."""


class Pair(NamedTuple):
    """A move, and the change of the gradient that it made, (n,) each."""

    move: Tensor
    change: Tensor
    curvature: float
    """Their product."""
    move_square: float
    change_square: float


def products_of(move: Tensor, change: Tensor) -> list[Tensor]:
    """The numbers of a :class:`Pair`, still on the device, no dimensions."""
    return [move @ change, move @ move, change @ change]


def solves(like: Tensor, precision: torch.dtype) -> bool:
    """Whether both loops of the recursion are solved as triangular systems.

    These are a few large operations in place of many small ones, each of which costs a GPU a launch.

    Args:
        like: has the precision and device of the vectors.
        precision: that the pairs are kept in.
    """
    return like.device.type != "cpu" and precision == like.dtype


class Pairs:
    """The pairs that an optimizer keeps in its state, which is tensors and numbers only.

    One block each for moves and changes, filled in turn: no memory is moved or asked for after the first
    step.
    """

    def __init__(
        self, memory: dict[str, Any], like: Tensor, size: int, most: int, precision: torch.dtype
    ) -> None:
        """Take the state, and make room in it unless there is some.

        Args:
            memory: state of the optimizer.
            like: has the precision and device of the vectors.
            size: n, their length.
            most: pairs that are kept; the newest takes the place of the oldest.
            precision: that they are kept in.
        """
        self.memory, self.most, self.precision = memory, most, precision
        self.solves = solves(like, precision)
        if "pairs" not in memory:
            memory.update(pairs=0, newest=-1)
            memory["moves"] = like.new_zeros((most, size), dtype=precision)
            memory["changes"] = like.new_zeros((most, size), dtype=precision)
            memory["curvatures"] = like.new_zeros(most)
            if self.solves:
                # Of each move, down, with each change, across.
                memory["products"] = like.new_zeros(most, most)
        for name in ("moves", "changes"):
            # torch gives a state that it loads the precision of the parameters.
            memory[name] = memory[name].to(precision)

    @property
    def number(self) -> int:
        """Pairs that are known."""
        return int(self.memory["pairs"])

    def forget(self) -> None:
        """Know none any more."""
        self.memory.update(pairs=0, newest=-1)

    def as_kept(self, vector: Tensor) -> Tensor:
        """Rounded as pairs are, so that their products are those of what is kept."""
        if self.precision == vector.dtype:
            return vector
        return vector.to(self.precision).to(vector)

    def learn(self, pair: Pair) -> bool:
        """Keep a pair, rounded as pairs are, if its curvature is positive; give whether it is."""
        memory = self.memory
        if pair.curvature <= SMALLEST_COSINE * math.sqrt(pair.move_square * pair.change_square):
            return False
        slot = memory["newest"] = (memory["newest"] + 1) % self.most
        memory["pairs"] = min(memory["pairs"] + 1, self.most)
        memory["moves"][slot], memory["changes"][slot] = pair.move, pair.change
        memory["curvatures"][slot].fill_(pair.curvature)
        if self.solves:
            torch.mv(memory["changes"], pair.move, out=memory["products"][slot])
            memory["products"][:, slot] = memory["moves"] @ pair.change
        return True

    def newest(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """So many of the newest moves and changes, the older ones first."""
        for slot in reversed(self._slots()[:number]):
            yield self.memory["moves"][slot], self.memory["changes"][slot]

    def direction(self, gradient: Tensor, first: Callable[[Tensor], Tensor]) -> Tensor:
        """The quasi-Newton direction, by the two-loop recursion; minus the gradient without pairs.

        Args:
            gradient: (n,).
            first: multiplies a vector, (n,), by the inverse Hessian to start from; it may do so in place.
        """
        if self.number and self.solves:
            return self._solved_direction(gradient, first)
        memory, direction, slots = self.memory, -gradient, self._slots()
        weights = {}
        for slot in slots:
            weights[slot] = _dot(memory["moves"][slot], direction) / memory["curvatures"][slot]
            _add(direction, memory["changes"][slot], -weights[slot])
        if slots:
            direction = first(direction)
        for slot in reversed(slots):
            weight = _dot(memory["changes"][slot], direction) / memory["curvatures"][slot]
            _add(direction, memory["moves"][slot], weights[slot] - weight)
        return direction

    def _slots(self) -> list[int]:
        """Where the pairs are, from the newest to the oldest."""
        return [(self.memory["newest"] - age) % self.most for age in range(self.number)]

    def _solved_direction(self, gradient: Tensor, first: Callable[[Tensor], Tensor]) -> Tensor:
        """The same direction; each loop is the solution of a triangular system, (pairs,).

        With moves S and changes Y in rows, oldest first, R the upper triangle of S Yᵀ, and D its diagonal,
        the weights of the first loop solve R a = S g, and what the second one takes off of each move
        solves Rᵀ c = D a + Y r, for r the first inverse Hessian times Yᵀ a - g.
        """
        memory, pairs = self.memory, self.number
        moves, changes = memory["moves"][:pairs], memory["changes"][:pairs]
        products, behind = memory["products"][:pairs, :pairs], pairs - 1 - memory["newest"]
        # A full history has its oldest pair behind the newest; positive shifts bring it to the front.
        products = products.roll((behind, behind), (0, 1)) if behind else products
        aims = (moves @ gradient).roll(behind) if behind else moves @ gradient
        weights = _solve(products, aims, upper=True)
        back = weights.roll(-behind) if behind else weights
        direction = first(torch.addmv(gradient, changes.T, back, beta=-1))
        aims = (changes @ direction).roll(behind) if behind else changes @ direction
        taken = _solve(products.T, aims.addcmul_(products.diagonal(), weights), upper=False)
        back = taken.roll(-behind) if behind else taken
        return torch.addmv(direction, moves.T, back, alpha=-1)


def _solve(triangle: Tensor, aims: Tensor, *, upper: bool) -> Tensor:
    solution: Tensor = torch.linalg.solve_triangular(triangle, aims[:, None], upper=upper)
    return solution[:, 0]


def _dot(kept: Tensor, vector: Tensor) -> Tensor:
    """The product of a vector that is kept, (n,), with another, (n,)."""
    if kept.dtype == vector.dtype:
        return kept @ vector
    parts = zip(torch.split(kept, AT_ONCE), torch.split(vector, AT_ONCE), strict=True)
    return torch.stack([part.to(vector) @ other for part, other in parts]).sum()


def _add(vector: Tensor, kept: Tensor, factor: Tensor) -> None:
    """Add a multiple of a vector that is kept, (n,), to another, (n,), in place."""
    if kept.dtype == vector.dtype:
        vector.addcmul_(kept, factor)
        return
    for part, other in zip(torch.split(kept, AT_ONCE), torch.split(vector, AT_ONCE), strict=True):
        other.addcmul_(part.to(vector), factor)
