"""Pages of HTML in tests: what is in them, a browser without network, names and plugins that are strange."""

from __future__ import annotations

import json
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

HOSTILE = "</script><script>alert(1)</script><!--<img src=x onerror=alert(2)>&amp;\u202e\x1b[2J"

SLOW = """
import impasto

class Slow(impasto.Loss):
    # Small operations on every feature, over and over, for what one would do.
    def summarize_layer(self, feature):
        for _ in range(60):
            feature = (feature + 1e-6) * 1.000001
        return {"sum": feature.sum((0, 2, 3)), "pixels": feature.new_tensor(feature[0, 0].numel())}

    def compare_layer(self, summary, target):
        mine, wanted = (one["sum"] / one["pixels"] for one in (summary, target))
        return (mine - wanted).square().mean()

def slow(weight: impasto.Weight = 1.0, layers: impasto.Layers = ("conv1_1",)):
    return Slow(weight, layers)

@impasto.hookimpl
def impasto_losses():
    return [impasto.Offer("slow", slow, "a loss that is slow on purpose")]
"""

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
OFFLINE = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--enable-logging=stderr",
    "--host-resolver-rules=MAP * ~NOTFOUND", "--proxy-server=127.0.0.1:9", "--virtual-time-budget=5000",
)  # fmt: skip


class Page(HTMLParser):
    """The tags of a page, and the data in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.data: Any = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][1].get("id") == "data" and self.data is None:
            self.data = json.loads(data)


def browsed(file: Path, folder: Path, *more: str, theme: str = "light") -> tuple[str, str]:
    """What a browser without network makes of a page, and what its console says."""
    command = [
        str(BROWSER),
        *OFFLINE,
        f"--user-data-dir={folder / 'user'}",
        *more,
        f"{file.as_uri()}#theme={theme}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)
