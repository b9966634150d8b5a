"""Whether to compile the objective: by what compiling costs and gains where it was measured.

``impasto bench evaluation --compile`` measures both on this machine and keeps them; ``auto`` compiles
where the steps ahead gain more than compiling costs. Where nothing was measured it does not compile.

On a processor little can be gained: four fifths of a step are convolutions. Those, pooling and sums of
products stay the operations that they are in a plain step, since the compiler's own were slower, and the
rest is fused. On two cores in bfloat16 compiled steps took 0.98, 0.98 and 0.95 times as long at 128, 256 and
512 pixels, and compiling took 12 s to 28 s for each of the first two sizes, about 1 s where the compiler's
cache on the disk had it: a gain after some thousand steps at 256 pixels, of several hundred at 512.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import torch
from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt, ValidationError
from torch import Tensor

from impasto.model.objective import Objective
from impasto.model.precision import precision_name
from impasto.optimization.stages import Stage

logger = logging.getLogger("impasto")

Evaluate = Callable[[Tensor], tuple[Tensor, Tensor]]


class Measured(BaseModel):
    """What compiling came to, for one size of picture."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    device: str
    """What :func:`device_name` says."""
    precision: str
    """Precision of the network: ``bfloat16``."""
    torch: str
    """Version of torch."""
    pixels: PositiveInt
    """Number of pixels of the picture."""
    plain: PositiveFloat
    """Seconds of an evaluation, forward and backward, not compiled."""
    compiled: PositiveFloat
    """Seconds of an evaluation, forward and backward, compiled."""
    compiling: PositiveFloat
    """Seconds that the first compiled evaluation took longer than the others."""


class Kept(BaseModel):
    """The file that holds all measurements."""

    model_config = ConfigDict(extra="forbid")

    measured: list[Measured] = []


def choose_compile(
    asked: str,
    device: torch.device,
    precision: torch.dtype,
    objective: Objective,
    stages: Sequence[Stage],
) -> Evaluate:
    """The objective as it is, or compiled.

    Args:
        asked: ``on``, ``off``, or ``auto``. What was chosen is logged, the reason at the level DEBUG.
        device: where the objective is to run.
        precision: the precision of the network.
        objective: the objective of the run.
        stages: the stages of the run; see :func:`compiled`.
    """
    wanted = asked == "on"
    if asked == "auto":
        known = [
            one
            for one in kept()
            if (one.device, one.precision, one.torch)
            == (device_name(device), precision_name(precision), torch.__version__)
        ]
        wanted, reason = (
            pays_off(known, stages) if known else (False, reason_without_measurements(device))
        )
        logger.debug("compile %s: %s", "on" if wanted else "off", reason)
    logger.info(
        "computing on %s in %s, %s",
        device, precision_name(precision), "compiled" if wanted else "not compiled",
    )  # fmt: skip
    return compiled(objective) if wanted else objective


def compiled(objective: Objective) -> Evaluate:
    """The objective, compiled at its first call for that size, and at another size for all sizes."""
    made: Evaluate = torch.compile(objective, fullgraph=True)

    def evaluate(image: Tensor) -> tuple[Tensor, Tensor]:
        # Otherwise the size of a parameter, or of a module's buffer, is taken for one that never changes.
        sizes = torch._dynamo.config.patch(
            force_parameter_static_shapes=False, force_nn_module_property_static_shapes=False
        )
        with sizes, warnings.catch_warnings():
            # The compiler looks for a gradient that a canvas's picture does not keep.
            warnings.filterwarnings("ignore", message="The .grad attribute of a Tensor")
            return made(image)

    return evaluate


def pays_off(known: Sequence[Measured], stages: Sequence[Stage]) -> tuple[bool, str]:
    """Whether compiling pays for these stages, and the reason.

    Args:
        known: one or more measurements of this device and precision; the nearest size counts.
        stages: the stages ahead.
    """
    cost = plain = faster = 0.0
    for number, stage in enumerate(stages):
        pixels = stage.width * stage.height
        one = min(known, key=lambda one: abs(math.log(one.pixels / pixels)))
        scale = stage.steps * pixels / one.pixels
        plain, faster = plain + scale * one.plain, faster + scale * one.compiled
        # The graph that is compiled for the second size has symbolic sizes and serves all that follow.
        cost += one.compiling if number < 2 else 0.0
    gained = plain - faster
    if gained <= 0:
        return False, f"compiled steps take {faster / plain:.2f} times as long here, as measured"
    word = "more" if gained > cost else "less"
    return gained > cost, (
        f"these steps would take {gained:.0f} s less, {word} than the {cost:.0f} s of compiling,"
        " as measured here"
    )


def reason_without_measurements(device: torch.device) -> str:
    """The reason where nothing was measured."""
    reason = "gains little on processors" if device.type == "cpu" else "not measured on this device"
    return f"{reason}; 'impasto bench evaluation --compile' measures it here, and auto goes by that"


def device_name(device: torch.device) -> str:
    """What measurements hold for: the kind of processor with its threads, or the GPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "cpu":
        return f"{torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads"
    return device.type


def file() -> Path:
    """Where measurements are kept; it need not be there."""
    return Path(click.get_app_dir("impasto")) / "compile.json"


def kept() -> list[Measured]:
    """All measurements that are kept; none, and a warning, where the file cannot be read."""
    path = file()
    if not path.is_file():
        return []
    try:
        return Kept.model_validate_json(path.read_text(encoding="utf-8")).measured
    except (OSError, ValueError) as error:
        reason = (
            f"{error.error_count()} values are wrong"
            if isinstance(error, ValidationError)
            else error
        )
        logger.warning("compile: '%s' cannot be read and does not count: %s", path, reason)
        return []


def keep(new: Measured) -> Path:
    """Keep a measurement; an older one of the same kind goes.

    Returns:
        The file.

    Raises:
        OSError: it cannot be written.
    """
    parts = {"device", "precision", "torch", "pixels"}
    others = [
        one for one in kept() if one.model_dump(include=parts) != new.model_dump(include=parts)
    ]
    path = file()
    path.parent.mkdir(parents=True, exist_ok=True)
    made = Kept(measured=[*others, new])
    path.write_text(made.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return path
