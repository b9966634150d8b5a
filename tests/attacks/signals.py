"""Attacks by signals, alone and several at once, at any distance: the picture is kept, and one line said."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from functools import partial
from pathlib import Path

from PIL import Image

from attacks.attack import Attack
from impasto.storage.recipe import read_recipe

ENDLESS = "run content.png style.png -o out.png --size 192 --scales single --steps 100000 --loss tv --quiet"
LOG = "--callback log:file=a.log"
WRITES = ("here/out.png", "here/a.log")

INT, TERM, HUP = signal.SIGINT, signal.SIGTERM, signal.SIGHUP


def send(numbers: tuple[int, ...], apart: float, steps: int = 3, log: str = "a.log") -> None:
    """Send signals to this process, so many seconds apart, once it has done so many steps."""

    def wait_and_send() -> None:
        while not Path(log).exists() or Path(log).read_text().count("\n") < steps:
            time.sleep(0.002)
        for number in numbers:
            os.kill(os.getpid(), number)
            time.sleep(apart)

    threading.Thread(target=wait_and_send, daemon=True).start()


def ignored(number: int, *numbers: int) -> None:
    """Ignore one signal, as ``nohup`` does, and send others."""
    signal.signal(number, signal.SIG_IGN)
    send((number, *numbers), 0.2)


def kept(root: Path, name: str = "out.png", size: tuple[int, int] = (192, 144)) -> None:
    """The picture is there, whole, with its recipe, and nothing else is left."""
    path = root / "here" / name
    with Image.open(path) as picture:
        picture.load()
        assert picture.size == size
    assert read_recipe(path)["stopped"] == "interrupted"
    assert not [name for name in os.listdir(path.parent) if name.startswith(".")]


def film_is_whole(root: Path) -> None:
    kept(root)
    with Image.open(root / "here" / "a.gif") as film:
        assert getattr(film, "n_frames", 1) >= 3


def sheet_shows_it(root: Path) -> None:
    with Image.open(root / "here" / "out.png") as sheet:
        sheet.load()
        assert sheet.width > sheet.height // 2
    assert read_recipe(root / "here" / "all" / "seed=0.png")["stopped"] == "interrupted"


def several(count: int, seed: int) -> list[tuple[tuple[int, ...], float]]:
    """Two to four signals of any kind, at distances from nothing to 0.3 s, most of them short."""
    chance = random.Random(seed)
    return [
        # Python deals with those that come at once by their number: so that the first one is known.
        (
            tuple(sorted(chance.choices([INT, TERM, HUP], k=chance.randint(2, 4)))),
            10 ** chance.uniform(-4, -0.5),
        )
        for _ in range(count)
    ]


ONE = [
    Attack(f"signal: {number.name} once", f"{ENDLESS} {LOG}", says=(reason, "the picture after"),
           writes=WRITES, before=partial(send, (number,), 0), after=kept, status=128 + number)
    for number, reason in [(INT, "interrupted"), (TERM, "terminated"), (HUP, "the terminal was closed")]
]  # fmt: skip


AT_ONCE = 0.05
"""Seconds between signals below which a busy machine may exchange them."""


def stopped_by(numbers: tuple[int, ...], apart: float, steps: int = 3, more: str = "") -> Attack:
    """Send signals, so many seconds apart, after so many steps: the first one is the reason.

    Which of two comes first that are sent at once, the system decides.
    """
    names = " ".join(signal.Signals(number).name for number in numbers)
    what = (
        f"several signals: {names}, {1000 * apart:.1f} ms apart{' with a checkpoint' * bool(more)}"
    )
    statuses = tuple(128 + number for number in numbers)
    return Attack(what, f"{ENDLESS} {LOG} {more}", says="the picture after",
                  writes=(*WRITES, "here/kept/*"), before=partial(send, numbers, apart, steps),
                  after=kept, status=statuses if apart < AT_ONCE else statuses[0])  # fmt: skip


TWO = [
    stopped_by((number, number), milliseconds / 1000, more=more)
    for number in (INT, TERM)
    for milliseconds in (0, 1, 2, 5, 10, 20, 100)
    for more in ("", "--checkpoint kept")
]

MORE = [stopped_by(numbers, apart) for numbers, apart in several(24, seed=1)]

OTHERS = [
    Attack("signal: one that is ignored, as under nohup", f"{ENDLESS} {LOG}", says="interrupted",
           writes=WRITES, before=partial(ignored, HUP, INT), after=kept, status=130),
    Attack("signal: while a film is made", f"{ENDLESS} {LOG} --callback timelapse:file=a.gif,every=1",
           says="the picture after", writes=(*WRITES, "here/a.gif"), before=partial(send, (INT,), 0),
           after=film_is_whole, status=130),
    Attack("signal: twice while a film is made",
           f"{ENDLESS} {LOG} --callback timelapse:file=a.gif,every=1,size=1024",
           says="the picture after", writes=(*WRITES, "here/a.gif", "tmp/*"),
           before=partial(send, (INT, INT), 1.3, steps=60), after=kept, status=130),
    Attack("signal: to a sweep", f"sweep content.png style.png -o out.png --vary seed=0,1 --folder all {LOG}"
           " --size 192 --scales single --steps 100000 --loss tv --quiet",
           says="interrupted; what was painted is in the sheet 'out.png'", writes=("here/out.png",
           "here/a_seed=0.log", "here/all/*"), after=sheet_shows_it,
           before=partial(send, (INT, INT, INT), 0.003, log="a_seed=0.log"), status=130),
    Attack("signal: resume after two", (f"{ENDLESS} {LOG} --checkpoint kept --callback stop:seconds=1",
           "resume kept --quiet"), writes=(*WRITES, "here/kept/*")),
]  # fmt: skip

ATTACKS = [*ONE, *TWO, *MORE, *OTHERS]
