"""Setting coarse_steps: steps of every stage but the last."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

import impasto
from helpers import Invoke, Pair, refused
from impasto.optimization.stages import plan_stages
from impasto.settings.settings import gather

PLAIN = {"content": "a.jpg", "style": "b.jpg", "size": 256, "scales": "pyramid"}


def steps(preset: str = "gatys2016", config: str | None = None, **given: object) -> list[int]:
    settings = gather({**PLAIN, **given}, preset, config)
    return [stage.steps for stage in plan_stages(settings, 400, 300)]


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_last_stage_alone_has_those_of_steps() -> None:
    assert steps(steps="9", coarse_steps="5,4") == [5, 4, 9]
    assert steps(steps="9", coarse_steps="5", size=512) == [5, 5, 5, 5, 9]
    assert steps(steps="9,8,7", coarse_steps="5,4") == [5, 4, 7]
    assert steps(steps="9", coarse_steps="5,4", size=128) == [9]
    assert steps(steps="9,8") == [9, 8, 8]


def test_steps_given_anew_are_those_of_all_stages(tmp_path: Path) -> None:
    coarse = steps("default")[:2]
    assert coarse != [7, 7]
    assert steps("default", steps=7) == [7, 7, 7]
    assert steps("default", steps=7, coarse_steps="3,2") == [3, 2, 7]
    assert steps("default", coarse_steps=3) == [3, 3, steps("default")[-1]]
    file = tmp_path / "run.toml"
    file.write_text("steps = 7\n")
    assert steps("default", str(file)) == [7, 7, 7]
    file.write_text("steps = 7\ncoarse_steps = 2\n")
    assert steps("default", str(file)) == [2, 2, 7]
    assert steps("default", str(file), steps=8) == [8, 8, 8]
    mine = tmp_path / "mine.toml"
    mine.write_text('preset = "default"\nsteps = 6\n')
    assert steps(str(mine)) == [6, 6, 6]


def test_a_picture_is_painted_and_made_again(invoke: Invoke, pair: Pair) -> None:
    done = invoke("run", pair.content, pair.style, "-o", "a.png", "--size", 40, "--scales", "20,30",
                  "--steps", 3, "--coarse-steps", "2,1", "--loss", "tv", "--json")  # fmt: skip
    assert done.status == 0, done.err
    assert json.loads(done.out)["steps"] == 6
    assert invoke("rerun", "a.png", "-o", "b.png", "--json").status == 0
    result = impasto.run(pair.content, pair.style, size=40, scales="20,30", steps=3,
                         coarse_steps=[2, 1], loss="tv")  # fmt: skip
    assert result.steps == 6
    with Image.open("a.png") as one, Image.open("b.png") as other:
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("given", ["0", "3,", "many", "-1"])
def test_what_is_no_number_of_steps_is_refused(invoke: Invoke, pair: Pair, given: str) -> None:
    done = invoke("run", pair.content, pair.style, "-o", "a.png", f"--coarse-steps={given}")
    assert "coarse-steps" in refused(done) or "coarse_steps" in refused(done)
