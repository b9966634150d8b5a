"""A profiled run, its trace read back: scopes, steps and figures, with a clock that is not the profiler's."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from matplotlib.text import Text

import impasto
from helpers import Pair, drawn
from impasto.host.host import Host
from impasto_profiling import ceiling
from impasto_profiling.plots import roof, roofline
from impasto_profiling.report import Report, read_report

TIMER = """
import json, time
import impasto

class Timer:
    # A third party's observer: it takes its time, and has a clock of its own.
    def __init__(self, file: str):
        self.file, self.ticks, self.slept = file, [], []

    @impasto.hookimpl
    def impasto_after_step(self, run, step):
        self.ticks.append(time.perf_counter())
        time.sleep(0.03)
        self.slept.append(time.perf_counter() - self.ticks[-1])

    @impasto.hookimpl(tryfirst=True)
    def impasto_after_run(self):
        with open(self.file, "w") as file:
            json.dump([self.ticks, self.slept], file)

@impasto.hookimpl
def impasto_callbacks():
    return [impasto.Offer("timer", Timer)]
"""

LOSSES = ["content:layers=conv2_1", "gram:layers=conv1_1,conv2_1,weight=10"]


@dataclass(frozen=True)
class Profiled:
    """A run of two stages with nine steps each: one to wait, two to warm up, five recorded, one more."""

    report: Report
    traces: list[list[dict[str, Any]]]
    ticks: list[float]
    slept: list[float]
    folder: Path


@pytest.fixture(scope="module")
def profiled(tmp_path_factory: pytest.TempPathFactory) -> Profiled:
    folder = tmp_path_factory.mktemp("profiled")
    for name, seed in (("content", 1), ("style", 2)):
        drawn(64, 48, seed).save(folder / f"{name}.png")
    (folder / "clock.py").write_text(TIMER, encoding="utf-8")
    impasto.run(
        folder / "content.png", folder / "style.png", size=64, scales="48", steps=9, loss=LOSSES,
        extractor="random", optimizer="adam", plugin=[str(folder / "clock.py")],
        callback=[f"profile:folder={folder / 'log'},profile_memory=true", f"timer:file={folder / 'ticks'}"],
    )  # fmt: skip
    ticks, slept = json.loads((folder / "ticks").read_text(encoding="utf-8"))
    traces = [
        json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
        for path in sorted((folder / "log").glob("stage_*.pt.trace.json"))
    ]
    return Profiled(read_report(folder / "log"), traces, ticks, slept, folder / "log")


def test_every_part_is_a_scope_of_the_trace(profiled: Profiled) -> None:
    for trace in profiled.traces:
        names = {event["name"] for event in trace if event.get("cat") == "user_annotation"}
        assert names >= {
            "extractor/conv1_1", "extractor/conv1_2", "extractor/pool1", "extractor/conv2_1",
            "loss/content", "loss/gram", "objective", "backward", "optimizer/adam", "canvas/pixels",
            "plugin/timer/impasto_after_step",
        }  # fmt: skip
        assert not any("impasto_before" in name for name in names), "a hook outside the steps"


def test_the_schedules_steps_and_nothing_of_the_warm_up(profiled: Profiled) -> None:
    assert len(profiled.traces) == 2
    for trace in profiled.traces:
        steps = [event for event in trace if str(event.get("name")).startswith("ProfilerStep#")]
        names = sorted(step["name"] for step in steps)
        assert names == [f"ProfilerStep#{number}" for number in (3, 4, 5, 6, 7)]
        begin = min(step["ts"] for step in steps)
        end = max(step["ts"] + step["dur"] for step in steps)
        scopes = [event for event in trace if "/" in str(event.get("name"))]
        ours = [event for event in scopes if event.get("cat") == "user_annotation"]
        assert all(
            begin <= event["ts"] <= end for event in ours if event["name"] != "Record Window End"
        )
        assert sum(event["name"] == "loss/gram" for event in ours) == 5, (
            "Adam evaluates once a step"
        )
    assert [(one.stage, one.width, one.height, one.steps) for one in profiled.report.stages] == [
        (0, 48, 36, 5),
        (1, 64, 48, 5),
    ]


def test_fractions_add_up_to_the_whole(profiled: Profiled) -> None:
    for stage in profiled.report.stages:
        assert sum(part.fraction for part in stage.parts) == pytest.approx(1, abs=0.03)
        assert sum(part.seconds for part in stage.parts) == pytest.approx(stage.seconds, rel=0.03)
        # What is in no part is the loop's own, and little.
        assert sum(part.fraction for part in stage.parts if part.name == "elsewhere") < 0.05


def test_figures_agree_with_a_plain_clock(profiled: Profiled) -> None:
    """Both time the same four steps: from the end of the first recorded one to the end of the last.

    The observer's clock ticks before its pause of 30 ms, the profiler's steps end after it.
    """
    for number, stage in enumerate(profiled.report.stages):
        ticks = profiled.ticks[number * 9 :]
        steps = [e for e in profiled.traces[number] if str(e.get("name")) == "ProfilerStep#3"]
        slept = profiled.slept[number * 9 :]
        plain = ticks[7] - ticks[3] - slept[3] + slept[7]
        recorded = stage.seconds + stage.cost
        assert recorded - steps[0]["dur"] / 1e6 == pytest.approx(plain, rel=0.1)


def test_a_third_partys_cost_is_what_it_took(profiled: Profiled) -> None:
    for number, stage in enumerate(profiled.report.stages):
        slept = sum(profiled.slept[number * 9 :][3:8])
        (timer,) = [part for part in stage.parts if part.name == "plugin/timer/impasto_after_step"]
        assert timer.seconds == pytest.approx(slept, rel=0.1)


def test_layers_have_their_rate_and_agree_with_their_scopes(profiled: Profiled) -> None:
    for stage in profiled.report.stages:
        assert [one.layer for one in stage.layers] == ["conv1_1", "conv1_2", "conv2_1"]
        assert stage.untold == []
        parts = {part.name: part for part in stage.parts}
        for one in stage.layers:
            part = parts[f"extractor/{one.layer}"]
            # The layer is its convolution, and a ReLU that it is scaled for.
            assert 0 < one.seconds <= part.seconds * 1.01
            assert min(one.forward_rate, one.backward_rate) > 0
            assert one.of_ceiling == pytest.approx(one.done_rate / profiled.report.ceiling)
            assert one.of_ceiling <= 1


def test_memory_peaked_somewhere_in_a_step(profiled: Profiled) -> None:
    for stage in profiled.report.stages:
        assert stage.peak is not None
        assert 0.1 < stage.peak.mebibytes < profiled.report.peak_memory
        assert stage.peak.part in {part.name for part in stage.parts}


def test_plots_are_pictures_also_for_tensorboard(profiled: Profiled) -> None:
    from PIL import Image
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = EventAccumulator(str(profiled.folder))
    log.Reload()
    for name in ("roofline", "parts"):
        with Image.open(profiled.folder / f"{name}.png") as plot:
            assert plot.width > 400
            assert len(plot.convert("RGB").getcolors(2**24) or []) > 20
        assert log.Images(f"profile/{name}")[0].width > 400


def test_in_the_roofline_no_name_covers_another_and_no_point_lies_above(profiled: Profiled) -> None:
    report = read_report(profiled.folder)
    for stage in report.stages:
        for one in stage.layers:
            most = roof(report.ceiling, report.cache_bandwidth, numpy.array([one.intensity]))[0]
            assert one.done_rate <= most * 1.001
    figure = roofline(report)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    # Of the words alone, without the lines to the points.
    boxes = [Text.get_window_extent(name) for name in axes.texts]
    assert len(boxes) == len(report.stages[-1].layers)
    rows = sorted((box.y0, box.y1) for box in boxes)
    assert all(below[1] <= above[0] + 1 for below, above in pairwise(rows))


def test_example_in_the_readme_runs(
    profiled: Profiled, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ceiling.SIZES, "cpu", (64,))
    readme = Path(__file__).parents[2] / "profiling" / "README.md"
    (code,) = re.findall(r"```python\n(.*?)```", readme.read_text("utf-8"), flags=re.DOTALL)
    exec(compile(code, "profiling/README.md", "exec"), {"path": profiled.folder})
    shown = capsys.readouterr().out
    assert "GFLOP/s" in shown
    assert "loss/gram 0." in shown


def test_a_schedule_is_repeated(pair: Pair, tmp_path: Path) -> None:
    plan = "wait=0,warmup=1,active=2,repeat=2"
    impasto.run(pair.content, pair.style, size=32, steps=8, loss=["tv"],
                callback=[f"profile:folder={tmp_path / 'log'},{plan}"])  # fmt: skip
    assert len(list((tmp_path / "log").glob("*.pt.trace.json"))) == 2
    (stage,) = read_report(tmp_path / "log").stages
    assert (stage.steps, stage.layers) == (4, [])
    assert stage.usual_step > 0


def test_a_run_that_fails_has_the_report_so_far(pair: Pair, tmp_path: Path) -> None:
    plugin = tmp_path / "fails.py"
    plugin.write_text(
        "import impasto\n"
        "class Fails:\n"
        "    @impasto.hookimpl(trylast=True)\n"
        "    def impasto_after_step(self, step):\n"
        "        if step.number == 4:\n"
        "            raise KeyboardInterrupt\n"
        "@impasto.hookimpl\n"
        "def impasto_callbacks():\n"
        "    return [impasto.Offer('fails', Fails)]\n",
        encoding="utf-8",
    )
    with pytest.raises(KeyboardInterrupt):
        impasto.run(pair.content, pair.style, size=32, steps=8, loss=["tv"], plugin=[str(plugin)],
                    callback=[f"profile:folder={tmp_path / 'log'},warmup=0", "fails"])  # fmt: skip
    assert read_report(tmp_path / "log").stages[0].steps >= 2


def test_off_there_is_no_hook_and_no_scope(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("the profiler was used")

    monkeypatch.setattr("impasto.model.scopes.record_function", never)
    monkeypatch.setattr(torch.profiler, "profile", never)
    called: list[str] = []
    notify = Host.notify

    def watched(host: Host, hook: str, **arguments: object) -> None:
        called.extend(one.plugin_name for one in getattr(host.manager.hook, hook).get_hookimpls())
        notify(host, hook, **arguments)

    monkeypatch.setattr(Host, "notify", watched)
    impasto.run(pair.content, pair.style, size=32, steps=2, loss=["tv"])
    assert called == []


def test_off_nothing_of_it_is_imported(imported: set[str]) -> None:
    assert not imported & {"matplotlib", "tensorboard"}


@pytest.mark.slow
def test_compiled_the_convolutions_are_still_told(pair: Pair, tmp_path: Path) -> None:
    impasto.run(
        pair.content, pair.style, size=64, steps=9, loss=LOSSES, extractor="random",
        optimizer="adam", compile="on", callback=[f"profile:folder={tmp_path / 'log'}"],
    )  # fmt: skip
    report = read_report(tmp_path / "log")
    (stage,) = report.stages
    assert report.compiled
    assert stage.compiling is not None
    assert stage.compiling > stage.step
    assert "objective" in {part.name for part in stage.parts}
    assert not any(part.name.startswith(("loss/", "extractor/")) for part in stage.parts)
    assert [one.layer for one in stage.layers] + stage.untold == ["conv1_1", "conv1_2", "conv2_1"]
    assert stage.layers
    assert all(one.backward_rate > 0 for one in stage.layers)
    assert sum(part.fraction for part in stage.parts) == pytest.approx(1, abs=0.05)
