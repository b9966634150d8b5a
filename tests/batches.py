"""What tests of batches share: options of a small run, and plugins that fail."""

from __future__ import annotations

TINY = ("--plugin", "impasto.testing", "--extractor", "tiny", "--scales", "single", "--size", "32",
        "--steps", "4", "--loss", "content", "--loss", "gram")  # fmt: skip

FAILING = """
import os, signal
import impasto

class Failing:
    def __init__(self, file: str, how: str = "error"):
        self.file, self.how = file, how

    @impasto.hookimpl
    def impasto_after_step(self, run, step):
        with open(self.file + ".steps", "a") as log:
            log.write(f"{step.number} ")
        if step.number == 2 and os.path.exists(self.file):
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
