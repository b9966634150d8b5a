"""``impasto run --dry-run``: stages, memory and time before a run, and how near they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from helpers import SHALLOW, Invoke, Pair
from impasto.optimization.tensor_memory import LiveTensors
from impasto_profiling.bench.process import IMPASTO, run_process


def test_a_dry_run_paints_nothing_and_says_what_a_run_takes(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    output = tmp_path / "out.png"
    arguments = ("run", pair.content, pair.style, "-o", output, *SHALLOW, "--scales", "32",
                 "--size", 64, "--steps", "4,2", "--dry-run")  # fmt: skip
    done = invoke(*arguments, "--json")
    assert done.status == 0, done.err
    assert not output.exists()
    record = json.loads(done.out)
    stages = [[stage[key] for key in ("width", "height", "steps")] for stage in record["stages"]]
    assert stages == [[32, 24, 4], [64, 48, 2]]
    assert record["peak_bytes"] == sum(record["parts_bytes"].values())
    assert record["seconds"] > 0
    assert record["seconds_from"] == (
        "3 steps at 32 × 24 pixels and 3 steps at 64 × 48 pixels, measured now"
    )
    assert record["device"] == "cpu"
    told = invoke(*arguments)
    assert "GB at its peak (process " in told.out
    assert "not compiled" in told.out


def test_what_would_be_refused_is_refused(invoke: Invoke, pair: Pair) -> None:
    done = invoke("run", pair.content, pair.style, "--dry-run", "--optimizer", "adamm")
    assert done.status == 1
    assert "did you mean 'adam'?" in done.error


def test_losses_that_keep_tensors_and_masks_are_gone_through(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    mask = tmp_path / "mask.png"
    Image.linear_gradient("L").resize((64, 48)).save(mask)
    for options in (("--loss", "sliced:layers=conv1_1"), (*SHALLOW, "--colors", "luminance")):
        style = f"{pair.style}:content_mask={mask}" if "sliced" not in options[1] else pair.style
        done = invoke("run", pair.content, style, *options, "--size", 48, "--scales", "single",
                      "--dry-run", "--json")  # fmt: skip
        assert done.status == 0, done.err
        assert json.loads(done.out)["parts_bytes"]["evaluation"] > 0


def test_optimizer_state_is_counted(invoke: Invoke, pair: Pair) -> None:
    numbers = 3 * 64 * 48 * 4
    kept = {}
    for optimizer in ("lbfgs:history_size=6", "adam", "torch.LBFGS"):
        done = invoke("run", pair.content, pair.style, "--loss", "tv", "--size", 64, "--scales",
                      "single", "--steps", 50, "--optimizer", optimizer, "--dry-run", "--json")  # fmt: skip
        assert done.status == 0, done.err
        kept[optimizer] = json.loads(done.out)["parts_bytes"]["optimizer"]
    assert kept["adam"] == 2 * numbers
    # Twice the history; and the last point and gradient, and the best ones.
    assert kept["lbfgs:history_size=6"] == (2 * 6 + 4) * numbers
    assert kept["torch.LBFGS"] > 3 * numbers


def test_live_tensors_counts_what_is_alive_at_once() -> None:
    with LiveTensors() as live:
        kept = torch.zeros(1000, device="meta")
        for _ in range(3):
            made = kept + 1
            view = made[:10]
            del made, view
        assert live.bytes == 4000
        assert live.peak == 8000
        del kept
        assert live.bytes == 0


def close_to_measured(pair: Pair, tmp_path: Path, options: list[object]) -> None:
    """Compare the estimate with the largest resident set of a real run."""
    words = [str(word) for word in (pair.content, pair.style, *options)]
    told = run_process([*IMPASTO, "run", *words, "--dry-run", "--json"])
    estimated = json.loads(told.lines[-1][1])["peak_bytes"]
    done = run_process([*IMPASTO, "run", *words, "--quiet", "-o", str(tmp_path / "out.png")])
    assert estimated == pytest.approx(done.peak_bytes, rel=0.2)


def test_memory_is_within_a_fifth(pair: Pair, tmp_path: Path) -> None:
    options: list[object] = [*SHALLOW, "--size", 640, "--scales", "single", "--steps", 2]
    close_to_measured(pair, tmp_path, options)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ["--size", 256, "--steps", "1,1,22"],
        # A short history is full after a few steps, which take long at these sizes.
        ["--size", 512, "--steps", "1,1,1,1,6", "--optimizer", "lbfgs:history_size=4"],
        ["--size", 1024, "--steps", "1,1,1,1,1,1,4", "--optimizer", "lbfgs:history_size=2"],
        ["--size", 384, "--scales", "single", "--steps", 3, "--precision", "float32"],
        ["--size", 384, "--scales", "single", "--steps", 3, "--optimizer", "adam", "--canvas", "fourier"],
    ],
)  # fmt: skip
def test_memory_of_other_settings_is_within_a_fifth(
    pair: Pair, tmp_path: Path, options: list[object]
) -> None:
    close_to_measured(pair, tmp_path, options)
