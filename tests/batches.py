"""What tests of batches share: options of a small run, and plugins that fail."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Sequence

from helpers import same_threads

TINY = ("--plugin", "impasto.testing", "--extractor", "tiny", "--scales", "single", "--size", "32",
        "--steps", "4", "--loss", "content", "--loss", "gram")  # fmt: skip

FAILING = """
import os, signal, time
import impasto

class Failing:
    def __init__(self, file: str, how: str = "error", wait: float = 0.0):
        self.file, self.how, self.wait = file, how, wait

    @impasto.hookimpl
    def impasto_after_step(self, run, step):
        with open(self.file + ".steps", "a") as log:
            log.write(f"{step.number} ")
        if step.number == 2 and os.path.exists(self.file):
            time.sleep(self.wait)
            if self.how == "once":
                os.unlink(self.file)
            if self.how == "interrupt":
                os.unlink(self.file)
                raise KeyboardInterrupt
            os.kill(os.getpid(), signal.SIGKILL)

class FailingLoss(impasto.Loss):
    target = "none"
    def __init__(self, file: str = ""):
        super().__init__()
        self.file = file
    def summarize_layer(self, feature):
        if self.file and os.path.exists(self.file):
            raise RuntimeError("no paint left")
        return {"sum": feature.square().sum()}
    def compare_layer(self, summary, target):
        return summary["sum"] * 0

@impasto.hookimpl
def impasto_callbacks():
    return [impasto.Offer("failing", Failing)]

@impasto.hookimpl
def impasto_losses():
    return [impasto.Offer("failing", FailingLoss)]
"""
"""A callback that ends its process, and a loss that fails, while a file is there."""


def killed_and_finished(
    command: Sequence[str],
    kills: int,
    ready: Callable[[int], Callable[[], bool]],
    wait: Callable[[int], float],
) -> None:
    """Kill a whole command at different moments, then call it once more until it comes to its end.

    Args:
        command: that goes on where it was.
        kills: how often.
        ready: called before each time; what it gives says whether the moment has come.
        wait: seconds from that moment on.
    """
    for number in range(kills):
        is_ready = ready(number)
        process = subprocess.Popen(command, env=same_threads(), stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if is_ready():
                time.sleep(wait(number))
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    last = subprocess.run(command, env=same_threads(), capture_output=True, text=True, check=False)
    assert last.returncode == 0, last.stderr
