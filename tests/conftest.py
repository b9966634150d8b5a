"""What the tests share: small real picture files, and the command line by its front door."""

from __future__ import annotations

import functools
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from helpers import (
    INTERRUPT,
    PROPERTY,
    Draw,
    Install,
    Interrupt,
    Invoke,
    Outcome,
    Pair,
    drawn,
    layers_of_torchvision,
    same_threads,
)
from impasto.command.main import main
from impasto_plugins.extractors import random_vgg, vgg_weights

# A shell that starts the tests in the background has them, and what they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many cases each fuzzer tried: none would pass, too."""
    tried = {
        report.nodeid: value
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == PROPERTY and report.when == "teardown"
    }
    if tried:
        terminalreporter.section(f"{sum(tried.values())} {PROPERTY} by {len(tried)} fuzzers")
        for test, cases in sorted(tried.items()):
            terminalreporter.line(f"{cases:>7} {test}")


@pytest.fixture(scope="session", autouse=True)
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What Impasto keeps for a user lies in a folder of the tests' own, for all processes they start."""
    folder = tmp_path_factory.mktemp("configuration")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder))
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


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


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """A content picture of 64 × 48 and a style picture of 56 × 56, as PNG files."""
    made = Pair(tmp_path / "content.png", tmp_path / "style.png")
    drawn(64, 48, seed=1).save(made.content)
    drawn(56, 56, seed=2).save(made.style)
    return made


@pytest.fixture
def draw() -> Draw:
    """Random tensors, the same in whatever order the tests are run."""
    return Draw()


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


@pytest.fixture
def interrupt(install: Install) -> Interrupt:
    """Options of a run that Ctrl-C ends after the second step, if it was not resumed.

    The plugin that does it is an installed one, which a resumed run has without being told.
    """
    install("interrupt", INTERRUPT)
    return "--callback", "interrupt"


@pytest.fixture(scope="session", autouse=True)
def weights_are_made_once() -> Iterator[None]:
    """Most tests that paint use the bundled ones; random ones are drawn, and measured, once for each seed."""
    drawn: dict[tuple[str, bytes], tuple[vgg_weights.Weights, torch.Tensor]] = {}
    measured: dict[tuple[str, str, tuple[float, ...]], dict[str, float]] = {}
    draw, measure = vgg_weights.random_weights, vgg_weights.mean_activations

    def random_weights(
        network: vgg_weights.Network, generator: torch.Generator | None = None
    ) -> vgg_weights.Weights:
        generator = generator or torch.default_generator
        key = network, generator.get_state().numpy().tobytes()
        if key not in drawn:
            drawn[key] = draw(network, generator), generator.get_state()
        made, after = drawn[key]
        generator.set_state(after)
        return made

    def mean_activations(
        weights: vgg_weights.Weights, pooling: str, pictures: list[torch.Tensor]
    ) -> dict[str, float]:
        key = weights.digest, pooling, tuple(float(one.sum()) for one in pictures)
        if key not in measured:
            measured[key] = measure(weights, pooling, pictures)
        return dict(measured[key])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vgg_weights, "bundled_weights", functools.cache(vgg_weights.bundled_weights))
        patch.setattr(vgg_weights, "mean_activations", mean_activations)
        for module in (vgg_weights, random_vgg):
            patch.setattr(module, "random_weights", random_weights)
        yield


IMPORTING = """
import sys
import impasto

# 256 channels and more take Winograd's convolution; a checkpoint saves the optimizer; with a limit of
# memory, as at 1024 pixels, the run is gone through with shapes before.
loss = ["content:layers=conv3_2", "gram:layers=conv1_1,conv3_1"]
result = impasto.run({content!r}, {style!r}, size=32, steps=(2, 2), scales="24", loss=loss,
                     checkpoint={folder!r}, checkpoint_every=1e-9, max_memory="64GB")
result._repr_html_()
assert result.steps == 4
print(*sys.modules)
"""


@pytest.fixture(scope="session")
def imported(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The modules that a plain run imports, its result shown as a notebook shows it."""
    folder = tmp_path_factory.mktemp("importing")
    drawn(64, 48, seed=1).save(folder / "content.png")
    drawn(56, 56, seed=2).save(folder / "style.png")
    code = IMPORTING.format(
        content=str(folder / "content.png"),
        style=str(folder / "style.png"),
        folder=str(folder / "kept"),
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=same_threads(),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = set(done.stdout.split())
    assert found >= {"torch", "impasto_plugins.extractors.winograd"}
    return found


@pytest.fixture(scope="session")
def network() -> nn.Sequential:
    """The convolutions of torchvision's VGG-19 with random weights."""
    torch.manual_seed(0)
    return layers_of_torchvision("vgg19").eval().requires_grad_(False)


@pytest.fixture(scope="session")
def weights(network: nn.Sequential, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights of ``network`` as a file in torchvision's form."""
    path = tmp_path_factory.mktemp("weights") / "vgg19.pth"
    torch.save({f"features.{key}": value for key, value in network.state_dict().items()}, path)
    return path
