"""Stopping on time, on a loss and on a plateau: at which step, with what reason, after a resume too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import impasto
from helpers import Interrupt, Invoke, Pair
from impasto_plugins.callbacks.stop import Stop

SLOWLY: dict[str, Any] = {
    "size": 32,
    "steps": 60,
    "loss": ["tv"],
    "optimizer": "torch.SGD:lr=40",
}
"""Total variation falls at each step, and at each by less."""

SLEEPY = """
import time
import impasto

class Sleepy:
    @impasto.hookimpl
    def impasto_after_step(self):
        time.sleep(0.05)

@impasto.hookimpl
def impasto_callbacks():
    return [impasto.Offer("sleepy", Sleepy)]
"""


@pytest.fixture
def sleepy(tmp_path: Path) -> tuple[str, ...]:
    """Options of a run with steps of a twentieth of a second or more."""
    plugin = tmp_path / "sleepy.py"
    plugin.write_text(SLEEPY, encoding="utf-8")
    return "--plugin", str(plugin), "--callback", "sleepy"


def painted(pair: Pair, callback: str, **more: object) -> impasto.Result:
    return impasto.run(pair.content, pair.style, **{**SLOWLY, **more}, callback=[callback])


def test_on_a_loss(pair: Pair) -> None:
    whole = painted(pair, "stop:loss=0")
    assert (whole.steps, whole.stopped) == (60, "")
    wanted = (whole.losses[9] + whole.losses[10]) / 2
    stopped = painted(pair, f"stop:loss={wanted}")
    assert stopped.losses == whole.losses[:11]
    assert stopped.stopped == f"the loss is {whole.losses[10]:.4g}, {wanted:g} or less"


def test_on_a_plateau(pair: Pair) -> None:
    """The first step whose loss, and that of the two before it, is not 15 % below the lowest."""
    losses = painted(pair, "stop:loss=0").losses
    best, waited, expected = float("inf"), 0, 0
    for number, loss in enumerate(losses, 1):
        best, waited = (loss, 0) if loss < best * 0.85 else (best, waited + 1)
        if waited == 3:
            expected = number
            break
    assert 4 < expected < 60
    stopped = painted(pair, "stop:patience=3,threshold=0.15")
    assert stopped.steps == expected
    assert stopped.stopped == "3 steps without an improvement of the loss by 0.15"


def test_many_small_improvements_are_no_plateau() -> None:
    stop = Stop(patience=10, threshold=0.01)
    stop.best, stop.waited = float("inf"), 0
    for step in range(200):
        stop.follow(0.998**step)
        assert stop.waited < 10


def test_a_loss_that_is_no_number_is_no_improvement() -> None:
    stop = Stop(patience=3)
    stop.best, stop.waited = 1.0, 0
    for _ in range(3):
        stop.follow(float("nan"))
    assert stop.waited == 3


def test_the_first_of_several_ends_the_run(pair: Pair) -> None:
    result = painted(pair, "stop:loss=1000,patience=50,seconds=1000")
    assert result.steps == 1
    assert result.stopped.endswith("1000 or less")


def test_on_time(invoke: Invoke, pair: Pair, tmp_path: Path, sleepy: tuple[str, ...]) -> None:
    out = tmp_path / "out.png"
    done = invoke("run", pair.content, pair.style, "-o", out, "--size", 32, "--steps", 200,
                  "--loss", "tv", "--callback", "stop:seconds=0.3", *sleepy, "--json")  # fmt: skip
    assert done.status == 0, done.err
    record = json.loads(done.out)
    assert 1 <= record["steps"] <= 7
    assert record["stopped"] == "the budget of 0.3 seconds is spent"
    assert out.is_file()


def test_on_time_in_a_small_stage_says_how_large_the_picture_is(
    invoke: Invoke, pair: Pair, tmp_path: Path, sleepy: tuple[str, ...]
) -> None:
    out = tmp_path / "out.png"
    done = invoke("run", pair.content, pair.style, "-o", out, "--size", 48, "--scales", "24,48",
                  "--steps", 100, "--loss", "tv", "--callback", "stop:seconds=0.2", *sleepy,
                  "--json")  # fmt: skip
    assert done.status == 0, done.err
    assert json.loads(done.out)["stopped"] == (
        "the budget of 0.2 seconds is spent; the picture has 24 × 18 pixels, not 48 × 36"
    )
    with Image.open(out) as picture:
        assert picture.size == (24, 18)


def test_loss_and_plateau_look_at_the_last_stage_only(pair: Pair) -> None:
    result = painted(pair, "stop:loss=1000", scales=[24, 32], steps=[4, 9])
    assert (result.steps, result.picture.size) == (5, (32, 24))
    result = painted(pair, "stop:patience=2,threshold=0.9", scales=[24, 32], steps=[4, 9])
    assert (result.steps, result.picture.size) == (4 + 3, (32, 24))


def test_the_last_step_is_a_whole_run(pair: Pair) -> None:
    assert painted(pair, "stop:loss=1000", steps=1).stopped == ""


def test_a_resumed_run_stops_where_it_would_have(
    invoke: Invoke, pair: Pair, tmp_path: Path, interrupt: Interrupt
) -> None:
    """The steps before the interruption, after the second one, count toward the plateau."""
    arguments = ("run", pair.content, pair.style, "--size", 32, "--steps", 30, "--loss", "tv",
                 "--callback", "stop:patience=4,threshold=0.9", "--json")  # fmt: skip
    whole = invoke(*arguments, "-o", tmp_path / "whole.png")
    assert whole.status == 0, whole.err
    first = invoke(*arguments, "-o", tmp_path / "out.png", *interrupt,
                   "--checkpoint", tmp_path / "kept")  # fmt: skip
    assert first.status == 130, first.err
    resumed = invoke("resume", tmp_path / "kept", "--json")
    assert resumed.status == 0, resumed.err
    one, other = json.loads(whole.out), json.loads(resumed.out)
    assert one["steps"] == other["steps"] < 30
    assert one["stopped"] == other["stopped"] != ""


def test_a_resumed_run_counts_the_time_before(
    invoke: Invoke, pair: Pair, tmp_path: Path, sleepy: tuple[str, ...], interrupt: Interrupt
) -> None:
    """Two steps of a twentieth were done: the budget is spent with the first step after them."""
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", 32,
                  "--steps", 200, "--loss", "tv", *sleepy, *interrupt, "--callback",
                  "stop:seconds=0.101", "--checkpoint", tmp_path / "kept")  # fmt: skip
    assert done.status in (0, 130), done.err
    resumed = invoke("resume", tmp_path / "kept", "--json", "--plugin", sleepy[1])
    assert resumed.status == 0, resumed.err
    assert json.loads(resumed.out)["steps"] <= 3
    assert "0.101 seconds" in json.loads(resumed.out)["stopped"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (
            "",
            "callback 'stop': nothing to stop at is given; give seconds, loss or patience,"
            " e.g. stop:seconds=60",
        ),
        (":threshold=0.1", "callback 'stop': nothing to stop at is given; give seconds, loss or"
         " patience, e.g. stop:seconds=60"),
        (
            ":time=60",
            "callback 'stop': unknown option 'time'."
            " Allowed: loss, patience, seconds, threshold",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(options: str, complaint: str, invoke: Invoke, pair: Pair) -> None:
    done = invoke("run", pair.content, pair.style, "--callback", f"stop{options}")
    assert (done.status, done.error) == (1, f"impasto: error: {complaint}")
