"""The running average of the pictures: its formula, and what it does to a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image

import impasto
from helpers import SHALLOW, Invoke, Pair
from impasto.builtin import build_host
from impasto.host.host import Host
from impasto.optimization.ema import EMA
from impasto_plugins.canvases.pixels import Pixels


class Watch:
    """Keep the canvas, and what the run shows, after each step."""

    def __init__(self) -> None:
        self.stages: list[int] = []
        self.canvases: list[torch.Tensor] = []
        self.shown: list[torch.Tensor] = []

    @impasto.hookimpl
    def impasto_after_step(self, run: impasto.Run, step: impasto.Step) -> None:
        assert run.canvas is not None
        self.stages.append(step.stage.number)
        self.canvases.append(run.canvas.picture().clone())
        self.shown.append(run.picture().clone())


def watched(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, **given: Any
) -> tuple[Watch, impasto.Result]:
    watch = Watch()

    def with_watch(load: str, plugins: tuple[str, ...]) -> Host:
        host = build_host(load, plugins)
        host.register(watch, "watch", "test")
        return host

    monkeypatch.setattr("impasto.jobs.run.build_host", with_watch)
    given = {"size": 32, "loss": list(SHALLOW[1::2]), "optimizer": "adam:lr=0.1", **given}
    return watch, impasto.run(pair.content, pair.style, preset="quick", config=None, **given)


@pytest.mark.parametrize("decay", [0.5, 0.9])
def test_the_picture_is_the_weighted_mean_of_the_stages_pictures(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, decay: float
) -> None:
    watch, result = watched(pair, monkeypatch, steps="3,4", scales=[24], ema=decay)
    assert watch.stages == [0] * 3 + [1] * 4
    last = torch.stack(watch.canvases[3:]).double()
    shares = torch.tensor([decay**age for age in (3, 2, 1, 0)], dtype=torch.float64)
    wanted = (shares / shares.sum()).view(-1, 1, 1, 1, 1).mul(last).sum(0)
    torch.testing.assert_close(result.image.double(), wanted, rtol=0, atol=1e-6)
    # No bias toward the start or toward black: after one step the average is that picture.
    torch.testing.assert_close(watch.shown[0], watch.canvases[0], rtol=0, atol=1e-6)
    torch.testing.assert_close(watch.shown[3], watch.canvases[3], rtol=0, atol=1e-6)


def test_without_averaging_the_last_picture_is_the_result(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch, result = watched(pair, monkeypatch, steps=3, scales="single")
    assert torch.equal(result.image, watch.canvases[-1])


def test_values_that_are_no_numbers_do_not_stay_in_the_average() -> None:
    average, canvas = EMA(0.9), Pixels(torch.full((1, 3, 2, 2), 0.5))
    average.update(canvas)
    with torch.no_grad():
        canvas.pixels[0, 0, 0, 0] = torch.nan
        canvas.pixels[0, 1, 0, 0] = 1e9
    average.update(canvas)
    found = average.picture()
    assert found is not None
    assert found[0, 0, 0, 0] == 0.5
    assert found[0, 1, 0, 0] == pytest.approx((0.9 * 0.5 + 1) / 1.9)
    assert found.isfinite().all()


def test_average_on_the_command_line(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    pictures = []
    for decay in (0, 0.99):
        out = tmp_path / f"{decay}.png"
        done = invoke("run", pair.content, pair.style, "-o", out, "--size", 32, "--steps", 5, *SHALLOW,
                      "--optimizer", "adam:lr=0.1", "--ema", decay, "--quiet")  # fmt: skip
        assert done.status == 0, done.err
        pictures.append(numpy.asarray(Image.open(out), dtype=float))
    assert numpy.abs(pictures[0] - pictures[1]).mean() > 1
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "x.png", "--ema", 1)
    assert done.error == "impasto: error: setting 'ema': must be less than 1, not '1'"
