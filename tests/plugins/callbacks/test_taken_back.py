"""Observers of a run that is taken back: what they write has each step once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import impasto
from helpers import Pair


class Back:
    """Takes the run back once, from the sixth step to the second."""

    done = False

    @impasto.hookimpl
    def impasto_before_run(self, run: impasto.Run) -> None:
        run.keep_snapshots(50, every=1)

    @impasto.hookimpl
    def impasto_after_step(self, run: impasto.Run, step: impasto.Step) -> None:
        if step.number == 6 and not self.done:
            self.done = True
            run.rewind(2)


SMALL: dict[str, Any] = {"size": 32, "scales": "24", "steps": [4, 4], "loss": ["tv"]}


def test_what_observers_write_has_each_step_once(pair: Pair, tmp_path: Path) -> None:
    def path(name: str) -> Path:
        return tmp_path / name

    impasto.run(
        pair.content, pair.style, **SMALL,
        callback=[
            Back(), f"log:file={path('log.json')}", f"log:file={path('log.csv')}",
            f"timelapse:file={path('film.webp')},every=1", f"contact_sheet:file={path('sheet.png')},cell=32",
            f"statistics:file={path('statistics.json')}", f"tensorboard:folder={path('board')}",
        ],
    )  # fmt: skip
    lines = path("log.json").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [*range(1, 9)]
    rows = path("log.csv").read_text().splitlines()
    assert [int(row.partition(",")[0]) for row in rows[1:]] == [*range(1, 9)]
    plain = f"timelapse:file={path('plain.webp')},every=1"
    impasto.run(pair.content, pair.style, **SMALL, callback=[plain])
    assert path("film.webp").read_bytes() == path("plain.webp").read_bytes()
    with Image.open(path("sheet.png")) as sheet:
        # Content, style, the end of the first stage, and the result.
        assert sheet.width == pytest.approx(4 * 32, abs=60)
    told = json.loads(path("statistics.json").read_text())
    assert [(one["stage"], one["steps"]) for one in told["stages"]] == [
        (0, 4),
        (1, 2),
        (0, 2),
        (1, 4),
    ]
    board = EventAccumulator(str(path("board")))
    board.Reload()
    assert [event.step for event in board.Scalars("loss")] == [*range(1, 9)]


def test_a_plateau_begins_anew_with_another_objective(pair: Pair) -> None:
    class Heavier:
        @impasto.hookimpl
        def impasto_after_step(self, run: impasto.Run, step: impasto.Step) -> None:
            if step.number == 4:
                run.set_weight("tv", 1e6)

    given = {**SMALL, "scales": "single", "steps": 12, "optimizer": "adam"}
    patient = "stop:patience=5,threshold=0"
    steered = impasto.run(pair.content, pair.style, **given, callback=[Heavier(), patient])
    assert len(steered.losses) == 12
    assert min(steered.losses[4:]) > 100 * steered.losses[3]
