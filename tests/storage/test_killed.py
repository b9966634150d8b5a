"""SIGKILL at random moments, also while a checkpoint is being written: what is resumed ends the same."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers import Invoke, Pair, same_threads
from impasto.files.whole import PART
from impasto.storage.checkpoint import NAME
from impasto.storage.recipe import read_recipe

STEER = """
import impasto

class Steer:
    "Changes weights all the time, and ends the first stage early."

    @impasto.hookimpl
    def impasto_after_step(self, run, step):
        if step.number % 3 == 0:
            run.set_weight("gram", 10 + step.number)
            run.set_weight("content", step.number % 2)
        if step.stage.number == 0 and step.number == step.stage.steps - 4:
            run.finish_stage()

@impasto.hookimpl
def impasto_callbacks():
    return [impasto.Offer("steer", Steer)]
"""


def main(folder: Path, kills: int, arguments: list[str]) -> None:
    """Begin a run or go on with it, in processes that are killed, until one comes to its end.

    Each is a fork of this one, which has torch imported and nothing more.

    Args:
        folder: of the checkpoint.
        kills: how many processes are killed at least; a run that ends sooner begins anew.
        arguments: of the command ``impasto run``.
    """
    from impasto.command.main import main as impasto

    __import__("impasto.api.run")
    chance = random.Random(1)
    killed = while_writing = 0
    while True:
        begun = (folder / NAME).exists()
        child = os.fork()
        if not child:
            plugin = arguments[: arguments.index("--size")][2:]
            again = ["resume", str(folder), *plugin]
            sys.argv = ["impasto", *(again if begun else ["run", *arguments])]
            impasto()
        if killed < kills:
            wait_for_steps(folder, chance)
            os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        if os.WIFSIGNALED(status):
            killed += 1
            while_writing += any(PART.fullmatch(name) for name in os.listdir(folder))
        elif status:
            sys.exit(f"the process ended with {os.waitstatus_to_exitcode(status)}")
        elif killed >= kills:
            break
        else:
            (folder / NAME).unlink()
    sys.stdout.write(json.dumps({"killed": killed, "while_writing": while_writing}))


def wait_for_steps(folder: Path, chance: random.Random) -> None:
    """Wait for a checkpoint to be written and a bit more; or, one time in five, for no such thing."""
    before, deadline = written_at(folder), time.monotonic() + 300
    if chance.random() < 0.2:
        time.sleep(chance.uniform(0, 3))
        return
    while written_at(folder) == before and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(chance.uniform(0, 0.2))


def written_at(folder: Path) -> int:
    """Time of the checkpoint, nanoseconds; 0 if there is none."""
    try:
        return (folder / NAME).stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def killed_and_resumed(
    invoke: Invoke, pair: Pair, folder: Path, kills: int, steps: int
) -> dict[str, int]:
    """Compare a run that is killed that often with one that is not; the driver's figures."""
    plugin = folder / "steer.py"
    plugin.write_text(STEER, encoding="utf-8")
    given = [str(pair.content), str(pair.style), "--plugin", str(plugin), "--size", "64", "--steps",
             str(steps), "--force", "--callback", "steer",
             "--loss", "content:layers=conv1_1", "--loss", "gram:layers=conv1_1",
             "--scales", "48,64"]  # fmt: skip
    done = invoke("run", *given, "-o", folder / "whole.png")
    assert done.status == 0, done.err
    given += ["-o", str(folder / "killed.png"), "--checkpoint", str(folder / "kept"),
              "--checkpoint-every", "0"]  # fmt: skip
    driver = subprocess.run(
        [sys.executable, __file__, folder / "kept", str(kills), *given],
        capture_output=True, text=True, check=False, env=same_threads(),
    )  # fmt: skip
    assert driver.returncode == 0, driver.stderr
    assert (folder / "killed.png").read_bytes() == (folder / "whole.png").read_bytes()
    assert len(read_recipe(folder / "whole.png")["changes"]) > steps // 2
    figures: dict[str, int] = json.loads(driver.stdout)
    sys.stdout.write(f"{figures}")
    return figures


def test_a_run_that_is_killed_and_resumed(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    assert killed_and_resumed(invoke, pair, tmp_path, kills=3, steps=15)["killed"] == 3


@pytest.mark.slow
def test_a_run_that_is_killed_forty_times(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    figures = killed_and_resumed(invoke, pair, tmp_path, kills=40, steps=150)
    assert figures["killed"] == 40
    assert figures["while_writing"] > 0


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
