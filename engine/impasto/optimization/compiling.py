"""Whether to compile the objective: where the user says so.

On a processor little can be gained: four fifths of a step are convolutions. Those, pooling and sums of
products stay the operations that they are in a plain step, since the compiler's own were slower, and the
rest is fused. On two cores in bfloat16 compiled steps took 0.98, 0.98 and 0.95 times as long at 128, 256 and
512 pixels, and compiling took 12 s to 28 s for each of the first two sizes; with AVX2 alone, in float32
with Winograd's convolutions, 1.03 times as long at 256 pixels after 39 s. Left to the compiler, their
transforms took 98 s to compile, and were not faster together than the matrix products that they are.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from impasto.model.objective import Objective
from impasto.model.precision import precision_name
from impasto.optimization.shared import Shared

logger = logging.getLogger("impasto")

Evaluate = Callable[[Tensor], tuple[Tensor, Tensor]]


def choose_compile(
    asked: str,
    device: torch.device,
    precision: torch.dtype,
    objective: Objective,
    shared: Shared | None = None,
) -> Evaluate:
    """The objective as it is, or compiled; says in a line on what the run computes, and how.

    Args:
        asked: ``on``; ``off``; or ``auto``, which is off, for a reason that is logged at the level DEBUG.
        device: where the objective is to run.
        precision: the precision of the network.
        objective: the objective of the run.
        shared: of runs that need not all say the same.
    """
    if asked == "auto":
        logger.debug("compile off: %s", reason_against(device))
    how = ["compiled" if asked == "on" else "not compiled", objective.extractor.said()]
    said = ", ".join(filter(None, how))
    line = f"computing on {device} in {precision_name(precision)}, {said}"
    if shared is None or shared.is_news(line):
        logger.info("%s", line)
    return compiled(objective) if asked == "on" else objective


def reason_against(device: torch.device) -> str:
    """Why ``auto`` does not compile."""
    if device.type == "cpu":
        return "gains at most a twentieth of a step on processors, and takes 12 to 40 s"
    return "not measured on this device; '--compile on' tries it"


def compiled(objective: Objective) -> Evaluate:
    """The objective, compiled at its first call for that size, and at another size for all sizes."""
    made: Evaluate = torch.compile(objective, fullgraph=True)

    def evaluate(image: Tensor) -> tuple[Tensor, Tensor]:
        if objective.is_new:
            # Once for each stage as it is: what plugins return is checked, and losses make what they keep.
            objective(image)
        # Otherwise the size of a parameter, or of a module's buffer, is taken for one that never changes.
        sizes = torch._dynamo.config.patch(
            force_parameter_static_shapes=False, force_nn_module_property_static_shapes=False
        )
        with sizes, warnings.catch_warnings():
            # The compiler looks for a gradient that a canvas's picture does not keep.
            warnings.filterwarnings("ignore", message="The .grad attribute of a Tensor")
            return made(image)

    return evaluate
