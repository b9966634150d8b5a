"""Two pictures to try the engine on, made by ``impasto.demo.draw``: a harbour and a sheet of paint."""

from pathlib import Path

CONTENT = Path(__file__).with_name("harbour.jpg")
STYLE = Path(__file__).with_name("strokes.jpg")
