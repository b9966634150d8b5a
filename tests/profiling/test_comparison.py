"""``impasto profile --compare``: the interval, the verdict, the exit status, and the page."""

from __future__ import annotations

import itertools
import json
import math
import random
from pathlib import Path

import pytest

from helpers import Invoke, Outcome, Pair
from impasto.files.outputs import Outputs
from impasto_profiling import ceiling, cost
from impasto_profiling.comparison import SLOWER, Turns, compared
from impasto_profiling.interval import paired, unpaired
from impasto_profiling.page.comparison import write_comparison
from impasto_profiling.report import PartTime, Report, StageReport
from pages import BROWSER, HOSTILE, SLOW, Page, browsed

GRAM = "--loss gram:layers=conv1_1"
# So slow that no other program on the machine hides it.
SLOWER_STILL = SLOW.replace("import impasto\n", "import time\nimport impasto\n", 1).replace(
    "        for _ in range(60):", "        time.sleep(0.3)\n        for _ in range(3):"
)


@pytest.fixture(autouse=True)
def small_measurements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ceiling.SIZES, "cpu", (64,))
    monkeypatch.setattr(ceiling, "COPIED", 2**16)
    monkeypatch.setattr(cost, "EVENTS", 50)


def told(name: str, parts: dict[str, list[float]], machine: str = "one") -> Report:
    """A report of one stage with these parts' seconds in each step."""
    steps = [sum(times) for times in zip(*parts.values(), strict=True)]
    made = [
        PartTime(part, sum(times), sum(times) / sum(steps), sum(times), 0.0, 0.0, 0.0, times)
        for part, times in parts.items()
    ]
    stage = StageReport(0, 64, 48, 9, len(steps), sum(steps), 0.0, None, made, [], [], [], None,
                        times=steps)  # fmt: skip
    return Report(name, "cpu", "float32", False, "vgg19", ["gram"], "lbfgs", 1.0, 1.0, 1.0, [stage],
                  machine=machine)  # fmt: skip


def test_the_interval_of_pairs_is_that_of_the_sign_test() -> None:
    second = [1.1, 0.9, 1.3, 1.2, 1.05, 1.4, 0.8, 1.15, 1.25, 1.35]
    found = paired([1.0] * 10, second)
    assert (found.low, found.high) == (0.9, 1.35), "two of ten may lie outside on each side: 1.1 %"
    assert paired([1.0] * 5, second[:5]).low is None, "five pairs cannot be enough: 2 / 32"


def test_the_interval_without_pairs_leaves_out_what_the_rank_test_does() -> None:
    """Counted here over all orders of the times."""
    first, second = [1.0, 1.1, 1.2, 1.3, 1.4], [2.0, 2.3, 2.6, 2.9, 3.2]
    orders = [sum(a > b for a in chosen for b in range(10) if b not in chosen)
              for chosen in itertools.combinations(range(10), 5)]  # fmt: skip
    chance = [sum(order <= value for order in orders) / len(orders) for value in range(26)]
    left_out = sum(one <= 0.025 for one in chance)
    ratios = sorted(b / a for a in first for b in second)
    found = unpaired(first, second)
    assert (found.low, found.high) == (ratios[left_out - 1], ratios[-left_out])
    assert unpaired([1.0, 2.0], [3.0, 4.0]).low is None


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    chance = random.Random(1)
    hits = 0
    for _ in range(400):
        first, second = ([math.exp(chance.gauss(0, 0.2)) for _ in range(8)] for _ in range(2))
        found = unpaired(first, [1.5 * one for one in second])
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 1.5 <= found.high
    assert hits > 0.92 * 400


def test_a_slow_part_is_named_and_the_rest_is_not() -> None:
    first = told("a", {"loss/gram": [0.10, 0.11, 0.10, 0.12, 0.10], "extractor/conv1_1": [0.5] * 5})
    second = told(
        "b", {"loss/gram": [0.30, 0.33, 0.31, 0.32, 0.30], "extractor/conv1_1": [0.5] * 5}
    )
    found = compared(first, second, ("a", "b"))
    assert found.verdict == "slower"
    assert [part.name for part in found.parts if part.changed] == ["loss/gram"]
    assert "loss/gram (+206.0 ms a step)" in found.sentences[1]
    assert compared(second, first, ("b", "a")).verdict == "faster"
    assert compared(first, first, ("a", "a")).verdict == "no difference"


def test_turns_decide_where_there_are_some() -> None:
    report = told("a", {"loss/gram": [0.1] * 5})
    found = compared(report, report, ("a", "b"), Turns([1.0, 2.0] * 4, [0.5, 1.0] * 4))
    assert (found.verdict, found.ratio.middle) == ("faster", 0.5)


def test_another_machine_is_a_warning() -> None:
    first, second = (told("a", {"loss/gram": [0.1] * 5}, machine) for machine in ("one", "two"))
    warning = "Not the same machine (one and two): the verdict is about the machines as much as"
    assert any(one.startswith(warning) for one in compared(first, second, ("a", "b")).warnings)
    assert not any("machine (" in one for one in compared(first, first, ("a", "b")).warnings)


def run(invoke: Invoke, pair: Pair, folder: Path, *more: object) -> Outcome:
    return invoke("profile", pair.content, pair.style, "--size", 48, "--steps", 7, "--warmup", 1,
                  "--extractor", "random", "--load", "none", "--quiet", *more)  # fmt: skip


def test_two_recorded_profiles(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SLOWER_STILL, encoding="utf-8")
    slow = ("--plugin", tmp_path / "mine.py", "--loss", "slow:layers=conv1_1")
    for name, loss in (("plain", GRAM.split()), ("slow", slow)):
        done = run(
            invoke,
            pair,
            tmp_path,
            *loss,
            "-o",
            tmp_path / f"{name}.png",
            "--trace-dir",
            tmp_path / name,
        )
        assert done.status == 0, done.err
    both = tmp_path / "plain", tmp_path / "slow"
    done = invoke("profile", "--compare", *both, "--trace-dir", tmp_path / "c", "--json")
    assert done.status == SLOWER, done.err
    record = json.loads(done.out)
    assert record["verdict"] == "slower"
    assert record["ratio"]["low"] > 1
    assert record["parts"][0]["name"] == "loss/slow"
    assert f"{both[1]} is slower than {both[0]}" in done.err.replace("\n", "")
    assert Page((tmp_path / "c" / "comparison.html").read_text("utf-8")).data == record
    done = invoke("profile", "--compare", *both[::-1], "--trace-dir", tmp_path / "d")
    assert done.status == 0, done.err
    done = invoke("profile", "--compare", *both, "--trace-dir", tmp_path / "c")
    assert (done.status, "exists; set force" in done.error) == (1, True)


def test_two_groups_of_options_take_turns(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SLOWER_STILL, encoding="utf-8")
    slow = f"--plugin {tmp_path / 'mine.py'} --loss slow:layers=conv1_1"
    done = run(
        invoke,
        pair,
        tmp_path,
        "--compare",
        GRAM,
        slow,
        "--rounds",
        6,
        "--trace-dir",
        tmp_path / "c",
        "--json",
    )
    assert done.status == SLOWER, done.err
    record = json.loads(done.out)
    assert record["in_turns"]
    assert [len(steps) for steps in record["steps"]] == [6, 6]
    assert record["parts"][0]["name"] == "loss/slow"
    assert (tmp_path / "c" / "a" / "report.html").is_file()


@pytest.mark.parametrize(
    ("both", "line"),
    [
        (("plain", GRAM), "compare takes two folders of profiles, or two quoted groups of options"),
        (("none", "none"), "report 'none' does not exist"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    both: tuple[str, str], line: str, invoke: Invoke, tmp_path: Path
) -> None:
    done = invoke("profile", "--compare", *both, "--trace-dir", tmp_path / "c")
    assert (done.status, done.error) == (1, f"impasto: error: {line}")
    assert not (tmp_path / "c").exists()


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no chromium is installed: apt-get install chromium")
def test_a_browser_draws_it_without_errors(tmp_path: Path) -> None:
    first = told("a", {HOSTILE: [0.10, 0.11, 0.10, 0.12, 0.10], "loss/gram": [0.2] * 5})
    second = told("b", {"loss/gram": [0.3, 0.31, 0.3, 0.32, 0.3]})
    write_comparison(compared(first, second, (HOSTILE, "b")), tmp_path, Outputs())
    dom, console = browsed(tmp_path / "comparison.html", tmp_path, "--dump-dom")
    assert console == ""
    assert "Every part" in dom
    assert "&lt;img src=x onerror=alert(2)&gt;" in dom
    assert "<img" not in dom
