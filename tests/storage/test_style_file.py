"""Style files: as good as the painting, and refused where they are not."""

from __future__ import annotations

import json
import pickletools
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import impasto
from helpers import Invoke, Outcome, Pair, drawn, refused
from impasto.optimization import tiling

LOSSES = ("--loss", "content:layers=conv2_1", "--loss", "gram:layers=conv1_1,conv2_1,weight=10",
          "--loss", "nearest:layers=conv2_1")  # fmt: skip
SIZES = ("--size", 64, "--scales", "48")


@pytest.fixture
def learned(invoke: Invoke, pair: Pair, tmp_path: Path) -> Path:
    path = tmp_path / "learned.style"
    done = invoke("style", "learn", pair.style, "-o", path, *SIZES, *LOSSES)
    assert done.status == 0, done.err
    assert f"{path}: for results of 48, 64 pixels" in done.err
    return path


def run(invoke: Invoke, pair: Pair, style: object, out: Path, *more: object) -> Outcome:
    return invoke("run", pair.content, style, "-o", out, "--steps", 3, "--force",
                  "--no-recipe", *more)  # fmt: skip


def test_a_style_file_gives_the_same_bytes_as_its_painting(
    invoke: Invoke, pair: Pair, learned: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.png"
    painted = run(invoke, pair, pair.style, out, *SIZES, *LOSSES)
    assert painted.status == 0, painted.err
    expected = out.read_bytes()
    pair.style.unlink()
    done = run(invoke, pair, learned, out, *SIZES, *LOSSES)
    assert done.status == 0, done.err
    assert out.read_bytes() == expected


def test_other_weights_of_terms_and_fewer_terms_need_no_new_file(
    invoke: Invoke, pair: Pair, learned: Path, tmp_path: Path
) -> None:
    out, losses = tmp_path / "out.png", ("--loss", "gram:layers=conv1_1,conv2_1,weight=3")
    done = run(invoke, pair, learned, out, "--size", 48, *losses)
    assert done.status == 0, done.err
    expected = out.read_bytes()
    run(invoke, pair, pair.style, out, "--size", 48, *losses)
    assert out.read_bytes() == expected


def test_a_style_file_beside_a_painting(pair: Pair, tmp_path: Path) -> None:
    other, file = tmp_path / "other.png", tmp_path / "other.style"
    drawn(40, 60, seed=7).save(other)
    given: dict[str, Any] = {"size": 32, "loss": ["content:layers=conv1_1", "gram:layers=conv1_1"]}
    impasto.learn(impasto.Style(str(other), scale=0.5), file, **given)
    pictures = [
        impasto.run(pair.content, [pair.style, second], steps=2, **given).image
        for second in (f"{file}:weight=0.25", f"{other}:weight=0.25,scale=0.5")
    ]
    assert torch.equal(*pictures)


def test_the_file_says_what_it_was_learned_with_and_holds_no_code(
    invoke: Invoke, learned: Path
) -> None:
    record = json.loads(invoke("style", "show", learned).out)
    assert record["extractor"]["name"] == "vgg19"
    assert record["extractor"]["options"]["pooling"] == "max"
    assert record["weights"] == "oxford"
    assert record["sizes"] == [48, 64]
    assert [loss["name"] for loss in record["losses"]] == ["gram", "nearest"]
    assert record["losses"][0]["options"]["layers"] == ["conv1_1", "conv2_1"]
    with pytest.raises(ValueError, match=r"opcode|pickle"):
        list(pickletools.genops(learned.read_bytes()))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ((*SIZES, *LOSSES, "--extractor", "vgg19:pooling=average"), "pooling=average"),
        (("--size", 48, "--loss", "gram:layers=conv1_1"), "this run has gram:layers=conv1_1,norm"),
        (("--size", 48, "--loss", "moments:layers=conv1_1"), "was made for the losses gram:"),
        (
            ("--size", 56, *LOSSES),
            "for results of 48, 64 pixels on the longer side, not 56; make it again",
        ),
        ((*SIZES, *LOSSES, "--seed", 1), "made with seed 0, which the loss 'nearest' depends"),
        ((*SIZES, *LOSSES, "--style-fit", "stretch"), "do not work with style_fit stretch"),
        ((*SIZES, *LOSSES, "--colors", "match"), "do not work with colors match"),
        ((*SIZES, *LOSSES, "--init", "style"), "holds no picture to start from"),
        ((*SIZES, *LOSSES, "--init", "noise:colors=style"), "nor its colors"),
    ],
)
def test_a_run_that_differs_is_refused(
    invoke: Invoke, pair: Pair, learned: Path, tmp_path: Path, options: tuple[object, ...],
    complaint: str,
) -> None:  # fmt: skip
    done = run(invoke, pair, learned, tmp_path / "out.png", *options)
    assert done.status == 1
    assert complaint in done.error
    assert len(done.error.splitlines()) == 1
    assert not (tmp_path / "out.png").exists()


def test_the_size_is_fixed_when_the_style_is_learned(
    invoke: Invoke, pair: Pair, learned: Path, tmp_path: Path
) -> None:
    done = run(invoke, pair, f"{learned}:scale=0.5", tmp_path / "out.png", *SIZES, *LOSSES)
    assert (
        "its scale was fixed when it was made; to change it, make the style file again"
        in done.error
    )


def test_other_weights_of_the_same_name_are_refused(
    invoke: Invoke, pair: Pair, weights: Path, tmp_path: Path
) -> None:
    mine, file = tmp_path / "vgg.pth", tmp_path / "a.style"
    state = torch.load(weights, weights_only=True)
    torch.save(state, mine)
    options = ("--size", 32, "--loss", "gram:layers=conv1_1", "--extractor",
               f"vgg19:weights={mine}")  # fmt: skip
    done = invoke("style", "learn", pair.style, "-o", file, *options)
    assert done.status == 0, done.err
    again = run(invoke, pair, file, tmp_path / "out.png", *options)
    assert again.status == 0, again.err
    state["features.0.weight"] = state["features.0.weight"].flip(0)
    torch.save(state, mine)
    refused = run(invoke, pair, file, tmp_path / "out2.png", *options)
    assert refused.status == 1
    assert "or other weights of that name" in refused.error


@pytest.mark.parametrize("kind", ["missing", "text", "other"])
def test_what_is_no_style_file_is_refused(
    invoke: Invoke, pair: Pair, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "a.style"
    if kind == "text":
        path.write_text("painting")
    elif kind == "other":
        save_file({"a": torch.zeros(1)}, path)
    done = run(
        invoke, pair, path, tmp_path / "out.png", "--size", 32, "--loss", "gram:layers=conv1_1"
    )
    assert done.status == 1
    wanted = "does not exist" if kind == "missing" else "is not a style file of Impasto"
    assert wanted in done.error


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("-o", "a.png"), "unknown suffix '.png'"),
        (("--size", "original"), "do not work with size original"),
        (("--loss", "tv"), "none of the losses compares with a style"),
    ],
)
def test_what_cannot_be_learned(
    invoke: Invoke, pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...], complaint: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    done = invoke("style", "learn", pair.style, *options)
    assert done.status == 1
    assert complaint in done.error
    assert not list(tmp_path.glob("*.style"))


def test_others_may_read_the_file_as_they_may_any_other(learned: Path, pair: Pair) -> None:
    assert learned.stat().st_mode == pair.style.stat().st_mode


def test_learned_sums_are_those_of_the_painting(learned: Path) -> None:
    with safe_open(learned, "pt") as file:
        assert file.get_tensor("48/gram/conv2_1/gram").shape == (128, 128)
        assert file.get_tensor("48/gram/conv2_1/pixels") == 24 * 24


def test_a_style_is_learned_in_tiles(
    invoke: Invoke, pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = ("--loss", "gram:layers=conv1_1,conv2_1", "--loss", "moments:layers=conv3_1")
    line = ("style", "learn", pair.style, "--size", 200, *losses, "--precision", "float32", "-o")
    found = []
    monkeypatch.setattr(
        tiling, "learned_bytes", lambda *given: 10**9 if given[-1] is None else 10**7
    )
    monkeypatch.setattr(tiling, "free_bytes", lambda device: 10**8)
    monkeypatch.setattr(tiling, "LARGE", 100)
    monkeypatch.setattr(tiling, "TILES", (64,))
    for name, tile in (("whole", "off"), ("tiled", 64), ("auto", "auto")):
        done = invoke(*line, tmp_path / f"{name}.style", "--tile", tile)
        assert done.status == 0, done.err
        assert ("tile 64: 10 MB for" in done.err) == (tile == "auto")
        with safe_open(tmp_path / f"{name}.style", "pt") as file:
            found.append({key: file.get_tensor(key) for key in file.keys()})  # noqa: SIM118
    whole, tiled, automatic = found
    grams = [key for key in whole if key.endswith("/gram")]
    assert grams
    for key in whole:
        torch.testing.assert_close(whole[key], tiled[key])
        assert torch.equal(tiled[key], automatic[key])
    # As sums in another order are.
    assert any(not torch.equal(whole[key], tiled[key]) for key in grams)
    error = refused(invoke(*line, tmp_path / "no.style", "--tile", 64, "--loss", "nearest"))
    assert "loss 'nearest' needs the features of the whole picture" in error
