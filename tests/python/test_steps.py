"""The engine's loop step by step: left, gone on with, closed early, failing."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import impasto
import impasto.testing

SMALL: dict[str, Any] = {
    "size": 32,
    "scales": "24",
    "steps": 3,
    "plugin": ["impasto.testing"],
    "extractor": "tiny",
}

TALKER = """
import impasto

class Talker:
    def __init__(self, file: str, fails: int = 0, by_hand: int = 0):
        self.file, self.fails, self.by_hand = file, fails, by_hand

    def say(self, word):
        with open(self.file, "a") as file:
            file.write(word + " ")

    @impasto.hookimpl
    def impasto_before_run(self): self.say("begin")
    @impasto.hookimpl
    def impasto_before_stage(self, stage): self.say(f"stage{stage.number}")
    @impasto.hookimpl
    def impasto_after_step(self, step):
        self.say(str(step.number))
        if step.number == self.by_hand:
            raise KeyboardInterrupt
    @impasto.hookimpl
    def impasto_after_stage(self): self.say("over")
    @impasto.hookimpl
    def impasto_after_run(self, result): self.say(f"end:{result.stopped}")
    @impasto.hookimpl
    def impasto_run_failed(self, error): self.say(f"failed:{type(error).__name__}")

@impasto.hookimpl
def impasto_callbacks():
    return [impasto.Offer("talker", Talker)]

class Breaks(impasto.Loss):
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
    return [impasto.Offer("breaks", Breaks)]
"""


def begun(folder: Path, options: str = "", **more: Any) -> impasto.Steps:
    """Steps of a run that writes down its hooks in ``said.txt``."""
    (folder / "talker.py").write_text(TALKER)
    (folder / "said.txt").write_text("")
    spec = f"talker:file={folder / 'said.txt'}{options}"
    plugin = [*SMALL["plugin"], str(folder / "talker.py")]
    content, style = impasto.testing.pictures()
    given = {**SMALL, "plugin": plugin, "callback": spec, **more}
    return impasto.steps(content, style, **given)


def said(folder: Path) -> str:
    return (folder / "said.txt").read_text().strip()


WHOLE = "begin stage0 1 2 3 over stage1 4 5 6 over end:"


def test_steps_are_those_of_a_run(tmp_path: Path) -> None:
    steps = begun(tmp_path)
    losses = [step.loss for step in steps]
    content, style = impasto.testing.pictures()
    run = impasto.run(content, style, **SMALL)
    assert losses == run.losses == steps.result().losses
    assert torch.equal(steps.result().image, run.image)
    assert steps.result().stopped == ""
    assert said(tmp_path) == WHOLE


def test_a_loop_is_left_and_gone_on_with(tmp_path: Path) -> None:
    steps = begun(tmp_path)
    for step in steps:
        if step.number == 2:
            break
    early, picture = steps.result(), steps.picture
    assert (early.steps, early.stopped) == (2, "left after 2 steps")
    assert picture.tobytes() == early.picture.tobytes()
    assert [step.number for step in steps] == [3, 4, 5, 6]
    assert said(tmp_path) == WHOLE
    assert steps.picture.tobytes() != picture.tobytes()
    assert list(steps) == [], "it is over"
    steps.close()
    assert said(tmp_path) == WHOLE


def test_the_run_can_be_changed_between_steps(tmp_path: Path) -> None:
    steps = begun(tmp_path, optimizer="adam:lr=0.05")
    next(steps)
    before = steps.run.picture()
    assert steps.run.optimizer is not None
    steps.run.optimizer.param_groups[0]["lr"] = 0.0
    next(steps)
    assert torch.equal(steps.run.picture(), before)


def test_closing_early_ends_the_run_and_writes_its_output(tmp_path: Path) -> None:
    with begun(tmp_path, output=str(tmp_path / "a.png")) as steps:
        next(steps)
    assert said(tmp_path) == "begin stage0 1 over end:left after 1 step"
    assert steps.result().stopped == "left after 1 step"
    assert Image.open(tmp_path / "a.png").tobytes() == steps.picture.tobytes()
    with pytest.raises(StopIteration):
        next(steps)


def test_closing_after_the_last_step_is_no_early_end(tmp_path: Path) -> None:
    with begun(tmp_path) as steps:
        for step in steps:
            if step.number == 6:
                break
    assert said(tmp_path) == WHOLE


def test_closing_before_the_first_step_does_nothing(tmp_path: Path) -> None:
    steps = begun(tmp_path, output=str(tmp_path / "a.png"))
    steps.close()
    assert list(steps) == []
    assert said(tmp_path) == ""
    assert not (tmp_path / "a.png").exists()
    assert steps.result().steps == 0


def test_an_error_of_ones_own_loop_ends_the_run_as_closing_does(tmp_path: Path) -> None:
    def stumble() -> None:
        with begun(tmp_path, output=str(tmp_path / "a.png")) as steps:
            next(steps)
            raise LookupError

    with pytest.raises(LookupError):
        stumble()
    assert said(tmp_path) == "begin stage0 1 over end:left after 1 step"
    assert (tmp_path / "a.png").is_file()


def test_steps_that_nobody_holds_any_more_end_in_silence(tmp_path: Path) -> None:
    steps = begun(tmp_path)
    next(steps)
    del steps
    gc.collect()
    assert said(tmp_path) == "begin stage0 1"


def test_a_step_that_fails_keeps_the_picture(tmp_path: Path) -> None:
    out = tmp_path / "a.png"
    steps = begun(tmp_path, loss="breaks", optimizer="adam", output=str(out))
    with pytest.raises(impasto.RunFailed) as caught:
        list(steps)
    assert "loss 'breaks' of plugin 'talker'" in str(caught.value)
    assert str(caught.value).endswith(f"the picture after 2 steps is in '{out}'")
    assert said(tmp_path) == "begin stage0 1 2 failed:ZeroDivisionError"
    assert caught.value.result.history["step"].tolist() == [1, 2]
    assert steps.result() is caught.value.result
    assert Image.open(out).tobytes() == steps.picture.tobytes()
    assert list(steps) == []


def test_ctrl_c_in_a_step_keeps_the_picture(tmp_path: Path) -> None:
    steps = begun(tmp_path, ",by_hand=2")
    with pytest.raises(impasto.Interrupted) as caught:
        list(steps)
    assert str(caught.value) == "interrupted; the picture after 2 steps is in the error's result"
    assert caught.value.result.steps == 2
    assert said(tmp_path) == "begin stage0 1 2 failed:KeyboardInterrupt"


def test_what_cannot_be_had_is_refused_before_the_first_step(tmp_path: Path) -> None:
    with pytest.raises(impasto.SettingsError, match="takes no checkpoint"):
        begun(tmp_path, checkpoint=str(tmp_path / "kept"))
    with pytest.raises(impasto.SettingsError, match="did you mean 'gram'"):
        begun(tmp_path, loss="gramm")
    with pytest.raises(impasto.PictureError, match="JPEG has 8 bits"):
        begun(tmp_path, output=str(tmp_path / "a.jpg"), depth=16)
    assert said(tmp_path) == ""


def test_time_between_the_steps_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    steps = begun(tmp_path)
    for _ in steps:
        now[0] += 100
    assert steps.result().seconds < 1


def test_the_network_is_hashed_once_for_all_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from impasto.storage.safetensors_file import sum_of

    hashed: list[str] = []

    def counting(*given: Any) -> str:
        hashed.append(sum_of(*given))
        return hashed[-1]

    monkeypatch.setattr("impasto.optimization.state.sum_of", counting)
    steps = begun(tmp_path)
    recipes = [steps.result().metadata.xmp for _ in steps]
    assert len(recipes) == len(set(recipes)) == steps.run.total_steps
    assert all(hashed[0].encode() in recipe for recipe in recipes)
    assert len(hashed) == 1
