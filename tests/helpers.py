"""What tests share besides fixtures: small pictures, the outcome of a command, common checks."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import impasto
from impasto.jobs.checkpoints import Checkpoints
from impasto.jobs.run import prepare_run
from impasto.optimization.loop import paint

THREADS = 1
torch.set_num_threads(THREADS)


def same_threads() -> dict[str, str]:
    """Environment of a process whose pictures are compared, bit for bit, with those made in this one."""
    path = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "OMP_NUM_THREADS": str(THREADS),
        "PYTHONPATH": os.pathsep.join(path),
    }


def layers_of_torchvision(name: str) -> nn.Sequential:
    """The ``features`` of a VGG of torchvision with random weights.

    Its dense layers, of six times as many weights, are not made.
    """
    # Not above: processes that tests start need it not.
    from torchvision.models import vgg

    made: nn.Sequential = vgg.make_layers(
        vgg.cfgs["D" if name.startswith("vgg16") else "E"], batch_norm=name.endswith("_bn")
    )
    for module in made:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            assert module.bias is not None
            nn.init.zeros_(module.bias)
    return made


PROPERTY = "cases tried"
"""Under this name a test tells the summary how many cases it tried."""

SHALLOW = ("--loss", "content:layers=conv2_1", "--loss", "gram:layers=conv1_1,conv2_1,weight=10")
"""Options of a run that needs three convolutions only, so that a test takes a moment."""


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The last line of standard error, where the one line about an error stands."""
        return self.err.strip().splitlines()[-1]


Invoke = Callable[..., Outcome]


@dataclass(frozen=True)
class Pair:
    """Two small picture files."""

    content: Path
    style: Path


def drawn(width: int, height: int, seed: int) -> Image.Image:
    """A small picture with soft shapes and some grain, the same for the same seed."""
    random = numpy.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (6, 8, 3), dtype=numpy.uint8))
    soft = numpy.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), dtype=float)
    grain = random.normal(0, 12, (height, width, 3))
    return Image.fromarray((soft + grain).clip(0, 255).astype(numpy.uint8))


class Draw:
    """Random tensors in float64 for one test, whatever other tests have drawn."""

    def __init__(self) -> None:
        self.generator = torch.Generator().manual_seed(0)

    def uniform(self, *shape: int) -> Tensor:
        """Values in [0, 1)."""
        return torch.rand(*shape, generator=self.generator, dtype=torch.float64)

    def normal(self, *shape: int) -> Tensor:
        """Values around 0 with a deviation of 1."""
        return torch.randn(*shape, generator=self.generator, dtype=torch.float64)


Install = Callable[[str, str], None]
Interrupt = tuple[str, ...]

INTERRUPT = """
import impasto

class Interrupt:
    @impasto.hookimpl(trylast=True)
    def impasto_after_step(self, run, step):
        if step.number == 2 and not run.seconds_before:
            raise KeyboardInterrupt

@impasto.hookimpl
def impasto_callbacks():
    return [impasto.Offer("interrupt", Interrupt)]
"""


def refused(done: Outcome) -> str:
    """The one line of an error; fails if there is more, or less, or a traceback."""
    lines = done.err.strip().splitlines()
    errors = [line for line in lines if line.startswith("impasto: error: ")]
    assert done.status != 0
    assert errors == lines[-1:]
    assert "Traceback" not in done.err
    assert done.out == ""
    return errors[0].removeprefix("impasto: error: ")


class StopAt:
    """Ends the run with an error of its own once a step is done."""

    def __init__(self, step: int) -> None:
        self.step = step

    @impasto.hookimpl
    def impasto_after_step(self, step: impasto.Step) -> None:
        if step.number == self.step:
            raise KeyboardInterrupt


def stopped_at(step: int, folder: Path, settings: impasto.Settings) -> None:
    """Do a run up to a step, as if Ctrl-C came then."""
    run = prepare_run(settings)
    run.host.register(StopAt(step), "stop", "this test")
    run.host.register(Checkpoints(folder, every=1e9), "checkpoint", "this test")
    with pytest.raises(KeyboardInterrupt):
        paint(run)
    assert run.step == step


def minimize(
    optimizer: torch.optim.Optimizer, point: Tensor, loss_of: Callable[[Tensor], Tensor], steps: int
) -> list[float]:
    """Take steps of an optimizer; the loss of each evaluation."""
    losses: list[float] = []

    def closure() -> Tensor:
        point.grad = None
        loss = loss_of(point)
        torch.autograd.backward(loss)
        losses.append(float(loss.detach()))
        return loss

    for _ in range(steps):
        optimizer.step(closure)  # type: ignore[arg-type]
    return losses
