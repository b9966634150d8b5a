"""The comparison at equal time: methods get their time, pictures are kept, sheets are made."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from PIL import Image

import impasto
from helpers import Pair
from impasto.settings.settings import gather
from impasto_plugins.losses.neural_neighbors import NeuralNeighborsLoss
from impasto_profiling import side_by_side
from impasto_profiling.side_by_side import Case, Painted, main, paint, sheets, steps_for, table


def test_steps_are_stretched_alike_to_fill_the_time(pair: Pair) -> None:
    given = {"content": str(pair.content), "style": str(pair.style), "size": 48, "scales": "32",
             "steps": "20,10", "loss": ["content:layers=conv1_1", "gram:layers=conv1_1"]}  # fmt: skip
    settings = gather(given, None, None)
    steps = steps_for(settings, 0.5)
    assert len(steps) == 2
    assert steps[0] == pytest.approx(2 * steps[1], abs=2)
    longer = steps_for(settings, 5.0)
    assert longer[0] > 2 * steps[0]


def test_losses_that_look_at_where_a_stage_begins_are_timed_too(pair: Pair) -> None:
    given = {"content": str(pair.content), "style": str(pair.style), "size": 48, "scales": "24",
             "loss": ["neural_neighbors:layers=conv1_1,samples=50"], "steps": 20}  # fmt: skip
    few, many = (sum(steps_for(gather(given, None, None), seconds)) for seconds in (0.01, 5.0))
    assert few < many


def test_steps_after_a_restart_count_as_they_take(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    search = NeuralNeighborsLoss.before_step

    def slower(self: NeuralNeighborsLoss, run: impasto.Run) -> None:
        search(self, run)
        clock[0] += 4 if self.splits else 1

    monkeypatch.setattr(NeuralNeighborsLoss, "before_step", slower)
    monkeypatch.setattr("impasto.jobs.trial.time", SimpleNamespace(perf_counter=lambda: clock[0]))
    loss = "neural_neighbors:layers=conv1_1,samples=50,split_steps=10"
    settings = gather(
        {"content": str(pair.content), "style": str(pair.style), "size": 32, "scales": "24",
         "steps": "20,20", "loss": [loss], "optimizer": "adam:lr=0.01"}, None, None,
    )  # fmt: skip
    # 20 and 20 steps of one second, the last ten of which take four.
    assert steps_for(settings, 70.0) == (20, 20)
    assert steps_for(settings, 50.0) == (10, 10)


def test_pictures_records_and_sheets(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    painted: list[str] = []

    def paint_red(case: Case, folder: Path) -> Painted:
        painted.append(case.name)
        return Painted(Image.new("RGB", (case.size, case.size * 3 // 4), "red"), case.seconds, (1,))

    monkeypatch.setattr(side_by_side, "paint", paint_red)
    arguments = ["--pair", f"{pair.content},{pair.style}", "--sizes", "32,48", "--seconds", "1",
                 "--method", "default", "--method", "pastiche", "--folder", str(tmp_path / "out"),
                 "--cell", "64"]  # fmt: skip
    for _ in range(2):
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == 0, done.output
        rows = [line.split() for line in done.output.splitlines()]
        assert ["32", "px", "1", "s", "pastiche", "1"] in [row[:6] for row in rows]
    assert len(painted) == 4, "what is there is not painted again"
    record = json.loads(
        (tmp_path / "out" / "content_as_style_32px_1s_pastiche.json").read_text(encoding="utf-8")
    )
    for key in ("seconds_taken", "steps", "style_distance", "threads", "torch", "commit"):
        assert key in record
    with Image.open(tmp_path / "out" / "sheet_32px_1s.png") as sheet:
        assert sheet.width == 4 * 64 + 5 * 8


def test_a_sheet_has_one_row_a_pair(pair: Pair, tmp_path: Path) -> None:
    Image.new("RGB", (32, 24)).save(tmp_path / "a.png")
    one = {"size": 32, "seconds": 1.0, "content": str(pair.content), "picture": "a.png",
           "style_distance": {"wasserstein": 0.1}, "content_distance": {"self_similarity": 0.2}}  # fmt: skip
    records = [
        one | {"method": method, "style": str(style)}
        for style in (pair.style, pair.content)
        for method in ("default", "pastiche", "gatys2016")
    ]
    ((_, sheet),) = sheets(records, tmp_path, 64)
    assert sheet.width == 5 * 64 + 6 * 8
    assert sheet.height > 2 * 64


def test_the_table_has_medians_over_the_pairs() -> None:
    distances = [(0.1, 0.5), (0.3, 0.4), (0.2, 0.9)]
    records = [
        {"size": 256, "seconds": 60.0, "method": "default",
         "style_distance": {"wasserstein": style}, "content_distance": {"self_similarity": shapes}}
        for style, shapes in distances
    ]  # fmt: skip
    columns = [list(column.cells) for column in table(records).columns]
    assert columns == [["256 px"], ["60 s"], ["default"], ["3"], ["0.200"], ["0.500"]]


FAKE_PASTICHE = """
import os, sys, time
from pathlib import Path
from PIL import Image
kept = Path(sys.argv[sys.argv.index("--workspace") + 1])
kept.mkdir(exist_ok=True)
(kept / "pid").write_text(str(os.getpid()))
Image.new("RGB", (32, 24)).save(kept / "0.png")
time.sleep(600)
"""


def test_pictures_of_one_that_was_stopped_do_not_count(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pastiche.py").write_text(FAKE_PASTICHE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    case = Case("pastiche", str(pair.content), str(pair.style), 32, 0.5)
    kept, output = tmp_path / f"{case.name}_kept", tmp_path / f"{case.name}_output.png"
    kept.mkdir()
    for stale in (kept / "250.png", output):
        Image.new("RGB", (32, 24), "red").save(stale)
    assert paint(case, tmp_path).steps == (0,)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_pastiche_too(pair: Pair, tmp_path: Path, sent: signal.Signals) -> None:
    (tmp_path / "pastiche.py").write_text(FAKE_PASTICHE, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "impasto_profiling.side_by_side", "--method", "pastiche", "--pair",
         f"{pair.content},{pair.style}", "--sizes", "32", "--seconds", "600", "--folder", tmp_path],
        cwd=tmp_path, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    pid, deadline = tmp_path / "content_as_style_32px_600s_pastiche_kept/pid", time.monotonic() + 60
    while not pid.with_name("0.png").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    number = int(pid.read_text())
    os.kill(number, 0)
    process.send_signal(sent)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


@pytest.mark.slow
def test_presets_and_pastiche_really_paint(pair: Pair, tmp_path: Path) -> None:
    arguments = ["--pair", f"{pair.content},{pair.style}", "--sizes", "48", "--seconds", "4",
                 "--folder", str(tmp_path)]  # fmt: skip
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    for method in side_by_side.METHODS:
        record = json.loads(
            (tmp_path / f"content_as_style_48px_4s_{method}.json").read_text(encoding="utf-8")
        )
        assert 1 < record["seconds_taken"] < 8
