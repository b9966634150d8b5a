"""Text that comes from data - a report's name, a file's, a machine's - steers no terminal."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from helpers import drawn
from impasto_profiling import side_by_side, sizes, table, versus
from impasto_profiling.bench import table as bench_table
from impasto_profiling.bench.command import say_progress
from impasto_profiling.bench.machine import report as bench_report
from impasto_profiling.bench.record import compared, figure
from impasto_profiling.comparison import compared as compared_profiles
from impasto_profiling.report import OperatorTime, PartTime, Report, StageReport

UNSEEN = "\x1b[2Jred\x07\u202eabc\x9b31m"
"""Clears the screen, rings, turns the direction of what follows, colors it."""


def told() -> Report:
    part = PartTime(UNSEEN, 1.0, 1.0, 0.5, 0.5, 0.0)
    operator = OperatorTime(UNSEEN, 1, 1.0, 1.0)
    stage = StageReport(0, 64, 48, 1, 1, 1.0, 0.0, None, [part], [operator], [], [UNSEEN], None,
                        times=[1.0])  # fmt: skip
    return Report(UNSEEN, UNSEEN, "float32", False, UNSEEN, [UNSEEN], UNSEEN, 1.0, 1.0, 1.0, [stage],
                  [UNSEEN])  # fmt: skip


def benched() -> None:
    made = bench_report(True, datetime.now(UTC), 0.0)
    one = compared("hooks", UNSEEN, "s", figure("impasto", [1.0]), figure(UNSEEN, [1.0]))
    bench_table.print_table(made.model_copy(update={"commit": UNSEEN, "comparisons": [one]}))


def sized(folder: Path) -> None:
    content, style = (folder / f"{UNSEEN}{number}.png" for number in range(2))
    for number, path in enumerate((content, style)):
        drawn(32, 32, number).save(path)
    preset = folder / "quick.toml"
    preset.write_text('loss = "tv"\nsteps = 1\n')
    sizes.main(["--pair", f"{content},{style}", "--sizes", "32", "--preset", str(preset),
                "--folder", str(folder / "all")], standalone_mode=False)  # fmt: skip


def beside(folder: Path) -> None:
    """What was painted before is only shown."""
    content, style = (folder / f"{number}.png" for number in range(2))
    for number, path in enumerate((content, style)):
        drawn(32, 32, number).save(path)
    case = side_by_side.Case(UNSEEN, str(content), str(style), 32, 1.0)
    distances = {"style_distance": {"wasserstein": 1}, "content_distance": {"self_similarity": 1}}
    record = {**case.__dict__, "picture": "0.png", **distances}
    (folder / f"{case.name}.json").write_text(json.dumps(record))
    side_by_side.main(["--pair", f"{content},{style}", "--method", UNSEEN, "--sizes", "32", "--seconds",
                       "1", "--folder", str(folder), "--cell", "32"], standalone_mode=False)  # fmt: skip


PRINTED: dict[str, Callable[[Path], object]] = {
    "a profile": lambda _: table.print_report(told()),
    "two profiles": lambda _: versus.print_comparison(
        compared_profiles(told(), told(), (UNSEEN, UNSEEN))
    ),
    "progress": lambda _: say_progress(UNSEEN),
    "a benchmark": lambda _: benched(),
    "sizes": sized,
    "side by side": beside,
}


@pytest.mark.parametrize("what", PRINTED)
def test_nothing_steers_the_terminal(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    PRINTED[what](tmp_path)
    printed = "".join(capsys.readouterr())
    assert "\\x1b[2Jred" in printed.replace("\n", "")
    unseen = {one for one in printed if unicodedata.category(one) in ("Cc", "Cf") and one != "\n"}
    assert not unseen
