"""Recovery from a loss that diverges or is NaN: the canvas goes back to its best picture.

The best picture and the worst loss are kept on the device, and read by the host only every ``EVERY``
steps, so that the loop does not wait for the device in between.
"""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from impasto.errors import ImpastoError
from impasto.optimization.schedule import Schedule, slow_down
from impasto.optimization.stages import reset_state
from impasto.optimization.without_compiler import without_compiler

EVERY = 10
"""Steps of a stage between two checks of the losses on the device."""
DIVERGED = 1000.0
"""A loss this many times the stage's first one has diverged. Optimizers with momentum pass over losses of
several times the first one and recover by themselves."""
PATIENCE = 5
"""Returns to the best picture, with no better one found in between, after which the run ends."""

logger = logging.getLogger("impasto")


class Guard:
    """Watches the loss of one stage, with any optimizer.

    An optimizer that has ``recovers = True`` recovers by itself; it is only kept from leaving NaN in the
    picture at the end of a stage.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, parameters: Sequence[Tensor]) -> None:
        """Begin with the picture that the stage starts from.

        Args:
            optimizer: as it was made, before its first step.
            parameters: the parameters of the canvas.
        """
        self.parameters = [parameter.detach() for parameter in parameters]
        self.best = [parameter.clone() for parameter in self.parameters]
        self.recovers = bool(getattr(optimizer, "recovers", False))
        # One that recovers by itself may have carried over a large history.
        self.fresh = {} if self.recovers else copy.deepcopy(optimizer.state_dict()["state"])
        self.best_loss, self.first = self._number(torch.inf), self._number(torch.nan)
        self.worst = self._number(-torch.inf)
        """The highest loss since the last check; infinity stands for NaN."""
        self.gained = self._number(0)
        """How often a better picture was found since the canvas last went back."""
        self.begun = False
        """Whether a check has found that the first loss is known."""
        self.returns = 0
        self.told = False

    def _number(self, value: float) -> Tensor:
        return torch.full((), value, dtype=torch.float32, device=self.parameters[0].device)

    @torch.no_grad()
    def watch(self, loss: Tensor) -> None:
        """Keep the picture of an evaluation if it is the best so far, without waiting for the device.

        Args:
            loss: the loss of the parameters as they are, a scalar tensor.
        """
        better = loss.detach() < self.best_loss
        self.best_loss = torch.where(better, loss.detach().float(), self.best_loss)
        self.gained = self.gained + better
        for best, parameter in zip(self.best, self.parameters, strict=True):
            torch.where(better, parameter, best, out=best)

    def note(self, loss: Tensor) -> None:
        """Record a step's loss, without waiting for the device.

        The first evaluation of the step counts: a line search may look further than it goes.
        """
        if self.recovers:
            return
        loss = loss.detach().float()
        if not self.begun:
            self.first = torch.where(self.first.isnan(), loss, self.first)
        inf = torch.inf
        self.worst = torch.maximum(self.worst, loss.nan_to_num(nan=inf, posinf=inf, neginf=inf))

    @without_compiler()
    def check(self, optimizer: torch.optim.Optimizer, schedule: Schedule | None) -> None:
        """Go back to the best picture if the loss diverged since the last check.

        The optimizer's state is reset, and its learning rate halved. Waits for the device.

        Raises:
            ImpastoError: it diverges again and again; the parameters are those of the best loss.
        """
        if self.recovers:
            return
        worst, first, best, gained = self._told_by_the_device()
        self.worst = self._number(-torch.inf)
        if not _diverged(worst, first):
            return
        self.back_to_best()
        self.returns = 1 if gained else self.returns + 1
        self.gained = self._number(0)
        if self.returns > PATIENCE or best == torch.inf:
            raise ImpastoError(
                _given_up(best, worst, self.returns), settings=("optimizer", "precision")
            )
        self._say(best, worst)
        reset_state(optimizer, self.fresh)
        slow_down(optimizer, schedule)

    def forget(self) -> None:
        """Forget all losses, since those that come are of another objective; the best picture stays."""
        self.best_loss, self.first = self._number(torch.inf), self._number(torch.nan)
        self.worst, self.gained = self._number(-torch.inf), self._number(0)
        self.begun, self.returns = False, 0

    @torch.no_grad()
    def leave_a_picture(self) -> None:
        """At the end of a stage or a run, go back to the best picture if the last steps ruined it."""
        finite = all(bool(parameter.isfinite().all()) for parameter in self.parameters)
        worst, first, best, _ = self._told_by_the_device()
        if not finite or (not self.recovers and _diverged(worst, first)):
            self.back_to_best()
            self._say(best, worst if finite else torch.inf)

    @torch.no_grad()
    def back_to_best(self) -> None:
        """Give the parameters the values that they had at the lowest loss."""
        for best, parameter in zip(self.best, self.parameters, strict=True):
            parameter.copy_(best)

    def state_dict(self) -> dict[str, Any]:
        """What :meth:`load_state_dict` goes on from."""
        numbers = {"best_loss": self.best_loss, "first": self.first}
        numbers |= {"worst": self.worst, "gained": self.gained}
        return {"best": self.best, "returns": self.returns, "told": self.told, **numbers}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        for best, kept in zip(self.best, state["best"], strict=True):
            best.copy_(kept)
        for name in ("best_loss", "first", "worst", "gained"):
            setattr(self, name, state[name].to(self.parameters[0].device))
        self.returns, self.told = int(state["returns"]), bool(state["told"])

    def _say(self, best: float, worst: float) -> None:
        if not self.told:
            logger.warning(
                "the loss went from %.4g to %s: going on from the best picture with half the learning rate",
                best, _said(worst),
            )  # fmt: skip
        self.told = True

    def _told_by_the_device(self) -> list[float]:
        numbers = [self.worst, self.first, self.best_loss, self.gained]
        told: list[float] = torch.stack(numbers).tolist()
        self.begun = not math.isnan(told[1])
        return told


def _diverged(worst: float, first: float) -> bool:
    # Where a stage begins at a loss of 0, multiples of it mean nothing.
    return worst == torch.inf or worst > DIVERGED * first > 0


def _said(loss: float) -> str:
    return "NaN" if loss == torch.inf else f"{loss:.4g}"


def _given_up(best: float, worst: float, returns: int) -> str:
    advice = "try a smaller lr, or precision float32"
    if best == torch.inf:
        return f"the loss is NaN from the first step of the stage on: {advice}"
    return (
        f"the loss diverged {returns} times without a better picture in between, from {best:.4g} to"
        f" {_said(worst)}; the best picture is kept: {advice}"
    )
