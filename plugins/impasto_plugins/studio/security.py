"""Who may talk to the page: the one who has the token, by the page's own name, from the page itself.

A page on loopback is reached by every program of the machine and by every web site that the user has open.
So each request needs the cookie that only the start address gives; its Host must be a name of this machine
(else a site whose name is pointed here, by DNS rebinding, would be one with the page); and what changes
something must come from the page itself (Origin), not from a form of another site.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import socket
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""What every answer says, also one that is refused."""

SAFE_METHODS = ("GET", "HEAD")


class Gate:
    """ASGI middleware that lets in who may, and answers all others in one line."""

    def __init__(self, app: ASGIApp, token: str, port: int, hosts: Iterable[str]) -> None:
        """Take the secrets.

        Args:
            app: what is behind the gate.
            token: that the start address has.
            port: of the server; a cookie counts for all ports of a host, so its name has the port.
            hosts: names, without port, by which the page may be called.
        """
        self.app, self.token = app, token
        self.cookie = f"impasto_{port}"
        self.session = secrets.token_urlsafe(32)
        self.hosts = {f"{host}:{port}" for host in hosts}
        self.port = port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        answer = self.answer_to(scope)
        await (answer or self.app)(scope, receive, with_headers)

    def answer_to(self, scope: Scope) -> Response | None:
        """The answer of the gate itself; None lets the request in."""
        headers = Headers(scope=scope)
        if not self.is_own_name(headers.get("host", "")):
            return refusal("this page is not called by that name")
        if token := given_token(scope):
            return self.enter(token) if same(token, self.token) else refusal("wrong token")
        if not same(self.cookie_in(headers), self.session):
            return refusal("open the address with the token that 'impasto' printed")
        if not self.is_from_the_page(scope["method"], headers):
            return refusal("this request does not come from the page")
        return None

    def enter(self, token: str) -> Response:
        """Give the cookie for the token, and the address without it, which is safe to keep or show."""
        answer = RedirectResponse("/", 303)
        answer.set_cookie(self.cookie, self.session, httponly=True, samesite="strict", path="/")
        return answer

    def is_own_name(self, host: str) -> bool:
        """Whether a Host header names this machine: a known name, or an address where others may come."""
        host = host.lower()
        if host in self.hosts:
            return True
        name, _, port = host.rpartition(":")
        return "*:" + str(self.port) in self.hosts and port == str(self.port) and is_address(name)

    def is_from_the_page(self, method: str, headers: Headers) -> bool:
        """Whether no other site has sent it; browsers say so, and programs have to as well."""
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return False
        origin = headers.get("origin")
        if origin is None:
            return method in SAFE_METHODS
        return origin.lower() == f"http://{headers.get('host', '').lower()}"

    def cookie_in(self, headers: Headers) -> str:
        """The value of the cookie; empty if there is none."""
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(self.cookie)
        except CookieError:
            return ""
        return found.value if found is not None else ""


def same(given: str, secret: str) -> bool:
    """Whether two texts are the same, in a time that does not tell how much of them is."""
    return hmac.compare_digest(given.encode(), secret.encode())


def refusal(line: str) -> Response:
    """403 with one line."""
    return PlainTextResponse(f"impasto: {line}\n", 403)


def given_token(scope: Scope) -> str:
    """The token in the start address; empty for all other addresses."""
    if scope["path"] != "/":
        return ""
    query = scope["query_string"].decode("ascii", errors="replace")
    return parse_qs(query, max_num_fields=20).get("token", [""])[0] if len(query) < 1000 else ""


def names_of(host: str) -> list[str]:
    """Names by which a page may be called that is bound to an address.

    Args:
        host: the address; of all interfaces every numeric address counts (``*``), since rebinding needs
            a name, and the name of the machine.
    """
    loopback = ["127.0.0.1", "localhost", "[::1]"]
    if is_loopback(host):
        return loopback
    return [*loopback, "*", host.lower(), socket.gethostname().lower(), socket.getfqdn().lower()]


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_address(name: str) -> bool:
    """Whether a name is a numeric address."""
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
