"""The gallery: its pictures are there and small, its commands are ones that Impasto takes."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import click
import pytest

from impasto.builtin import build_host
from impasto.command.main import group
from impasto.command.run import given_on_the_line
from impasto.jobs.sweep import Vary, combinations
from impasto.optimization.checks import check_specs
from impasto.settings.settings import gather

GALLERY = Path(__file__).parents[2] / "plugins" / "gallery"
PAGE = (GALLERY / "README.md").read_text(encoding="utf-8")
VIDEO = ("film", "start", "end", "every", "preview", "temporal_weight", "long_term", "frame_steps",
         "cut", "flow", "fps", "sound")  # fmt: skip
NOT_KEPT = {"from_file.jpg", "strokes.style"}
FOLDERS = {"clip", "film", "alone"}
"""Of the film's frames, which are not kept."""


def commands() -> list[list[str]]:
    spec = importlib.util.spec_from_file_location("gallery_paint", GALLERY / "paint.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: list[list[str]] = module.commands()
    return found


def parameters(words: list[str]) -> dict[str, Any]:
    command: click.Command = group
    # Click keeps the names of the option for help that it finds first, also for other tests.
    context = click.Context(group, **group.context_settings)
    while isinstance(command, click.Group):
        found = command.get_command(context, words.pop(0))
        assert found is not None
        command = found
    return command.make_context("impasto", words, parent=context).params


def test_pictures_are_there_and_small() -> None:
    shown = re.findall(r"\]\(([^)]+)\)", PAGE)
    assert len(shown) >= 15
    assert all((GALLERY / name).is_file() for name in shown)
    kept = [path for path in GALLERY.iterdir() if path.name not in NOT_KEPT | FOLDERS]
    assert sum(path.stat().st_size for path in kept) < 2_500_000


def test_every_picture_is_painted_by_a_command_of_the_page() -> None:
    made = {words[words.index("-o") + 1] for words in commands()}
    drawn = {
        "sky.png",
        "orange.png",
        "blue.png",
        "harbor_map.png",
        "strokes_map.png",
        "brick.jpg",
        "stone.jpg",
        "tile_twice.jpg",
        "film.jpg",
    }
    others = {"swap_parts.ipynb", "../../engine/VIDEO.md"}
    assert set(re.findall(r"\]\(([^)]+)\)", PAGE)) <= made | drawn | others
    assert len(made) == len(commands())


@pytest.mark.parametrize("words", commands(), ids=lambda words: words[words.index("-o") + 1])
def test_commands_are_valid_and_their_inputs_are_there(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(GALLERY)
    kind, given = words[1], parameters(words[1:])
    if kind == "video":
        given["content"] = given["film"]
        assert given["film"] == "clip"
    if kind == "compare":
        assert all(Path(name).is_file() for name in (*given["results"], given["content"]))
        return
    for extra in ("as_json", "quiet", "cell", "folder", "dry_run", "executor", "retries",
                  "variations", "processes", *VIDEO):  # fmt: skip
        given.pop(extra, None)
    preset, config, vary = (given.pop(key, None) for key in ("preset", "config", "vary"))
    content = given.pop("content", None) or given.get("painting")  # None for a texture.
    styles = given.pop("styles", None) or (given.pop("painting"),)
    otherwise = "texture" if kind == "texture" else "default"
    settings = gather(given_on_the_line(content, styles, given), preset, config, otherwise)
    assert all(Path(name).is_file() for name in settings.regions)
    for style in settings.style:
        for file in (style.file, style.content_mask, style.style_mask):
            assert file is None or file in NOT_KEPT or Path(file).is_file()
    for _, one in combinations(settings, [Vary.parse(text) for text in vary or ()]):
        check_specs(build_host("none"), one)
