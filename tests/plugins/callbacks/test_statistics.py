"""What each stage took, in the table and in the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers import Interrupt, Invoke, Pair


def test_table_and_file_of_a_pyramid(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    file = tmp_path / "spent.json"
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", 48,
                  "--scales", "32,48", "--steps", "4,3", "--loss", "tv", "--quiet", "--json",
                  "--callback", f"statistics:file={file}")  # fmt: skip
    assert done.status == 0, done.err
    record = json.loads(file.read_text(encoding="utf-8"))
    assert [
        (one["stage"], one["width"], one["height"], one["steps"]) for one in record["stages"]
    ] == [
        (0, 32, 24, 4),
        (1, 48, 36, 3),
    ]
    for one in record["stages"]:
        assert one["steps_per_second"] == pytest.approx(one["steps"] / one["seconds"])
        assert 10 < one["peak_memory"] < 100_000
    assert record["steps"] == 7
    assert record["seconds"] == pytest.approx(sum(one["seconds"] for one in record["stages"]))
    assert record["seconds"] <= json.loads(done.out)["seconds"] + 1e-3
    assert (record["device"], record["peak_memory"]) == (
        "cpu",
        max(one["peak_memory"] for one in record["stages"]),
    )
    words = done.err.split()
    assert {"stage", "pixels", "steps", "seconds", "steps/s", "peak", "MiB"} <= set(words)
    assert "32 × 24" in done.err
    assert "48 × 36" in done.err


def test_a_failed_run_tells_what_it_took(
    invoke: Invoke, pair: Pair, tmp_path: Path, interrupt: Interrupt
) -> None:
    file = tmp_path / "spent.json"
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", 32,
                  "--loss", "tv", *interrupt,
                  "--callback", f"statistics:file={file}")  # fmt: skip
    assert done.status == 130
    assert json.loads(file.read_text(encoding="utf-8"))["steps"] == 2
