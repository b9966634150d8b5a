"""Errors of the engine name settings; the command line adds its options, where the command has them."""

from __future__ import annotations

from pathlib import Path

import pytest

import impasto
from helpers import Invoke, Pair

WARNS = """
import logging
import impasto

@impasto.hookimpl
def impasto_before_run():
    logger = logging.getLogger("impasto")
    logger.warning("that takes long", extra={"settings": ("size", "max_megapixels", "no_such")})
    raise impasto.ImpastoError("not today", settings=("steps", "no_such"))
"""


def test_the_same_error_from_python_and_from_the_command_line(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    out = tmp_path / "out.png"
    out.write_bytes(b"precious")
    with pytest.raises(impasto.OutputError) as refused:
        impasto.run(pair.content, pair.style, output=out)
    assert str(refused.value) == f"output '{out}' exists; set force to overwrite it"
    assert refused.value.settings == ("force",)
    done = invoke("run", pair.content, pair.style, "-o", out)
    assert done.error == f"impasto: error: {refused.value} (--force)"


def test_warnings_have_options_too_and_only_those_of_the_command(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    plugin = tmp_path / "warns.py"
    plugin.write_text(WARNS)
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "a.png", "--size", 32,
                  "--loss", "tv", "--plugin", plugin)  # fmt: skip
    assert "impasto: warning: that takes long (--size, --max-megapixels)\n" in done.err
    assert done.error == "impasto: error: not today (--steps)"


FAILS = """
import impasto

class Fails(impasto.Loss):
    times = 0
    layers = ("image",)

    def compare_layer(self, summary, target):
        self.times += 1
        if self.times > 3:
            raise impasto.ImpastoError("too dark", settings=("init",))
        return summary["feature"].square().mean()

    def summarize_layer(self, feature):
        return {"feature": feature}

@impasto.hookimpl
def impasto_losses():
    return [impasto.Offer("fails", lambda: Fails(1.0, ("image",)))]
"""


def test_a_run_that_failed_passes_the_settings_on(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    plugin = tmp_path / "fails.py"
    plugin.write_text(FAILS)
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "a.png", "--size", 32,
                  "--optimizer", "adam", "--plugin", plugin, "--loss", "fails")  # fmt: skip
    assert "too dark; the picture after 3 steps is in" in done.error
    assert done.error.endswith(" (--init)")
