"""Weights that are kept: right from whatever file is there, and from none."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from helpers import SHALLOW, Invoke, Pair
from impasto_plugins.extractors import vgg_weights
from impasto_plugins.extractors.weights_cache import cache_file, cached

SOURCE = {"source": "a checksum", "bytes": "12"}


class Decode:
    """Makes two tensors, and counts how often."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> dict[str, Tensor]:
        self.calls += 1
        return {"kernel": torch.arange(270.0).view(10, 3, 3, 3), "bias": torch.ones(10)}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where weights are kept, in a cache folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = cache_file("small")
    assert found is not None
    return found.parent


def taken(decode: Decode) -> None:
    """Take the tensors, which have to be right."""
    expected = Decode()()
    found = cached("small", SOURCE, decode)
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor)


def test_they_are_decoded_once(folder: Path) -> None:
    decode = Decode()
    taken(decode)
    taken(decode)
    assert decode.calls == 1
    assert [path.name for path in folder.iterdir()] == ["small.safetensors"]


def test_those_of_another_source_do_not_count(folder: Path) -> None:
    decode = Decode()
    cached("small", {**SOURCE, "source": "another"}, decode)
    taken(decode)
    assert decode.calls == 2


def test_from_a_file_that_is_cut_off_or_damaged_they_are_right(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="impasto")
    taken(Decode())
    path = folder / "small.safetensors"
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        for damaged in (
            whole[:place],
            whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :],
        ):
            path.write_bytes(damaged)
            decode = Decode()
            taken(decode)
            # A byte between header and tensors may be any.
            assert decode.calls == 1 or whole[place : place + 1] == b" "
    assert not caplog.records


def test_a_file_of_another_form_is_made_anew(folder: Path) -> None:
    folder.mkdir(parents=True)
    save_file(Decode()(), folder / "small.safetensors", {**SOURCE, "form": "0"})
    decode = Decode()
    taken(decode)
    taken(decode)
    assert decode.calls == 1


def test_without_a_folder_they_are_decoded(folder: Path) -> None:
    decode = Decode()
    (folder / "small.safetensors").mkdir(parents=True)
    taken(decode)
    (folder / "small.safetensors").rmdir()
    folder.rmdir()
    folder.write_text("no folder")
    taken(decode)
    assert decode.calls == 2


def test_a_user_without_a_home_has_no_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def unknown(number: int) -> None:
        raise KeyError(number)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    monkeypatch.delenv("XDG_CACHE_HOME")
    for home in ("relative", ""):
        monkeypatch.setenv("HOME", home)
        assert cache_file("small") is None
        taken(Decode())
    assert not list(tmp_path.iterdir())


def test_many_may_write_at_once(folder: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(taken, Decode()) for _ in range(40)]:
            done.result()
    assert len(list(folder.iterdir())) == 1


def test_pictures_are_the_same_with_the_cache_and_without(
    invoke: Invoke, pair: Pair, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = vgg_weights.bundled_weights.__wrapped__  # type: ignore[attr-defined]
    monkeypatch.setattr(vgg_weights, "bundled_weights", read)
    pictures = []
    for name, cache in (("made", "cache"), ("kept", "cache"), ("none", "no_folder")):
        (tmp_path / "no_folder").touch()
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / cache))
        output = tmp_path / f"{name}.png"
        done = invoke("run", pair.content, pair.style, "-o", output, *SHALLOW, "--size", 32,
                      "--steps", 2, "--quiet")  # fmt: skip
        assert done.status == 0, done.err
        assert "weights" not in done.err
        pictures.append(output.read_bytes())
    assert pictures[0] == pictures[1] == pictures[2]
    assert (folder / "vgg19-oxford.safetensors").stat().st_size > 80_000_000
