"""The page of a profile: its figures add up, a slow loss stands at the top, names cannot become code."""

from __future__ import annotations

import json
import os
import re
import shlex
import webbrowser
from pathlib import Path

import pytest
from PIL import Image, ImageStat

from helpers import Invoke, Pair
from impasto_profiling import ceiling, cost
from impasto_profiling.page.document import COMMON, document, embedded
from impasto_profiling.page.profile import SCRIPTS
from pages import BROWSER, HOSTILE, SLOW, Page, browsed


@pytest.fixture(autouse=True)
def small_measurements(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine can do does not matter here, and takes a moment to measure."""
    monkeypatch.setitem(ceiling.SIZES, "cpu", (64,))
    monkeypatch.setattr(ceiling, "COPIED", 2**16)
    monkeypatch.setattr(cost, "EVENTS", 50)


def profiled(invoke: Invoke, pair: Pair, folder: Path, *more: object) -> Page:
    done = invoke("profile", pair.content, pair.style, "-o", folder / "out.png", "--size", 32,
                  "--steps", 5, "--warmup", 1, "--active", 3, "--extractor", "random", "--trace-dir",
                  folder / "log", "--load", "none", "--quiet", *more)  # fmt: skip
    assert done.status == 0, done.err
    return Page((folder / "log" / "report.html").read_text(encoding="utf-8"))


def test_one_file_that_loads_nothing(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    page = profiled(invoke, pair, tmp_path, "--loss", "gram:layers=conv1_1")
    assert not [tag for tag, given in page.tags if "src" in given]
    assert [given["href"] for tag, given in page.tags if "href" in given] == ["data:,"]
    policy = next(given["content"] for _, given in page.tags if "http-equiv" in given)
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    report, (drawn,) = page.data["report"], page.data["drawn"]
    assert report == json.loads((tmp_path / "log" / "report.json").read_text("utf-8"))
    line = drawn["timeline"]
    assert {"loss/gram", "extractor/conv1_1", "optimizer/lbfgs"} <= set(line["names"])
    assert all(0 <= start <= line["milliseconds"] for start, *_ in line["spans"])


def test_figures_add_up_to_the_step(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    page = profiled(invoke, pair, tmp_path, "--loss", "gram:layers=conv1_1", "--loss", "tv")
    (stage,) = page.data["report"]["stages"]
    (trace,) = (tmp_path / "log").glob("*.pt.trace.json")
    events = json.loads(trace.read_text("utf-8"))["traceEvents"]
    steps = [one["dur"] / 1e6 for one in events if str(one.get("name")).startswith("ProfilerStep")]
    assert 0 < stage["cost"] < sum(steps)
    assert stage["seconds"] + stage["cost"] == pytest.approx(sum(steps), rel=0.03)
    assert sum(part["seconds"] for part in stage["parts"]) == pytest.approx(
        stage["seconds"], rel=0.03
    )
    assert sum(stage["times"]) == pytest.approx(stage["seconds"], rel=0.03)
    for part in stage["parts"]:
        assert sum(part["times"]) == pytest.approx(part["seconds"])
        assert part["forward"] + part["backward"] == pytest.approx(part["seconds"])


def test_memory_of_the_peak_belongs_to_parts(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    page = profiled(invoke, pair, tmp_path, "--loss", "gram:layers=conv1_1")
    (stage,), (drawn,) = page.data["report"]["stages"], page.data["drawn"]
    peak, curve = stage["peak"], drawn["curve"]
    assert sum(one["mebibytes"] for one in peak["holders"]) == pytest.approx(
        peak["mebibytes"], rel=0.03
    )
    assert max(map(sum, curve["mebibytes"])) == pytest.approx(peak["mebibytes"], rel=0.05)
    assert any(one["part"].startswith("extractor/conv1_1") for one in peak["holders"])
    assert all(one["mebibytes"] > 0 for one in stage["standing"])


def test_a_loss_that_is_slow_stands_at_the_top(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SLOW, encoding="utf-8")
    plugin = ("--plugin", tmp_path / "mine.py", "--loss", "slow:layers=conv1_1")
    page = profiled(invoke, pair, tmp_path, *plugin, "--loss", "gram:layers=conv1_1",
                    "--optimizer", "adam")  # fmt: skip
    first = page.data["report"]["stages"][0]["parts"][0]
    assert first["name"] == "loss/slow"
    assert {one["name"] for one in first["operators"]} >= {"aten::add", "aten::mul"}


def test_the_command_makes_the_profile_again(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    page = profiled(invoke, pair, tmp_path, "--loss", "gram:layers=conv1_1,weight=3", "--loss", "tv",
                    "--no-memory")  # fmt: skip
    words = shlex.split(page.data["report"]["command"])
    assert words[:2] == ["impasto", "profile"]
    done = invoke(*words[1:], "--force", "--json")
    assert done.status == 0, done.err
    again = json.loads(done.out)
    assert again["losses"] == page.data["report"]["losses"]
    assert again["stages"][0]["steps"] == 3
    assert again["stages"][0]["peak"] is None


def test_it_opens_when_asked_to(
    invoke: Invoke, pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or False)  # type: ignore[func-returns-value]
    done = invoke("profile", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", 32, "--steps",
                  4, "--active", 1, "--loss", "tv", "--open", "--load", "none")  # fmt: skip
    page = tmp_path / "out_profile" / "report.html"
    assert opened == [page.as_uri()]
    assert f"no browser was found; the page is '{page}'" in done.err


def test_no_name_becomes_code() -> None:
    text = document(HOSTILE, {"name": HOSTILE, "list": [HOSTILE]}, SCRIPTS)
    page = Page(text)
    assert page.data == {"name": HOSTILE, "list": [HOSTILE]}
    assert [tag for tag, _ in page.tags].count("script") == 2
    assert "img" not in [tag for tag, _ in page.tags]
    assert not set(embedded(HOSTILE)) & set("<>&")


@pytest.mark.parametrize("name", sorted({*COMMON, *SCRIPTS}))
def test_scripts_never_read_text_as_html(name: str) -> None:
    from impasto_profiling.page import document as module

    text = (Path(module.__file__).parent / name).read_text(encoding="utf-8")
    assert not re.findall(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|https?://(?!www\.w3\.org)", text
    )


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no chromium is installed: apt-get install chromium")
@pytest.mark.parametrize(
    ("size", "theme"), [("1200,3200", "light"), ("1200,3200", "dark"), ("390,3200", "light")]
)
def test_a_browser_draws_it_without_errors(
    size: str, theme: str, invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    """The screenshot is kept under the name in ``IMPASTO_SCREENSHOTS``, for people to look at."""
    profiled(
        invoke, pair, tmp_path, "--loss", "gram:layers=conv1_1", "--loss", "content:layers=conv2_1"
    )
    page = tmp_path / "log" / "report.html"
    dom, console = browsed(page, tmp_path, "--dump-dom", f"--window-size={size}", theme=theme)
    assert console == ""
    for heading in ("Where a step's time goes", "Timeline of one step", "Memory", "Roofline"):
        assert heading in dom
    assert "loss/gram" in dom
    assert re.search(r"peak [\d.]+ MiB", dom)
    folder = Path(os.environ.get("IMPASTO_SCREENSHOTS", tmp_path))
    shot = folder / f"report_{size.partition(',')[0]}_{theme}.png"
    _, console = browsed(
        page, tmp_path, f"--screenshot={shot}", f"--window-size={size}", theme=theme
    )
    assert console == ""
    with Image.open(shot) as opened:
        picture = opened.convert("RGB")
    assert len(picture.getcolors(2**24) or []) > 100
    # Paper is bright, and in the dark nearly black.
    assert (ImageStat.Stat(picture.convert("L")).median[0] < 64) is (theme == "dark")
