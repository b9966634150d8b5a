"""What an optimizer keeps of a pixel is measured, whichever it is."""

from __future__ import annotations

from pathlib import Path

from helpers import SHALLOW, Invoke, Pair, refused
from impasto.jobs.run import prepare_run
from impasto.optimization.optimizer_memory import kept_of_a_pixel
from impasto.settings.settings import gather
from impasto.settings.spec import Spec

NUMBER = 3 * 4
"""Bytes of a pixel in three colors of float32."""


def test_it_is_what_grows_with_the_canvas(pair: Pair) -> None:
    given = {"content": str(pair.content), "style": [str(pair.style)], "size": 48, "loss": ["tv"]}
    prepared = prepare_run(gather(given, "default", None)).prepared
    numbers = {
        # Pairs; the last point and gradient, and the best ones.
        "lbfgs": 2 * 20 + 4,
        "lbfgs:history_precision=bfloat16": 20 + 4,
        "lbfgs:history_size=3,precondition=false": 2 * 3 + 4,
        "adam": 2,
        "torch.SGD": 0,
        "torch.SGD:momentum=0.9": 1,
        # Its history grows: the direction and the last gradient beside it.
        "torch.LBFGS:history_size=8": 2 * 8 + 2,
    }
    found = {
        optimizer: kept_of_a_pixel(
            prepared.host, prepared.settings, prepared.objective, Spec.parse(optimizer)
        )
        for optimizer in numbers
    }
    assert found == {optimizer: kept * NUMBER for optimizer, kept in numbers.items()}


FAILS = """
import impasto, torch

class Fails(torch.optim.SGD):
    def step(self, closure):
        raise ValueError("no way")

def fails(parameters):
    return Fails(parameters, lr=1)

@impasto.hookimpl
def impasto_optimizers():
    return [impasto.Offer("fails", fails)]
"""


def test_one_that_fails_is_named(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(FAILS)
    line = ("run", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", 48, *SHALLOW)
    own = ("--plugin", file, "--optimizer", "fails", "--max-memory", "2GB")
    error = refused(invoke(*line, *own))
    assert "optimizer 'fails' of plugin" in error
    assert "no way" in error
