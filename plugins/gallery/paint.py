"""Paint the gallery anew: the masks, then every command that stands in its README.md.

python plugins/gallery/paint.py [WORD ...]     only the commands that have all of these words
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import numpy
from PIL import Image, ImageFilter

HERE = Path(__file__).parent
DEMO = HERE.parents[1] / "engine" / "impasto" / "demo"


def commands() -> list[list[str]]:
    """The commands of the page, word by word; lines that end in a backslash go on."""
    text = (HERE / "README.md").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.startswith("    impasto ")]
    return [shlex.split(line, comments=True) for line in lines]


def draw_masks() -> None:
    """The sky of the harbor, with a soft lower edge; the orange and the blue part of the strokes."""
    height, width = 216, 288
    down = numpy.linspace(0, 1, height)[:, None] * numpy.ones((1, width))
    save_mask(1 - ((down - 0.42) / 0.12).clip(0, 1), "sky.png")
    with Image.open(DEMO / "strokes.jpg") as picture:
        small = picture.convert("RGB").resize((216, 216)).filter(ImageFilter.GaussianBlur(4))
    pixels = numpy.asarray(small, dtype=float) / 255
    orange = ((pixels[..., 0] - pixels[..., 2]) / 0.3 + 0.5).clip(0, 1)
    save_mask(orange, "orange.png")
    save_mask(1 - orange, "blue.png")


def save_mask(
    values: numpy.ndarray[tuple[int, ...], numpy.dtype[numpy.float64]], name: str
) -> None:
    """Write values in [0, 1] as a gray picture."""
    Image.fromarray((values * 255).round().astype(numpy.uint8)).save(HERE / name, optimize=True)


def main() -> None:
    """Draw and paint."""
    draw_masks()
    for words in commands():
        if all(word in words for word in sys.argv[1:]):
            print(shlex.join(words), flush=True)  # noqa: T201
            arguments = [*words[1:], "--force"]
            # The page is our own, and what it runs is Impasto itself.
            subprocess.run([sys.executable, "-m", "impasto", *arguments], cwd=HERE, check=True)  # noqa: S603


if __name__ == "__main__":
    main()
