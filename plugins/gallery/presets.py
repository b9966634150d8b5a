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
SIZE, SHOWN = 256, (240, 180)
"""Longer side at which they are painted, and width and height at which they are kept, pixels."""


def paint(name: str) -> None:
    """Paint with a preset, and keep a small picture of it."""
    content = None if name == "texture" else DEMO_CONTENT
    size = "256x192" if content is None else SIZE
    result = impasto.run(content, DEMO_STYLE, preset=name, size=size)
    small = ImageOps.fit(result.picture, SHOWN)
    small.save(STATIC / f"preset_{name}.jpg", quality=82, optimize=True)


if __name__ == "__main__":
    for preset in sys.argv[1:] or impasto.presets():
        paint(preset)
