"""The log for TensorBoard, read back with its own reader; a test of the page is in tests/profiling."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import impasto
from helpers import Interrupt, Invoke, Pair

FAST: dict[str, Any] = {"size": 32, "steps": 3, "loss": ["tv", "range"]}


def log_of(folder: Path) -> EventAccumulator:
    log = EventAccumulator(str(folder), {"images": 0, "scalars": 0, "tensors": 0})
    log.Reload()
    return log


def picture_of(log: EventAccumulator, tag: str, tmp_path: Path) -> numpy.ndarray:
    shown = tmp_path / "shown.png"
    shown.write_bytes(log.Images(tag)[-1].encoded_image_string)
    with Image.open(shown) as opened:
        return numpy.asarray(opened.convert("RGB"))


def test_curves_pictures_and_settings(pair: Pair, tmp_path: Path) -> None:
    result = impasto.run(
        pair.content, pair.style, **FAST, callback=[f"tensorboard:folder={tmp_path / 'log'}"]
    )
    log = log_of(tmp_path / "log")
    points = log.Scalars("loss")
    assert [point.step for point in points] == [1, 2, 3]
    assert [point.value for point in points] == pytest.approx(result.losses)
    last = {name: log.Scalars(f"terms/{name}")[-1].value for name in ("tv", "range")}
    assert last == pytest.approx(result.terms)
    assert (picture_of(log, "painted", tmp_path) == numpy.asarray(result.picture)).all()
    with Image.open(pair.content) as content:
        assert (picture_of(log, "content", tmp_path) == numpy.asarray(content)).all()
    assert picture_of(log, "style", tmp_path).shape == (56, 56, 3)
    text = log.Tensors("settings/text_summary")[0].tensor_proto.string_val[0].decode()
    table = json.loads(text.removeprefix("```json\n").removesuffix("\n```"))
    assert table == json.loads(json.dumps(result.settings.as_table()))


def test_every_so_many_steps_and_the_last(pair: Pair, tmp_path: Path) -> None:
    folder = tmp_path / "log"
    callback = f"tensorboard:folder={folder},every=2,pictures=1"
    impasto.run(pair.content, pair.style, **FAST, scales="24", callback=[callback])
    log = log_of(folder)
    assert [point.step for point in log.Scalars("loss")] == [2, 4, 6]
    assert [image.step for image in log.Images("painted")] == [1, 2, 3, 4, 5, 6]


def test_pictures_of_each_stage_alone(pair: Pair, tmp_path: Path) -> None:
    callback = f"tensorboard:folder={tmp_path / 'log'},pictures=0"
    impasto.run(pair.content, pair.style, **FAST, scales="24", callback=[callback])
    assert [image.step for image in log_of(tmp_path / "log").Images("painted")] == [3, 6]


def test_a_resumed_run_goes_on_in_its_log(
    invoke: Invoke, pair: Pair, tmp_path: Path, interrupt: Interrupt
) -> None:
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", 32,
                  "--steps", 4, "--loss", "tv", *interrupt, "--checkpoint", tmp_path / "kept",
                  "--callback", f"tensorboard:folder={tmp_path / 'log'}")  # fmt: skip
    assert done.status == 130, done.err
    assert [image.step for image in log_of(tmp_path / "log").Images("painted")] == [2]
    assert invoke("resume", tmp_path / "kept").status == 0
    assert [point.step for point in log_of(tmp_path / "log").Scalars("loss")] == [1, 2, 3, 4]


def without(package: str) -> Callable[..., Any]:
    find = importlib.util.find_spec
    return lambda name, *more: None if name == package else find(name, *more)


def test_without_the_extra_one_line_says_how_to_get_it(
    invoke: Invoke, pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", without("tensorboard"))
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", 32,
                  "--loss", "tv", "--callback", f"tensorboard:folder={tmp_path / 'log'}")  # fmt: skip
    assert (done.status, done.error) == (
        1,
        "impasto: error: callback 'tensorboard' needs the package tensorboard, which is not"
        " installed: pip install 'impasto[profiling]'",
    )
    assert not (tmp_path / "out.png").exists()
