"""Attacks on the page by HTTP, against the real server."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import httpx
import pytest

from impasto_plugins.studio import server as serving
from impasto_plugins.studio.hub import Hub
from impasto_plugins.studio.security import HEADERS, Gate, is_loopback
from impasto_plugins.studio.server import Server
from served import events, line_of, origin_of, served, visitor


@pytest.fixture(scope="module")
def page() -> Iterator[Server]:
    with served() as server:
        yield server


@pytest.fixture
def inside(page: Server) -> Iterator[httpx.Client]:
    with visitor(page.address) as client:
        yield client


ADDRESSES = ("/", "/static/page.js", "/api/mode", "/api/events", "/api/inputs/0", "/nothing")


@pytest.mark.parametrize("path", ADDRESSES)
def test_without_the_token_nothing_is_there(page: Server, path: str) -> None:
    answer = httpx.get(origin_of(page.address) + path)
    assert answer.status_code == 403
    assert answer.text == "impasto: open the address with the token that 'impasto' printed\n"
    assert {answer.headers[name] for name in HEADERS} == set(HEADERS.values())


@pytest.mark.parametrize("token", ["x", "é" * 40, "%00", "a" * 5000])
def test_a_wrong_token_is_refused(page: Server, token: str) -> None:
    answer = httpx.get(f"{origin_of(page.address)}/?token={token}")
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert page.token not in answer.text


def test_the_token_becomes_a_cookie_that_scripts_and_other_sites_do_not_get(page: Server) -> None:
    answer = httpx.get(page.address)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert page.token not in cookie


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1:1", "localhost", "10.0.0.1:{}", "127.0.0.1.evil.example:{}"],
)
def test_another_host_is_refused_also_with_the_cookie(
    page: Server, inside: httpx.Client, host: str
) -> None:
    answer = inside.get("/api/mode", headers={"Host": host.format(page.port)})
    assert (answer.status_code, answer.text) == (
        403,
        "impasto: this page is not called by that name\n",
    )


def test_names_of_this_machine_are_taken(page: Server, inside: httpx.Client) -> None:
    for host in ("127.0.0.1", "localhost", "LOCALHOST", "[::1]"):
        named = {"Host": f"{host}:{page.port}", "Origin": f"http://{host}:{page.port}"}
        assert inside.get("/api/mode", headers=named).status_code == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1:{}"]
)
def test_another_origin_is_refused(page: Server, inside: httpx.Client, origin: str) -> None:
    named = {"Origin": origin.format(page.port)}
    for answer in (
        inside.post("/api/steer", json={"do": "stop"}, headers=named),
        inside.get("/api/mode", headers=named),
    ):
        assert answer.status_code == 403
        assert answer.text == "impasto: this request does not come from the page\n"


def test_what_changes_something_has_to_say_where_it_comes_from(
    page: Server, inside: httpx.Client
) -> None:
    del inside.headers["origin"]
    assert inside.get("/api/mode").status_code == 200
    assert inside.post("/api/steer", json={"do": "stop"}).status_code == 403
    for site in ("cross-site", "same-site"):
        assert inside.get("/api/mode", headers={"Sec-Fetch-Site": site}).status_code == 403


@pytest.mark.parametrize("path", [
    "/static/../server.py", "/static/%2e%2e%2fserver.py", "/static/..%5cserver.py", "/static//etc/passwd",
    "/static/%2fetc%2fpasswd", "/etc/passwd", "/static/", "/static/page.js%00", "/../../etc/passwd",
])  # fmt: skip
def test_no_path_leads_to_a_file(page: Server, inside: httpx.Client, path: str) -> None:
    # By hand, since clients tidy paths up.
    cookie = "; ".join(f"{one.name}={one.value}" for one in inside.cookies.jar)
    with closing(socket.create_connection(("127.0.0.1", page.port), 10)) as line:
        headers = f"Host: 127.0.0.1:{page.port}\r\nCookie: {cookie}\r\nConnection: close"
        line.sendall(f"GET {path} HTTP/1.1\r\n{headers}\r\n\r\n".encode())
        answer = b"".join(iter(lambda: line.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"root:" not in answer
    assert b"import" not in answer


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'{"a": NaN}', b"[" * 100_000])
def test_a_body_that_is_no_object_is_one_line(inside: httpx.Client, body: bytes) -> None:
    assert line_of(inside.post("/api/steer", content=body)) == "the request is no JSON object"


def test_a_body_without_end_is_refused(inside: httpx.Client) -> None:
    answer = inside.post("/api/steer", content=(b" " * 1000 for _ in range(1000)))
    assert (answer.status_code, line_of(answer)) == (413, "a request has at most 100000 bytes")


def test_a_run_that_is_over_takes_no_commands(inside: httpx.Client) -> None:
    line = line_of(inside.post("/api/steer", json={"do": "stop"}))
    assert line == "the run does not paint now"


def test_viewers_are_bounded(page: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "MOST_VIEWERS", 2)
    with ExitStack() as all_of_them:
        for _ in range(2):
            stream = events(all_of_them.enter_context(visitor(page.address)))
            next(stream)
            all_of_them.callback(stream.close)
        answer = all_of_them.enter_context(visitor(page.address)).get("/api/events")
        assert (answer.status_code, line_of(answer)) == (503, "2 pages are open already; close one")


def test_a_thousand_connections_leave_the_page_alive(page: Server) -> None:
    with visitor(page.address) as client, ExitStack() as lines:
        stream = events(client)
        next(stream)
        for _ in range(1000):
            lines.enter_context(closing(socket.create_connection(("127.0.0.1", page.port), 10)))
        # The server may be about to close one more.
        assert len(page.server.server_state.connections) <= serving.MOST_CONNECTIONS + 1
        page.hub.post(page.hub.board, {"kind": "note", "line": "still here"})  # type: ignore[arg-type]
        assert any("still here" in str(data) for _, data in stream)
    with visitor(page.address) as client:
        assert client.get("/api/mode").json() == {"mode": "page"}


def test_a_connection_that_asks_for_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "SILENCE", 0.2)
    with (
        served() as server,
        closing(socket.create_connection(("127.0.0.1", server.port), 10)) as line,
    ):
        began = time.monotonic()
        assert line.recv(10) == b""
        assert time.monotonic() - began < 5


def test_open_to_the_network_there_is_a_warning_and_names_are_refused_still(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    for level in ("info", "warning"):
        monkeypatch.setattr(
            serving.logger,
            level,
            lambda line, *more, level=level: said.append(f"{level}: {line % more}"),
        )
    server = Server(Hub(), "0.0.0.0", 0)
    server.say("the page")
    address, warning = said
    assert address.startswith(f"info: the page: http://127.0.0.1:{server.port}/?token=")
    assert warning.startswith("warning: the page is open to the network, without encryption")
    gate = server.app
    assert isinstance(gate, Gate)
    assert gate.is_own_name(f"192.168.1.7:{server.port}")
    assert gate.is_own_name(f"{socket.gethostname()}:{server.port}")
    assert not gate.is_own_name(f"evil.example:{server.port}")
    assert not gate.is_own_name("192.168.1.7:1")
    server.socket.close()


def test_which_addresses_are_this_machine_alone() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "localhost", "::1", "127.9.9.9")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "example.org")))
