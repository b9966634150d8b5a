"""A name of instructions that torch does not know: one line, and the machine's own are taken."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from impasto.command.instructions import CAPABILITY, KNOWN, check_instructions


@pytest.mark.parametrize("given", [None, *KNOWN])
def test_what_torch_knows_stays(given: str | None) -> None:
    environment = {} if given is None else {CAPABILITY: given}
    before = dict(environment)
    assert check_instructions(environment) is None
    assert environment == before


def test_a_command_says_in_one_line_what_is_allowed() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "impasto", "--version"],
        env={**os.environ, CAPABILITY: "AVX21"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    (line,) = done.stderr.splitlines()
    assert f"{CAPABILITY}=AVX21: not one of default, avx2, avx512" in line
    assert "did you mean avx2?" in line
