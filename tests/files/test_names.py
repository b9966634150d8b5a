"""Names that Impasto makes up fit into every folder."""

from __future__ import annotations

import os

import pytest

from impasto.files.names import fitting_name, free_name


@pytest.mark.parametrize("letter", ["x", "é", "畫", "🎨"])
def test_a_name_that_is_too_long_is_shortened(letter: str) -> None:
    name, other = fitting_name(letter * 300, ".png"), fitting_name(letter * 301, ".png")
    assert len(os.fsencode(name)) in range(252, 256)
    assert name.startswith(letter * 50)
    assert name.endswith(".png")
    assert name != other


def test_a_name_that_fits_is_left_alone() -> None:
    assert fitting_name("x" * 251, ".png") == "x" * 251 + ".png"


def test_bytes_that_are_no_text() -> None:
    assert fitting_name(os.fsdecode(b"\xff" * 255), ".png").startswith(os.fsdecode(b"\xff" * 200))


def test_a_free_name() -> None:
    assert free_name("a.png", []) == "a.png"
    assert free_name("a.png", ["a.png", "a-2.png"]) == "a-3.png"
    assert len(free_name("x" * 251 + ".png", ["x" * 251 + ".png"])) == 255
