"""The page on Python: its examples run, one after another, as they stand there, at a small size."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import impasto
from helpers import drawn
from impasto_profiling import ceiling

PAGE = (Path(__file__).parents[2] / "engine" / "PYTHON.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
SMALLER = {
    "size=256": "size=32", '"size": 256': '"size": 32', r"size=\(96, 64\)": "size=(48, 32)",
    r"range\(100\)": "range(3)", "steps=20": "steps=3", '"steps": 20': '"steps": 3', "steps=40": "steps=24",
}  # fmt: skip


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the examples leave behind, run in a folder with two pictures."""
    import matplotlib as mpl

    mpl.use("Agg")
    monkeypatch.chdir(tmp_path)
    # What the machine can do does not matter here.
    monkeypatch.setitem(ceiling.SIZES, "cpu", (64,))
    monkeypatch.setattr(ceiling, "COPIED", 2**16)
    for seed, name in enumerate(("photo.jpg", "painting.jpg")):
        drawn(64, 48, seed).save(name)
    names: dict[str, Any] = {}
    for number, code in enumerate(BLOCKS, 1):
        for large, small in SMALLER.items():
            code = re.sub(large, small, code)
        exec(compile(code, f"PYTHON.md, example {number}", "exec"), names)
    return names


def test_every_example_runs(names: dict[str, Any], tmp_path: Path) -> None:
    assert len(BLOCKS) == PAGE.count("```python") > 10
    assert {path.name for path in tmp_path.iterdir()} >= {
        "early.png", "painted.png", "painted.tiff", "losses.png", "again.toml",
    }  # fmt: skip
    assert names["step"].number == names["steps"].run.total_steps
    assert names["double"](names["photo"].double())[0].dtype == names["torch"].float64


def test_the_loop_of_ones_own_takes_fifteen_lines() -> None:
    (loop,) = (code for code in BLOCKS if "AdamW" in code)
    assert len(loop.strip().splitlines()) <= 15


@pytest.mark.parametrize(
    "name", ["features", "make", "read_image", "Loss", "Objective", "Region", "steps", "Result"]
)
def test_every_piece_is_public_and_on_the_page(name: str) -> None:
    assert name in impasto.__all__
    assert re.search(rf"impasto\.{name}\b|## {name}", PAGE)
