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
import math
import warnings
import weakref
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
    return Compiled(objective, graphs, needed)


class Compiled:
    """See :func:`compiled`. What cannot be recorded or compiled is warned of, with torch's reason."""

    def __init__(self, objective: Objective, graphs: bool, needed: bool) -> None:
        self.objective, self.graphs, self.needed = objective, graphs, needed
        self.made: Evaluate | None = None
        """What the compiler made; None where it is not asked, or failed."""
        self._compile()
        self.copies: weakref.ReferenceType[Tensor] | None = None
        """The picture whose gradient is copied."""

    def _compile(self) -> None:
        mode = "reduce-overhead" if self.graphs else None
        self.made = torch.compile(self.objective, fullgraph=True, mode=mode)

    def __call__(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Total and terms, as the objective gives them; neither they nor the gradient change later."""
        if self.objective.is_new:
            # Once for each stage as it is: what plugins return is checked, and losses make what they keep.
            wanted = self.objective(image)[0].detach()
            if self.graphs:
                self._try(image, float(wanted))
        if self.made is None:
            plain: tuple[Tensor, Tensor] = self.objective(image)
            return plain
        try:
            return self._evaluated(self.made, image)
        except (
            torch._dynamo.exc.TorchDynamoException,
            torch._dynamo.exc.FailOnRecompileLimitHit,
        ) as error:
            self._give_up(error)
        return self(image)

    def _evaluated(self, made: Evaluate, image: Tensor) -> tuple[Tensor, Tensor]:
        if not self.graphs:
            return quietly(made, image)
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        total, terms = quietly(made, image)
        # What a graph made is overwritten by the next call: the gradient, too, which torch hands to a
        # parameter as it is, and which an optimizer may keep.
        if image.requires_grad and (self.copies is None or self.copies() is not image):
            image.register_hook(Tensor.clone)  # type: ignore[no-untyped-call]
            self.copies = weakref.ref(image)
        return total.clone(), terms.clone()

    def _try(self, image: Tensor, wanted: float) -> None:
        """Warm up, record and replay before a stage begins, where what fails can still be left out.

        Args:
            image: where the canvas has it, since graphs know it by its address.
            wanted: the loss, not compiled.

        Raises:
            RuntimeError: what was asked for cannot be compiled.
        """
        while self.made is not None:
            try:
                # Otherwise what cannot be recorded is left out without a word.
                with torch._inductor.config.patch({"triton.cudagraph_or_error": self.graphs}):
                    for _ in range(TRIALS):
                        total, _ = self._evaluated(self.made, image)
                        if image.requires_grad:
                            torch.autograd.grad(total, image)
                found = float(total.detach())
                if not math.isclose(found, wanted, rel_tol=TOLERANCE) and math.isfinite(wanted):
                    raise RuntimeError(f"it gave a loss of {found:.4g} in place of {wanted:.4g}")
                return
            except (RuntimeError, torch._dynamo.exc.FailOnRecompileLimitHit) as error:
                # Also where memory ran out, since graphs have memory of their own.
                self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        """Go on without graphs, or without the compiler."""
        # The compiler's own first line names the compiler alone.
        reason = str(getattr(error, "inner_exception", error)).partition("\n")[0]
        if self.graphs:
            self.graphs = False
            logger.warning(
                "compiled without CUDA graphs, so that small pictures take longer: %s", reason
            )
            self._compile()
            return
        if self.needed:
            raise error
        self.made = None
        logger.warning(
            "not compiled, which may take several times as long a step in small pictures: %s",
            reason,
        )


MOST = 1000
"""Objectives that a process compiles."""
TRIALS = 3
"""Calls after which a graph was warmed up, recorded, and replayed."""
TOLERANCE = 0.05
"""How far what is compiled may be from what is not; bfloat16 is rounded in other places."""


def quietly(made: Evaluate, image: Tensor) -> tuple[Tensor, Tensor]:
    """Call what was compiled, so that it serves all sizes."""
    # Otherwise the size of a parameter, or of a module's buffer, is taken for one that never changes.
    sizes = torch._dynamo.config.patch(
        force_parameter_static_shapes=False, force_nn_module_property_static_shapes=False,
        # Of a process, which may paint many pictures with other losses each: torch's 8 end in an error.
        recompile_limit=MOST, accumulated_recompile_limit=MOST,
    )  # fmt: skip
    with sizes, warnings.catch_warnings():
        # The compiler looks for a gradient that a canvas's picture does not keep.
        warnings.filterwarnings("ignore", message="The .grad attribute of a Tensor")
        return made(image)
