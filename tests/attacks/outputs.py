"""Attacks on files that a command reads or writes: names, links, places that are taken, streams."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from attacks.attack import QUICK, Attack, Maker, fifo, link_to
from helpers import drawn

RUN = f"run content.png style.png -o out.png {QUICK}"
OUT = ("here/out.png",)
INPUT = "is one of the inputs"
EXISTS = ("exists", "--force")
EXTRA: dict[str, str | bytes | Maker] = {"extra.png": lambda path: drawn(40, 40, seed=3).save(path)}
PLUGIN = "import impasto\n@impasto.hookimpl\ndef impasto_after_run(): pass\n"


def hard_link(target: str, path: Path) -> None:
    os.link(path.parent / target, path)


def close(*numbers: int) -> None:
    """Close standard streams, as ``2>&-`` does."""
    import sys

    for number in numbers:
        os.close(number)
    if 2 in numbers:
        sys.stderr = None


def full(number: int) -> None:
    """Let a standard stream write to a disk that is full, as ``2>/dev/full`` does."""
    handle = os.open("/dev/full", os.O_WRONLY)
    os.dup2(handle, number)
    os.close(handle)


def without_links() -> None:
    """Be on a file system that has no hard links."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    os.link = refuse


def small_files(size: int) -> None:
    """Let no file grow beyond so many bytes, as on a disk that is full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def once_it_paints(action: Callable[[], object], log: str = "a.log") -> None:
    """Do something once a run has done some steps."""

    def wait_and_act() -> None:
        while not Path(log).exists() or Path(log).read_text().count("\n") < 3:
            time.sleep(0.002)
        action()

    threading.Thread(target=wait_and_act, daemon=True).start()


def remove_folder() -> None:
    shutil.rmtree(Path.cwd())


def move_folder() -> None:
    Path.cwd().rename(Path.cwd().with_name("moved"))


def take_name() -> None:
    """Be another program that writes to the output's name."""
    Path("out.png").write_text("another's")


def rescued(pattern: str, root: Path) -> None:
    """The picture is in one other place, and whole."""
    from PIL import Image

    (path,) = root.glob(pattern)
    with Image.open(path) as picture:
        picture.load()
        assert picture.size == (64, 48)


def text_of(name: str, text: str, root: Path) -> None:
    assert (root / "here" / name).read_text() == text


def same(root: Path, name: str = "out.png", size: tuple[int, int] = (32, 24)) -> None:
    from PIL import Image

    with Image.open(root / "here" / name) as picture:
        assert picture.size == size


def only(folder: str, count: int, root: Path) -> None:
    """There are so many files in a folder besides those of a batch, and no temporary ones."""
    names = set(os.listdir(root / "here" / folder)) - {"manifest.jsonl", ".impasto"}
    assert len(names) == count
    assert not any(name.startswith(".") for name in names)


LONG = "x" * 251
MUSEUM = "畫" * 80

Lines = list[tuple[str, str, dict[str, str | bytes | Maker]]]

OVER_INPUTS: Lines = [
    ("the content is the output", f"run content.png style.png -o content.png --force {QUICK}", {}),
    ("by another spelling", f"run content.png style.png -o ../here/content.png --force {QUICK}", {}),
    ("by a hard link", f"run content.png style.png -o link.png --force {QUICK}",
     {"link.png": partial(hard_link, "style.png")}),
    ("by a symbolic link", f"run content.png style.png -o link.png --force {QUICK}",
     {"link.png": link_to("style.png")}),
    ("the start is the output",
     f"run content.png style.png --init extra.png -o extra.png --force {QUICK}", {}),
    ("a mask is the output", "run content.png style.png:content_mask=extra.png -o extra.png --force"
     f" {QUICK}", {}),
    ("the content is the log", f"{RUN} --callback log:file=content.png --force", {}),
    ("the start is the log", f"{RUN} --init extra.png --callback log:file=extra.png --force", {}),
    ("the style is the contact sheet",
     f"{RUN} --callback contact_sheet:file=style.png --force", {}),
    ("the start is the contact sheet",
     f"{RUN} --init extra.png --callback contact_sheet:file=extra.png --force", {}),
    ("the content is the film", f"run a.gif style.png -o out.png {QUICK} --force"
     " --callback timelapse:file=a.gif", {"a.gif": lambda path: drawn(40, 30, 4).save(path)}),
    ("the config is the log", f"{RUN} --config a.toml --callback log:file=a.toml --force",
     {"a.toml": "seed = 1\n"}),
    ("the preset is the log", f"{RUN} --preset a.toml --callback log:file=a.toml --force",
     {"a.toml": "seed = 1\n"}),
    ("the config's preset is the log", f"{RUN} --config a.toml --callback log:file=b.toml --force",
     {"a.toml": 'preset = "b.toml"\n', "b.toml": "seed = 1\n"}),
    ("a plugin is the log", f"{RUN} --plugin p.py --callback log:file=p.py --force",
     {"p.py": PLUGIN}),
    ("a snapshot by a link", f"{RUN} --callback snapshots:folder=shots --force",
     {"shots/step_00002.png": link_to("../style.png")}),
    ("the painting is the style file",
     "style learn style.png -o link.style --force --size 32 --loss gram:layers=conv1_1",
     {"link.style": link_to("style.png")}),
    ("the style is the comparison", "compare out.png --content content.png --style style.png"
     " --layers conv1_1 -o style.png --force", {"out.png": lambda path: drawn(40, 30, 4).save(path)}),
    ("a sweep's sheet is the start", "sweep content.png style.png --vary seed=0,1 --init extra.png"
     f" -o extra.png --force {QUICK}", {}),
    ("a sweep's picture is the content",
     f"sweep seed=0.png style.png --vary seed=0,1 --folder . -o sheet.png --force {QUICK}",
     {"seed=0.png": lambda path: drawn(40, 30, 4).save(path)}),
]  # fmt: skip

OVER_OTHERS: Lines = [
    ("the output", RUN, {"out.png": b"old"}),
    ("a log", f"{RUN} --callback log:file=a.log", {"a.log": "old"}),
    ("a contact sheet", f"{RUN} --callback contact_sheet:file=a.png", {"a.png": "old"}),
    ("a film", f"{RUN} --callback timelapse:file=a.gif", {"a.gif": "old"}),
    ("statistics", f"{RUN} --callback statistics:file=a.json", {"a.json": "old"}),
    ("a snapshot", f"{RUN} --callback snapshots:folder=shots", {"shots/step_00002.png": "old"}),
    ("a picture of a sweep", f"sweep content.png style.png --vary seed=0,1 --folder shots -o a.png"
     f" {QUICK}", {"shots/seed=1.png": "old"}),
    ("a sweep's sheet", f"sweep content.png style.png --vary seed=0,1 -o a.png {QUICK}",
     {"a.png": "old"}),
    ("a style file", "style learn style.png -o a.style --size 32 --loss gram:layers=conv1_1",
     {"a.style": "old"}),
    ("a comparison", "compare content.png --content content.png --style style.png --layers conv1_1"
     " -o a.png", {"a.png": "old"}),
]  # fmt: skip

CLASHES = [
    Attack("clash: output and contact sheet", f"{RUN} --callback contact_sheet:file=./out.png",
           says="is also written as"),
    Attack("clash: log and statistics", f"{RUN} --callback log:file=a --callback statistics:file=a",
           says="is also written as"),
    Attack("clash: log and checkpoint",
           f"{RUN} --checkpoint kept --callback log:file=kept/checkpoint.safetensors",
           says="is also written as", writes=("here/kept/*",)),
    Attack("clash: output and snapshot", f"run content.png style.png -o step_00002.png {QUICK}"
           " --callback snapshots:folder=.", says="is also written as"),
]  # fmt: skip

ODD = [
    Attack("odd output: a log that is a pipe", f"{RUN} --callback log:file=pipe --force",
           {"pipe": fifo}, "is not a regular file"),
    Attack("odd output: a log that is a device", f"{RUN} --callback log:file=/dev/null --force",
           says="is not a regular file"),
    Attack("odd output: a picture that is a pipe", f"run content.png style.png -o a.png --force {QUICK}",
           {"a.png": fifo}, "is not a regular file"),
    Attack("odd output: a log that is a folder", f"{RUN} --callback log:file=a --force", {"a/b": ""},
           "is a folder"),
    Attack("odd output: no folder for the film", f"{RUN} --callback timelapse:file=a/b.gif",
           says="the folder 'a' does not exist"),
    Attack("odd output: a file in the place of a folder", f"{RUN} --callback snapshots:folder=a",
           {"a": ""}, "cannot be written"),
    Attack("odd output: links in a circle", f"run content.png style.png -o a.png --force {QUICK}",
           {"a.png": link_to("b.png"), "b.png": link_to("a.png")}, "symbolic links"),
    Attack("odd output: a link to nothing", f"run content.png style.png -o a.png {QUICK}",
           {"a.png": link_to("b.png")}, writes=("here/b.png",), after=partial(same, name="b.png")),
    Attack("odd output: no hard links", RUN, writes=OUT, before=without_links, after=same),
]  # fmt: skip

NAMES = [
    Attack("name: 255 bytes", f"run content.png style.png -o {LONG}.png {QUICK}",
           writes=(f"here/{LONG}.png",), after=partial(same, name=f"{LONG}.png")),
    Attack("name: 256 bytes", f"run content.png style.png -o {LONG}y.png {QUICK}", says="256 bytes"),
    Attack("name: 80 Chinese characters", f"run content.png style.png -o {MUSEUM}.png {QUICK}",
           writes=(f"here/{MUSEUM}.png",)),
    Attack("name: the default of two long ones", f"run {LONG}.png {MUSEUM}.png {QUICK}",
           {f"{LONG}.png": lambda path: drawn(64, 48, 1).save(path),
            f"{MUSEUM}.png": lambda path: drawn(64, 48, 2).save(path)},
           writes=(f"here/{'x' * 60}*.png",)),
    Attack("name: the default of a sweep", f"sweep {LONG}.png style.png --vary seed=0,1 {QUICK}",
           {f"{LONG}.png": lambda path: drawn(64, 48, 1).save(path)}, writes=(f"here/{'x' * 60}*.png",)),
    Attack("name: the default of a rerun",
           (f"run content.png style.png -o {LONG}.png {QUICK}", f"rerun {LONG}.png --quiet"),
           writes=("here/x*.png",), after=partial(only, ".", 4)),
    Attack("name: the default of a style file",
           f"style learn {LONG}.png --size 32 --loss gram:layers=conv1_1",
           {f"{LONG}.png": lambda path: drawn(64, 48, 1).save(path)}, writes=("here/x*.style",)),
    Attack("name: a long film in a checkpoint",
           f"{RUN} --checkpoint kept --callback timelapse:file={'x' * 251}.gif",
           writes=(*OUT, "here/kept/*", f"here/{'x' * 251}.gif")),
    Attack("name: long labels of a sweep", "sweep content.png style.png --folder shots -o a.png --vary"
           f" plugin={'x' * 200}/../p.py,p.py --vary seed=0,1 {QUICK}",
           {"p.py": PLUGIN, "x" * 200 + "/a": ""}, writes=("here/a.png", "here/shots/*"),
           after=partial(only, "shots", 4)),
    Attack("name: labels of a sweep that look alike", "sweep content.png style.png --folder shots -o a.png"
           f" --vary plugin=p.py,./p.py,.//p.py {QUICK}", {"p.py": PLUGIN},
           writes=("here/a.png", "here/shots/*"), after=partial(only, "shots", 3)),
]  # fmt: skip

STREAMS = [
    Attack("stream: standard error is full", RUN, writes=OUT, before=partial(full, 2), after=same),
    Attack("stream: standard error is full, with a bar", RUN.replace(" --quiet", ""), writes=OUT,
           before=partial(full, 2), after=same),
    Attack("stream: standard error is closed", RUN, writes=OUT, before=partial(close, 2), after=same),
    Attack("stream: all are closed", RUN, writes=OUT, before=partial(close, 0, 1, 2), after=same),
    Attack("stream: standard output is full", f"{RUN} --json", writes=OUT, before=partial(full, 1),
           says="standard output cannot be written to: No space left on device", after=same),
]  # fmt: skip

SWEEP = f"sweep content.png style.png --vary seed=0,1 --folder all -o sheet.png {QUICK}"
DISKS = [
    Attack("disk: full for a sheet", "sweep content.png style.png --vary seed=0,1,2,3 --folder all"
           f" -o sheet.png --cell 96 {QUICK} --size 64 --no-recipe", writes=("here/all/*", "here/sheet.png"),
           after=partial(only, "all", 4), before=partial(small_files, 8200),
           says="'sheet.png' cannot be written: File too large"),
    Attack("disk: full for a sweep's picture", f"{SWEEP} --size 96 --cell 32",
           writes=("here/sheet.png", "here/all/*"), before=partial(small_files, 6000),
           after=partial(only, "all", 0), says="no combination could be painted",
           prints="seed=0.png' cannot be written: File too large"),
    Attack("disk: full for TensorBoard",
           f"{RUN} --steps 30 --callback tensorboard:folder=tb,pictures=1", after=same,
           writes=(*OUT, "here/tb/*"), before=partial(small_files, 9000),
           prints="plugin 'tensorboard' (built in) failed in"),
    Attack("disk: full for a trace", f"profile {RUN.removeprefix('run ')} --steps 9 --trace-dir tb",
           writes=(*OUT, "here/tb/*"), before=partial(small_files, 40_000), after=same,
           says="no profile was made; the picture is in 'out.png'"),
]  # fmt: skip

PAINTING = ("run content.png style.png -o out.png --size 64 --steps 300 --loss tv --quiet"
            " --callback log:file=a.log")  # fmt: skip
CHANGES = [
    Attack("meanwhile: the working folder is removed", PAINTING, writes=("here/*", "tmp/*"),
           before=partial(once_it_paints, remove_folder), after=partial(rescued, "tmp/*/out.png"),
           says="'out.png' cannot be written: No such file or directory; the picture is in"),
    Attack("meanwhile: the working folder is moved", PAINTING, writes=("here/*", "moved/*"),
           before=partial(once_it_paints, move_folder), after=partial(rescued, "moved/out.png")),
    Attack("meanwhile: the output's name is taken", PAINTING, writes=("here/a.log", "here/out*.png"),
           before=partial(once_it_paints, take_name), after=partial(rescued, "here/out-2.png"),
           says="there is a file 'out.png' now, which is not replaced; the picture is in 'out-2.png'"),
    Attack("meanwhile: the output's name is taken, with force", f"{PAINTING} --force",
           writes=("here/a.log", *OUT), before=partial(once_it_paints, take_name),
           after=partial(rescued, "here/out.png")),
]  # fmt: skip

SWEEPS = [
    Attack("sweep: each run has its own log", f"{SWEEP} --callback log:file=a.log",
           writes=("here/all/*", "here/sheet.png", "here/a_seed=[01].log")),
    Attack("sweep: each run has its own log, also by default", f"{SWEEP} --callback profile --steps 9",
           writes=("here/all/*", "here/sheet.png", "here/profile_seed=[01]/*", "home/.cache/*")),
    Attack("sweep: logs that are named apart", "sweep content.png style.png -o sheet.png"
           f" --callback log:file=x --vary callback.log.file=a.log,b.log {QUICK}",
           writes=("here/sheet.png", "here/[ab].log")),
    Attack("sweep: a log that is there", f"{SWEEP} --callback log:file=a.log", {"a_seed=1.log": "old"},
           says=("callback 'log': file 'a_seed=1.log' exists", "--force")),
]  # fmt: skip

INPUTS = [
    Attack(f"input: {what}", command, {**EXTRA, **files}, INPUT)
    for what, command, files in OVER_INPUTS
]
TAKEN = [Attack(f"taken: {what}", command, files, EXISTS) for what, command, files in OVER_OTHERS]
ATTACKS = [*INPUTS, *TAKEN, *CLASHES, *ODD, *NAMES, *STREAMS, *DISKS, *CHANGES, *SWEEPS]
