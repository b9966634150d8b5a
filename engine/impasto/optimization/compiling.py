"""Whether to compile the objective: where the user says so, and on CUDA.

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

from impasto.model import gpu
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
        asked: ``on``; ``off``; or ``auto``, which is on with CUDA alone, for a reason that is logged at the
            level DEBUG.
        device: where the objective is to run.
        precision: the precision of the network.
        objective: the objective of the run.
        shared: of runs that need not all say the same.
    """
    takes = asked == "on" or (asked == "auto" and gpu.is_cuda(device) and objective.tile is None)
    if asked == "auto":
        said = f"on: {REASON_FOR}" if takes else f"off: {reason_against(device)}"
        logger.debug("compile %s", said)
    how = ["compiled" if takes else "not compiled", objective.extractor.said()]
    line = f"computing on {device} in {precision_name(precision)}, {', '.join(filter(None, how))}"
    if shared is None or shared.is_news(line):
        logger.info("%s", line)
    if not takes:
        return objective
    return compiled(objective, graphs=gpu.is_cuda(device), needed=asked == "on")


REASON_FOR = "a step is hundreds of small operations, of which a CUDA graph makes one"
"""Why ``auto`` compiles on CUDA, where it was not measured yet."""


def reason_against(device: torch.device) -> str:
    """Why ``auto`` does not compile."""
    if gpu.is_cuda(device):
        return "tiles are not compiled"
    if device.type == "cpu":
        return "gains at most a twentieth of a step on processors, and takes 12 to 40 s"
    return "not measured on this device; '--compile on' tries it"


def compiled(objective: Objective, graphs: bool = False, needed: bool = True) -> Evaluate:
    """The objective, compiled at its first call for that size, and at another size for all sizes.

    Args:
        objective: of the run.
        graphs: whether CUDA records its operations as graphs.
        needed: whether it is an error if the compiler fails; otherwise that is warned of, and the objective
            goes on as it is.
    """
    mode = "reduce-overhead" if graphs else None
    made: Evaluate = torch.compile(objective, fullgraph=True, mode=mode)
    plain: Evaluate = objective
    given_up = False

    def evaluate(image: Tensor) -> tuple[Tensor, Tensor]:
        nonlocal given_up
        if objective.is_new:
            # Once for each stage as it is: what plugins return is checked, and losses make what they keep.
            objective(image)
        if given_up:
            return plain(image)
        if graphs:
            torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        try:
            total, terms = quietly(made, image)
        except torch._dynamo.exc.TorchDynamoException as error:
            if needed:
                raise
            given_up = True
            logger.warning(
                "not compiled, which may take several times as long a step in small pictures: %s",
                str(error).partition("\n")[0],
            )
            return plain(image)
        # What a graph made is overwritten by the next call.
        return (total.clone(), terms.clone()) if graphs else (total, terms)

    return evaluate


def quietly(made: Evaluate, image: Tensor) -> tuple[Tensor, Tensor]:
    """Call what was compiled, so that it serves all sizes."""
    # Otherwise the size of a parameter, or of a module's buffer, is taken for one that never changes.
    sizes = torch._dynamo.config.patch(
        force_parameter_static_shapes=False, force_nn_module_property_static_shapes=False
    )
    with sizes, warnings.catch_warnings():
        # The compiler looks for a gradient that a canvas's picture does not keep.
        warnings.filterwarnings("ignore", message="The .grad attribute of a Tensor")
        return made(image)
