"""Print how long and how deeply nested the functions of the packages are.

    python tests/functions.py [FOLDER ...]

Lines are those of the body, without signature, docstring, comments and empty lines. Depth counts the
statements that contain a line (if, for, while, with, try, match), an elif as its if.
"""

from __future__ import annotations

import ast
import io
import statistics
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("engine", "plugins", "profiling")
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)
LAYOUT = (
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
    tokenize.ENCODING, tokenize.ENDMARKER,
)  # fmt: skip


@dataclass(frozen=True)
class Function:
    """One function or method."""

    place: str
    lines: int
    depth: int


def functions_of(text: str, file: str) -> Iterator[Function]:
    """All functions in the text of a module, those inside others included."""
    filled = lines_with_code(text)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, DEFINITIONS):
            body = node.body[ast.get_docstring(node) is not None :]
            span = range(body[0].lineno, (body[-1].end_lineno or 0) + 1) if body else ()
            lines = len(filled.intersection(span))
            yield Function(f"{file}:{node.lineno} {node.name}", lines, depth_of(body))


def lines_with_code(text: str) -> set[int]:
    """Numbers of the lines on which there is more than a comment."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return {
        number
        for token in tokens
        if token.type not in LAYOUT
        for number in range(token.start[0], token.end[0] + 1)
    }


def depth_of(body: list[ast.stmt]) -> int:
    """How many statements at most contain a line of a body."""
    return max((depth_at(statement) for statement in body), default=0)


def depth_at(node: ast.AST) -> int:
    if isinstance(node, (*DEFINITIONS, ast.ClassDef)):
        return 0
    parts = [part for part in ast.iter_child_nodes(node) if not is_elif(node, part)]
    elifs = [depth_at(part) for part in ast.iter_child_nodes(node) if is_elif(node, part)]
    inside = isinstance(node, BLOCKS) + max((depth_at(part) for part in parts), default=0)
    return max([inside, *elifs])


def is_elif(node: ast.AST, part: ast.AST) -> bool:
    """Whether a part of an if is its only else, and an if again."""
    return isinstance(node, ast.If) and isinstance(part, ast.If) and node.orelse == [part]


def report(found: list[Function]) -> str:
    """Four lines about functions."""
    lines = [function.lines for function in found]
    longest = max(found, key=lambda function: function.lines)
    deepest = max(found, key=lambda function: function.depth)
    return (
        f"{len(found)} functions, {sum(lines)} lines\n"
        f"median {statistics.median(lines):g} lines, over 25 lines: {sum(n > 25 for n in lines)}\n"
        f"longest {longest.lines}: {longest.place}\n"
        f"deepest {deepest.depth}: {deepest.place}"
    )


def main(folders: list[str]) -> None:
    """Print the report of each folder."""
    for folder in folders:
        files = sorted((ROOT / folder).rglob("*.py"))
        found = [function for path in files
                 for function in functions_of(path.read_text(encoding="utf-8"),
                                              str(path.relative_to(ROOT)))]  # fmt: skip
        sys.stdout.write(f"{folder}\n{report(found)}\n\n")


if __name__ == "__main__":
    main(sys.argv[1:] or list(FOLDERS))
