"""Pages in tests: a real server on a free port, and clients that come in by its start address."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from impasto_plugins.studio.board import Board
from impasto_plugins.studio.hub import Hub
from impasto_plugins.studio.server import Server


@contextmanager
def served() -> Iterator[Server]:
    """The page of a run that does not go on, on a free port of loopback."""
    hub = Hub()
    hub.board = Board(hub.tell)
    server = Server(hub, "127.0.0.1", 0)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def origin_of(address: str) -> str:
    """The address of a page without path and token."""
    return address.partition("/?")[0]


@contextmanager
def visitor(address: str) -> Iterator[httpx.Client]:
    """A client that has come in by the start address, and says as browsers do where it is."""
    origin = origin_of(address)
    with httpx.Client(base_url=origin, headers={"Origin": origin}, timeout=30) as client:
        assert client.get(address, follow_redirects=True).status_code == 200
        yield client


def events(client: httpx.Client) -> Generator[tuple[str, Any], None, None]:
    """Name and data of each event that the page sends, until the server ends."""
    try:
        with client.stream("GET", "/api/events") as answer:
            assert answer.status_code == 200, answer.read()
            name = ""
            for line in answer.iter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    yield name, json.loads(line.removeprefix("data: "))
    except (httpx.RemoteProtocolError, httpx.ReadError):
        return


def line_of(answer: httpx.Response) -> str:
    """The one line of a refusal."""
    assert answer.status_code >= 400
    found: Mapping[str, str] = answer.json()
    (line,) = found.values()
    assert line
    assert "\n" not in line
    return line
