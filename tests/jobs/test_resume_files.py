"""What a run leaves in files, and what becomes of it once the run is killed, moved and resumed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from PIL import Image, PngImagePlugin

from helpers import Install, Invoke, Pair, drawn, refused, same_threads
from impasto.storage.checkpoint import LOCK

FAST = (
    "--size",
    "48",
    "--scales",
    "24,32,48",
    "--steps",
    "3",
    "--loss",
    "tv",
    "--checkpoint-every",
    "0",
)
PICTURES = ("--callback", "contact_sheet:file=sheet.png,cell=32",
            "--callback", "timelapse:file=film.gif,every=1", "--callback", "log:file=a.jsonl",
            "--callback", "snapshots:folder=shots,every=2")  # fmt: skip
LATER = """
import impasto

class Later:
    @impasto.hookimpl(trylast=True)
    def impasto_after_step(self, run, step):
        if step.number == 5 and not run.seconds_before:
            raise KeyboardInterrupt

@impasto.hookimpl
def impasto_callbacks():
    return [impasto.Offer("later", Later)]
"""


@pytest.fixture
def project(pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with all that a run has, which is the working folder."""
    folder = tmp_path / "project"
    folder.mkdir()
    for file in (pair.content, pair.style):
        shutil.copy(file, folder)
    (folder / "later.py").write_text(LATER)
    monkeypatch.chdir(folder)
    return folder


RUN = ("run", "content.png", "style.png", "-o", "out.png", *FAST, *PICTURES)
STOPPED = ("--plugin", "later.py", "--callback", "later", "--checkpoint", "kept")
RESULTS = (
    "out.png",
    "sheet.png",
    "film.gif",
    "a.jsonl",
    "shots/step_00004.png",
    "shots/step_00009.png",
)


def results(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in RESULTS}


def undisturbed(invoke: Invoke, project: Path) -> dict[str, bytes]:
    """What the same run leaves if nothing stops it, in another folder."""
    done = invoke(*RUN, "--plugin", "later.py", "--no-recipe")
    assert done.status == 0, done.err
    found = results(project)
    shutil.rmtree(project / "shots")
    for name in RESULTS[:4]:
        (project / name).unlink()
    return found


def test_all_files_of_a_resumed_run_are_those_of_an_undisturbed_one(
    invoke: Invoke, project: Path
) -> None:
    whole = undisturbed(invoke, project)
    assert invoke(*RUN, *STOPPED, "--no-recipe").status == 130
    done = invoke("resume", "kept", "--plugin", "later.py")
    assert done.status == 0, done.err
    assert results(project) == whole
    # Once more, now that it is finished.
    done = invoke("resume", "kept", "--plugin", "later.py")
    assert done.status == 0, done.err
    assert results(project) == whole


@pytest.mark.parametrize("absolute", [False, True])
def test_a_folder_that_was_moved_as_a_whole(
    invoke: Invoke, project: Path, monkeypatch: pytest.MonkeyPatch, absolute: bool
) -> None:
    whole = undisturbed(invoke, project)
    names = {"content.png", "style.png", "out.png"} if absolute else set()
    run = [project / word if word in names else word for word in RUN]
    assert invoke(*run, *STOPPED, "--no-recipe").status == 130
    moved = project.with_name("moved")
    project.rename(moved)
    monkeypatch.chdir(moved.parent)
    done = invoke("resume", moved / "kept", "--plugin", moved / "later.py")
    assert done.status == 0, done.err
    assert not project.exists()
    assert results(moved) == whole


def test_a_checkpoint_whose_folder_was_renamed(invoke: Invoke, project: Path) -> None:
    whole = undisturbed(invoke, project)
    assert invoke(*RUN, *STOPPED, "--no-recipe").status == 130
    (project / "kept").rename("other")
    done = invoke("resume", "other", "--plugin", "later.py")
    assert done.status == 0, done.err
    assert results(project) == whole
    assert not (project / "kept").exists()


def test_strange_files_beside_the_frames(invoke: Invoke, project: Path) -> None:
    whole = undisturbed(invoke, project)
    assert invoke(*RUN, *STOPPED, "--no-recipe").status == 130
    for folder in (project / "kept").glob("*film.gif*"):
        for name in ("notes.png", "000000001 copy.png", "._000000001.png", "٠٠٠٠٠٠٠٠١.png"):
            (folder / name).write_bytes(b"no picture")
    done = invoke("resume", "kept", "--plugin", "later.py")
    assert done.status == 0, done.err
    assert results(project) == whole


def test_what_another_wrote_meanwhile_is_not_replaced(invoke: Invoke, project: Path) -> None:
    assert invoke(*RUN, *STOPPED).status == 130
    (project / "out.png").unlink()
    (project / "out.png").write_bytes(b"precious")
    line = refused(invoke("resume", "kept", "--plugin", "later.py"))
    assert line == "output 'out.png' exists; set force to overwrite it (--force)"
    assert (project / "out.png").read_bytes() == b"precious"
    assert invoke("resume", "kept", "--plugin", "later.py", "--force").status == 0


def test_a_plugin_that_changed(invoke: Invoke, project: Path) -> None:
    assert invoke(*RUN, *STOPPED).status == 130
    (project / "later.py").write_text(LATER + "\nCHANGED = True\n")
    done = invoke("resume", "kept", "--plugin", "later.py")
    assert (
        "warning: the input 'later.py' is not the one that the checkpoint was made with" in done.err
    )


def test_metadata_that_changed(invoke: Invoke, project: Path) -> None:
    assert invoke(*RUN, *STOPPED).status == 130
    more = PngImagePlugin.PngInfo()
    more.add_text("Comment", "another")
    with Image.open(project / "content.png") as picture:
        picture.save(project / "content.png", pnginfo=more)
    line = refused(invoke("resume", "kept", "--plugin", "later.py"))
    assert line == "the input 'content.png' is not the one that the checkpoint was made with"


@pytest.fixture
def held(project: Path) -> Iterator[Path]:
    folder = project / "kept"
    folder.mkdir()
    lock = FileLock(folder / LOCK)
    with lock.acquire(blocking=False):
        yield folder


def test_two_runs_with_one_checkpoint(invoke: Invoke, held: Path) -> None:
    code = "import sys; from impasto.command.main import main; sys.argv[0] = 'impasto'; main()"
    run = [sys.executable, "-c", code, *RUN, "--checkpoint", "kept"]
    done = subprocess.run(run, capture_output=True, text=True, check=False, env=same_threads())
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        "impasto: error: another process paints with its"
    )
    assert sorted(os.listdir(held)) == [LOCK]


DISTURB = """
import impasto

@impasto.hookimpl(trylast=True)
def impasto_after_step(run, step):
    if run.settings.checkpoint and step.number == 2 and not run.seconds_before:
        raise KeyboardInterrupt
"""
NUMBERS = {
    "whole": ("--steps", "4", "--max-megapixels", "200", "--loss", "tv:weight=2"),
    "decimal": ("--steps", "4", "--max-megapixels", "200.0", "--loss", "tv:weight=2.0"),
    "with an exponent": ("--steps", "4", "--max-megapixels", "2e2", "--loss", "tv:weight=2e0"),
    "whole in TOML": "steps = 4\nmax_megapixels = 200\nstyle_weight = 1\nema = 0\n"
    "optimizer = {name = 'adam', lr = 1}\nloss = {name = 'tv', weight = 2}\n",
    "decimal in TOML": "steps = 4\nmax_megapixels = 200.0\nstyle_weight = 1.0\nema = 0.0\n"
    "optimizer = {name = 'adam', lr = 1.0}\nloss = {name = 'tv', weight = 2.0}\n",
}
"""The same numbers as they may be given: on the command line, or in a file."""


@pytest.mark.parametrize("how", NUMBERS)
def test_neither_quiet_nor_a_resume_changes_a_byte(
    invoke: Invoke, project: Path, install: Install, how: str
) -> None:
    # An installed plugin stops the runs that have checkpoints: no option says so, and no recipe.
    install("disturb", DISTURB)
    given = NUMBERS[how]
    if isinstance(given, str):
        (project / "a.toml").write_text(given)
        given = ("--config", "a.toml")
    run = ("run", "content.png", "style.png:weight=2", "--size", "32", *given)
    assert invoke(*run, "-o", "whole.png").status == 0
    assert invoke(*run, "-o", "whole_quiet.png", "--quiet").status == 0
    assert invoke(*run, "-o", "stopped.png", "--checkpoint", "kept").status == 130
    assert (project / "stopped.png").read_bytes() != (project / "whole.png").read_bytes()
    assert invoke("resume", "kept").status == 0
    assert invoke(*run, "-o", "quiet.png", "--checkpoint", "more", "--quiet").status == 130
    assert invoke("resume", "more", "--quiet").status == 0
    for name in ("whole_quiet.png", "stopped.png", "quiet.png"):
        assert (project / name).read_bytes() == (project / "whole.png").read_bytes(), name


def test_a_style_that_is_overwritten_keeps_its_rights(invoke: Invoke, project: Path) -> None:
    out = project / "out.png"
    drawn(8, 8, 1).save(out)
    out.chmod(0o600)
    assert invoke(*RUN[:5], *FAST, "--force").status == 0
    assert out.stat().st_mode & 0o777 == 0o600
