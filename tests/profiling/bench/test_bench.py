"""``impasto bench`` by its front door: suites with tiny sizes and steps, the record, the tables."""

from __future__ import annotations

import functools
import importlib.util
import json
import math
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from helpers import Invoke, Pair, refused
from impasto.settings.settings import gather
from impasto_profiling.bench import equal, looks
from impasto_profiling.bench import gpu as gpu_suite
from impasto_profiling.bench.clock import take_turns
from impasto_profiling.bench.command import SUITES, say_progress
from impasto_profiling.bench.conditions import instructions
from impasto_profiling.bench.descent import cost_of, descend
from impasto_profiling.bench.equal import loop
from impasto_profiling.bench.evaluation import operations, ready
from impasto_profiling.bench.notebook import DEVIATION
from impasto_profiling.bench.optimizers import settings_of, ways
from impasto_profiling.bench.plan import Plan
from impasto_profiling.bench.record import Comparison, Report, compared, figure
from impasto_profiling.bench.seek import Sought, outcome
from impasto_profiling.bench.table import rows


def read(path: Path) -> Report:
    """The record, checked against its schema."""
    text = path.read_text(encoding="utf-8")
    json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    return Report.model_validate_json(text)


def test_contestants_take_turns_and_warm_up() -> None:
    calls: list[str] = []

    def sampler(name: str) -> float:
        calls.append(name)
        return float(len(calls))

    figures = take_turns({"a": lambda: sampler("a"), "b": lambda: sampler("b")}, 2, warm_up=1)
    assert calls == ["a", "b"] * 3
    assert figures["a"].samples == [3, 5]
    assert figures["b"].model_dump() == {
        "name": "b", "median": 5, "lowest": 4, "highest": 6, "samples": [4, 6],
    }  # fmt: skip


def test_losses_are_shown_beside_wins() -> None:
    slow, fast = figure("impasto", [4.0]), figure("rival", [2.0])
    lost = compared("evaluation", "a", "s", slow, fast)
    won = compared("evaluation", "a", "GFLOP/s", slow, fast, better="higher")
    assert (lost.times_better, won.times_better) == (0.5, 2.0)


def test_a_record_is_strict() -> None:
    with pytest.raises(ValidationError):
        figure("impasto", [float("nan")])
    with pytest.raises(ValidationError):
        compared("hooks", "a", "s", figure("impasto", [1.0]), loss=float("inf"))
    with pytest.raises(ValidationError):
        Report.model_validate({"version": 2})


def test_hooks_record_and_table(
    invoke: Invoke, pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    record = tmp_path / "record.json"
    done = invoke("bench", "hooks", "--size", 32, "--rounds", 2, "--quick", "-o", record,
                  "--pair", f"{pair.content},{pair.style}")  # fmt: skip
    assert done.status == 0, done.err
    assert "added by 20" in done.out
    # What it is compared with runs on the processor: never a card against that.
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""
    assert "impasto: hooks: 2 blocks" in done.err
    report = read(record)
    assert report.quick
    assert report.threads >= 1
    assert report.machine.cores >= 1
    assert {"python", "impasto", "torch", "pastiche"} <= report.versions.keys()
    fraction, calls = report.comparisons
    under = fraction.conditions
    assert under is not None
    assert under == calls.conditions
    assert under.processor in report.machine.processor
    assert under.instructions.startswith(torch.backends.cpu.get_cpu_capability())
    assert under.threads == report.threads
    assert under.kernel in ("Winograd and direct", "direct")
    for word in (under.instructions, f"{under.threads} thread", under.precision):
        assert word in str(under)
    assert str(under) in next(rows(report))
    assert f"each figure of Impasto on {under}\n" in done.out
    assert len(fraction.impasto.samples) == 2
    assert fraction.impasto.lowest <= fraction.impasto.median <= fraction.impasto.highest
    assert calls.impasto.lowest > 0
    again = invoke("bench", "hooks", "-o", record)
    assert again.status == 2
    assert again.error == f"impasto: error: '{record}' exists; --force overwrites it"


def test_evaluation_has_the_ceiling_and_the_plain_loop(invoke: Invoke, pair: Pair) -> None:
    done = invoke("bench", "evaluation", "--size", 32, "--rounds", 1, "--json",
                  "--pair", f"{pair.content},{pair.style}")  # fmt: skip
    assert done.status == 0, done.err
    report = Report.model_validate_json(done.out)
    rate, time = report.comparisons
    assert rate.unit == "GFLOP/s"
    assert rate.rival is not None
    assert rate.rival.name.startswith("ceiling")
    assert rate.times_better == pytest.approx(rate.impasto.median / rate.rival.median)
    # Rate and time are of the same samples.
    seconds = [rate.notes["gflop"] / one for one in rate.impasto.samples]  # type: ignore[operator]
    assert seconds == pytest.approx(time.impasto.samples)
    assert next(rows(report))[-2].endswith(" %")


def test_operations_are_those_counted_by_hand(pair: Pair, tmp_path: Path) -> None:
    plan = Plan(((str(pair.content), str(pair.style)),), True, tmp_path, say_progress)
    run = ready(plan, 64)
    total, incoming = 0, 3
    for block, (channels, count) in enumerate([(64, 2), (128, 2), (256, 4), (512, 4), (512, 1)]):
        for _ in range(count):
            # Forward and backward; a multiplication and an addition for each of nine weights.
            total += 2 * 2 * 9 * incoming * channels * (64 >> block) * (48 >> block)
            incoming = channels
    assert operations(run) == pytest.approx(total / 1e9)


def test_optimizers_are_counted_in_evaluations(invoke: Invoke, pair: Pair) -> None:
    pictures = f"{pair.content},{pair.style}"
    done = invoke("bench", "optimizers", "--size", 48, "--steps", 4, "--json", "--pair", pictures,
                  "--pair", f"{pair.style},{pair.content}")  # fmt: skip
    assert done.status == 0, done.err
    found = Report.model_validate_json(done.out).comparisons
    assert [one.case.split(":")[0].split(", ", 1)[1] for one in found] == list(ways(48))
    for one in found:
        assert one.rival is not None
        assert one.rival.samples == [4]
        assert len(one.impasto.samples) == 2
        assert one.times_better == pytest.approx(4 / one.impasto.median)
    # Fewer than 100 pairs of the history are used, so the two ways are one.
    assert found[2].impasto.samples == [4, 4]
    assert found[2].case == "48 px, history_size=100: reached on 2 of 2 pairs"


def test_an_evaluation_counts_by_its_pixels(pair: Pair) -> None:
    given = {"scales": [32], "steps": [8, 1], "loss": ["content"]}
    settings = settings_of((str(pair.content), str(pair.style)), 64, given)
    none = descend(settings, -1.0, most=5.0)
    # Eight at a quarter of the pixels are two.
    assert [cost for cost, _ in none.trail] == [3, 4, 5]
    assert none.reached(-1.0) == math.inf
    some = descend(settings, 1e6, most=5.0)
    assert (some.evaluations, some.reached(1e6)) == (3, 3)
    some = descend(settings, 1e6, least=4.0, most=5.0)
    assert some.evaluations == 4
    assert some.after(3.5) == some.trail[0][1]
    assert cost_of(settings) == 3


def test_presets_are_compared_with_what_they_cost_at_first(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    plot = tmp_path / "plot.png"
    done = invoke("bench", "presets", "--quick", "--size", 32, "--json", "--plot", plot,
                  "--pair", f"{pair.content},{pair.style}")  # fmt: skip
    assert done.status == 0, done.err
    (one,) = Report.model_validate_json(done.out).comparisons
    assert one.case.startswith("32 px, default: reached on ")
    assert one.rival is not None
    assert one.rival.samples == [100], "one stage"
    assert one.impasto.samples[0] <= 100
    own = gather({"content": "a", "style": "b"}, "default", None).steps[0]
    assert one.notes["own_cost"] == own
    with Image.open(tmp_path / "plot_default_32.png") as drawn:
        assert len(drawn.convert("RGB").getcolors(2**20) or ()) > 20


@pytest.mark.parametrize("plot", ["nowhere/plot.png", "plot.jpeg.txt"])
def test_a_plot_that_cannot_be_written_is_refused_first(invoke: Invoke, plot: str) -> None:
    assert plot.split("/")[0] in refused(invoke("bench", "presets", "--plot", plot))


def test_notebook_gives_the_time_to_its_loss(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    done = invoke("bench", "notebook", "--size", 32, "--steps", 3, "--rounds", 1, "--markdown",
                  "-o", record, "--pair", f"{pair.content},{pair.style}")  # fmt: skip
    assert done.status == 0, done.err
    assert done.out.startswith("| suite | what | Impasto |")
    assert "to the loss after 3 steps" in done.out
    (one,) = read(record).comparisons
    assert one.notes["recipe_steps"] == 3
    reached = one.notes["engine_loss"] <= one.notes["loss"]  # type: ignore[operator]
    assert one.notes["reached"] == str(reached)
    assert (one.times_better is not None) == reached


def test_a_race_that_was_not_won_says_so() -> None:
    rival = figure("rival", [10.0])
    lost = outcome("notebook", "a", [Sought(2.0, 3, 5.0, reached=False)], rival, loss=4.0)
    won = outcome("notebook", "a", [Sought(2.0, 3, 3.0, reached=True)], rival, loss=4.0)
    assert (lost.case, lost.times_better) == ("a: not reached", None)
    assert (won.case, won.times_better) == ("a", 5.0)


def test_the_loop_ends_with_its_seconds_and_is_looked_at_by_neutral_code() -> None:
    content, calls = torch.full((1, 3, 8, 8), 0.5), list[int]()

    def evaluate(image: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return image.square().sum()

    ended = loop(evaluate, lambda image: image.mean(), content, 0.05)
    # Once before the time runs.
    assert len(calls) == ended.steps + 1 > 1
    # Each step of Adam darkens a channel by its rate times its deviation.
    assert ended.loss == pytest.approx(
        0.5 - ended.steps * 0.003 * sum(DEVIATION) / 3, abs=0.1 * ended.steps * 0.003
    )
    assert loop(evaluate, lambda image: image.mean(), content, 0.0).steps == 0


def test_the_engine_is_looked_at_before_the_time_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trail = [(1.0, 9.0), (2.0, 5.0), (3.5, 2.0)]
    monkeypatch.setattr(equal, "seek", lambda *_: Sought(3.5, 9, 2.0, reached=False, trail=trail))
    found = [equal.loss_after(seconds, None, None) for seconds in (0.5, 2.5, 4.0)]  # type: ignore[arg-type]
    assert found == [9.0, 5.0, 2.0]


@pytest.mark.parametrize("variable", ["ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA"])
def test_instructions_that_were_kept_from_use_are_named(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "avx2")
    assert instructions().endswith(f"{variable}=avx2")


@pytest.mark.parametrize("suite", ["pastiche", "equal", "startup", "memory"])
def test_without_pastiche_one_line_says_so(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, suite: str
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "pastiche" else found(name)
    )
    done = invoke("bench", suite, "--size", 32, "--steps", 1, "--rounds", 1)
    assert done.status == 1
    assert done.error == (
        f"impasto: error: suite {suite}: it runs the program pastiche, which is not installed;"
        " install it with: pip install pastiche==1.6.0"
    )


def test_what_is_wrong_is_said_before_anything_is_measured(invoke: Invoke, tmp_path: Path) -> None:
    unknown = invoke("bench", "hook")
    assert unknown.status == 2
    assert "unknown suite 'hook'; did you mean 'hooks'?" in unknown.error
    listed = invoke("bench")
    assert listed.status == 0
    assert [line.split()[0] for line in listed.out.splitlines()[:-1]] == list(SUITES)
    described = invoke("bench", "--help").out
    assert all(re.search(rf"\b{suite}\b", described) for suite in SUITES)
    one = invoke("bench", "--pair", "a.png")
    assert one.error == (
        "impasto: error: Invalid value for '--pair': 'a.png' is not two files with a comma between"
    )
    gone = invoke("bench", "--pair", f"{tmp_path / 'a.png'},b.png")
    assert gone.error.endswith(f"'--pair': picture '{tmp_path / 'a.png'}' does not exist")
    nowhere = invoke("bench", "all", "-o", tmp_path / "no" / "a.json")
    assert nowhere.error == f"impasto: error: folder '{tmp_path / 'no'}' does not exist"


@pytest.mark.slow
@pytest.mark.parametrize("suite", ["pastiche", "equal", "startup", "memory"])
def test_beside_the_real_program(invoke: Invoke, pair: Pair, tmp_path: Path, suite: str) -> None:
    record = tmp_path / "record.json"
    done = invoke("bench", suite, "--size", 48, "--steps", 3, "--rounds", 1, "-o", record,
                  "--pair", f"{pair.content},{pair.style}")  # fmt: skip
    assert done.status == 0, done.err
    first = read(record).comparisons[0]
    assert first.rival is not None
    assert first.rival.name == "pastiche"
    assert first.rival.median > 0
    assert first.impasto.median > 0


@pytest.mark.slow
def test_looks_are_whole_runs_beside_the_default(
    invoke: Invoke, pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "PRESETS", ("default", "nnst"))
    record = tmp_path / "record.json"
    done = invoke("bench", "looks", "--size", 32, "--steps", 1, "-o", record,
                  "--pair", f"{pair.content},{pair.style}")  # fmt: skip
    assert done.status == 0, done.err
    comparisons = read(record).comparisons
    assert [one.notes["preset"] for one in comparisons[::2]] == list(looks.PRESETS)
    assert [one.unit for one in comparisons] == ["s", "MB"] * len(looks.PRESETS)
    assert all(one.impasto.median > 0 for one in comparisons)
    assert comparisons[0].rival is comparisons[1].rival is None
    for mine, first in zip(comparisons[2:], comparisons[:2], strict=True):
        assert mine.rival is not None
        assert mine.rival.name == "default"
        assert mine.rival.median == first.impasto.median


def test_a_card_is_wanted(invoke: Invoke) -> None:
    done = invoke("bench", "gpu", "--quick")
    assert "suite gpu: an NVIDIA card is wanted, and 'auto' takes cpu here" in refused(done)
    assert "run it alone" in invoke("bench", "gpu", "hooks").error


@pytest.mark.slow
def test_what_only_a_card_can_tell(
    invoke: Invoke, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the CPU stands in for it: the script itself is tried, its figures mean nothing."""
    monkeypatch.setattr(gpu_suite, "card", lambda: torch.device("cpu"))
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))
    done = invoke("bench", "gpu", "--size", 48, "--rounds", 1, "--steps", 30, "--json",
                  "--pair", f"{pair.content},{pair.style}")  # fmt: skip
    assert done.status == 0, done.err
    found = {
        one.case.partition(", ")[2]: one for one in Report.model_validate_json(done.out).comparisons
    }
    for way in ("off", "auto"):
        for what in ("a second run", "killed and resumed"):
            assert found[f"compile {way}, {what}: values that differ"].impasto.median == 0
    assert found["a profile of nine steps"].impasto.median > 0
    step = found["a step"]
    assert step.rival is not None
    assert step.rival.name == "pastiche 1.6.0, the same card"
    assert len(step.rival.samples) == len(step.impasto.samples) == 20
    loss = found["float32, compile on: third loss"]
    assert loss.rival is not None
    assert loss.impasto.median == pytest.approx(loss.rival.median, rel=1e-2)


def test_what_is_wrong_on_a_card_is_named_after_all_was_measured(
    invoke: Invoke, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = iter([5.0, 5.0, 5.6, 5.4])

    def painted(plan: Plan, size: int, **options: object) -> object:
        loss = 5.0 if options["device"] == "cpu" else next(figures)
        return SimpleNamespace(losses=[loss])

    def fails(*given: object) -> Iterator[Comparison]:
        raise RuntimeError("CUDA error: an illegal memory access\nand more")
        yield

    monkeypatch.setattr(gpu_suite, "card", lambda: torch.device("cuda"))
    monkeypatch.setattr(gpu_suite, "painted", painted)
    for part in ("promises", "profile", "too_large", "speed"):
        monkeypatch.setattr(gpu_suite, part, lambda found: iter(()))
    monkeypatch.setattr(gpu_suite, "memory", fails)
    done = invoke("bench", "gpu", "--size", 48, "--pair", f"{pair.content},{pair.style}")
    assert done.status == 1
    assert all(f"{loss} loss" in done.out for loss in ("5.00", "5.60", "5.40"))
    assert done.error.startswith(
        "impasto: error: suite gpu: 3 wrong: 48 px, bfloat16, compile off:"
    )
    assert "third loss 5.6, not 5" in done.error
    assert "memory: RuntimeError: CUDA error: an illegal memory access" in done.error
    assert "and more" not in done.err


def test_a_part_ends_with_its_time(tmp_path: Path) -> None:
    said: list[str] = []
    plan = Plan((("a", "b"),), True, tmp_path, said.append)
    found = gpu_suite.Found(plan, torch.device("cpu"))
    part = (compared("gpu", str(number), "s", figure("impasto", [1.0])) for number in range(3))
    assert [one.case for one in gpu_suite.within(found, 0, "speed", part)] == ["0"]
    assert said == ["gpu: speed: no time for the rest"]
    assert not found.wrong


@pytest.mark.parametrize(
    ("code", "said", "right"),
    [
        (1, "impasto: error: out of memory at 24000 × 16000 pixels", True),
        (1, "Traceback (most recent call last):\nRuntimeError: out of memory", False),
        (0, "", False),
    ],
)
def test_what_does_not_fit_is_to_be_said_in_a_line(
    code: int, said: str, right: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = subprocess.CompletedProcess([], code, "", said)
    monkeypatch.setattr(subprocess, "run", lambda *given, **more: done)
    found = gpu_suite.Found(Plan((("a", "b"),), True, tmp_path, say_progress), torch.device("cuda"))
    assert len(list(gpu_suite.too_large(found))) == 1
    assert (not found.wrong) is right
    # A processor's memory would be filled by it.
    found.device = torch.device("cpu")
    assert not list(gpu_suite.too_large(found))
