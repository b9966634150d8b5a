"""Processes: the same bytes as in one process, and a worker that is killed loses nothing but itself."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from batches import FAILING, TINY
from helpers import Install, Invoke, drawn, refused
from impasto_plugins.executors.processes import Process

TWO = ("--executor", "processes:workers=2,threads=1")


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Two rows, and a plugin that kills its process while a file is there."""
    monkeypatch.chdir(tmp_path)
    drawn(40, 32, seed=1).save("a.png")
    drawn(32, 32, seed=2).save("b.png")
    Path("failing.py").write_text(FAILING)
    Path("jobs.csv").write_text(
        "content,style,output,seed\na.png,b.png,0.png,0\na.png,b.png,1.png,1"
    )
    return "jobs.csv"


def with_killer(rows: str, how: str) -> tuple[str, ...]:
    """Options of a batch whose second job kills its worker; the first job does not."""
    Path("bad").touch()
    text = Path(rows).read_text().splitlines()
    Path("plain.csv").write_text("\n".join(text))
    more = ["callback", "", f'"failing:file=bad,how={how}"']
    Path(rows).write_text("\n".join(f"{a},{b}" for a, b in zip(text, more, strict=True)))
    return (*TINY, "--no-recipe", "--plugin", "failing.py", "--checkpoint-every", "0")


def same_as_plain(invoke: Invoke) -> None:
    """The pictures are those of the same jobs where nothing is killed."""
    done = invoke("batch", "plain.csv", "--folder", "plain", *TINY, "--no-recipe")
    assert done.status == 0, done.err
    for name in ("0.png", "1.png"):
        assert Path(f"plain/{name}").read_bytes() == Path(f"results/{name}").read_bytes()


def test_a_killed_worker_is_noticed_and_its_job_goes_on(invoke: Invoke, rows: str) -> None:
    given = with_killer(rows, "once")
    done = invoke("batch", rows, "--folder", "results", "--json", *given, *TWO)
    assert done.status == 0, done.err
    assert "1.png (row 2): its worker was killed: SIGKILL" in done.err
    records = [json.loads(line) for line in done.out.splitlines()]
    assert [one["status"] for one in records if one["output"] == "1.png"] == ["waiting", "done"]
    steps = Path("bad.steps").read_text().split()
    assert steps in (["1", "2", "3", "4"], ["1", "2", "2", "3", "4"]), "it went on"
    same_as_plain(invoke)


WARNING = """
import logging
import impasto

class Warning:
    @impasto.hookimpl
    def impasto_before_run(self, run):
        logging.getLogger("impasto").warning("the paint is wet")

@impasto.hookimpl
def impasto_callbacks():
    return [impasto.Offer("warning", Warning)]
"""


def test_the_same_bytes_and_warnings_as_in_one_process_and_no_more_workers_than_jobs(
    invoke: Invoke, rows: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("warning.py").write_text(WARNING)
    begun = []
    begin = Process.__init__

    def counted(process: Process, threads: int) -> None:
        begun.append(threads)
        begin(process, threads)

    monkeypatch.setattr(Process, "__init__", counted)
    for folder, executor in (("one", "local"), ("two", "processes:workers=9,threads=1")):
        done = invoke("batch", rows, "--folder", folder, *TINY, "--plugin", "warning.py",
                      "--callback", "warning", "--executor", executor)  # fmt: skip
        assert done.status == 0, done.err
        said = [line for line in done.err.splitlines() if "the paint is wet" in line]
        assert len(said) == 2, "once a job"
        assert all(line.startswith("impasto: warning: ") for line in said)
    assert sorted(said)[0] == "impasto: warning: 0.png (row 1): the paint is wet"
    assert begun == [1, 1]
    for name in ("0.png", "1.png"):
        assert Path(f"one/{name}").read_bytes() == Path(f"two/{name}").read_bytes()


def test_a_job_that_kills_its_worker_twice_is_set_aside(invoke: Invoke, rows: str) -> None:
    given = with_killer(rows, "always")
    done = invoke("batch", rows, "--folder", "results", "--retries", 5, *given, *TWO)
    assert done.status == 1
    status = invoke("batch", "status", "results").out
    assert "set aside  1.png (row 2): its worker was killed: SIGKILL" in status
    assert status.splitlines()[-1] == "2 jobs: 1 done, 1 set aside"
    again = invoke("batch", rows, "--folder", "results", "--json", *given, *TWO)
    assert (again.status, again.out) == (1, ""), "not tried for ever"
    os.unlink("bad")
    plugins = ("--plugin", "impasto.testing", "--plugin", "failing.py")
    retried = invoke("batch", "retry", "results", *plugins)
    assert retried.status == 0, retried.err
    same_as_plain(invoke)


def test_an_executor_that_fails_is_named_with_its_line(invoke: Invoke, rows: str) -> None:
    Path("poor.py").write_text(
        "import impasto\n"
        "class Poor(impasto.Executor):\n"
        "    def run(self, tasks, began):\n"
        "        yield tasks[0], impasto.Worker().do(tasks[0])\n"
        "        raise OSError('no queue')\n"
        "@impasto.hookimpl\n"
        "def impasto_executors():\n"
        "    return [impasto.Offer('poor', Poor)]\n"
    )
    done = invoke(
        "batch", rows, "--folder", "r", "--plugin", "poor.py", "--executor", "poor", *TINY
    )
    assert done.status == 1
    assert "executor Poor failed: OSError: no queue (poor.py:5)" in done.error
    assert Path("r/0.png").exists()


def test_an_executor_that_is_not_there(invoke: Invoke, rows: str) -> None:
    done = invoke("batch", rows, "--folder", "results", *TINY, "--executor", "proceses")
    assert "unknown executor 'proceses'; did you mean 'processes'?" in refused(done)
    done = invoke("batch", rows, "--folder", "results", *TINY, "--executor", "processes:workers=0")
    assert "executor 'processes'" in refused(done)
    assert not Path("results").exists()


def test_executors_are_listed(invoke: Invoke) -> None:
    records = json.loads(invoke("plugins", "--json").out)
    assert {one["name"] for one in records if one.get("kind") == "executor"} >= {
        "local", "processes",
    }  # fmt: skip


def test_a_plugin_brings_its_own_executor(invoke: Invoke, rows: str, install: Install) -> None:
    install(
        "backwards",
        "import impasto\n"
        "class Backwards(impasto.Executor):\n"
        "    def run(self, tasks, began):\n"
        "        worker = impasto.Worker()\n"
        "        for task in reversed(tasks):\n"
        "            began(task)\n"
        "            yield task, worker.do(task)\n"
        "@impasto.hookimpl\n"
        "def impasto_executors():\n"
        "    return [impasto.Offer('backwards', Backwards)]\n",
    )
    done = invoke("batch", rows, "--folder", "r", "--json", "--executor", "backwards", *TINY)
    assert done.status == 0, done.err
    assert [json.loads(line)["output"] for line in done.out.splitlines()] == ["1.png", "0.png"]
