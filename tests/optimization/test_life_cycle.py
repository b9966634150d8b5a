"""The whole log of hook calls of a run, line by line, and what observers may do."""

from __future__ import annotations

from pathlib import Path

import pytest

import impasto
from helpers import Invoke, Pair

RECORDER = '''
import impasto

class Recorder:
    """Write down every hook as it is called."""

    def __init__(self, file: str, fail_in: str = "", stop_at: int = 0) -> None:
        self.file, self.fail_in, self.stop_at = file, fail_in, stop_at

    def note(self, line):
        with open(self.file, "a", encoding="utf-8") as log:
            log.write(line + "\\n")
        if line.split()[0] == self.fail_in:
            raise RuntimeError("the observer stumbled")

    @impasto.hookimpl
    def impasto_before_run(self, run):
        self.note(f"before_run {run.step} of {run.total_steps}")

    @impasto.hookimpl
    def impasto_before_stage(self, run, stage):
        self.note(f"before_stage {stage.number} {stage.width}x{stage.height}")

    @impasto.hookimpl
    def impasto_after_step(self, run, step):
        self.note(f"after_step {step.number} {','.join(step.terms)}")
        if step.number == self.stop_at:
            run.stop("seen enough")

    @impasto.hookimpl
    def impasto_after_stage(self, run, stage):
        self.note(f"after_stage {stage.number}")

    @impasto.hookimpl
    def impasto_after_run(self, run, result):
        self.note(f"after_run {result.steps} {result.picture.size}")

    @impasto.hookimpl
    def impasto_run_failed(self, run, error):
        self.note(f"run_failed {type(error).__name__}")

@impasto.hookimpl
def impasto_callbacks():
    return [impasto.Offer("recorder", Recorder)]

class Stumbles(impasto.Loss):
    """Fail at the third comparison."""

    calls = 0
    layers = ("image",)

    def summarize_layer(self, feature):
        return {"feature": feature}

    def compare_layer(self, summary, target):
        self.calls += 1
        if self.calls == 3:
            raise ZeroDivisionError("no more")
        return summary["feature"].square().mean()

@impasto.hookimpl
def impasto_losses():
    return [impasto.Offer("stumbles", Stumbles)]
'''


@pytest.fixture
def recorder(tmp_path: Path) -> Path:
    path = tmp_path / "recorder.py"
    path.write_text(RECORDER, encoding="utf-8")
    return path


def painted(
    invoke: Invoke, pair: Pair, recorder: Path, *more: object, options: str = ""
) -> list[str]:
    log = recorder.with_name("log.txt")
    spec = f"recorder:file={log}{options}"
    done = invoke(
        "run", pair.content, pair.style, "-o", recorder.with_name("out.png"), "--size", 32,
        "--steps", 3, "--plugin", recorder, "--callback", spec, *more,
    )  # fmt: skip
    return [*log.read_text(encoding="utf-8").splitlines(), f"status {done.status}", done.err]


TV = ("--loss", "tv")


def line_of(path: Path, words: str) -> str:
    """The first line of a file that has these words, as ``path:line``."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return f"{path}:{next(number for number, line in enumerate(lines, 1) if words in line)}"


def test_the_whole_log_of_a_run(invoke: Invoke, pair: Pair, recorder: Path) -> None:
    assert painted(invoke, pair, recorder, *TV)[:-1] == [
        "before_run 0 of 3",
        "before_stage 0 32x24",
        "after_step 1 tv",
        "after_step 2 tv",
        "after_step 3 tv",
        "after_stage 0",
        "after_run 3 (32, 24)",
        "status 0",
    ]


def test_the_loss_of_a_step_is_that_before_it_however_often_the_optimizer_evaluates(
    pair: Pair,
) -> None:
    first = [
        impasto.run(pair.content, pair.style, size=32, steps=1, loss=["tv"], init="noise",
                    optimizer=optimizer).losses
        for optimizer in ("adam", "torch.LBFGS:max_iter=4")
    ]  # fmt: skip
    assert first[0] == first[1]


def test_a_callback_can_stop_the_run(invoke: Invoke, pair: Pair, recorder: Path) -> None:
    log = painted(invoke, pair, recorder, *TV, options=",stop_at=2")
    assert log[2:-1] == [
        "after_step 1 tv",
        "after_step 2 tv",
        "after_stage 0",
        "after_run 2 (32, 24)",
        "status 0",
    ]
    assert "(stopped: seen enough)" in log[-1]


def test_a_failing_loss_ends_the_run_and_keeps_the_picture(
    invoke: Invoke, pair: Pair, recorder: Path
) -> None:
    log = painted(invoke, pair, recorder, "--loss", "stumbles")
    assert log[:-1] == [
        "before_run 0 of 3",
        "before_stage 0 32x24",
        "after_step 1 stumbles",
        "after_step 2 stumbles",
        "run_failed ZeroDivisionError",
        "status 1",
    ]
    out = recorder.with_name("out.png")
    assert log[-1].strip().splitlines()[-1] == (
        f"impasto: error: loss 'stumbles' of plugin 'recorder' (file {recorder}) failed:"
        f" ZeroDivisionError: no more ({line_of(recorder, 'no more')}); the picture after 2 steps is in"
        f" '{out}'"
    )
    assert out.is_file()


@pytest.mark.parametrize(
    "hook", ["before_run", "before_stage", "after_step", "after_stage", "after_run"]
)
def test_a_failing_observer_is_reported_once_and_left_out(
    invoke: Invoke, pair: Pair, recorder: Path, hook: str
) -> None:
    log = painted(invoke, pair, recorder, *TV, options=f",fail_in={hook}")
    assert log[-2] == "status 0"
    assert log[-3].startswith(hook), "left out after it failed"
    warnings = [line for line in log[-1].splitlines() if "warning" in line]
    assert warnings == [
        f"impasto: warning: plugin 'recorder-2' (file {recorder}) failed in impasto_{hook} and is"
        f" left out: RuntimeError: the observer stumbled"
        f" ({line_of(recorder, 'the observer stumbled')})"
    ]
    assert recorder.with_name("out.png").is_file()


def test_a_failing_observer_does_not_hide_the_error(
    invoke: Invoke, pair: Pair, recorder: Path
) -> None:
    log = painted(invoke, pair, recorder, "--loss", "stumbles", options=",fail_in=run_failed")
    assert "loss 'stumbles'" in log[-1].strip().splitlines()[-1]


TORN = """
import impasto

class Torn(impasto.Canvas):
    \"\"\"Fail when it is looked at.\"\"\"

    def __init__(self, image):
        super().__init__()
        self.image = __import__("torch").nn.Parameter(image.clone())

    def forward(self):
        raise LookupError("torn")

    def picture(self):
        return self.image.detach()

@impasto.hookimpl
def impasto_canvases():
    return [impasto.Offer("torn", Torn)]
"""


def test_a_failing_canvas_is_named_and_not_the_optimizer(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    plugin = tmp_path / "torn.py"
    plugin.write_text(TORN, encoding="utf-8")
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", 32,
                  "--plugin", plugin, "--canvas", "torn", *TV)  # fmt: skip
    assert done.status == 1
    assert done.error == (
        f"impasto: error: canvas 'torn' of plugin 'torn' (file {plugin}) failed: LookupError: torn"
        f" ({line_of(plugin, 'raise LookupError')}); no step was done, nothing is written"
    )


def test_a_failing_loss_with_a_dot_and_a_dash_in_its_name_is_named(
    invoke: Invoke, pair: Pair, recorder: Path
) -> None:
    code = recorder.read_text(encoding="utf-8").replace('"stumbles"', '"my.loss-a"')
    recorder.write_text(code, encoding="utf-8")
    log = painted(invoke, pair, recorder, "--loss", "tv", "--loss", "my.loss-a")
    last = log[-1].strip().splitlines()[-1]
    assert f"loss 'my.loss-a' of plugin 'recorder' (file {recorder}) failed" in last


WORN_OUT = """
import torch
import impasto

class WornOut(impasto.Canvas):
    \"\"\"Fail from the third picture on, also when the picture is to be saved.\"\"\"

    def __init__(self, image):
        super().__init__()
        self.image, self.calls = torch.nn.Parameter(image.clone()), 0

    def forward(self):
        self.calls += 1
        if self.calls > 2:
            raise LookupError("worn out")
        return self.image

@impasto.hookimpl
def impasto_canvases():
    return [impasto.Offer("worn_out", WornOut)]
"""


def test_a_canvas_that_cannot_be_read_any_more_is_named(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    plugin, out = tmp_path / "worn.py", tmp_path / "out.png"
    plugin.write_text(WORN_OUT, encoding="utf-8")
    done = invoke("run", pair.content, pair.style, "-o", out, "--size", 32, "--plugin", plugin,
                  "--canvas", "worn_out", *TV)  # fmt: skip
    assert done.status == 1
    assert done.error == (
        f"impasto: error: canvas 'worn_out' of plugin 'worn' (file {plugin}) failed: LookupError:"
        f" worn out ({line_of(plugin, 'raise LookupError')}); the canvas cannot be"
        " read any more, and no picture is kept"
    )
    assert not out.exists()
