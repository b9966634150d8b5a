"""What the command line does, by its function in Python: each by the public door, with real files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

import impasto
from helpers import Invoke, Pair

TINY: impasto.RunKeywords = {
    "size": 32, "scales": "single", "steps": 3, "plugin": ["impasto.testing"], "extractor": "tiny",
}  # fmt: skip
OPTIONS = ("--size", 32, "--scales", "single", "--steps", 3, "--plugin", "impasto.testing",
           "--extractor", "tiny")  # fmt: skip


def test_rerun(pair: Pair, tmp_path: Path) -> None:
    first, again = tmp_path / "first.png", tmp_path / "again.png"
    impasto.run(pair.content, pair.style, **TINY).save(first)
    result = impasto.rerun(first, again, plugins=["impasto.testing"])
    assert result.steps == 3
    assert Image.open(first).tobytes() == Image.open(again).tobytes()


def test_sweep(pair: Pair, tmp_path: Path, invoke: Invoke) -> None:
    sheet = impasto.sweep(
        pair.content, pair.style, {"loss.gram.weight": [1, 1000], "seed": ["0"]},
        folder=tmp_path / "here", cell=64, **TINY,
    )  # fmt: skip
    told = invoke("sweep", pair.content, pair.style, "--vary", "loss.gram.weight=1,1000",
                  "--vary", "seed=0", "--folder", tmp_path / "there", "--cell", 64,
                  "-o", tmp_path / "sheet.png", *OPTIONS)  # fmt: skip
    assert told.status == 0, told.err
    assert sheet.tobytes() == Image.open(tmp_path / "sheet.png").tobytes()
    names = [
        sorted(path.name for path in (tmp_path / one).glob("*.png")) for one in ("here", "there")
    ]
    assert names[0] == names[1]
    assert len(names[0]) == 2


def test_a_sweep_needs_files(pair: Pair) -> None:
    with pytest.raises(impasto.SettingsError, match="pictures in files, not in memory"):
        impasto.sweep(Image.open(pair.content), pair.style, {"seed": [1]}, **TINY)  # type: ignore[arg-type]


def test_compare(pair: Pair, tmp_path: Path, invoke: Invoke) -> None:
    result = impasto.run(pair.content, pair.style, **TINY)
    result.save(tmp_path / "out.png")
    layers = ["conv1_2", "conv2_2"]
    scores = impasto.compare(
        {"saved": tmp_path / "out.png", "result": result, "picture": result.picture},
        pair.content, pair.style, layers=layers,
    )  # fmt: skip
    assert [score.name for score in scores] == ["content", "style", "saved", "result", "picture"]
    assert scores[2].style == scores[3].style == scores[4].style
    assert scores[0].content["content"] == pytest.approx(0, abs=1e-6)
    told = invoke("compare", tmp_path / "out.png", "--content", pair.content, "--style", pair.style,
                  "--layers", ",".join(layers), "--json")  # fmt: skip
    assert json.loads(told.out)[2]["style"] == scores[2].style


def test_compare_numbers_what_has_no_name(pair: Pair) -> None:
    picture = Image.open(pair.content)
    scores = impasto.compare([picture, pair.style], picture, picture, layers=["conv1_2"])
    assert [score.name for score in scores[2:]] == ["picture 1", str(pair.style)]


def test_compare_needs_a_picture(pair: Pair) -> None:
    with pytest.raises(impasto.SettingsError, match="nothing to compare"):
        impasto.compare([], pair.content, pair.style)


@pytest.mark.parametrize("in_memory", [False, True])
def test_estimate(pair: Pair, in_memory: bool) -> None:
    content = Image.open(pair.content) if in_memory else pair.content
    made = impasto.estimate(content, pair.style, **TINY)
    assert [(stage.width, stage.height, stage.steps) for stage in made.stages] == [(32, 24, 3)]
    assert made.peak_bytes > 0
    assert all(seconds > 0 for seconds in made.seconds)


def test_learn(pair: Pair, tmp_path: Path) -> None:
    file = tmp_path / "a.style"
    record = impasto.learn(pair.style, file, **TINY)
    assert record["sizes"] == [32]
    assert impasto.run(pair.content, file, **TINY).steps == 3


def test_a_style_file_is_no_output(pair: Pair, tmp_path: Path) -> None:
    with pytest.raises(impasto.SettingsError, match="named by 'file'"):
        impasto.learn(pair.style, tmp_path / "a.style", output="b.style", **TINY)  # type: ignore[misc]


def test_a_style_file_names_no_objects(pair: Pair, tmp_path: Path) -> None:
    loss, file = impasto.make("loss", "gram"), tmp_path / "a.style"
    with pytest.raises(impasto.SettingsError, match="cannot keep the loss"):
        impasto.learn(pair.style, file, loss=[loss], **TINY)  # type: ignore[misc]
    assert not file.exists()


def test_profile(pair: Pair, tmp_path: Path) -> None:
    result, report = impasto.profile(
        pair.content, pair.style, tmp_path / "log", wait=0, warmup=1, active=1, **TINY
    )
    assert result.steps == 3
    assert report.name == "log"
    assert (tmp_path / "log" / "report.json").is_file()


def test_presets(invoke: Invoke) -> None:
    presets = impasto.presets()
    assert json.loads(invoke("presets", "--json").out) == presets
    assert presets["quick"]["about"]


def test_plugins(invoke: Invoke) -> None:
    records = impasto.plugins(["impasto.testing"])
    assert json.loads(invoke("plugins", "--plugin", "impasto.testing", "--json").out) == records
    assert {"kind": "extractor", "name": "tiny"}.items() <= {
        key: value for one in records if one["name"] == "tiny" for key, value in one.items()
    }.items()
