"""The log in both formats, what it keeps on a resume, and what it refuses."""

from __future__ import annotations

import csv
import json
import signal
from pathlib import Path
from typing import Any

import pytest

import impasto
from helpers import Interrupt, Invoke, Pair
from processes import run_apart

FAST: dict[str, Any] = {"size": 32, "steps": 3, "loss": ["tv", "range"]}


def painted(invoke: Invoke, pair: Pair, callback: str, *more: object) -> None:
    out = pair.content.with_name("out.png")
    done = invoke("run", pair.content, pair.style, "-o", out, "--force", "--size", 32, "--steps", 3,
                  "--loss", "tv", "--loss", "range", "--callback", callback, *more)  # fmt: skip
    assert done.status == 0, done.err


def test_csv_by_suffix_has_the_losses_of_the_run(pair: Pair, tmp_path: Path) -> None:
    result = impasto.run(
        pair.content, pair.style, **FAST, callback=[f"log:file={tmp_path / 'log.csv'}"]
    )
    with (tmp_path / "log.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["step", "stage", "loss", "tv", "range"]
    assert [int(row["step"]) for row in rows] == [1, 2, 3]
    assert [float(row["loss"]) for row in rows] == pytest.approx(result.losses)
    assert {name: float(rows[-1][name]) for name in ("tv", "range")} == pytest.approx(result.terms)


def test_format_wins_over_the_suffix(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    painted(invoke, pair, f"log:file={tmp_path / 'log.csv'},format=json")
    painted(invoke, pair, f"log:file={tmp_path / 'log.txt'},format=csv,every=2")
    lines = (tmp_path / "log.csv").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3]
    rows = (tmp_path / "log.txt").read_text(encoding="utf-8").splitlines()
    assert [row.split(",")[0] for row in rows] == ["step", "2", "3"], "the last step is there too"


@pytest.mark.parametrize("name", ["log.jsonl", "log.csv"])
def test_a_resumed_run_has_every_step_once(
    name: str, invoke: Invoke, pair: Pair, tmp_path: Path, interrupt: Interrupt
) -> None:
    log = tmp_path / name
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", 32,
                  "--steps", 4, "--loss", "tv", *interrupt, "--callback", f"log:file={log}",
                  "--checkpoint", tmp_path / "kept")  # fmt: skip
    assert done.status == 130, done.err
    with log.open("a", encoding="utf-8") as file:
        file.write('{"step": 3, "lo' if name == "log.jsonl" else "3,0,1")
    done = invoke("resume", tmp_path / "kept")
    assert done.status == 0, done.err
    lines = log.read_text(encoding="utf-8").splitlines()
    steps = [
        line.split(",")[0] if name == "log.csv" else json.loads(line)["step"] for line in lines
    ]
    assert steps == (["step", "1", "2", "3", "4"] if name == "log.csv" else [1, 2, 3, 4])


KILLER = """
import os, signal
import impasto

def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)

@impasto.hookimpl(trylast=True)
def impasto_before_run(run):
    if os.environ["KILL"] == "writing the log" and run.step:
        # The log is written anew, whole, and not yet in its place.
        os.fsync = kill

@impasto.hookimpl(trylast=True)
def impasto_before_stage(run):
    if os.environ["KILL"] == "before a step" and run.step:
        kill()

@impasto.hookimpl(trylast=True)
def impasto_after_step(run, step):
    if os.environ["KILL"] == "after step" or (os.environ["KILL"] and step.number == 6):
        kill()
"""


@pytest.mark.parametrize("name", ["log.jsonl", "log.csv"])
def test_no_line_is_lost_by_kills_while_the_run_is_resumed(
    name: str, pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, plugin = tmp_path / name, tmp_path / "killer.py"
    plugin.write_text(KILLER, encoding="utf-8")
    run = ("run", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", 32, "--steps", 9,
           "--loss", "tv", "--plugin", plugin, "--callback", f"log:file={log}",
           "--checkpoint", tmp_path / "kept", "--checkpoint-every", 0)  # fmt: skip
    resume = ("resume", tmp_path / "kept", "--plugin", plugin)
    monkeypatch.setenv("KILL", "at step 6")
    assert run_apart(*run).status == -signal.SIGKILL
    for moment in ("writing the log", "before a step", "writing the log", "after step"):
        monkeypatch.setenv("KILL", moment)
        assert run_apart(*resume).status == -signal.SIGKILL, moment
        lines = log.read_text(encoding="utf-8").splitlines()
        assert len(lines) >= 5 + (name == "log.csv"), moment
    monkeypatch.setenv("KILL", "")
    done = run_apart(*resume)
    assert done.status == 0, done.err
    lines = log.read_text(encoding="utf-8").splitlines()
    steps = [
        line.split(",")[0] if name == "log.csv" else json.loads(line)["step"] for line in lines
    ]
    assert steps == (["step", *map(str, range(1, 10))] if name == "log.csv" else [*range(1, 10)])
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_refused_run_leaves_the_old_log(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text("old\n", encoding="utf-8")
    plugin = tmp_path / "refuses.py"
    plugin.write_text(
        "import impasto\n"
        "class Refuses:\n"
        "    @impasto.hookimpl\n"
        "    def impasto_before_run(self):\n"
        "        raise impasto.SettingsError('not today')\n"
        "@impasto.hookimpl\n"
        "def impasto_callbacks():\n"
        "    return [impasto.Offer('refuses', Refuses)]\n",
        encoding="utf-8",
    )
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", 32,
                  "--loss", "tv", "--plugin", plugin, "--callback", f"log:file={log}",
                  "--callback", "refuses")  # fmt: skip
    assert (done.status, done.error) == (1, "impasto: error: not today")
    assert log.read_text(encoding="utf-8") == "old\n"


def test_what_a_refused_run_opened_is_closed(pair: Pair, tmp_path: Path) -> None:
    """The observer that refuses is called last; pytest makes an error of a file left open."""
    plugin = tmp_path / "refuses.py"
    plugin.write_text(
        "import impasto\n"
        "class Refuses:\n"
        "    @impasto.hookimpl(trylast=True)\n"
        "    def impasto_before_run(self):\n"
        "        raise impasto.SettingsError('not today')\n"
        "    @impasto.hookimpl\n"
        "    def impasto_run_failed(self, error):\n"
        f"        open({str(tmp_path / 'told')!r}, 'w').close()\n"
        "@impasto.hookimpl\n"
        "def impasto_callbacks():\n"
        "    return [impasto.Offer('refuses', Refuses)]\n",
        encoding="utf-8",
    )
    with pytest.raises(impasto.SettingsError, match="not today"):
        impasto.run(pair.content, pair.style, **FAST, plugin=[str(plugin)],
                    callback=[f"log:file={tmp_path / 'log'}", "refuses"])  # fmt: skip
    assert (tmp_path / "told").exists()


@pytest.mark.parametrize("callback", ["log", "statistics", "contact_sheet"])
def test_the_runs_own_pictures_are_not_overwritten(
    callback: str, invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    before = pair.style.read_bytes()
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", 32,
                  "--loss", "tv", "--callback", f"{callback}:file={pair.style}")  # fmt: skip
    assert (done.status, done.error) == (
        1,
        f"impasto: error: callback '{callback}': file '{pair.style}' is one of the inputs: it would be lost",
    )
    assert pair.style.read_bytes() == before
