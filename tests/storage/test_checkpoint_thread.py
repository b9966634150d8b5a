"""On a card checkpoints are written in a thread; here a processor's run is told to do the same."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

import impasto
from helpers import Pair
from impasto.errors import CheckpointError
from impasto.jobs.checkpoints import MOST_OF_THE_TIME, Checkpoints
from impasto.jobs.run import run_settings
from impasto.settings.settings import gather
from impasto.storage.checkpoint import NAME, Packed, read_checkpoint

GRAM = ["content:layers=conv1_2", "gram:layers=conv1_1"]
SOON = 1e-9
"""Seconds between checkpoints: one after each step, unless one is being written."""


@pytest.fixture(autouse=True)
def as_on_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Checkpoints, "in_thread", lambda self, run: True)
    # However long they make the run wait.
    monkeypatch.setattr("impasto.jobs.checkpoints.MOST_OF_THE_TIME", 1e9)


def painted(
    pair: Pair, folder: Path, every: float = SOON, observers: Sequence[object] = ()
) -> impasto.Result:
    settings = gather(
        {
            "content": str(pair.content), "style": str(pair.style), "size": 32, "steps": 8, "loss": GRAM,
            "scales": "single", "checkpoint": str(folder), "checkpoint_every": every,
        },
        None, None,
    )  # fmt: skip
    return run_settings(settings, observers=observers)


class Watch:
    """Waits for the checkpoint of the start, looks at what is there after step 6, lets the thread go on, and
    stops the run."""

    def __init__(self, folder: Path, goes_on: threading.Event) -> None:
        self.folder, self.goes_on = folder, goes_on
        self.kept = -1

    @impasto.hookimpl
    def impasto_after_step(self, step: impasto.Step) -> None:
        if step.number == 1:
            # However long the disk takes.
            for one in threading.enumerate():
                if one.name == "impasto-background":
                    one.join(60)
        if step.number == 6:
            self.kept = read_checkpoint(self.folder)["step"]
            self.goes_on.set()
            raise KeyboardInterrupt


def test_what_was_copied_is_what_is_resumed(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state of step 1 is written while steps 2 to 6 are done, and change what it was copied from."""
    write, goes_on, threads = Packed.write, threading.Event(), list[str]()

    def late(self: Packed, folder: Path) -> None:
        threads.append(threading.current_thread().name)
        if len(threads) == 2:
            assert goes_on.wait(60)
        write(self, folder)

    whole = painted(pair, tmp_path / "whole", every=1e9)
    monkeypatch.setattr(Packed, "write", late)
    watch = Watch(tmp_path / "kept", goes_on)
    with pytest.raises(impasto.Interrupted):
        painted(pair, tmp_path / "kept", observers=[watch])
    # That of the start was whole, the next one waited, and the third one is that of the end.
    assert watch.kept == 0
    assert threads == ["impasto-background"] * 3
    monkeypatch.setattr(Packed, "write", write)
    resumed = impasto.resume(tmp_path / "kept")
    assert torch.equal(resumed.image, whole.image)
    assert resumed.losses == whole.losses


def test_the_last_one_is_whole_when_the_run_ends(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Packed.write

    def slow(self: Packed, folder: Path) -> None:
        time.sleep(0.2)
        write(self, folder)

    monkeypatch.setattr(Packed, "write", slow)
    painted(pair, tmp_path / "kept")
    assert read_checkpoint(tmp_path / "kept")["step"] == 8
    assert not [one for one in threading.enumerate() if one.name == "impasto-background"]


def test_one_that_cannot_be_written_is_told_once(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(self: Packed, folder: Path) -> None:
        raise CheckpointError("no checkpoint can be written: the disk is full")

    monkeypatch.setattr(Packed, "write", full)
    assert painted(pair, tmp_path / "kept").steps == 8
    told = [one.getMessage() for one in caplog.records if "disk is full" in one.getMessage()]
    assert told == [
        "no checkpoint can be written: the disk is full; there is none, and the run goes on"
    ]
    assert not (tmp_path / "kept" / NAME).exists()


def test_they_take_a_small_part_of_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("impasto.jobs.checkpoints.MOST_OF_THE_TIME", MOST_OF_THE_TIME)
    clock = [1000.0]
    monkeypatch.setattr("impasto.jobs.checkpoints.time.monotonic", lambda: clock[0])
    checkpoints = Checkpoints(tmp_path, every=60)
    checkpoints.written, checkpoints.seconds = 1000.0, 10.0
    for later, due in ((59, False), (61, False), (199, False), (201, True)):
        clock[0] = 1000.0 + later
        assert checkpoints.is_due() is due
    checkpoints.seconds = 1.0
    clock[0] = 1061.0
    assert checkpoints.is_due()
    checkpoints.every, clock[0] = 0, 1000.0
    assert checkpoints.is_due()


def test_how_far_apart_they_are_is_said_once(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("impasto.jobs.checkpoints.MOST_OF_THE_TIME", 1e-6)
    with caplog.at_level(logging.INFO, "impasto"):
        painted(pair, tmp_path / "kept")
    assert sum("apart instead of" in one.getMessage() for one in caplog.records) == 1
