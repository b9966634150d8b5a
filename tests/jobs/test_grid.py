"""Grids: each content in each style, in one sheet that grows as pictures come in."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy
import pytest
from PIL import Image

from batches import FAILING, TINY
from helpers import Install, Invoke, drawn, refused
from impasto.images.contact_sheet import contact_sheet
from impasto.jobs.grid import BLANK
from impasto.jobs.sheet import EMPTY


@pytest.fixture(autouse=True)
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two contents and two styles, in folders of the working folder."""
    for folder in ("photos", "paintings"):
        (tmp_path / folder).mkdir()
        for name in "ab":
            drawn(32, 24, seed=ord(name) + len(folder)).save(tmp_path / folder / f"{name}.png")
    monkeypatch.chdir(tmp_path)


def opened(path: str | Path) -> Image.Image:
    with Image.open(path) as picture:
        return picture.convert("RGB")


def expected(cells: dict[str, str | None], first: str = "") -> Image.Image:
    """The sheet with these pictures of results, by content and style; None waits; the first has a label."""
    top = [(name, opened(f"photos/{name}.png")) for name in "ab"]
    rows = [("", BLANK), *top]
    for style in "ab":
        rows.append((style, opened(f"paintings/{style}.png")))
        for content in "ab":
            file = cells[content + style]
            label = first if content + style == "aa" else ""
            rows.append((label, opened(file) if file else Image.new("RGB", (32, 24), EMPTY)))
    return contact_sheet(rows, 3, 32)


def same(one: Image.Image, other: Image.Image) -> bool:
    return one.size == other.size and numpy.array_equal(numpy.asarray(one), numpy.asarray(other))


def test_each_content_in_each_style_in_one_sheet(invoke: Invoke) -> None:
    done = invoke("grid", "photos", "paintings", "-o", "sheet.png", "--folder", "results", "--cell",
                  32, "--json", *TINY)  # fmt: skip
    assert done.status == 0, done.err
    outputs = [json.loads(line)["output"] for line in done.out.splitlines()]
    assert outputs == ["a_as_a.png", "b_as_a.png", "a_as_b.png", "b_as_b.png"]
    cells: dict[str, str | None] = {
        content + style: f"results/{content}_as_{style}.png" for style in "ab" for content in "ab"
    }
    assert same(opened("sheet.png"), expected(cells))
    for style in "ab":
        for content in "ab":
            assert invoke("run", f"photos/{content}.png", f"paintings/{style}.png", "-o",
                          f"{content}{style}.png", *TINY).status == 0  # fmt: skip
            alone = Path(f"{content}{style}.png").read_bytes()
            assert alone == Path(f"results/{content}_as_{style}.png").read_bytes()


def test_the_sheet_is_written_as_pictures_come_in_and_finished_by_the_next_call(
    invoke: Invoke, install: Install
) -> None:
    install("failing", FAILING)
    Path("bad").touch()
    given = ("grid", "photos", "paintings", "-o", "sheet.png", "--folder", "results", "--cell", 32)
    plain = invoke(*given, *TINY, "--executor", "local", "--callback", "failing:file=none")
    assert plain.status == 0, plain.err
    for name in ("b_as_a", "a_as_b", "b_as_b"):
        os.unlink(f"results/{name}.png")
    again = invoke(*given, *TINY, "--callback", "failing:file=none", "--json")
    assert again.status == 0, again.err
    assert len(again.out.splitlines()) == 3
    whole = opened("sheet.png")
    stopped = invoke(*given, *TINY, "--callback", "failing:file=bad,how=interrupt")
    assert stopped.status == 130
    waiting = expected({"aa": "results/a_as_a.png", "ba": None, "ab": None, "bb": None}, "STOPPED")
    assert same(opened("sheet.png"), waiting)
    assert not same(whole, waiting)


@pytest.mark.parametrize("suffix", ["jpg", "webp", "pdf"])
def test_formats_of_the_sheet(invoke: Invoke, suffix: str) -> None:
    done = invoke("grid", "photos/a.png", "paintings/?.png:scale=0.5", "--content", "photos/b.png",
                  "-o", f"sheet.{suffix}", "--folder", "results", "--cell", 32, *TINY)  # fmt: skip
    assert done.status == 0, done.err
    data = Path(f"sheet.{suffix}").read_bytes()
    assert data.startswith({"jpg": b"\xff\xd8", "webp": b"RIFF", "pdf": b"%PDF"}[suffix])
    assert len(list(Path("results").glob("*.png"))) == 4


def test_a_result_that_somebody_damaged_keeps_no_other_from_the_sheet(invoke: Invoke) -> None:
    given = (
        "grid",
        "photos",
        "paintings",
        "-o",
        "sheet.png",
        "--folder",
        "results",
        "--cell",
        32,
        *TINY,
    )
    assert invoke(*given).status == 0
    kept = {name: f"results/{name[0]}_as_{name[1]}.png" for name in ("ba", "ab", "bb")}
    Path("results/a_as_a.png").write_text("no picture")
    os.unlink(kept["bb"])
    done = invoke(*given)
    assert done.status == 0, done.err
    assert done.err.count("sheet: 'results/a_as_a.png' is not a picture") == 1
    assert same(opened("sheet.png"), expected({"aa": None, **kept}))
    os.unlink("results/a_as_a.png")
    assert invoke(*given).status == 0
    assert same(opened("sheet.png"), expected({"aa": "results/a_as_a.png", **kept}))


def test_a_failed_pair_says_so_and_the_others_are_there(invoke: Invoke, install: Install) -> None:
    install("failing", FAILING)
    Path("bad").touch()
    done = invoke("grid", "photos", "paintings/a.png", "-o", "sheet.png", "--folder", "results",
                  *TINY, "--loss", "failing:file=bad")  # fmt: skip
    assert done.status == 1
    assert done.error.startswith("impasto: error: 2 jobs not painted")
    assert opened("sheet.png").width > 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("photos/*.jpg", "paintings"), "content pattern 'photos/*.jpg' has no pictures"),
        (("photos/a.png", "none.png"), "a.png as none.png: picture 'none.png' does not exist"),
        (("photos", "paintings", "--size", "5"), "setting 'size'"),
        (("photos", "paintings", "-o", "sheet.gif"), "sheet 'sheet.gif': unknown suffix '.gif'"),
        (("photos", "paintings", "-o", "photos/a.png"), "sheet 'photos/a.png' is one of the inputs"),
        (("photos", "paintings", "-o", "results/b_as_a.png"),
         "b.png as a.png: output 'results/b_as_a.png' is also written as sheet: give it another name"),
        (("photos/a.png", "paintings/a.png", "--callback", "contact_sheet:file=sheet.png"),
         "a.png as a.png: callback 'contact_sheet': file 'sheet.png' is also written as sheet"),
    ],
)  # fmt: skip
def test_what_is_refused(invoke: Invoke, arguments: tuple[str, ...], complaint: str) -> None:
    Path("results").mkdir()
    done = invoke("grid", "--folder", "results", *TINY[:6], "-o", "sheet.png", *arguments)
    assert complaint in done.error
    assert done.status == 1
    assert not list(Path().glob("results/*.png"))


def test_an_empty_folder_is_refused(invoke: Invoke) -> None:
    os.mkdir("empty")
    done = invoke("grid", "photos", "empty", "--folder", "results", *TINY)
    assert refused(done) == "style folder 'empty' has no pictures"
