"""What would go wrong on a GPU, without one: ``cases.py`` in a process of its own.

torch cannot forget the device that the cases register.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from helpers import same_threads

CASES = Path(__file__).with_name("cases.py")
VARIANTS = "normalization or contextual or form or fourier or laplacian"
CORE = f"lbfgs or adam or ((losses or default) and not ({VARIANTS}))"
"""Names of the cases that are tried first."""

pytestmark = pytest.mark.skipif(torch.accelerator.is_available(), reason="a real GPU tells more")


def try_cases(chosen: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider", CASES, "-k", chosen],
        capture_output=True, text=True, env=same_threads(), cwd=CASES.parents[2], check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_losses_and_the_default() -> None:
    try_cases(CORE)


@pytest.mark.slow
def test_other_parts() -> None:
    try_cases(f"not ({CORE})")
