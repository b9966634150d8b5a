"""``impasto studio``: a page to start runs from, to watch and to steer them."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path

import click
import platformdirs

from impasto.command.options import complete_folder
from impasto.command.printing import say
from impasto.host.extras import require


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8321, show_default=True,
              help="Port of the server; the next one that is free is taken. 0 takes any.")  # fmt: skip
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS",
              help="Interface; 0.0.0.0 opens the studio to the network.")  # fmt: skip
@click.option("--folder", metavar="DIR", shell_complete=complete_folder,
              help="Where pictures and results lie; the default is one of your own.")  # fmt: skip
@click.option("--open/--no-open", "opens", default=True, show_default=True,
              help="Open the page in a browser.")  # fmt: skip
def studio(port: int, host: str, folder: str | None, opens: bool) -> None:
    """Open a page to paint from: choose pictures and a look, start, watch, steer, compare.

    The address that is printed holds the key to it. The page loads nothing from elsewhere. A run goes on
    when the browser is closed; Ctrl-C here ends the studio, and keeps the picture of the run that paints.
    """
    for package in ("starlette", "uvicorn"):
        require(package, "studio", "the studio")
    # Imported here, since it imports torch.
    from impasto_plugins.studio.studio import Studio

    place = Path(folder) if folder else platformdirs.user_data_path("impasto") / "studio"
    server = Studio(place.absolute(), host, port)
    server.say("the studio")
    say(f"impasto: pictures and results are kept in '{place}'; Ctrl-C ends the studio", err=True)
    if opens and has_screen():
        webbrowser.open(server.address)
    try:
        server.run()
    except KeyboardInterrupt:
        say("impasto: the studio has ended", err=True)


def has_screen() -> bool:
    """Whether a browser would have a window: without one, a browser of text would take the terminal."""
    if sys.platform != "linux":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
