"""``impasto run --processes 2`` and torchrun: one picture by two processes, over the loopback alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy
import pytest
from PIL import Image

from helpers import SHALLOW, Invoke, Pair, refused, same_threads

pytestmark = pytest.mark.slow
"""Each starts two processes or more, which import torch."""

IMPASTO = (sys.executable, "-m", "impasto")
TORCHRUN = (
    *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"),
    *("--standalone", "-m", "impasto"),
)


def given(pair: Pair, output: Path, steps: int = 4) -> tuple[str, ...]:
    size = ("--size", "96", "--scales", "single", "--steps", steps, "--force")
    return tuple(map(str, ("run", pair.content, pair.style, "-o", output, *size, *SHALLOW)))


def called(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, env=same_threads(), timeout=300, check=False
    )


def pixels(path: Path) -> numpy.ndarray:
    with Image.open(path) as picture:
        return numpy.asarray(picture, dtype=float)


@pytest.mark.parametrize("command", ["processes", "torchrun"])
def test_two_processes_paint_the_picture_of_one_and_the_first_alone_talks(
    command: str, invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    one, two = tmp_path / "one.png", tmp_path / "two.png"
    assert invoke(*given(pair, one)).status == 0
    if command == "torchrun":
        done = called(*TORCHRUN, *given(pair, two), "--json")
    else:
        done = called(*IMPASTO, *given(pair, two), "--json", "--processes", "2")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["steps"] == 4
    assert done.stderr.count("computing on cpu") == 1
    assert numpy.abs(pixels(one) - pixels(two)).mean() < 0.5


def children_of(process: int) -> list[int]:
    """Processes of Linux by their parent."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == process:
            found.append(int(stat.parent.name))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="children are found in /proc")
@pytest.mark.parametrize("killed", ["first", "other"])
def test_a_process_that_is_killed_ends_all_and_the_checkpoint_goes_on_with_another_number(
    killed: str, invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    out, folder = tmp_path / "out.png", tmp_path / "checkpoint"
    line = (*given(pair, out, 10_000), "--checkpoint", str(folder), "--checkpoint-every", "0")
    run = subprocess.Popen(
        [*IMPASTO, *line, "--quiet", "--processes", "2"], stderr=subprocess.PIPE, text=True
    )
    written = set[float]()
    while len(written) < 3:
        assert run.poll() is None
        time.sleep(0.05)
        if (folder / "checkpoint.safetensors").exists():
            written.add((folder / "checkpoint.safetensors").stat().st_mtime)
    others = children_of(run.pid)
    assert len(others) == 1
    os.kill(run.pid if killed == "first" else others[0], signal.SIGKILL)
    error = run.communicate(timeout=60)[1]
    if killed == "other":
        assert run.returncode == 1
        assert error.count("\n") == 1
        assert error.startswith("impasto: error: another process of this run has ended")
        assert "is in" in error
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{other}/cmdline").exists() for other in others):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    resumed = subprocess.Popen(
        [*IMPASTO, "resume", str(folder), "--quiet"], stderr=subprocess.PIPE, text=True
    )
    time.sleep(8)
    resumed.send_signal(signal.SIGINT)
    error = resumed.communicate(timeout=60)[1]
    assert resumed.returncode == 130, error
    assert "the picture after" in error


def test_a_number_of_processes_that_cannot_be_and_a_loss_that_cannot_are_refused(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    out = tmp_path / "out.png"
    assert "1<=x<=1024" in refused(invoke(*given(pair, out), "--processes", 0))
    done = called(*IMPASTO, *given(pair, out), "--processes", "2", "--loss", "nearest")
    assert done.returncode == 1
    assert "loss 'nearest' needs the features of the whole picture" in done.stderr
    assert not out.exists()
