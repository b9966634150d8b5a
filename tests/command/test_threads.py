"""Threads follow the processors that a process may use, and OpenMP's variables may say anything."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
from PIL import Image

from helpers import SHALLOW, Invoke, Pair, same_threads
from impasto.command import threads
from impasto.command.threads import allowed_threads, configure_threads


@pytest.fixture
def before_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if torch had not been imported, on four processors without a quota."""
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr(threads, "processors", lambda: 4)
    monkeypatch.setattr(threads, "quotas", lambda root: iter(()))


def laid(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "allowed"),
    [
        ({}, 4),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "max 100000\n"}, 4),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "200000 100000\n"}, 2),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "max 100000\n",
          "sys/fs/cgroup/a/cpu.max": "150000 100000\n"}, 2),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "10000 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "900000 100000\n"}, 4),
        ({"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "0 0\n"}, 4),
        # Version 1; the last one within a container, whose files show its own group at the top.
        ({"proc/self/cgroup": "5:cpu,cpuacct:/a\n1:name=systemd:/\n",
          "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": "300000\n",
          "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us": "100000\n"}, 3),
        ({"proc/self/cgroup": "5:cpu:/a\n", "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "-1\n",
          "sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000\n"}, 4),
        ({"proc/self/cgroup": "5:cpu:/docker/9f\n0::/\n",
          "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "100000\n",
          "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}, 1),
    ],
)  # fmt: skip
def test_the_quota_of_the_control_group_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], allowed: int
) -> None:
    monkeypatch.setattr(threads, "processors", lambda: 4)
    assert allowed_threads(laid(tmp_path, files)) == allowed


def test_the_affinity_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 3, 5}, raising=False)
    assert allowed_threads(tmp_path) == 3


@pytest.mark.usefixtures("before_torch")
def test_what_is_not_set_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    environment: dict[str, str] = {}
    assert configure_threads(environment) is None
    assert environment == {"OMP_WAIT_POLICY": "PASSIVE"}
    monkeypatch.setattr(threads, "quotas", lambda root: iter([1.5]))
    assert configure_threads(environment) is None
    assert environment["OMP_NUM_THREADS"] == "2"


@pytest.mark.usefixtures("before_torch")
@pytest.mark.parametrize("given", ["1", " 3 ", "32", "2,1"])
@pytest.mark.parametrize("waiting", threads.WAITING)
def test_what_the_user_set_stays(given: str, waiting: str) -> None:
    environment = {"OMP_NUM_THREADS": given, waiting: "anything"}
    assert configure_threads(environment) is None
    assert environment == {"OMP_NUM_THREADS": given, waiting: "anything"}


@pytest.mark.usefixtures("before_torch")
@pytest.mark.parametrize("given", ["0", "-1", "many", "99999", "1e3", "2,", "9" * 30, "٣"])
def test_a_number_that_cannot_be_is_replaced_and_told(given: str) -> None:
    environment = {"OMP_NUM_THREADS": given}
    line = f"OMP_NUM_THREADS={given}: it has to be from 1 to 32; taking 4"
    assert configure_threads(environment) == line
    assert environment["OMP_NUM_THREADS"] == "4"


def test_nothing_is_changed_where_torch_is_there() -> None:
    environment = {"OMP_NUM_THREADS": "many"}
    assert configure_threads(environment) is None
    assert environment == {"OMP_NUM_THREADS": "many"}


@pytest.mark.parametrize(
    ("variables", "lines"),
    [
        ({"OMP_NUM_THREADS": "100000", "ONEDNN_MAX_CPU_ISA": "nonsense"}, 1),
        ({"OMP_NUM_THREADS": "", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_NUM_THREADS": "-3"}, 0),
    ],
)
def test_odd_variables_give_the_picture_and_one_line_at_most(
    invoke: Invoke, pair: Pair, tmp_path: Path, variables: dict[str, str], lines: int
) -> None:
    words = ["run", pair.content, pair.style, *SHALLOW, "--size", 32, "--scales",
             "single", "--steps", 2, "--quiet"]  # fmt: skip
    assert invoke(*words, "-o", tmp_path / "usual.png").status == 0
    done = subprocess.run(
        [sys.executable, "-m", "impasto", *map(str, words), "-o", str(tmp_path / "odd.png")],
        capture_output=True, text=True, env={**same_threads(), **variables}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if "computing on" not in line]
    assert len(told) == lines, done.stderr
    with Image.open(tmp_path / "usual.png") as usual, Image.open(tmp_path / "odd.png") as odd:
        difference = numpy.asarray(usual).astype(int) - numpy.asarray(odd)
    assert abs(difference).max() <= 2
