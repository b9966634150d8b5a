"""Take the pictures of the studio that the pages show: it paints the demo, and a browser is photographed.

python plugins/gallery/studio.py [FOLDER]     needs chromium; other sizes and themes go into FOLDER
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from impasto.plugin import DEMO_CONTENT, DEMO_STYLE
from impasto_plugins.studio.studio import Studio

SHOWN = Path(__file__).parents[2] / "engine" / "studio.jpg"
STEPS = 45
"""After which the picture is taken, in the third stage of the default's."""


def paint(page: Page) -> None:
    """Choose the demo's pictures, and start."""
    page.get_by_label("Content: choose a file").set_input_files(DEMO_CONTENT)
    page.locator(".drop.has img").wait_for()
    page.get_by_label("Style: choose a file").set_input_files(DEMO_STYLE)
    page.get_by_role("button", name="384").click()
    page.locator("code", has_text="--size 384").wait_for()


def shoot(folder: Path, elsewhere: Path | None) -> None:
    """Take the pictures."""
    studio = Studio(folder, "127.0.0.1", 0)
    studio.start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_context(viewport={"width": 1400, "height": 900}).new_page()
        page.goto(studio.address)
        paint(page)
        if elsewhere:
            page.screenshot(path=elsewhere / "form.png")
        page.get_by_role("button", name="Paint", exact=True).click()
        while not (
            studio.hub.board
            and studio.hub.board.rows[-1:]
            and studio.hub.board.rows[-1][0] >= STEPS
        ):
            page.wait_for_timeout(200)
        page.get_by_role("button", name="Before / after").click()
        page.wait_for_timeout(1500)
        png = folder / "studio.png"
        page.screenshot(path=png)
        with Image.open(png) as picture:
            picture.convert("RGB").save(SHOWN, quality=84, optimize=True)
        for width, scheme in ((1400, "dark"), (390, "light"), (390, "dark")) if elsewhere else ():
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_timeout(700)
            page.screenshot(path=elsewhere / f"watch_{width}_{scheme}.png", full_page=width < 1000)  # type: ignore[operator]
        page.get_by_role("button", name="Stop and keep").click()
        page.locator(".chip.stopped").wait_for()
        browser.close()
    time.sleep(0.5)
    studio.stop()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        shoot(Path(made), Path(sys.argv[1]) if len(sys.argv) > 1 else None)
