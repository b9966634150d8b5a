"""A studio that answers, for all tests of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from impasto_plugins.studio.studio import Studio


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    server = Studio(tmp_path / "studio", "127.0.0.1", 0)
    server.start()
    yield server
    server.stop()
