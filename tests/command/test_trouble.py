"""When it goes wrong in the middle: memory, disks, folders and inputs. One line, and nothing is lost."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from PIL import Image

import impasto
from helpers import Invoke, Pair, drawn, refused
from impasto.optimization import tiling
from impasto.optimization.inputs import sha256
from impasto.optimization.memory import is_out_of_memory
from impasto.storage.recipe import read_recipe
from impasto.storage.style_file import read_style_file
from processes import run_apart, started

SHORT = """
import impasto
import torch

class Short(impasto.Loss):
    "Needs more memory than there is, at one evaluation."
    target, layers = "none", ("image",)

    def __init__(self, at: int = 3, kind: str = "MemoryError"):
        super().__init__()
        self.at, self.kind, self.calls = at, kind, 0

    def summarize_layer(self, feature):
        return {"square": feature.square().mean()}

    def compare_layer(self, summary, target):
        self.calls += 1
        if self.calls == self.at:
            if self.kind == "torch":
                torch.empty(1 << 50)
            kinds = {"MemoryError": MemoryError, "cuda": torch.OutOfMemoryError}
            raise kinds[self.kind]("CUDA out of memory")
        return summary["square"]


@impasto.hookimpl
def impasto_losses():
    return [impasto.Offer("short", Short)]
"""


def plugin(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "trouble.py"
    path.write_text(text, encoding="utf-8")
    return path


def observer(tmp_path: Path, action: str, step: int = 2) -> Path:
    """A plugin that does something once a step is done."""
    return plugin(
        tmp_path,
        "import impasto, os, pathlib, resource, shutil, signal\n"
        "@impasto.hookimpl\n"
        "def impasto_after_step(run, step):\n"
        f"    if step.number == {step} and not run.seconds_before:\n"
        f"        {action}\n",
    )


def short(invoke: Invoke, pair: Pair, tmp_path: Path, kind: str, at: int, *more: object) -> str:
    file = plugin(tmp_path, SHORT)
    return refused(invoke(
        "run", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", 64, "--steps", 4,
        "--plugin", file, "--loss", f"short:at={at},kind={kind}", "--precision", "float32", *more,
    ))  # fmt: skip


@pytest.mark.parametrize("kind", ["MemoryError", "torch", "cuda"])
def test_out_of_memory_is_said_with_what_needs_less(
    invoke: Invoke, pair: Pair, tmp_path: Path, kind: str
) -> None:
    line = short(invoke, pair, tmp_path, kind, 3)
    assert line == (
        "out of memory at 64 × 48 pixels in float32: size 45 needs about half as much,"
        f" precision bfloat16 needs less, too; the picture after 2 steps is in '{tmp_path / 'out.png'}'"
        " (--size, --precision)"
    )
    with Image.open(tmp_path / "out.png") as kept:
        assert kept.size == (64, 48)


def test_out_of_memory_in_a_later_stage_says_what_did_fit(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    more = ("--scales", "32", "--side", "shorter", "--size", 48, "--steps", 3)
    line = short(invoke, pair, tmp_path, "torch", 4, "--optimizer", "adam", *more)
    assert "at 64 × 48 pixels" in line
    assert "size 33 needs about half as much, size 32 did fit" in line
    assert "the picture after 3 steps is in" in line


def test_out_of_memory_at_the_first_step(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    line = short(invoke, pair, tmp_path, "torch", 1)
    assert line.startswith("out of memory at 64 × 48 pixels in float32: size 45 ")
    assert line.endswith("no step was done, nothing is written (--size, --precision)")
    assert not (tmp_path / "out.png").exists()


def test_memory_that_is_really_short(pair: Pair, tmp_path: Path) -> None:
    # As much address space as there is now, and what a small run needs.
    limit = plugin(
        tmp_path,
        "import impasto, resource\n"
        "@impasto.hookimpl(trylast=True)\n"
        "def impasto_before_stage(stage):\n"
        "    if stage.number == 1:\n"
        "        pages = int(open('/proc/self/statm').read().split()[0])\n"
        "        most = pages * resource.getpagesize() + 200_000_000\n"
        "        resource.setrlimit(resource.RLIMIT_AS, (most, most))\n",
    )
    if not Path("/proc/self/statm").exists():
        pytest.skip("needs Linux")
    done = run_apart("run", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", 1024,
                     "--scales", 32, "--steps", 1, "--loss", "content:layers=conv1_1",
                     "--loss", "gram:layers=conv1_1",
                     "--plugin", limit, "--optimizer", "adam", "--precision", "float32",
                     "--quiet")  # fmt: skip
    last = done.error
    assert done.status == 1
    assert last.startswith(
        "impasto: error: out of memory at 1024 × 768 pixels in float32: tile 512 needs less at the same"
        " size, size 724"
    )
    assert "size 32 did fit" in last
    assert f"the picture after 1 step is in '{tmp_path / 'out.png'}'" in last


def test_other_errors_are_no_shortage() -> None:
    assert not is_out_of_memory(RuntimeError("shapes do not fit"))
    assert not is_out_of_memory(ValueError("out of memory, says a plugin of its option"))


def run_with(invoke: Invoke, pair: Pair, out: Path, file: Path, *more: object) -> str:
    return refused(invoke("run", pair.content, pair.style, "-o", out, "--size", 48, "--steps", 4,
                          "--loss", "tv", "--plugin", file, *more))  # fmt: skip


def rescued(line: str, out: Path, reason: str) -> Path:
    """Where the line says that the picture is; it is there, with its recipe."""
    before, _, place = line.partition("; the picture is in ")
    assert before == f"'{out}' cannot be written: {reason}"
    path = Path(place.strip("'"))
    assert path.name == out.name
    assert read_recipe(path)["steps"] in (2, 4)
    with Image.open(path) as picture:
        assert picture.size == (48, 36)
    return path


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files of this test's own."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder for results, which is going to vanish."""
    folder = tmp_path / "results"
    folder.mkdir()
    return folder


def test_a_folder_that_vanishes(
    invoke: Invoke, pair: Pair, tmp_path: Path, temporary: Path, results: Path
) -> None:
    file = observer(tmp_path, f"shutil.rmtree({str(results)!r})")
    line = run_with(invoke, pair, results / "out.png", file)
    path = rescued(line, results / "out.png", "No such file or directory")
    assert path.is_relative_to(temporary)
    whole = tmp_path / "out.png"
    run = ("run", pair.content, pair.style, "-o", whole, "--size", 48, "--steps", 4, "--loss", "tv")
    assert invoke(*run, "--plugin", file, "--force").status == 0
    assert path.read_bytes() == whole.read_bytes()


def test_a_folder_that_vanishes_from_a_sweep(
    invoke: Invoke, pair: Pair, tmp_path: Path, temporary: Path, results: Path
) -> None:
    file = observer(tmp_path, f"shutil.rmtree({str(results)!r})")
    done = invoke("sweep", pair.content, pair.style, "-o", results / "sheet.png", "--vary", "seed=0,1",
                  "--size", 48, "--steps", 4, "--loss", "tv", "--plugin", file, "--cell", 48)  # fmt: skip
    before, _, place = refused(done).partition("; the sheet is in ")
    assert before == f"'{results / 'sheet.png'}' cannot be written: No such file or directory"
    path = Path(place.strip("'"))
    assert path.is_relative_to(temporary)
    with Image.open(path) as sheet:
        assert sheet.width == 2 * 48 + 3 * 8, "of both"


def test_a_folder_that_vanishes_while_a_style_is_learned(
    invoke: Invoke, pair: Pair, tmp_path: Path, temporary: Path, results: Path
) -> None:
    file = plugin(
        tmp_path,
        "import impasto, shutil\n"
        "class Vanishing(impasto.Loss):\n"
        "    def summarize_layer(self, feature):\n"
        f"        shutil.rmtree({str(results)!r}, ignore_errors=True)\n"
        "        return {'mean': feature.mean()}\n"
        "@impasto.hookimpl\n"
        "def impasto_losses():\n"
        "    return [impasto.Offer('vanishing', Vanishing)]\n",
    )
    done = invoke("style", "learn", pair.style, "-o", results / "out.style", "--size", 48,
                  "--scales", "single", "--loss", "vanishing", "--plugin", file)  # fmt: skip
    before, _, place = refused(done).partition("; the style is in ")
    assert before.startswith(f"'{results / 'out.style'}' cannot be written: ")
    path = Path(place.strip("'"))
    assert path.is_relative_to(temporary)
    assert read_style_file(str(path)).record["sizes"] == [48]


@pytest.mark.usefixtures("temporary")
def test_a_folder_that_vanishes_from_a_run_that_is_stopped(
    invoke: Invoke, pair: Pair, tmp_path: Path, results: Path
) -> None:
    stop = f"shutil.rmtree({str(results)!r}); signal.raise_signal(signal.SIGINT)"
    line = run_with(invoke, pair, results / "out.png", observer(tmp_path, stop))
    assert line.startswith("interrupted; ")
    rescued(line.removeprefix("interrupted; "), results / "out.png", "No such file or directory")


def test_a_disk_that_is_full_at_the_end(
    invoke: Invoke, pair: Pair, tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno
    import os

    out = tmp_path / "out.png"
    plain = os.fsync

    def full(descriptor: int) -> None:
        if not Path(os.readlink(f"/proc/self/fd/{descriptor}")).is_relative_to(temporary):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        plain(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    out.write_bytes(b"precious")
    line = run_with(invoke, pair, out, observer(tmp_path, "pass"), "--force")
    assert rescued(line, out, "No space left on device").is_relative_to(temporary)
    assert out.read_bytes() == b"precious"


def test_no_place_at_all(pair: Pair, tmp_path: Path) -> None:
    # No file may grow beyond 300 bytes: neither picture, nor log, nor checkpoint.
    limit = observer(tmp_path, "resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))")
    out, log, kept, shots = (tmp_path / name for name in ("out.png", "log", "kept", "shots"))
    done = run_apart(
        "run", pair.content, pair.style, "-o", out, "--size", 48, "--steps", 9, "--loss", "tv",
        "--plugin", limit, "--callback", f"log:file={log}", "--checkpoint", kept,
        "--checkpoint-every", 0, "--callback", f"snapshots:folder={shots},every=3", "--quiet",
    )  # fmt: skip
    lines = done.err.strip().splitlines()
    assert done.status == 1
    assert lines[-1] == (
        f"impasto: error: '{out}' cannot be written: File too large, and no other place could"
        " be found for the picture; impasto resume goes on from its checkpoint"
    )
    assert not any("Traceback" in line for line in lines)
    assert sum("no checkpoint can be written" in line for line in lines) == 1
    assert sum("plugin 'log'" in line and "is left out" in line for line in lines) == 1
    assert sum("plugin 'snapshots'" in line and "is left out" in line for line in lines) == 1
    again = run_apart("resume", kept, "--quiet", "--plugin", limit)
    assert again.status == 0, again.err
    with Image.open(out) as picture:
        assert picture.size == (48, 36)


WAITS = """
import pathlib, time
import impasto

@impasto.hookimpl
def impasto_after_step(run, step):
    # Until both paint: each of them found the name free.
    pathlib.Path(f"painting-{run.settings.seed}").touch()
    while len(list(pathlib.Path.cwd().glob("painting-*"))) < 2:
        time.sleep(0.01)
"""


def test_two_runs_that_write_one_output(pair: Pair, tmp_path: Path) -> None:
    file = plugin(tmp_path, WAITS)
    run = ("run", pair.content, pair.style, "-o", "out.png", "--size", 48, "--steps", 4, "--loss", "tv",
           "--init", "noise", "--plugin", file, "--quiet", "--seed")  # fmt: skip
    with started(*run, 1, folder=tmp_path) as one, started(*run, 2, folder=tmp_path) as other:
        outcomes = [running.outcome() for running in (one, other)]
    assert sorted(outcome.status for outcome in outcomes) == [0, 1]
    late = next(outcome for outcome in outcomes if outcome.status)
    assert late.error == (
        "impasto: error: there is a file 'out.png' now, which is not replaced;"
        " the picture is in 'out-2.png'"
    )
    seeds = {read_recipe(tmp_path / name)["settings"]["seed"] for name in ("out.png", "out-2.png")}
    assert seeds == {1, 2}


def test_a_checkpoints_folder_that_vanishes_is_said_once(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    kept, out = tmp_path / "kept", tmp_path / "out.png"
    file = observer(tmp_path, f"shutil.rmtree({str(kept)!r})")
    done = invoke("run", pair.content, pair.style, "-o", out, "--size", 48, "--steps", 6, "--loss", "tv",
                  "--plugin", file, "--checkpoint", kept, "--checkpoint-every", 0)  # fmt: skip
    assert done.status == 0, done.err
    said = [line for line in done.err.splitlines() if "no checkpoint can be written" in line]
    assert len(said) == 1
    assert said[0].endswith("No such file or directory; there is none, and the run goes on")
    assert out.exists()


def test_an_input_that_changes_during_the_run(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    before, kept, out = sha256(pair.style), tmp_path / "kept", tmp_path / "out.png"
    other = tmp_path / "other.png"
    drawn(56, 56, seed=77).save(other)
    whole = tmp_path / "whole.png"
    given = ("--size", 48, "--steps", 4, "--loss", "gram:layers=conv1_1", "--no-recipe")
    assert invoke("run", pair.content, pair.style, "-o", whole, *given).status == 0
    file = observer(tmp_path, f"shutil.copy({str(other)!r}, {str(pair.style)!r})", step=1)
    run = ("run", pair.content, pair.style, "-o", out, *given[:-1], "--plugin", file)
    done = invoke(*run, "--checkpoint", kept)
    assert done.status == 0, done.err
    with Image.open(out) as changed, Image.open(whole) as plain:
        assert changed.tobytes() == plain.tobytes()
    assert read_recipe(out)["inputs"][str(pair.style)] == before
    assert "has changed: its SHA-256 was" in refused(invoke("rerun", out, "--plugin", file))
    line = refused(invoke("resume", kept, "--plugin", file))
    assert line == f"the input '{pair.style}' is not the one that the checkpoint was made with"


READS_TWICE = """
import os
import impasto

class Reads(impasto.Loss):
    \"\"\"Read a file that somebody writes to at that moment.\"\"\"
    target = "none"

    def __init__(self, file: str):
        super().__init__()
        os.utime(file)

    def summarize_layer(self, feature):
        return {"mean": feature.mean()}

    def compare_layer(self, summary, target):
        return summary["mean"]

@impasto.hookimpl
def impasto_losses():
    return [impasto.Offer("reads", Reads)]
"""


def test_a_file_that_changes_while_a_plugin_reads_it(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    plugin, file = tmp_path / "reads.py", tmp_path / "numbers.txt"
    plugin.write_text(READS_TWICE, encoding="utf-8")
    file.write_text("1 2 3", encoding="utf-8")
    line = refused(invoke("run", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", 48,
                          "--plugin", plugin, "--loss", f"reads:file={file}"))  # fmt: skip
    assert line == f"the input '{file}' was changed while it was read: run it again"


def test_a_style_file_that_changes_during_the_run(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    given = ("--size", 48, "--scales", "32", "--loss", "gram:layers=conv1_1")
    learned, out, whole = (tmp_path / name for name in ("a.style", "out.png", "whole.png"))
    assert invoke("style", "learn", pair.style, "-o", learned, *given).status == 0
    run = ("run", pair.content, learned, *given, "--steps", 3, "--no-recipe")
    assert invoke(*run, "-o", whole).status == 0
    file = observer(tmp_path, f"pathlib.Path({str(learned)!r}).write_bytes(b'other')")
    done = invoke(*run, "-o", out, "--plugin", file)
    assert done.status == 0, done.err
    assert out.read_bytes() == whole.read_bytes()


@pytest.mark.usefixtures("temporary")
def test_python_gets_the_picture_that_could_not_be_written(
    pair: Pair, tmp_path: Path, results: Path
) -> None:
    file = observer(tmp_path, f"shutil.rmtree({str(results)!r})")
    with pytest.raises(impasto.RunFailed, match="the picture is in") as caught:
        impasto.run(pair.content, pair.style, output=results / "out.png", size=48, steps=4, loss="tv",
                    plugin=str(file))  # fmt: skip
    assert caught.value.result.steps == 4
    assert json.dumps(caught.value.result.as_record())


def test_out_of_memory_in_a_large_picture_names_tiles_first(
    invoke: Invoke, pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiling, "TILES", (32, 16))
    line = short(invoke, pair, tmp_path, "torch", 3)
    assert (
        "in float32: tile 32 needs less at the same size, size 45 needs about half as much" in line
    )
    assert "(--tile, --size, --precision)" in line
    whole = short(invoke, pair, tmp_path, "torch", 3, "--seamless", "x", "--force")
    assert "in float32: size 45 needs" in whole
