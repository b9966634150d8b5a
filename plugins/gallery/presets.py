"""Paint the small pictures of the presets that the studio shows, from the demo's two pictures.

python plugins/gallery/presets.py [NAME ...]     all presets, or those that are named
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import ImageOps

import impasto
from impasto.plugin import DEMO_CONTENT, DEMO_STYLE

STATIC = Path(__file__).parents[1] / "impasto_plugins" / "studio" / "static"
SIZE, SHOWN = 192, (240, 180)
"""Longer side at which they are painted, and width and height at which they are kept, pixels."""
LARGER = {"strotss": 512, "nnst": 512}
"""Sizes of presets that lose houses in a picture so small; a quarter of an hour each."""
FEWER = {"gatys2016": [200], "notebook": [800]}
"""Steps of presets that have so many that a small picture would take an hour."""


def paint(name: str, folder: Path = STATIC) -> None:
    """Paint with a preset, and keep a small picture of it."""
    content = None if name == "texture" else DEMO_CONTENT
    fewer = {"steps": FEWER[name]} if name in FEWER else {}
    size = "256x192" if content is None else LARGER.get(name, SIZE)
    result = impasto.run(content, DEMO_STYLE, preset=name, size=size, **fewer)  # type: ignore[arg-type]
    small = ImageOps.fit(result.picture, SHOWN)
    small.save(folder / f"preset_{name}.jpg", quality=82, optimize=True)


if __name__ == "__main__":
    for preset in sys.argv[1:] or impasto.presets():
        paint(preset)
