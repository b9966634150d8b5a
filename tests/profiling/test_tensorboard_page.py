"""One log for all: TensorBoard with the profiler's plugin serves the profile, the curves and the pictures."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import impasto
from helpers import drawn

PATIENCE = 90.0
"""Seconds until the server has read the log."""

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--window-size=1400,1000", "--virtual-time-budget=60000",
)  # fmt: skip


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a server on the log of a run that was profiled."""
    folder = tmp_path_factory.mktemp("served")
    for name, seed in (("content", 1), ("style", 2)):
        drawn(64, 48, seed).save(folder / f"{name}.png")
    log = folder / "log"
    callbacks = [f"profile:folder={log},active=2,profile_memory=true", f"tensorboard:folder={log}"]
    pictures = folder / "content.png", folder / "style.png"
    impasto.run(*pictures, size=48, steps=6, loss=["tv", "range"], callback=callbacks)
    port = free_port()
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(log), "--port", str(port),
               "--host", "127.0.0.1", "--load_fast", "false"]  # fmt: skip
    with (folder / "server.txt").open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def get(address: str, **query: str) -> Any:
    with urllib.request.urlopen(f"{address}?{urllib.parse.urlencode(query)}", timeout=30) as reply:
        body = reply.read()
    return json.loads(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)


def once_there(address: str, enough: Any, **query: str) -> Any:
    """The answer, asked for until the server has read the log."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            if enough(answer := get(address, **query)):
                return answer
        except (urllib.error.URLError, ConnectionError):
            answer = "no answer"
        assert time.monotonic() < deadline, answer
        time.sleep(0.3)


def test_the_profile_with_its_views(server: str) -> None:
    plugin = f"{server}/data/plugin/pytorch_profiler"
    runs = once_there(f"{plugin}/runs", lambda answer: answer["runs"] and not answer["loading"])
    assert runs["runs"] == ["log"]
    views = get(f"{plugin}/views", run="log")
    assert {"Overview", "Operator", "Trace", "Memory"} <= set(views)
    worker = "stage_0_48x36"
    assert get(f"{plugin}/workers", run="log", view="Overview") == [worker]
    (span,) = get(f"{plugin}/spans", run="log", worker=worker)
    where = {"run": "log", "worker": worker, "span": span}
    overview = get(f"{plugin}/overview", **where)
    assert "Average Step Time" in json.dumps(overview)
    operators = get(f"{plugin}/operation", **where, group_by="Operation")
    assert "aten::" in json.dumps(operators)
    trace = get(f"{plugin}/trace", **where)
    assert {"loss/tv", "loss/range", "backward"} <= {
        one.get("name") for one in trace["traceEvents"]
    }


def test_the_curves(server: str) -> None:
    tags = once_there(f"{server}/data/plugin/scalars/tags", lambda answer: answer.get("."))
    assert set(tags["."]) == {"loss", "terms/tv", "terms/range"}
    points = once_there(
        f"{server}/data/plugin/scalars/scalars",
        lambda answer: len(answer) == 6,
        run=".",
        tag="loss",
    )
    assert [point[1] for point in points] == [1, 2, 3, 4, 5, 6]


def test_the_pictures(server: str, tmp_path: Path) -> None:
    wanted = {"content", "style", "painted", "profile/roofline", "profile/parts"}
    address = f"{server}/data/plugin/images"
    once_there(f"{address}/tags", lambda answer: set(answer.get(".", ())) == wanted)
    (painted,) = get(f"{address}/images", run=".", tag="painted", sample="0")
    with urllib.request.urlopen(f"{address}/individualImage?{painted['query']}") as reply:
        (tmp_path / "painted.png").write_bytes(reply.read())
    with Image.open(tmp_path / "painted.png") as picture:
        assert picture.size == (48, 36)


@pytest.mark.skipif(BROWSER is None, reason="no chromium is installed: apt-get install chromium")
@pytest.mark.parametrize("tab", ["images", "pytorch_profiler"])
def test_a_browser_shows_the_page(server: str, tab: str, tmp_path: Path) -> None:
    """The screenshot is kept under the name in ``IMPASTO_SCREENSHOTS``, for people to look at."""
    plugin = f"{server}/data/plugin/pytorch_profiler"
    once_there(f"{plugin}/runs", lambda answer: answer["runs"] and not answer["loading"])
    shot = Path(os.environ.get("IMPASTO_SCREENSHOTS", tmp_path)) / f"{tab}.png"
    command = [str(BROWSER), *FLAGS, f"--user-data-dir={tmp_path / 'user'}", f"--screenshot={shot}"]
    subprocess.run([*command, f"{server}/#{tab}"], capture_output=True, timeout=180, check=True)
    with Image.open(shot) as page:
        colors = page.convert("RGB").getcolors(2**24)
    assert colors is not None
    # TensorBoard's orange bar, and more than an empty page under it.
    assert any(count > 10_000 and rgb == (245, 124, 0) for count, rgb in colors)
    assert len(colors) > 50
