"""Presets of the user's own: by file, by name from a folder, on top of another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from helpers import Invoke, Pair
from impasto.errors import SettingsError
from impasto.settings.preset import user_presets
from impasto.settings.settings import gather
from impasto.settings.spec import Spec

BOTH = {"content": "a.jpg", "style": "b.jpg"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HOME", "XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.setenv(name, str(tmp_path))
    folder = user_presets()
    assert tmp_path in folder.parents
    folder.mkdir(parents=True)
    return folder


def test_a_preset_of_the_users_own_by_name_and_by_file(
    invoke: Invoke, pair: Pair, folder: Path, tmp_path: Path
) -> None:
    mine = folder / "mine.toml"
    mine.write_text('about = "Mine."\nsize = 40\nsteps = 1\nloss = "gram:layers=conv1_1"\n')
    for preset in ("mine", mine):
        out = tmp_path / "out.png"
        done = invoke("run", pair.content, pair.style, "-o", out, "--preset", preset, "--force")
        assert done.status == 0, done.err
        with Image.open(out) as picture:
            assert picture.width == 40
    shown = invoke("presets")
    assert "mine: Mine.\n    size = 40\n" in shown.out
    assert str(folder) in shown.err
    assert json.loads(invoke("presets", "--json").out)["mine"]["file"] == str(mine)


def test_a_preset_takes_over_from_another(folder: Path) -> None:
    (folder / "mine.toml").write_text('preset = "notebook"\nsteps = 5\n')
    settings = gather(BOTH, "mine", None)
    assert settings.canvas == Spec("normalized")
    assert settings.steps == (5,)
    (folder / "mine.toml").write_text('preset = "mine"\n')
    with pytest.raises(
        SettingsError,
        match=r"^preset 'mine' leads back to itself: mine → mine; take 'preset' out of one$",
    ):
        gather(BOTH, "mine", None)


def test_damaged_ones_are_shown_and_hide_nothing(invoke: Invoke, folder: Path) -> None:
    (folder / "bad.toml").write_text("size = = 3\n")
    shown = invoke("presets")
    assert shown.status == 0
    assert "bad: cannot be used: preset 'bad' is not valid TOML" in shown.out
    assert "quick: " in shown.out


@pytest.mark.parametrize(
    ("preset", "complaint"),
    [
        ("quik", "unknown preset 'quik'; did you mean 'quick'? Allowed: "),
        ("none.toml", "preset 'none.toml' does not exist"),
        ("odd", "unknown setting 'sise'; did you mean 'size'?"),
    ],
)
def test_what_is_refused(invoke: Invoke, folder: Path, preset: str, complaint: str) -> None:
    (folder / "odd.toml").write_text("sise = 3\n")
    done = invoke("run", "a.jpg", "b.jpg", "--preset", preset)
    assert done.status == 1
    assert complaint in done.error


def test_a_name_that_is_taken_is_refused(invoke: Invoke, folder: Path) -> None:
    (folder / "quick.toml").write_text("size = 32\n")
    done = invoke("run", "a.jpg", "b.jpg")
    assert done.status == 1
    assert "has the name of a built-in preset; rename it" in done.error


@pytest.mark.parametrize("preset", ["subtle", "strong", "pyramid-wasserstein"])
def test_looks_run_at_a_small_size(invoke: Invoke, pair: Pair, tmp_path: Path, preset: str) -> None:
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "out.png", "--preset", preset,
                  "--size", 64, "--steps", 4, "--json")  # fmt: skip
    assert done.status == 0, done.err
    assert json.loads(done.out)["loss"]["last"] < json.loads(done.out)["loss"]["first"]
