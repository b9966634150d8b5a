"""The bar: how far a run is, over all stages."""

from __future__ import annotations

from pathlib import Path

import pytest

import impasto
from helpers import Interrupt, Invoke, Pair
from impasto.optimization.stages import Stage
from impasto_plugins.callbacks.progress import ProgressBar, work


def test_a_step_counts_by_its_pixels() -> None:
    assert work([Stage(0, 10, 20, 3), Stage(1, 20, 40, 2)]) == 3 * 200 + 2 * 800


def test_a_pyramid_ends_at_its_whole_work(
    invoke: Invoke, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[float, int]] = []
    update = ProgressBar.impasto_after_step

    def noted(self: ProgressBar, run: object, step: object) -> None:
        self.shown = 0.0
        update(self, run, step)  # type: ignore[arg-type]
        task = self.bar.tasks[0]
        seen.append((task.percentage, task.fields["step"]))

    monkeypatch.setattr(ProgressBar, "impasto_after_step", noted)
    noted.impasto_impl = update.impasto_impl  # type: ignore[attr-defined]
    done = invoke("run", pair.content, pair.style, "-o", pair.content.parent / "out.png", "--size",
                  64, "--scales", "32", "--steps", "3,2", "--loss", "tv")  # fmt: skip
    assert done.status == 0
    assert [step for _, step in seen] == [1, 2, 3, 4, 5]
    # 32 × 24 pixels three times, then 64 × 48 twice: the first stage is 3 of 11 parts of the work.
    assert seen[2][0] == pytest.approx(100 * 3 / 11)
    assert seen[-1][0] == pytest.approx(100)


def test_a_resumed_run_counts_its_own_steps_only(
    invoke: Invoke,
    pair: Pair,
    tmp_path: Path,
    interrupt: Interrupt,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stopped = invoke("run", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", 32, "--steps", 4,
                     "--loss", "tv", "--checkpoint", tmp_path / "kept", *interrupt)  # fmt: skip
    assert stopped.status == 130, stopped.err
    seen: list[tuple[float, float, str]] = []
    update = ProgressBar.impasto_after_step

    def noted(self: ProgressBar, run: impasto.Run, step: impasto.Step) -> None:
        (task,) = self.bar.tasks
        before = task.percentage
        self.shown, self.began = 0.0, run.seconds - 100
        update(self, run, step)
        seen.append((before, task.percentage, task.fields["rate"]))

    monkeypatch.setattr(ProgressBar, "impasto_after_step", noted)
    noted.impasto_impl = update.impasto_impl  # type: ignore[attr-defined]
    done = invoke("resume", tmp_path / "kept")
    assert done.status == 0, done.err
    # Two of four steps were done before; this process did one in 100 s, then two.
    assert seen == [(50, 75, "0.01"), (75, 100, "0.02")]
