"""All messages that a user can meet, on one page: ``python tests/messages.py``."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("engine/impasto", "plugins/impasto_plugins", "profiling/impasto_profiling")
LOGGED = ("info", "warning", "error")


@dataclass(frozen=True)
class Message:
    """A message as the code has it, with ``{…}`` where values go."""

    file: str
    line: int
    kind: str
    """``SettingsError``, ``warning`` …"""
    text: str


def messages() -> list[Message]:
    """Those of all errors that are raised and of all lines that are logged."""
    files = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return [message for path in files for message in of_source(path)]


def of_source(path: Path) -> Iterator[Message]:
    """The messages of one file, in order."""
    name = path.relative_to(ROOT).as_posix()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        call = node.exc if isinstance(node, ast.Raise) else node
        if not isinstance(call, ast.Call) or not call.args:
            continue
        kind = kind_of(call, raised=isinstance(node, ast.Raise))
        if kind and (text := template(call.args[0])):
            yield Message(name, call.lineno, kind, text)


def kind_of(call: ast.Call, raised: bool) -> str:
    """The class of an error that is raised, or the level of a line that is logged; else nothing."""
    function = call.func
    if raised:
        return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
    logs = isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name)
    if logs and function.value.id == "logger" and function.attr in LOGGED:  # type: ignore[attr-defined]
        return str(function.attr)  # type: ignore[attr-defined]
    return ""


def template(node: ast.expr) -> str:
    """Text with ``{…}`` for each value; empty where there is no text at all."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else "{…}" for part in node.values
        )
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return (template(node.left) or "{…}") + (template(node.right) or "{…}")
    return ""


def page() -> str:
    """The page: a heading for each file, a line for each message."""
    lines, last = [], ""
    for message in messages():
        if message.file != last:
            lines.append(f"\n{message.file}")
            last = message.file
        lines.append(f"  {message.line:>4} {message.kind}: {message.text}")
    return "\n".join(lines).strip()


if __name__ == "__main__":
    print(page())  # noqa: T201
