"""One file of HTML with everything in it: it loads nothing, and its policy forbids it to."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Sequence
from pathlib import Path

from impasto.settings.plain_json import to_json

FOLDER = Path(__file__).parent
STYLE = "page.css"
COMMON = ("drawing.js",)
"""Scripts of every page."""

DOCUMENT = """<!DOCTYPE html>
<html lang="en" data-theme="light">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:;\
 style-src '{style_hash}'; script-src '{script_hash}'">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<main></main>
<noscript>JavaScript, which draws this page, is off. Its figures are in report.json.</noscript>
<script type="application/json" id="data">{data}</script>
<script>{script}</script>
</body>
</html>
"""


def document(title: str, data: object, scripts: Sequence[str]) -> str:
    """A page.

    Args:
        title: in the window's bar; any text.
        data: what the scripts draw: numbers, text, lists and tables. Nothing in it can become HTML.
        scripts: names of files of this folder, the last of which draws the page.
    """
    style = _read(STYLE)
    script = "\n".join(map(_read, (*COMMON, *scripts)))
    return DOCUMENT.format(
        title=html.escape(title), style=style, style_hash=_hash(style), script=script,
        script_hash=_hash(script), data=embedded(data),
    )  # fmt: skip


def embedded(data: object) -> str:
    """JSON that may stand in a script of HTML: no sign in it ends one or begins anything else."""
    text = to_json(data)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
