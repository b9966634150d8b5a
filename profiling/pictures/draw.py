"""Draw the pictures of the guide anew: profiles of the demo, as a browser shows them.

    python profiling/pictures/draw.py

It takes two minutes, and wants chromium; nothing is loaded from a network.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
from PIL import Image

HERE = Path(__file__).parent
DEMO = HERE.parents[1] / "engine" / "impasto" / "demo"
PAIR = [str(DEMO / "harbor.jpg"), str(DEMO / "strokes.jpg")]
SMALL = ["--size", "160", "--scales", "single", "--steps", "9", "--quiet"]
GRAM, SLICED = "--loss content --loss gram", "--loss content --loss sliced"
WIDTH, HEIGHT = 1120, 3600
CARD = (255, 255, 255)
"""Color of a card of a page in its light theme."""
INSIDE = 36
"""Pixels from the left of the page to a column that is in the cards, and in nothing that is drawn on them."""


def main() -> None:
    """Draw all of them."""
    browser = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if browser is None:
        sys.exit("no chromium is installed: apt-get install chromium")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        profile(
            *SLICED.split(), "-o", str(folder / "one.png"), "--trace-dir", str(folder / "sliced")
        )
        report = shown(browser, folder / "sliced" / "report.html", folder)
        time, _, memory, *_ = cards(report)
        time.save(HERE / "slow_loss.png", optimize=True)
        memory.save(HERE / "memory.png", optimize=True)
        profile("--compare", GRAM, SLICED, "--rounds", "9", "--trace-dir", str(folder / "both"))
        page = shown(browser, folder / "both" / "comparison.html", folder)
        page.crop((0, 0, WIDTH, 900)).save(HERE / "comparison.png", optimize=True)


def profile(*options: str) -> None:
    """Profile the demo. A comparison that finds B slower ends with 3."""
    command = [sys.executable, "-m", "impasto", "profile", *PAIR, *SMALL, *options]
    status = subprocess.run(command, check=False).returncode  # noqa: S603 the engine itself
    if status not in (0, 3):
        sys.exit(f"a profile ended with {status}")


def shown(browser: str, page: Path, folder: Path) -> Image.Image:
    """A page as a browser without network draws it."""
    file = folder / "page.png"
    command = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
        "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={folder / 'user'}",
        "--virtual-time-budget=5000", f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={file}",
        page.as_uri(),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 the browser
    with Image.open(file) as picture:
        return picture.convert("RGB")


def cards(page: Image.Image) -> list[Image.Image]:
    """The large cards of a page, from the top: time, timeline, memory, roofline."""
    column = (numpy.asarray(page)[:, INSIDE] == CARD).all(1)
    edges = numpy.flatnonzero(numpy.diff(numpy.concatenate([[0], column, [0]])))
    runs = [(int(top), int(end)) for top, end in edges.reshape(-1, 2)]
    return [page.crop((0, top - 8, WIDTH, end + 8)) for top, end in runs if end - top > 200]


if __name__ == "__main__":
    main()
