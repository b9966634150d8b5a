"""Viewers: each takes the newest picture, a slow one holds up nobody, and what they cost is bounded."""

from __future__ import annotations

import asyncio
import base64
import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing
from io import BytesIO

import pytest
import torch
from PIL import Image

from helpers import SHALLOW, Invoke, Pair
from impasto_plugins.studio import hub as hub_module
from impasto_plugins.studio.board import MOST_ROWS, Board, Seen
from impasto_plugins.studio.hub import Hub
from impasto_plugins.studio.reporter import encoded
from impasto_plugins.studio.server import Server
from served import events, served, visitor

PICTURE = {
    "kind": "picture",
    "jpeg": bytes(2_000_000),
    "step": 1,
    "width": 64,
    "height": 48,
    "cost": 0.0,
}


def test_a_slow_viewer_misses_pictures_and_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "SHARE", 1.0)
    with served() as server, visitor(server.address) as client:
        board = server.hub.board
        assert board is not None
        cookie = "; ".join(f"{one.name}={one.value}" for one in client.cookies.jar)
        asked = (
            f"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nCookie: {cookie}\r\n\r\n"
        )
        with closing(socket.create_connection(("127.0.0.1", server.port), 10)) as slow:
            slow.sendall(asked.encode())
            slow.recv(10)
            quick = events(client)
            for step in range(1, 13):
                server.hub.post(board, {**PICTURE, "step": step})
                while next((data["step"] for name, data in quick if name == "picture")) != step:
                    pass
            pictures, end = 0, b""
            while b'"step": 12,' not in end:
                got = slow.recv(1_000_000)
                assert got
                pictures += (end[-13:] + got).count(b"event: picture")
                end = (end + got)[-100:]
        assert pictures < 12


def test_pictures_are_asked_for_as_often_as_their_cost_allows() -> None:
    """One that costs 10 ms of the processor comes once a second at most."""
    asked: list[float] = []
    hub = Hub()

    def command(message: object) -> None:
        asked.append(time.monotonic())
        hub.board.take({**PICTURE, "cost": 0.01})  # type: ignore[union-attr]

    hub.board = Board(hub.tell, command)
    hub.viewers = 1

    async def watch() -> None:
        telling = asyncio.ensure_future(hub.keep_telling())
        await asyncio.sleep(3)
        telling.cancel()

    asyncio.run(watch())
    assert len(asked) >= 3
    assert asked[2] - asked[0] > 0.9


def test_nobody_looks_and_nothing_is_encoded() -> None:
    asked: list[object] = []
    hub = Hub()
    hub.board = Board(hub.tell, asked.append)

    async def nobody() -> None:
        telling = asyncio.ensure_future(hub.keep_telling())
        await asyncio.sleep(0.5)
        telling.cancel()

    asyncio.run(nobody())
    assert asked == []


def test_a_viewer_that_comes_late_has_all_points_and_one_that_stays_the_new_ones() -> None:
    board = Board(lambda urgent: None)
    seen = Seen(board)
    board.add([[1, 0, 0.1, 0, 5.0]])
    assert b"event: curves\ndata: [[1, 0, 0.1, 0, 5.0]]" in seen.news()
    board.add([[2, 0, 0.2, 0, 4.0]])
    assert seen.news() == b"event: rows\ndata: [[2, 0, 0.2, 0, 4.0]]\n\n"
    assert seen.news() == b""
    board.go_back(1)
    assert seen.news() == b"event: curves\ndata: [[1, 0, 0.1, 0, 5.0]]\n\n"
    assert b"[[1, 0, 0.1, 0, 5.0]]" in Seen(board).news()


def test_points_of_a_long_run_are_thinned_out() -> None:
    board = Board(lambda urgent: None)
    board.add([[step, 0, 0.0, 0, 1.0] for step in range(1, MOST_ROWS + 2)])
    assert len(board.rows) == MOST_ROWS // 2 + 1
    assert (board.rows[0][0], board.rows[-1][0]) == (1, MOST_ROWS + 1)


def test_a_large_picture_is_sent_smaller() -> None:
    message = encoded(3, torch.rand(1, 3, 1500, 2000), longest=500)
    assert (message["width"], message["height"]) == (2000, 1500)
    with Image.open(BytesIO(message["jpeg"])) as picture:
        assert picture.size == (500, 375)


@pytest.fixture
def visited(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[tuple[str, object]]]:
    """What a viewer of the run's page sees, who is there before the first step."""
    seen: list[tuple[str, object]] = []
    say = Server.say
    watching: list[threading.Thread] = []

    def said(server: Server, what: str) -> None:
        say(server, what)
        here = threading.Event()

        def watch() -> None:
            with visitor(server.address) as client:
                for one in events(client):
                    seen.append(one)
                    here.set()

        thread = threading.Thread(target=watch)
        watching.append(thread)
        thread.start()
        assert here.wait(20)

    monkeypatch.setattr(Server, "say", said)

    def all_of_it() -> list[tuple[str, object]]:
        for thread in watching:
            thread.join(20)
            assert not thread.is_alive()
        return seen

    return all_of_it


def test_a_run_is_seen_from_its_start_to_its_end(
    invoke: Invoke, pair: Pair, visited: Callable[[], list[tuple[str, object]]]
) -> None:
    output = pair.content.with_name("out.png")
    done = invoke("run", pair.content, pair.style, "-o", output, "--extractor", "random", *SHALLOW,
                  "--size", 48, "--steps", "6", "--scales", "32,48", "--callback", "page:port=0")  # fmt: skip
    assert done.status == 0, done.err
    assert "the page of this run: http://127.0.0.1:" in done.err
    seen = visited()
    states = [data for name, data in seen if name == "state"]
    last = states[-1]
    assert isinstance(last, dict)
    assert (last["status"], last["steps"], last["names"]) == ("done", 12, ["content", "gram"])
    assert last["stages"] == [[32, 24, 6], [48, 36, 6]]
    assert last["inputs"] == ["content", "style"]
    steps = [row[0] for name, rows in seen if name in ("rows", "curves") for row in rows]  # type: ignore[attr-defined]
    assert steps == list(range(1, 13))
    pictures = [data for name, data in seen if name == "picture"]
    assert pictures
    assert isinstance(pictures[-1], dict)
    assert pictures[-1]["step"] == 12
    with Image.open(BytesIO(base64.b64decode(pictures[-1]["jpeg"]))) as picture:
        assert picture.size == (48, 36)


@pytest.mark.slow
def test_the_picture_is_the_same_whoever_watches(invoke: Invoke, pair: Pair) -> None:
    made = []
    for name, more in (("a.png", ()), ("b.png", ("--callback", "page:port=0"))):
        output = pair.content.with_name(name)
        done = invoke("run", pair.content, pair.style, "-o", output, "--extractor", "random", *SHALLOW,
                      "--size", 32, "--steps", 3, *more)  # fmt: skip
        assert done.status == 0, done.err
        made.append(output.read_bytes())
    assert made[0] == made[1]


@pytest.mark.slow
def test_a_port_that_is_taken_is_said(invoke: Invoke, pair: Pair) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        done = invoke("run", pair.content, pair.style, "-o", pair.content.with_name("out.png"),
                      "--extractor", "random", *SHALLOW, "--size", 32, "--steps", 1,
                      "--callback", f"page:port={port}")  # fmt: skip
    assert done.status == 0, done.err
    assert f"http://127.0.0.1:{port}/" not in done.err
    assert f"port {port} is taken" in done.err


def test_without_the_extra_one_line_says_how_to_get_it(
    invoke: Invoke, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "uvicorn" else find(name, *more)
    )  # fmt: skip
    done = invoke("run", pair.content, pair.style, "--size", 32, "--callback", "page")
    assert done.status == 1
    assert "pip install 'impasto[studio]'" in done.error
