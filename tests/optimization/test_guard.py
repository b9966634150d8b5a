"""A loss that diverges or is NaN: back to the best picture, half the rate, whichever the optimizer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

import impasto
from helpers import Invoke, Outcome, Pair
from impasto.optimization.guard import EVERY, PATIENCE
from impasto.settings.settings import gather

BREAKING = """
import impasto

class Breaking(impasto.Loss):
    "The mean square of the picture, spoilt at some evaluations."

    def __init__(self, at: tuple[int, ...] = (), by: str = "nan", ever: int = 10**9):
        super().__init__()
        self.at, self.by, self.ever, self.calls = at, float(by), ever, 0

    target = "none"
    layers = ("image",)

    def summarize_layer(self, feature):
        return {"mean": (feature - 0.2).square().mean()}

    def compare_layer(self, summary, target):
        self.calls += 1
        spoilt = self.calls in self.at or self.calls >= self.ever
        return summary["mean"] * (self.by if spoilt else 1)


@impasto.hookimpl
def impasto_losses():
    return [impasto.Offer("breaking", Breaking)]
"""

OPTIMIZERS = ["adam", "torch.SGD:lr=100,momentum=0.5", "torch.Adagrad:lr=0.05"]


@pytest.fixture
def breaking(tmp_path: Path) -> Path:
    path = tmp_path / "breaking.py"
    path.write_text(BREAKING, encoding="utf-8")
    return path


def broken_run(
    invoke: Invoke, pair: Pair, plugin: Path, options: str, *more: object, steps: int = 40
) -> Outcome:
    out = plugin.with_name("out.png")
    return invoke("run", pair.content, pair.style, "-o", out, "--size", 32, "--steps", steps,
                  "--plugin", plugin, "--loss", f"breaking:{options}", "--force", "--json",
                  "--precision", "float32", *more)  # fmt: skip


def square(path: Path) -> float:
    with Image.open(path) as picture:
        values = torch.frombuffer(bytearray(picture.convert("RGB").tobytes()), dtype=torch.uint8)
    return float((values / 255 - 0.2).square().mean())


@pytest.mark.parametrize(
    ("optimizer", "by"),
    [("adam", "nan"), ("adam", "inf"), *((one, "1e9") for one in OPTIMIZERS)],
)
def test_it_goes_on_from_the_best_picture(
    invoke: Invoke, pair: Pair, breaking: Path, optimizer: str, by: str
) -> None:
    done = broken_run(invoke, pair, breaking, f"at=4,17,by={by}", "--optimizer", optimizer)
    assert done.status == 0, done.err
    assert done.err.count("going on from the best picture with half the learning rate") == 1
    losses = json.loads(done.out)["loss"]
    assert losses["last"] < 0.5 * losses["first"]
    assert square(breaking.with_name("out.png")) < 0.5 * square(pair.content)


@pytest.mark.parametrize("optimizer", OPTIMIZERS[:2])
def test_it_ends_with_the_best_picture_after_a_few_times(
    invoke: Invoke, pair: Pair, breaking: Path, optimizer: str
) -> None:
    out = breaking.with_name("out.png")
    done = broken_run(invoke, pair, breaking, "ever=7", "--optimizer", optimizer, steps=500)
    assert done.status == 1
    steps = (PATIENCE + 1) * EVERY
    assert "the loss diverged 6 times without a better picture in between" in done.error
    assert f"; the picture after {steps} steps is in '{out}'" in done.error
    ruined = out.read_bytes()
    assert broken_run(invoke, pair, breaking, "at=0", "--optimizer", optimizer, steps=5).status == 0
    with Image.open(out) as best:
        expected = best.tobytes()
    out.write_bytes(ruined)
    with Image.open(out) as kept:
        assert kept.tobytes() == expected


def test_what_is_no_number_from_the_start(invoke: Invoke, pair: Pair, breaking: Path) -> None:
    done = broken_run(invoke, pair, breaking, "ever=1", "--optimizer", "adam")
    assert "the loss is NaN from the first step of the stage on" in done.error
    with Image.open(breaking.with_name("out.png")) as kept, Image.open(pair.content) as content:
        assert kept.size == (32, 24)
        assert abs(square(breaking.with_name("out.png")) - square(pair.content)) < 0.01
        assert content.size == (64, 48)


@pytest.mark.parametrize("step", [39, 40])
def test_a_stage_that_ends_badly_leaves_its_best_picture(
    invoke: Invoke, pair: Pair, breaking: Path, step: int
) -> None:
    done = broken_run(invoke, pair, breaking, f"at={step}", "--optimizer", "adam", steps=40)
    assert done.status == 0, done.err
    assert square(breaking.with_name("out.png")) < 0.5 * square(pair.content)


def test_a_schedule_goes_on_at_half_of_its_rates(
    invoke: Invoke, pair: Pair, breaking: Path
) -> None:
    for schedule in (
        "OneCycleLR:max_lr=0.05",
        "CosineAnnealingLR",
        "CyclicLR:base_lr=0.01,max_lr=0.02",
    ):
        more = ("--optimizer", "torch.SGD:lr=0.01,momentum=0.9", "--schedule", schedule)
        done = broken_run(invoke, pair, breaking, "at=4", *more)
        assert done.status == 0, done.err
        assert done.err.count("going on from the best picture") == 1


@pytest.mark.parametrize("optimizer", ["adam", "torch.Adagrad:lr=0.05", "torch.LBFGS:max_iter=2"])
def test_a_resumed_run_remembers_it_bit_for_bit(
    pair: Pair, breaking: Path, tmp_path: Path, optimizer: str
) -> None:
    # The spoilt steps depend on the run's own counter, which a process that resumes begins anew: so the
    # loss breaks by what the canvas is, not by when.
    from helpers import stopped_at
    from impasto.jobs.run import prepare_run
    from impasto.optimization.loop import paint

    given = {
        "content": str(pair.content), "style": str(pair.style), "size": 32, "steps": 24,
        "optimizer": optimizer, "loss": ["breaking_below"], "plugin": str(breaking),
    }  # fmt: skip
    breaking.write_text(BREAKING.replace('"breaking"', '"breaking_below"').replace(
        "self.calls in self.at", "bool(summary['mean'] < 0.01)"), encoding="utf-8")  # fmt: skip
    settings = gather(given, None, None)
    whole = paint(prepare_run(settings))
    for step in (9, 10, 13):
        stopped_at(step, tmp_path / str(step), settings)
        resumed = impasto.resume(tmp_path / str(step), plugins=[str(breaking)])
        assert torch.equal(resumed.image, whole.image), step
