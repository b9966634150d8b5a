"""``impasto profile``: its report, its JSON, a comparison, and what it refuses."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from helpers import Interrupt, Invoke, Pair
from impasto_profiling import ceiling
from impasto_profiling.comparison import SLOWER

OPTIONS = ("--size", 32, "--steps", 5, "--warmup", 1, "--active", 2, "--load", "none")
SHALLOW = ("--extractor", "random", "--loss", "gram:layers=conv1_1")


@pytest.fixture(autouse=True)
def small_products(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine can do does not matter here, and takes a moment to measure."""
    monkeypatch.setitem(ceiling.SIZES, "cpu", (64,))
    monkeypatch.setattr(ceiling, "COPIED", 2**16)


def test_table_json_picture_and_comparison(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    first = ("profile", pair.content, pair.style, "-o", tmp_path / "one.png", *OPTIONS)
    done = invoke(*first, "--loss", "tv", "--json")
    assert done.status == 0, done.err
    report = json.loads(done.out)
    assert report == json.loads((tmp_path / "one_profile" / "report.json").read_text("utf-8"))
    assert report["stages"][0]["steps"] == 2
    assert report["losses"] == ["tv"]
    assert (tmp_path / "one.png").is_file()
    assert "loss/tv" in done.err
    assert f"tensorboard --logdir '{tmp_path / 'one_profile'}'" in done.err

    done = invoke("profile", pair.content, pair.style, "-o", tmp_path / "two.png", *OPTIONS,
                  *SHALLOW, "--trace-dir", tmp_path / "two", "--stacks", "--json")  # fmt: skip
    assert done.status == 0, done.err
    record = json.loads(done.out)
    assert record["stages"][0]["layers"][0]["layer"] == "conv1_1"
    assert record["stages"][0]["peak"]["mebibytes"] > 0
    assert len(record["findings"]) in (1, 2)

    both = tmp_path / "one_profile", tmp_path / "two"
    done = invoke("profile", "--compare", *both, "--trace-dir", tmp_path / "both")
    assert done.status in (0, SLOWER), done.err
    table = done.err.partition("ms a step")[2].partition("warning:")[0].splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in table if line.split()}
    assert rows["loss/tv"][1] == "–"
    assert rows["loss/gram"][0] == "–"
    assert float(rows["loss/gram"][1]) > 0


def test_both_callbacks_are_there_in_any_run(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    log = tmp_path / "log"
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", 32,
                  "--steps", 5, "--loss", "tv", "--callback", f"profile:folder={log},active=1",
                  "--callback", f"tensorboard:folder={log}")  # fmt: skip
    assert done.status == 0, done.err
    assert len(list(log.glob("*.pt.trace.json"))) == 1
    assert list(log.glob("events.out.tfevents.*"))


@pytest.mark.parametrize("package", ["torch_tb_profiler", "tensorboard", "matplotlib"])
def test_without_the_extra_one_line_says_how_to_get_it(
    package: str, invoke: Invoke, pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *more: None if name == package else find(name, *more),
    )
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", 32,
                  "--loss", "tv", "--callback", f"profile:folder={tmp_path / 'log'}")  # fmt: skip
    assert (done.status, done.error) == (
        1,
        f"impasto: error: callback 'profile' needs the package {package}, which is not installed:"
        " pip install 'impasto[profiling]'",
    )


def test_an_old_profile_is_replaced_only_with_force(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    run = (
        "profile",
        pair.content,
        pair.style,
        "-o",
        tmp_path / "out.png",
        *OPTIONS,
        "--loss",
        "tv",
    )
    assert invoke(*run).status == 0
    (tmp_path / "out.png").unlink()
    done = invoke(*run)
    assert (done.status, done.error) == (
        1,
        f"impasto: error: callback 'profile': folder '{tmp_path / 'out_profile'}' has a profile"
        " already; name another, or set force (--force)",
    )
    assert invoke(*run, "--force").status == 0
    assert len(list((tmp_path / "out_profile").glob("*.pt.trace.json"))) == 1


def test_a_resumed_run_keeps_its_traces(
    invoke: Invoke, pair: Pair, tmp_path: Path, interrupt: Interrupt
) -> None:
    log = tmp_path / "log"
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", 32,
                  "--steps", 6, "--loss", "tv", *interrupt, "--checkpoint", tmp_path / "kept",
                  "--callback", f"profile:folder={log},wait=0,warmup=1,active=3")  # fmt: skip
    assert done.status == 130, done.err
    before = set(log.glob("*.pt.trace.json"))
    done = invoke("resume", tmp_path / "kept", "--quiet")
    assert done.status == 0, done.err
    assert before < set(log.glob("*.pt.trace.json"))


def test_too_few_steps_are_refused(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    done = invoke("profile", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", 32,
                  "--steps", 3, "--loss", "tv")  # fmt: skip
    assert (done.status, done.error) == (
        1,
        "impasto: error: callback 'profile': no stage has more than 3 steps, and the first 3 of each"
        " (wait and warmup) are not recorded",
    )


def test_a_stage_that_is_too_short_is_said(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    done = invoke("profile", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", 32,
                  "--scales", "24", "--steps", "1,5", "--loss", "tv", "--json")  # fmt: skip
    assert done.status == 0, done.err
    assert [stage["stage"] for stage in json.loads(done.out)["stages"]] == [1]
    assert "stage 0 is not in the profile: it ended before a step was recorded" in done.err


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "report '{file}' does not exist"),
        ('{"stages": 1}', "'{file}' is not the report of a profile"),
    ],
)
def test_a_bad_report_to_compare_with_is_refused(
    text: str | None, reason: str, invoke: Invoke, tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / "report.json").write_text(text, encoding="utf-8")
    file = tmp_path / "report.json"
    done = invoke("profile", "--compare", file, file, "--trace-dir", tmp_path / "both")
    assert done.status == 1
    assert done.error == f"impasto: error: {reason.format(file=file)}"
    assert not (tmp_path / "both").exists()
