"""Textures: runs without content, from the command line and from Python."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image

import impasto
from helpers import Invoke, Pair, drawn, refused, stopped_at
from impasto.settings.settings import gather

TINY = ("--extractor", "tiny", "--plugin", "impasto.testing")
SHORT = (*TINY, "--scales", "single", "--steps", "3", "--quiet")
IN_PYTHON: dict[str, Any] = {
    "extractor": "tiny",
    "plugin": "impasto.testing",
    "scales": "single",
    "steps": 3,
}


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


@pytest.fixture(autouse=True)
def in_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_texture_has_the_size_asked_for_and_takes_its_name_from_the_style(
    invoke: Invoke, pair: Pair
) -> None:
    assert invoke("texture", pair.style, "--size", "48x32", *SHORT).status == 0
    assert size_of(Path("style_texture.png")) == (48, 32)
    assert invoke("texture", pair.style, "--size", "32", "-o", "square.png", *SHORT).status == 0
    assert size_of(Path("square.png")) == (32, 32)


def test_a_texture_of_several_styles_has_the_stages_of_its_shape() -> None:
    styles = [drawn(40, 30, seed=3), drawn(30, 40, seed=4)]
    result = impasto.texture(styles, **{**IN_PYTHON, "size": (96, 64), "scales": "48"})
    assert result.picture.size == (96, 64)
    assert result.settings.size == "96x64"
    assert result.settings.content is None
    assert result.losses[-1] < result.losses[0]
    same = impasto.run(
        None, styles, preset="texture", **{**IN_PYTHON, "size": "96x64", "scales": "48"}
    )
    assert torch.equal(same.image, result.image)


def test_seeds_give_other_textures_of_the_same_statistics() -> None:
    style = drawn(48, 48, seed=5)
    first, again, other = (
        impasto.texture(style, **IN_PYTHON, size=48, seed=seed) for seed in (0, 0, 1)
    )
    assert torch.equal(first.image, again.image)
    assert (first.image - other.image).abs().mean() > 0.02
    assert other.losses[-1] == pytest.approx(first.losses[-1], rel=0.3)


def test_every_loss_of_style_paints_a_texture(invoke: Invoke, pair: Pair) -> None:
    for loss in ("moments", "wasserstein", "sliced", "histogram", "nearest", "relaxed_emd"):
        done = invoke("texture", pair.style, "--size", "32x40", "-o", f"{loss}.png", *SHORT,
                      "--loss", loss)  # fmt: skip
        assert done.status == 0, done.err
        assert size_of(Path(f"{loss}.png")) == (32, 40)


def test_show_and_rerun_give_the_same_texture(invoke: Invoke, pair: Pair) -> None:
    assert invoke("texture", pair.style, "--size", "48x32", "-o", "a.png", *SHORT).status == 0
    recipe = json.loads(invoke("show", "a.png", "--json").out)
    assert recipe["settings"]["size"] == "48x32"
    assert "content" not in recipe["settings"]
    assert set(recipe["inputs"]) >= {str(pair.style)}
    done = invoke("rerun", "a.png", "-o", "b.png", "--plugin", "impasto.testing")
    assert done.status == 0, done.err
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()


def test_a_stopped_texture_is_resumed_also_in_another_folder(
    invoke: Invoke, pair: Pair, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "here").mkdir()
    shutil.copy(pair.style, "here/style.png")
    monkeypatch.chdir(tmp_path / "here")
    given = {
        **IN_PYTHON, "style": "style.png", "size": "48x32", "output": "out.png",
        "checkpoint": "saved",
    }  # fmt: skip
    settings = gather(given, "texture", None)
    whole = impasto.texture("style.png", **IN_PYTHON, size="48x32").image
    stopped_at(2, Path("saved"), settings)
    shutil.move(tmp_path / "here", tmp_path / "there")
    monkeypatch.chdir(tmp_path)
    done = invoke("resume", "there/saved", "--plugin", "impasto.testing")
    assert done.status == 0, done.err
    with Image.open("there/out.png") as picture:
        painted = numpy.asarray(picture)
    assert (painted == (whole[0].permute(1, 2, 0) * 255).round().byte().numpy()).all()


def test_dry_run_paints_nothing(invoke: Invoke, pair: Pair) -> None:
    done = invoke("texture", pair.style, "--size", "64x48", "--dry-run", "--json", *TINY,
                  "--scales", "32", "--steps", "2")  # fmt: skip
    assert done.status == 0, done.err
    stages = json.loads(done.out)["stages"]
    assert [(one["width"], one["height"]) for one in stages] == [(32, 24), (64, 48)]
    assert not Path("style_texture.png").exists()


@pytest.mark.parametrize("fit", ["shrink", "keep"])
def test_a_style_file_gives_the_same_texture_as_its_picture(
    invoke: Invoke, pair: Pair, fit: str
) -> None:
    size = ("--size", "96x64", "--scales", "48", "--style-fit", fit, *TINY)
    learned = ("--preset", "texture", "-o", "a.style", *size)
    assert invoke("style", "learn", pair.style, *learned).status == 0
    painted = [
        invoke("texture", style, "-o", out, *size, "--steps", "2")
        for style, out in ((pair.style, "a.png"), ("a.style", "b.png"))
    ]
    assert [done.status for done in painted] == [0, 0]
    with Image.open("a.png") as a, Image.open("b.png") as b:
        assert (numpy.asarray(a) == numpy.asarray(b)).all()
    other = {"shrink": "keep", "keep": "shrink"}[fit]
    done = invoke("texture", "a.style", "-o", "c.png", *size, "--style-fit", other)
    assert f"was made with style_fit {fit}, not {other}" in refused(done)


def test_variations_are_files_of_their_own_with_a_sheet_and_go_on(
    invoke: Invoke, pair: Pair
) -> None:
    call = ("texture", pair.style, "--size", "40x32", "--seed", "7", "-o", "out.png", *SHORT)
    assert invoke(*call, "--variations", "2").status == 0
    files = [Path(f"out/out-{number}.png") for number in (1, 2, 3)]
    assert size_of(files[0]) == size_of(files[1]) == (40, 32)
    before = [file.stat().st_mtime_ns for file in files[:2]]
    narrow = size_of(Path("out.png"))
    assert invoke(*call, "--variations", "3").status == 0
    assert [file.stat().st_mtime_ns for file in files[:2]] == before
    assert size_of(Path("out.png"))[1] > narrow[1]
    assert json.loads(invoke("show", files[2], "--json").out)["settings"]["seed"] == 9
    alone = impasto.texture(pair.style, **IN_PYTHON, size="40x32", seed=9)
    with Image.open(files[2]) as third:
        assert (numpy.asarray(third) == numpy.asarray(alone.picture)).all()


def test_variations_do_not_overwrite_what_is_there(invoke: Invoke, pair: Pair) -> None:
    Path("out.png").write_bytes(b"mine")
    call = ("texture", pair.style, "--size", "32", "-o", "out.png", "--variations", "2", *SHORT)
    assert "out.png" in refused(invoke(*call))
    assert Path("out.png").read_bytes() == b"mine"


def test_a_style_smaller_than_the_texture_is_not_enlarged() -> None:
    stage = impasto.Stage(0, 384, 256, 1, 0.5)
    style = impasto.Style("a")
    assert stage.style_size(100, 80, "keep", style) == (384, 307)
    assert stage.style_size(100, 80, "shrink", style) == (50, 40)
    assert stage.style_size(2000, 1000, "shrink", style) == (384, 192)
    assert stage.style_size(100, 80, "shrink", impasto.Style("a", scale=2)) == (100, 80)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ("--loss", "content"),
            "loss 'content' compares with a content picture, and there is none",
        ),
        (("--loss", "laplacian"), "loss 'laplacian' compares with a content picture"),
        (("--preset", "default"), "loss 'content' compares with a content picture"),
        (("--init", "content"), "there is no content picture to start from"),
        (("--init", "blend:content=1,noise=1"), "there is no content picture to start from"),
        (("--size", "original"), "give width and height, as 768x512 (--size)"),
        (("--size", "8x64"), "WxH"),
        (("--size", "64x"), "WxH"),
        (("--size", "99999x99999"), "max_megapixels allows"),
        (("--config", "own.toml"), "colors match are those of the content picture"),
        (("--variations", "0"), "0 is not in the range"),
        (("--variations", "2", "--checkpoint", "c"), "a batch keeps the checkpoints"),
    ],
)
def test_what_a_texture_cannot_have_is_one_line(
    invoke: Invoke, pair: Pair, options: tuple[str, ...], said: str
) -> None:
    Path("own.toml").write_text('colors = "match"')
    assert said in refused(invoke("texture", pair.style, *SHORT, "--size", "32", *options))
    assert not list(Path().glob("*.png")) or {p.name for p in Path().glob("*.png")} == {
        "content.png",
        "style.png",
    }


def test_run_without_content_says_what_is_missing(invoke: Invoke, pair: Pair) -> None:
    assert "'style' must be given" in refused(invoke("texture"))
    assert "there is none: give one" in refused(invoke("run", "--style", pair.style))
    given = ("--size", "32x48", "-o", "out.png", *SHORT)
    assert "gives the shape" in refused(invoke("run", pair.content, pair.style, *given))
    done = invoke("run", "--style", pair.style, "--preset", "texture", *given)
    assert done.status == 0, done.err
    assert size_of(Path("out.png")) == (32, 48)


def test_a_loss_of_a_function_is_refused_too(invoke: Invoke, pair: Pair) -> None:
    Path("mine.py").write_text(
        "import impasto\n"
        "class Mine(impasto.Loss):\n"
        "    target = 'content'\n"
        "def mine():\n"
        "    return Mine()\n"
        "@impasto.hookimpl\n"
        "def impasto_losses():\n"
        "    return [impasto.Offer('mine', mine)]\n"
    )
    done = invoke("texture", pair.style, *SHORT, "--plugin", "mine.py", "--loss", "mine")
    assert "loss 'mine' compares with a content picture" in refused(done)


def test_callbacks_that_show_the_content_leave_it_out(invoke: Invoke, pair: Pair) -> None:
    done = invoke("texture", pair.style, "--size", "32", "-o", "out.png", *SHORT,
                  "--callback", "contact_sheet:file=sheet.png,cell=64")  # fmt: skip
    assert done.status == 0, done.err
    assert size_of(Path("sheet.png"))[0] == 2 * 64 + 3 * 8
