"""Two pictures to try the engine on, made by ``impasto.demo.draw``: a harbor and a sheet of paint."""

from pathlib import Path

CONTENT = Path(__file__).with_name("harbor.jpg")
STYLE = Path(__file__).with_name("strokes.jpg")
