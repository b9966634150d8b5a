"""Every command of the front page and of the guides works in a new clone, as it stands there."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest
from PIL import Image, ImageDraw

import films
from helpers import Invoke, drawn
from impasto.command.main import group
from impasto_profiling.comparison import SLOWER

ROOT = Path(__file__).parents[2]
PAGES = (
    *(
        "README.md",
        "engine/REFERENCE.md",
        "engine/BATCH.md",
        "engine/VIDEO.md",
        "engine/STUDIO.md",
        "plugins/README.md",
    ),
    "profiling/README.md",
)

YOURS = ("photo.jpg", "painting.jpg", "other.jpg", "a.jpg", "b.jpg", "photo.tif")
"""Pictures that the pages say are the reader's own."""
MASKS = ("mask.png", "sky.png", "c.png", "photo_map.png", "a_map.png")

NOT_RUN = (
    *("studio", "bench", "--help", "--stacks", "s3://bucket/photos/"),
    *("ray:address=10.0.0.5:6379,cpus=4", "ray:address=auto,cpus=2,gpus=1"),
)
"""Words of commands that are checked and not run: they take hours, or need another program or machine."""

SMALL = {
    "run": ["--size", "48", "--steps", "1"],
    "texture": ["--size", "48x32", "--steps", "1", "--scales", "single"],
    "batch": ["--size", "48", "--steps", "1"],
    "grid": ["--size", "48", "--steps", "1", "--extractor", "tiny", "--plugin", "impasto.testing"],
    "video": ["--size", "48", "--steps", "1", "--extractor", "tiny", "--plugin", "impasto.testing"],
    "sweep": ["--size", "32", "--steps", "1"],
    "profile": ["--size", "48", "--steps", "9", "--scales", "single"],
    "style": ["--size", "48"],
}


def commands(page: str) -> list[list[str]]:
    """The commands of the engine on a page, in their order, without those that leave something out."""
    text = (ROOT / page).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [
        line.partition("  #")[0].strip() for line in re.findall(r"^    (impasto .*)$", text, re.M)
    ]
    return [shlex.split(line)[1:] for line in lines if "…" not in line]


ALL = [(page, words) for page in PAGES for words in commands(page)]


def context_of(words: list[str]) -> click.Context:
    """What click makes of the words; an error where they are no command."""
    command: click.Command = group
    context = click.Context(group, info_name="impasto", **group.context_settings)
    words = list(words)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        _, found, rest = command.resolve_command(context, words)
        assert found is not None
        command, words = found, rest
    return command.make_context("impasto", words, parent=context)


def test_pages_have_commands() -> None:
    assert {page for page, _ in ALL} == set(PAGES)
    assert len(ALL) > 40


@pytest.mark.parametrize(("page", "words"), ALL, ids=lambda one: str(one)[:60])
@pytest.mark.usefixtures("clone")
def test_each_command_is_one(page: str, words: list[str]) -> None:
    if "--help" not in words:
        context_of(words)


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of the repository in a new folder, with the reader's pictures, as working folder."""
    kept = subprocess.run(["git", "ls-files", "engine/impasto/demo", "plugins/gallery"], cwd=ROOT,
                          capture_output=True, text=True, check=True).stdout.split()  # fmt: skip
    for name in kept:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for number, name in enumerate(YOURS):
        drawn(64, 48, seed=number).save(tmp_path / name)
    for folder, size in (("photos", (64, 48)), ("paintings", (48, 48))):
        (tmp_path / folder).mkdir()
        for number in range(2):
            drawn(*size, seed=number).save(tmp_path / folder / f"{folder}{number}.jpg")
    films.write(tmp_path / "in.mp4", [0, 242, 264, 312], cut=2)
    (tmp_path / "frames").mkdir()
    for number in range(3):
        drawn(48, 36, seed=number).save(tmp_path / "frames" / f"{number}.png")
    (rows,) = re.findall(r"```csv\n(.*?)```", (ROOT / "engine/BATCH.md").read_text(), re.DOTALL)
    (tmp_path / "jobs.csv").write_text(rows)
    half = Image.new("L", (64, 48), "black")
    ImageDraw.Draw(half).rectangle((0, 0, 64, 24), fill="white")
    for name in MASKS:
        half.save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_all_commands_of_a_page_run_one_after_another(
    page: str, invoke: Invoke, clone: Path
) -> None:
    code = re.search(
        r"```python\n(# report\.py.*?)```", (ROOT / "README.md").read_text(), re.DOTALL
    )
    assert code is not None
    (clone / "report.py").write_text(code[1])
    for words in commands(page):
        if not any(word in words for word in NOT_RUN) and words != ["plugins", "show", "mine"]:
            about = words[:2] in (["batch", "status"], ["batch", "retry"])
            done = invoke(*words, *([] if about else SMALL.get(words[0], [])))
            # Which of two is faster is the machine's affair.
            allowed = (0, SLOWER) if "--compare" in words else (0,)
            assert done.status in allowed, (words, done.error)
