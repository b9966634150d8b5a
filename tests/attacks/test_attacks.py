"""The table of attacks: some of them in each run of the fast tests, all of them in the slow ones.

To add one, write a line into one of the lists in this folder. What always must hold stands in attack.py: one
line for an error and no traceback, nothing on the terminal that steers it, JSON that is JSON, no file
written but those that the line allows, and bounded time and memory.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attacks import documents, outputs, rows_of_batches, signals
from attacks.attack import Attack, attacked
from fuzzing import TRIED, many, quiet

__all__ = ["quiet"]

ATTACKS: list[Attack] = [
    *documents.ATTACKS,
    *outputs.ATTACKS,
    *signals.ATTACKS,
    *rows_of_batches.ATTACKS,
]
"""The whole table."""

SAMPLE = int(os.environ.get("ATTACKS", "40"))
"""How many of them the fast tests try; which ones, ATTACKS_SEED says."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and forks")


def sample() -> list[Attack]:
    """Some attacks of the table, of each kind one at least."""
    chance = random.Random(os.environ.get("ATTACKS_SEED", "0"))
    mixed = chance.sample(ATTACKS, len(ATTACKS))
    kinds = {kind_of(attack): attack for attack in mixed}
    rest = [attack for attack in mixed if attack not in kinds.values()]
    return [*kinds.values(), *rest[: max(0, SAMPLE - len(kinds))]]


def kind_of(attack: Attack) -> str:
    return attack.what.partition(":")[0]


def name_of(attack: Attack) -> str:
    return attack.what.replace(" ", "-")


def test_each_attack_has_a_name_of_its_own() -> None:
    names = [attack.what for attack in ATTACKS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("attack", sample(), ids=name_of)
def test_some_attacks(attack: Attack, tmp_path: Path) -> None:
    attacked(attack, tmp_path / "attack")


@pytest.mark.slow
@pytest.mark.parametrize("attack", ATTACKS, ids=name_of)
def test_all_attacks(attack: Attack, tmp_path: Path) -> None:
    attacked(attack, tmp_path / "attack")


@pytest.mark.slow
def test_signals_at_random_moments(tmp_path_factory: pytest.TempPathFactory) -> None:
    kinds = st.sampled_from([signals.INT, signals.TERM, signals.HUP])

    @many(0.005)
    @given(
        numbers=st.lists(kinds, min_size=1, max_size=4).map(sorted),
        apart=st.floats(0, 0.3),
        steps=st.integers(1, 40),
        kept=st.booleans(),
    )
    def check(numbers: list[signal.Signals], apart: float, steps: int, kept: bool) -> None:
        TRIED.cases += 1
        attack = signals.stopped_by(tuple(numbers), apart, steps, "--checkpoint kept" * kept)
        attacked(attack, tmp_path_factory.mktemp("signals") / "attack")

    check()
