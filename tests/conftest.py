"""What the tests share: small real picture files, and the command line by its front door."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.models import vgg19

from impasto.command.main import main

THREADS = 1
torch.set_num_threads(THREADS)
SAME_THREADS = {**os.environ, "OMP_NUM_THREADS": str(THREADS)}
"""Environment of a process whose pictures are compared, bit for bit, with those made in this one."""

# A shell that starts the tests in the background has them, and what they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

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


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Invoke:
    """Run ``impasto ARGUMENTS`` in this process, through its real entry point."""

    def call(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["impasto", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Outcome(ended.value.code, captured.out, captured.err)

    return call


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


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """A content picture of 64 × 48 and a style picture of 56 × 56, as PNG files."""
    made = Pair(tmp_path / "content.png", tmp_path / "style.png")
    drawn(64, 48, seed=1).save(made.content)
    drawn(56, 56, seed=2).save(made.style)
    return made


Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Lay a distribution with one module and one entry point where Python finds it."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)

    def lay(name: str, code: str) -> None:
        monkeypatch.delitem(sys.modules, f"{name}_module", raising=False)
        (site / f"{name}_module.py").write_text(code, encoding="utf-8")
        info = site / f"{name}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[impasto]\n{name} = {name}_module\n")

    return lay


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


@pytest.fixture
def interrupt(install: Install) -> Interrupt:
    """Options of a run that Ctrl-C ends after the second step, if it was not resumed.

    The plugin that does it is an installed one, which a resumed run has without being told.
    """
    install("interrupt", INTERRUPT)
    return "--callback", "interrupt"


@pytest.fixture(scope="session")
def network() -> nn.Sequential:
    """The convolutions of torchvision's VGG-19 with random weights."""
    torch.manual_seed(0)
    features: nn.Sequential = vgg19(weights=None).features.eval().requires_grad_(False)
    return features


@pytest.fixture(scope="session")
def weights(network: nn.Sequential, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights of ``network`` as a file in torchvision's form."""
    path = tmp_path_factory.mktemp("weights") / "vgg19.pth"
    torch.save({f"features.{key}": value for key, value in network.state_dict().items()}, path)
    return path
