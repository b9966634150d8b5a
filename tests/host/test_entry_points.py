"""Installed plugins: good, broken and clashing distributions, from hand-written metadata."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers import Install, Invoke, Pair

GOOD = """
import impasto

class Flat(impasto.Loss):
    \"\"\"Distance of every pixel from gray.\"\"\"
    target = "none"

    def summarize_layer(self, feature):
        return {"sum": (feature - 0.5).square().sum(), "pixels": feature.new_tensor(feature.numel())}

    def compare_layer(self, summary, target):
        return summary["sum"] / summary["pixels"]

@impasto.hookimpl
def impasto_losses():
    return [impasto.Offer("NAME", Flat)]
"""


def run(invoke: Invoke, pair: Pair, out: Path, loss: str, *more: str) -> tuple[int, str]:
    done = invoke("run", pair.content, pair.style, "-o", out, "--size", 32, "--steps", 1,
                  "--force", "--loss", loss, *more)  # fmt: skip
    return done.status, done.error


def test_an_installed_plugin_works_and_can_be_left_out(
    invoke: Invoke, pair: Pair, tmp_path: Path, install: Install
) -> None:
    install("grayish", GOOD.replace("NAME", "gray"))
    out = tmp_path / "out.png"
    assert run(invoke, pair, out, "gray")[0] == 0
    assert run(invoke, pair, out, "gray", "--load", "grayish")[0] == 0
    status, error = run(invoke, pair, out, "gray", "--load", "none")
    assert status == 1
    assert "unknown loss 'gray'" in error
    status, error = run(invoke, pair, out, "gray", "--load", "graysh")
    assert "unknown installed plugin 'graysh'; did you mean 'grayish'?" in error


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        (
            "import impasto\n@impasto.hookimpl\ndef impasto_loses(): return []",
            "unknown hook 'impasto_loses'; did you mean 'impasto_losses'?",
        ),
        (
            "import impasto\n@impasto.hookimpl\ndef impasto_after_step(run, stop): pass",
            "hook 'impasto_after_step'",
        ),
        (
            "import impasto\n@impasto.hookimpl\ndef impasto_after_step(run=None): pass",
            "the argument 'run' of impasto_after_step (",
        ),
        (
            "import impasto\n@impasto.hookimpl\ndef impasto_losses(): raise OSError('moon')",
            "failed in impasto_losses: OSError: moon",
        ),
        (
            "import impasto\n@impasto.hookimpl\ndef impasto_losses(): return ['gram']",
            "expected impasto.Offer, got 'gram'",
        ),
        ("def impasto_losses(): return []", ") lacks the decorator @impasto.hookimpl"),
    ],
)
def test_a_broken_plugin_stays_visible_and_takes_nothing_down(
    invoke: Invoke, pair: Pair, tmp_path: Path, install: Install, code: str, reason: str
) -> None:
    install("wrong", code)
    records = json.loads(invoke("plugins", "--json").out)
    (mine,) = [record for record in records if record["name"] == "wrong"]
    assert mine["origin"] == "wrong 1.2"
    assert mine["status"].startswith("failed: plugin 'wrong' (wrong 1.2)")
    assert reason in mine["status"]
    assert "wrong 1.2" in invoke("plugins").out
    assert run(invoke, pair, tmp_path / "out.png", "tv")[0] == 0
    status, error = run(invoke, pair, tmp_path / "out.png", "sparkle")
    assert status == 1
    assert "Not loaded: plugin 'wrong' (wrong 1.2)" in error


def test_two_plugins_with_one_name_are_an_error_that_names_both(
    invoke: Invoke, pair: Pair, tmp_path: Path, install: Install
) -> None:
    install("mimic", GOOD.replace("NAME", "tv"))
    status, error = run(invoke, pair, tmp_path / "out.png", "tv")
    assert status == 1
    assert error == (
        "impasto: error: two plugins offer the loss 'tv': built in and 'mimic' (mimic 1.2);"
        " leave one out"
    )
    assert run(invoke, pair, tmp_path / "out.png", "tv", "--load", "none")[0] == 0
    statuses = {
        record["plugin"]: record["status"]
        for record in json.loads(invoke("plugins", "--json").out)
        if record["name"] == "tv"
    }
    assert statuses == {
        "losses.tv": "clashes with 'mimic' (mimic 1.2)",
        "mimic": "clashes with built in",
    }
