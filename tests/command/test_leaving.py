"""The end of a command: everything is done that a Python program does, and the status is kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from helpers import same_threads

AT_THE_END = """
import atexit, sys, threading, time
import {module}
from impasto.command import main

def late():
    time.sleep(0.2)
    print("thread")

class Last:
    def __del__(self):
        print("taken down")

last = Last()
atexit.register(print, "registered")
threading.Thread(target=late).start()
sys.argv = ["impasto", *{arguments!r}]
main.command()
"""


@pytest.mark.parametrize("module", ["json", "torch"])
@pytest.mark.parametrize(
    ("arguments", "status"), [(["--version"], 0), (["presets", "show", "nothing"], 2)]
)
def test_threads_end_and_what_was_registered_is_done(
    module: str, arguments: list[str], status: int, tmp_path: Path
) -> None:
    """With torch the interpreter and its libraries are left as they are; without, they are taken down."""
    done = subprocess.run(
        [sys.executable, "-c", AT_THE_END.format(module=module, arguments=arguments)],
        capture_output=True, text=True, env=same_threads(), cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    ends = ["thread", "registered"] + ["taken down"] * (module == "json")
    assert done.stdout.split("\n")[-len(ends) - 1 : -1] == ends


def test_a_broken_pipe_at_the_end_is_silent(tmp_path: Path) -> None:
    code = AT_THE_END.format(module="torch", arguments=["--version"])
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=same_threads(), cwd=tmp_path,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
    assert process.returncode in (0, 1)
