"""The pyramid: which stages a run has, from coarse to fine, and what one hands on to the next."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from impasto.errors import SettingsError
from impasto.images.tensors import fitted, interpolated
from impasto.model.loss import FADES_FROM
from impasto.settings.settings import Settings
from impasto.settings.style import Style

logger = logging.getLogger("impasto")

COARSEST = FADES_FROM
"""Longer side of the coarsest stage, pixels. From a smaller one a strong style forgets the content."""


COARSEST_OF = {"doubling": COARSEST // 2, "octaves": COARSEST // 4}
"""The same where sizes double: for losses that hold the content from there on, as those of STROTSS do; and
for textures, where there is none to forget: the network then sees how large parts lie."""


@dataclass(frozen=True)
class Stage:
    """One size of a run. A plain run has one stage."""

    number: int
    """Index of the stage, from 0."""
    width: int
    """Width of the picture, in pixels."""
    height: int
    """Height of the picture, in pixels."""
    steps: int
    """Optimizer steps of this stage."""
    part: float = 1.0
    """Its length as a part of the last stage's, in (0, 1]."""
    strokes: float = 1.0
    """Factor of the styles' scales."""

    def style_size(
        self, width: int, height: int, fit: str, style: Style, smallest: int = 1
    ) -> tuple[int, int]:
        """Width and height, pixels, that a style picture of this width and height gets.

        Args:
            width: of the style picture, pixels.
            height: of the style picture, pixels.
            fit: ``keep`` its shape, as long as the stage; ``shrink``, the same, and no longer than its own
                size in the last stage; or ``stretch`` it to the stage's.
            style: its scale, or its size, counts.
            smallest: shortest side, in pixels, that the network takes; a panorama is made larger for it.
        """
        if fit == "stretch" and style.size is None:
            scale = style.scale * self.strokes
            return max(1, round(self.width * scale)), max(1, round(self.height * scale))
        length: float = max(self.width, self.height)
        if fit == "shrink":
            length = min(length, self.part * max(width, height))
        longer = style.size or max(1, round(length * style.scale * self.strokes))
        size = fitted(width, height, longer)
        too_narrow = min(size) < smallest <= longer
        return fitted(width, height, smallest, "shorter") if too_narrow else size


def plan_stages(settings: Settings, width: int, height: int, smallest: int = 1) -> list[Stage]:
    """The stages of a run.

    Args:
        settings: ``size``, ``side``, ``scales``, ``stroke_size``, ``steps`` and ``coarse_steps`` count.
        width: of the content picture, or of the result where there is none, pixels.
        height: the same.
        smallest: shortest side, in pixels, that the network takes. Stages of a panorama that are
            narrower are left out, and that is logged; the last one is always there.

    Raises:
        SettingsError: scales that do not grow.
    """
    side = max(width, height) if settings.side == "longer" else min(width, height)
    size = settings.size if isinstance(settings.size, int) else side
    sizes = [fitted(width, height, one, settings.side) for one in stage_sizes(settings, size)]
    wide = [one for one in sizes[:-1] if min(one) >= smallest] + sizes[-1:]
    if len(wide) < len(sizes):
        logger.info(
            "the first stage is %d × %d pixels: smaller ones would be too narrow for the network, which"
            " needs %d on each side",
            *wide[0],
            smallest,
        )
    coarse, last = settings.coarse_steps or settings.steps, len(wide) - 1
    return [
        Stage(
            number, *one, _of(settings.steps if number == last else coarse, number),
            max(one) / max(wide[-1]), settings.strokes_at(max(wide[-1])),
        )
        for number, one in enumerate(wide)
    ]  # fmt: skip


def _of(steps: Sequence[int], number: int) -> int:
    return steps[min(number, len(steps) - 1)]


def stage_sizes(settings: Settings, size: int) -> list[int]:
    """Lengths of the measured side, pixels, one for each stage; the last one is ``size``.

    Raises:
        SettingsError: scales that do not grow.
    """
    if settings.scales == "single":
        return [size]
    if settings.scales == "pyramid":
        return spread(COARSEST, size, max(0, round(2 * math.log2(size / COARSEST))))
    if isinstance(settings.scales, str):
        first = COARSEST_OF[settings.scales]
        return spread(first, size, max(0, round(math.log2(size / first))))
    sizes = [scale for scale in settings.scales if scale != size]
    if sizes != sorted(set(sizes)) or (sizes and sizes[-1] > size):
        asked = ",".join(map(str, settings.scales))
        raise SettingsError(f"scales {asked} must grow up to the size {size}")
    return [*sizes, size]


def spread(first: int, last: int, steps: int) -> list[int]:
    """Sizes spread evenly, so that all grow by the same factor and the last fits exactly."""
    return [round(first * (last / first) ** (step / steps)) for step in range(steps)] + [last]


@torch.no_grad()
def carry_over(
    old: torch.optim.Optimizer, new: torch.optim.Optimizer, wraps: Sequence[int] = ()
) -> None:
    """Hand on what an optimizer knows to the next stage, as far as it is known how.

    An optimizer with a method ``carry_over(old, resize)`` does it by itself, see plugins/README.md. Of
    others, moments of the shape of the canvas, as Adam's, are resized; state of another shape starts
    afresh. So does all of a canvas that is optimized as anything but channels of pixels, or as more or
    fewer tensors than before.

    Args:
        old: of the last stage.
        new: of the next stage.
        wraps: axes of the canvas whose ends are neighbors.
    """

    def resize(vector: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
        return interpolated(vector, parameter.shape[2], parameter.shape[3], "bilinear", wraps)

    fewer, more = _parameters(old), _parameters(new)
    if len(fewer) != len(more):
        return
    pairs = list(zip(fewer, more, strict=True))
    by_itself = getattr(new, "carry_over", None)
    if by_itself is not None:
        if all(
            one.dim() == 4 == two.dim() and one.shape[:2] == two.shape[:2] for one, two in pairs
        ):
            by_itself(old, resize)
        return
    for before, after in pairs:
        state = old.state.get(before, {})
        moments = [value for value in state.values() if torch.is_tensor(value) and value.dim()]
        if not moments or before.dim() != 4 or any(m.shape != before.shape for m in moments):
            continue
        new.state[after] = {
            key: resize(value, after) if torch.is_tensor(value) and value.dim() else value
            for key, value in state.items()
        }


def forget(optimizer: torch.optim.Optimizer, blank: Mapping[Any, Any]) -> None:
    """Have an optimizer forget what it knows of an objective that is another one from now on.

    An optimizer with a method ``forget()`` does it by itself, see plugins/README.md. The state of others
    starts afresh; rates stay.

    Args:
        optimizer: of the stage.
        blank: its state as it was made.
    """
    by_itself = getattr(optimizer, "forget", None)
    if by_itself is not None:
        by_itself()
        return
    reset_state(optimizer, blank)


def reset_state(optimizer: torch.optim.Optimizer, state: Mapping[Any, Any]) -> None:
    """Give an optimizer a copy of an earlier state; rates stay.

    Args:
        optimizer: of a stage.
        state: of its parameters, as ``state_dict()["state"]`` has it.
    """
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": copy.deepcopy(state), "param_groups": groups})


def _parameters(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
