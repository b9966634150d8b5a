"""The studio in a real browser: from the choice of pictures to the same bytes again.

Screenshots are kept under the name in ``IMPASTO_SCREENSHOTS``, for people to look at.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import ConsoleMessage, Page, Request, sync_playwright

from helpers import Pair
from impasto_plugins.studio.server import STATIC
from impasto_plugins.studio.studio import Studio
from pages import BROWSER

LEVELS = """() => new Set(document.querySelector("#picture").getContext("2d")
    .getImageData(0, 0, 900, 600).data).size"""
"""Different values among the pixels of the picture that is shown."""
TEXTS = {name: data.decode() for name, data in STATIC.items() if not name.endswith(".jpg")}


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_the_page_reads_no_text_as_html_and_names_no_other_host(name: str) -> None:
    assert not re.findall(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|new Function|https?://(?!www\.w3\.org)"
        r"|\bstyle=|\son\w+=\"|@import|url\(",
        TEXTS[name],
    )


@pytest.fixture
def page(studio: Studio, tmp_path: Path) -> Iterator[Page]:
    """A page of the studio; what its console says fails the test."""
    said: list[str] = []

    def console(message: ConsoleMessage) -> None:
        # The browser says of each refusal that there was one; the page says why.
        if "status of 400" not in message.text:
            said.append(message.text)

    def asked(request: Request) -> None:
        if not request.url.startswith((f"http://127.0.0.1:{studio.port}/", "blob:")):
            said.append(request.url)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        made = browser.new_context(viewport={"width": 1400, "height": 950}).new_page()
        made.on("console", console)
        made.on("pageerror", lambda error: said.append(str(error)))
        made.on("request", asked)
        made.goto(studio.address)
        yield made
        browser.close()
    assert said == []


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def shoot(page: Page, name: str, tmp_path: Path) -> None:
    folder = Path(os.environ.get("IMPASTO_SCREENSHOTS", tmp_path))
    page.screenshot(path=folder / f"{name}.png", full_page=True)


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no chromium is installed: apt-get install chromium")
def test_paint_watch_steer_and_repeat(
    page: Page, studio: Studio, pair: Pair, tmp_path: Path
) -> None:
    # The token is not in the address any more.
    assert page.url.endswith("/")
    paint = page.get_by_role("button", name="Paint", exact=True)
    page.get_by_label("Content: choose a file").set_input_files(pair.content)
    assert paint.is_disabled()
    page.get_by_label("Style: choose a file").set_input_files(pair.style)
    page.get_by_text("style.png").wait_for()
    size = page.locator(".setting", has_text="size").locator("input").first
    # What is wrong is one line, and nothing can be started.
    size.fill("3")
    page.locator("p.line.bad", has_text="setting 'size'").wait_for()
    assert paint.is_disabled()
    size.fill("48")
    for group in page.locator(".groups > details > summary").all():
        group.click()
    setting = page.locator(".setting")
    setting.filter(has=page.get_by_text("extractor", exact=True)).locator(
        "select"
    ).first.select_option("random")
    for name, value in (("scales", "single"), ("steps", "5000")):
        setting.filter(has=page.get_by_text(name, exact=True)).locator("input").first.fill(value)
    page.locator("code", has_text="--steps 5000").wait_for()
    shoot(page, "form", tmp_path)
    paint.click()
    # Pictures arrive.
    page.locator(".frame.full").wait_for(timeout=60_000)
    until(lambda: studio.hub.board and studio.hub.board.picture_number >= 2)
    assert page.evaluate(LEVELS) > 50
    # A slider moves, and its term with it; another tab sees it.
    other = page.context.new_page()
    other.goto(f"http://127.0.0.1:{studio.port}/")
    other.get_by_role("button", name="Watch").click()
    slider = page.locator("#steering .slider", has_text="gram").locator("input")
    board = studio.hub.board
    assert board is not None
    before = board.state["weights"]["gram"]
    slider.fill("50")
    until(lambda: board.state["weights"]["gram"] == pytest.approx(10 * before))
    page.locator("#steering summary", has_text="1 change, kept in the recipe").wait_for()
    other.locator("#steering summary", has_text="1 change, kept in the recipe").wait_for()
    shown = other.locator("#steering .slider", has_text="gram").locator("output")
    assert shown.inner_text() == "1000"
    other.close()
    # Pause, one step, back to an earlier step.
    page.get_by_role("button", name="Pause").click()
    page.locator(".chip.paused").wait_for()
    until(lambda: len(board.state["snapshots"]) > 1)
    here = board.rows[-1][0]
    page.get_by_role("button", name="One step").click()
    until(lambda: board.rows[-1][0] == here + 1)
    shoot(page, "paused", tmp_path)
    back = page.get_by_label("Earlier step")
    back.fill("1")
    page.get_by_role("button", name="Go back").click()
    until(lambda: board.rows[-1][0] < here)
    # Save while it is paused, then go on, and stop.
    with page.expect_download() as download:
        page.get_by_role("button", name="TIFF, 16 bits").click()
    download.value.save_as(tmp_path / "saved.tiff")
    assert (tmp_path / "saved.tiff").read_bytes()[:2] in (b"II", b"MM")
    page.get_by_role("button", name="Go on").click()
    slider.fill("-20")
    until(lambda: board.state["weights"]["gram"] < before)
    reached = board.rows[-1][0]
    until(lambda: board.rows[-1][0] > reached + 2)
    page.get_by_role("button", name="Stop and keep").click()
    page.locator(".chip.stopped").wait_for()
    shoot(page, "stopped", tmp_path)
    # The recipe once more, steering included: the same bytes.
    first = board.state["run"]
    page.locator("#after").get_by_role("button", name="Repeat it exactly").click()
    until(lambda: len(studio.runs.records) == 2)
    (second,) = set(studio.runs.records) - {first}
    until(lambda: studio.runs.records[second]["status"] in ("done", "failed"))
    assert studio.runs.records[second]["line"] == ""
    assert studio.runs.picture(second).read_bytes() == studio.runs.picture(first).read_bytes()
    # Results: two are compared, one is opened and asked for again.
    page.get_by_role("button", name="Results").click()
    for number in range(2):
        page.locator(".result input[type=checkbox]").nth(number).check()
    shoot(page, "results", tmp_path)
    page.get_by_role("button", name="Compare two").click()
    page.locator("dialog .divider").wait_for()
    shoot(page, "compare", tmp_path)
    page.get_by_role("button", name="Close").click()
    page.locator(".result").first.get_by_role("button", name="Again with").click()
    page.locator("code", has_text="--steps 5000").wait_for()


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no chromium is installed: apt-get install chromium")
def test_a_mask_is_painted_with_a_brush(
    page: Page, studio: Studio, pair: Pair, tmp_path: Path
) -> None:
    page.get_by_label("Content: choose a file").set_input_files(pair.content)
    page.get_by_label("Style: choose a file").set_input_files(pair.style)
    page.get_by_role("button", name="Where it paints").click()
    brush = page.locator("canvas.brush")
    box = brush.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 5, box["y"] + 5)
    page.mouse.up()
    shoot(page, "mask", tmp_path)
    page.get_by_role("button", name="Use it").click()
    page.get_by_text("Where it paints ✓").wait_for()
    page.locator("code", has_text="content_mask=").wait_for()
    assert len(list((studio.folder / "uploads").glob("*.picture"))) == 3


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no chromium is installed: apt-get install chromium")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_has_no_part_beside_the_screen(
    page: Page, scheme: str, pair: Pair, tmp_path: Path
) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": 390, "height": 844})
    page.get_by_label("Style: choose a file").set_input_files(pair.style)
    page.get_by_text("style.png").wait_for()
    for name in ("New painting", "Watch", "Results"):
        page.get_by_role("button", name=name).first.click()
        assert page.evaluate("() => document.documentElement.scrollWidth") == 390
        shoot(page, f"phone_{scheme}_{name.partition(' ')[0]}", tmp_path)
