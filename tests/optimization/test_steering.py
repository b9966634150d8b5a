"""Steering a run: what is asked for is done between steps, recorded, and done again by a rerun."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import impasto
from helpers import SHALLOW, Invoke, Pair, StopAt
from impasto.jobs.checkpoints import Checkpoints
from impasto.jobs.run import prepare_run
from impasto.optimization.loop import paint
from impasto.settings.settings import gather
from impasto.storage.recipe import read_recipe
from processes import started

GRAM = ["content:layers=conv1_2", "gram:layers=conv1_1,weight=10"]
Do = Callable[[impasto.Run], object]


class Script:
    """Does something once after a step, and once before the run."""

    def __init__(self, lines: dict[int, Do], every: int = 1) -> None:
        self.lines, self.every = dict(lines), every
        self.seen: list[tuple[int, int]] = []

    @impasto.hookimpl
    def impasto_before_run(self, run: impasto.Run) -> None:
        run.keep_snapshots(20, every=self.every)
        self.do(run)

    @impasto.hookimpl
    def impasto_after_step(self, run: impasto.Run, step: impasto.Step) -> None:
        self.seen.append((step.stage.number, step.number))
        self.do(run)

    def do(self, run: impasto.Run) -> None:
        if line := self.lines.pop(run.step, None):
            line(run)


def settings_of(pair: Pair, out: Path, **more: Any) -> dict[str, Any]:
    return {
        "content": pair.content, "style": pair.style, "size": 32, "scales": "24", "steps": [5, 6],
        "loss": GRAM, "output": out, "seed": 3, **more,
    }  # fmt: skip


KINDS: dict[str, dict[str, Any]] = {
    "lbfgs": {"optimizer": "lbfgs"},
    "adam": {"optimizer": "adam", "ema": 0.9},
    "torch's lbfgs": {"optimizer": "torch.LBFGS:max_iter=2", "scales": "single"},
    "adagrad, plateau": {"optimizer": "torch.Adagrad", "schedule": "ReduceLROnPlateau:patience=1"},
    "fourier": {"canvas": "fourier"},
    "tiles": {"tile": 64, "size": 72, "scales": "48"},
    "line search, nearest": {
        "optimizer": "lbfgs:line_search_fn=strong_wolfe",
        "loss": ["nearest:layers=conv1_1,samples=50", *GRAM],
    },
}  # fmt: skip


def assert_same(one: Path, other: Path) -> None:
    """The same pixels and the same recipe, but for the callbacks."""
    recipes = [{**read_recipe(path), "callbacks": []} for path in (one, other)]
    assert recipes[0] == recipes[1]
    with Image.open(one) as first, Image.open(other) as second:
        assert first.tobytes() == second.tobytes()


def steered(run: impasto.Run) -> None:
    run.set_weight("gram", 200)
    run.set_weight("content", 0)


def two_and_finish(run: impasto.Run) -> None:
    run.set_weight("gram", 1)
    run.set_weight("gram", 50)
    run.finish_stage()


@pytest.mark.parametrize("kind", KINDS)
def test_a_rerun_gives_the_same_file(pair: Pair, tmp_path: Path, kind: str) -> None:
    out, again = tmp_path / "a.png", tmp_path / "b.png"
    script = Script({2: steered, 4: two_and_finish, 8: lambda run: run.set_weight("content", 3)})
    given = settings_of(pair, out, **KINDS[kind])
    result = impasto.run(**given, callback=[script])
    assert [change.as_list() for change in result.changes][:2] == [
        [2, "weight", "gram", 200.0],
        [2, "weight", "content", 0.0],
    ]
    plain = impasto.run(**{**given, "output": None})
    assert plain.changes == ()
    if "scales" not in KINDS[kind] or kind == "tiles":
        assert result.steps == plain.steps - 1
        assert [change.as_list() for change in result.changes][2:] == [
            [4, "weight", "gram", 50.0],
            [4, "finish_stage", None, None],
            [8, "weight", "content", 3.0],
        ]
    assert not torch.equal(result.image, plain.image)
    impasto.rerun(out, again)
    assert_same(again, out)


@pytest.mark.parametrize("kind", ["lbfgs", "adam", "fourier", "tiles"])
def test_what_was_taken_back_is_as_if_it_had_never_been_done(
    pair: Pair, tmp_path: Path, kind: str
) -> None:
    out, again, plain = (tmp_path / f"{name}.png" for name in "abc")
    given = settings_of(pair, out, **KINDS[kind])
    script = Script({3: steered, 8: lambda run: run.rewind(2)})
    result = impasto.run(**given, callback=[script])
    assert [number for _, number in script.seen] == [*range(1, 9), *range(3, 12)]
    assert result.changes == ()
    assert "changes" not in read_recipe(out)
    impasto.run(**{**given, "output": plain})
    assert_same(plain, out)
    script = Script(
        {3: steered, 7: lambda run: run.rewind(4), 9: lambda run: run.set_weight("gram", 7)}
    )
    result = impasto.run(**{**given, "output": out, "force": True}, callback=[script])
    assert [change.step for change in result.changes] == [3, 3, 9]
    impasto.rerun(out, again)
    assert_same(again, out)


def test_a_pause_waits_for_other_threads_and_is_no_time_of_the_run(pair: Pair) -> None:
    waited = threading.Event()

    class Look:
        @impasto.hookimpl
        def impasto_while_paused(self) -> None:
            waited.set()

    steps: list[int] = []
    holder: list[impasto.Run] = []

    def by_another_thread() -> None:
        assert waited.wait(20)
        run = holder[0]
        for _ in range(3):
            before = run.step
            run.one_step()
            while run.step == before:
                time.sleep(0.005)
            time.sleep(0.02)
            steps.append(run.step)
        # A slider that is drawn far and back, and many calls a second.
        for value in range(1000):
            run.set_weight("gram", value)
        time.sleep(0.3)
        assert (run.step, run.paused) == (5, True)
        run.go_on()

    def begin(run: impasto.Run) -> None:
        holder.append(run)
        run.pause()

    thread = threading.Thread(target=by_another_thread)
    thread.start()
    given = settings_of(pair, Path("x"), output=None, steps=9, scales="single")
    began = time.monotonic()
    result = impasto.run(**given, callback=[Script({2: begin}), Look()])
    thread.join()
    assert steps == [3, 4, 5]
    assert [change.as_list() for change in result.changes] == [[5, "weight", "gram", 999.0]]
    assert result.seconds < time.monotonic() - began - 0.3
    assert not holder[0].paused


def no_style(run: impasto.Run) -> None:
    run.set_style_weight(0, 0)
    run.set_style_weight(1, 0)


def stop_and_pause(run: impasto.Run) -> None:
    run.stop("enough")
    run.pause()


REFUSED: dict[str, tuple[Do, str]] = {
    "term": (
        lambda run: run.set_weight("grm", 1),
        "unknown term 'grm'; did you mean 'gram'? Allowed: content, gram",
    ),
    "negative": (
        lambda run: run.set_weight("gram", -1),
        "the weight of term 'gram' must be a number from 0 to 1e+30, not -1",
    ),
    "nan": (
        lambda run: run.set_weight("gram", float("nan")),
        "the weight of term 'gram' must be a number from 0 to 1e+30, not nan",
    ),
    "text": (
        lambda run: run.set_weight("gram", "5"),  # type: ignore[arg-type]
        "the weight of term 'gram' must be a number from 0 to 1e+30, not '5'",
    ),
    "style": (
        lambda run: run.set_style_weight(2, 1),
        "no style 2: the run has 2, counted from 0",
    ),
    "all styles": (
        no_style,
        "the weights of all styles are 0; at least one must be more than 0",
    ),
    "the future": (
        lambda run: run.rewind(99),
        "cannot go back to step 99: the run has done 2 steps",
    ),
    "before": (
        lambda run: run.rewind(-1),
        "no snapshot of step -1 or before: the first is of step 0",
    ),
    "not a number": (
        lambda run: run.rewind("a"),  # type: ignore[arg-type]
        "cannot go back to step 'a': the run has done 2 steps",
    ),
    "budget": (
        lambda run: run.keep_snapshots(0),
        "keep_snapshots: megabytes must be above 0, not 0",
    ),
    "stopped": (
        stop_and_pause,
        "the run is being stopped: enough",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_done_is_refused_in_one_line(pair: Pair, case: str) -> None:
    do, line = REFUSED[case]
    said = []

    def ask(run: impasto.Run) -> None:
        with pytest.raises(impasto.SettingsError) as refused:
            do(run)
        said.append(str(refused.value))

    given = settings_of(pair, Path("x"), output=None, steps=3, scales="single")
    impasto.run(**{**given, "style": [pair.style, pair.content]}, callback=[Script({2: ask})])
    assert said == [line]


def test_after_the_end_nothing_can_be_asked_for(pair: Pair) -> None:
    runs: list[impasto.Run] = []
    given = settings_of(pair, Path("x"), output=None, steps=2, scales="single")
    impasto.run(**given, callback=[Script({1: runs.append})])
    for ask in (runs[0].pause, runs[0].finish_stage, lambda: runs[0].set_weight("gram", 1)):
        with pytest.raises(impasto.SettingsError, match="the run is over"):
            ask()
    runs[0].go_on()
    runs[0].stop("late")


def test_ctrl_c_in_a_pause_keeps_the_picture(pair: Pair, tmp_path: Path) -> None:
    out = tmp_path / "a.png"

    class Interrupt:
        @impasto.hookimpl
        def impasto_while_paused(self) -> None:
            raise KeyboardInterrupt

    with pytest.raises(impasto.Interrupted):
        impasto.run(
            **settings_of(pair, out), callback=[Script({2: lambda run: run.pause()}), Interrupt()]
        )
    assert out.is_file()
    assert read_recipe(out)["steps"] == 2


@pytest.mark.parametrize("kind", ["lbfgs", "adam", "fourier", "tiles"])
def test_a_resumed_run_goes_on_as_it_was_steered(pair: Pair, tmp_path: Path, kind: str) -> None:
    given = settings_of(pair, tmp_path / "a.png", **KINDS[kind])
    table = {
        name: str(value) if isinstance(value, Path) else value for name, value in given.items()
    }
    settings = gather({**table, "output": None}, None, None)

    def heavier(run: impasto.Run) -> None:
        run.set_weight("gram", 3)

    def lighter(run: impasto.Run) -> None:
        run.set_weight("content", 3)

    def lines() -> dict[int, Do]:
        return {2: steered, 4: lambda run: run.rewind(3), 5: heavier, 8: lighter}

    whole = paint(prepare_run(settings, observers=[Script(lines())]))
    assert [change.step for change in whole.changes] == [2, 2, 5, 8]
    for step in (3, 7):
        kept = tmp_path / f"kept {step}"
        run = prepare_run(settings, observers=[Script(lines())])
        run.host.register(StopAt(step), "stop", "this test")
        run.host.register(Checkpoints(kept, every=1e9), "checkpoint", "this test")
        with pytest.raises(KeyboardInterrupt):
            paint(run)
        again = impasto.resume(kept, observers=[Script({5: heavier, 8: lighter})])
        assert again.changes == whole.changes
        assert again.losses == whole.losses
        assert torch.equal(again.image, whole.image)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam", "torch.SGD:lr=0.001"])
def test_a_change_is_not_taken_for_an_explosion(
    pair: Pair, optimizer: str, caplog: pytest.LogCaptureFixture
) -> None:
    def far_heavier(run: impasto.Run) -> None:
        run.set_weight("content", 1e7)

    given = settings_of(pair, Path("x"), output=None, steps=25, scales="single")
    result = impasto.run(**{**given, "optimizer": optimizer}, callback=[Script({12: far_heavier})])
    assert len(result.losses) == 25
    assert max(result.losses[12:]) > 1000 * result.losses[11]
    # What explodes by itself, as plain gradient descent then does, is told, and once only.
    said = [line for line in caplog.messages if "the loss went from" in line]
    assert len(said) == (optimizer.startswith("torch.SGD"))


def test_recent_snapshots_are_dense_and_old_ones_sparse(pair: Pair) -> None:
    kept: list[tuple[int, ...]] = []

    class Look:
        @impasto.hookimpl
        def impasto_before_run(self, run: impasto.Run) -> None:
            # Canvas, best picture and 20 pairs of 32 × 24 pixels: about 400 kB a snapshot.
            run.keep_snapshots(4, every=1)

        @impasto.hookimpl
        def impasto_after_step(self, run: impasto.Run) -> None:
            kept.append(run.snapshots)

    given = settings_of(pair, Path("x"), output=None, steps=60, scales="single", loss=["tv"])
    impasto.run(**given, callback=[Look()])
    last = kept[-1]
    assert 6 <= len(last) <= 12
    assert last[0] == 0
    assert last[-1] == 59
    gaps = [after - before for before, after in pairwise(last)]
    assert gaps[-1] == 1
    assert max(gaps) > 10


def test_one_that_is_too_large_for_the_budget_is_said(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    given = settings_of(pair, Path("x"), output=None, steps=4, scales="single", loss=["tv"])

    class Small:
        @impasto.hookimpl
        def impasto_before_run(self, run: impasto.Run) -> None:
            run.keep_snapshots(0.01)

        @impasto.hookimpl
        def impasto_after_step(self, run: impasto.Run) -> None:
            assert run.snapshots == ()

    impasto.run(**given, callback=[Small()])
    assert [line for line in caplog.messages if line.startswith("snapshots: one takes")]


PAUSES = """
import pathlib
import impasto

class Pauses:
    "Says by a file that the run waits, after its third step."

    def __init__(self, sign: pathlib.Path):
        self.sign = sign

    @impasto.hookimpl
    def impasto_after_step(self, run, step):
        if step.number == 3:
            run.set_weight("gram", 70)
            run.pause()

    @impasto.hookimpl
    def impasto_while_paused(self, run):
        self.sign.touch()

@impasto.hookimpl
def impasto_callbacks():
    return [impasto.Offer("pauses", Pauses)]
"""


def test_ctrl_c_in_a_pause_with_checkpoints_and_on_from_there(
    pair: Pair, tmp_path: Path, invoke: Invoke
) -> None:
    plugin, sign, kept = (tmp_path / name for name in ("pauses.py", "sign", "kept"))
    plugin.write_text(PAUSES, encoding="utf-8")
    given = ("run", pair.content, pair.style, "--size", 32, "--scales", "single", "--steps", 6, *SHALLOW,
             "--plugin", plugin)  # fmt: skip
    with started(*given, "-o", tmp_path / "a.png", "--checkpoint", kept, "--callback",
                 f"pauses:sign={sign}") as running:  # fmt: skip
        ends = time.monotonic() + 120
        while not sign.exists():
            assert time.monotonic() < ends
            time.sleep(0.05)
        running.send(signal.SIGINT)
        stopped = running.outcome()
    assert stopped.status == 130, stopped.err
    assert "interrupted; the picture after 3 steps is in" in stopped.err
    done = invoke("resume", kept, "--plugin", plugin)
    assert done.status == 0, done.err
    recipe = read_recipe(tmp_path / "a.png")
    assert (recipe["steps"], recipe["changes"]) == (6, [[3, "weight", "gram", 70.0]])
    assert invoke("rerun", tmp_path / "a.png", "--plugin", plugin).status == 0
    assert_same(tmp_path / "a_again.png", tmp_path / "a.png")
