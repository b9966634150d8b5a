"""The way from a run to the studio that started its process; both are None in all other processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Message = Mapping[str, Any]

send: Callable[[Message], None] | None = None
"""Sends a message to the studio."""
take: Callable[[Callable[[Message], None]], None] | None = None
"""Says who takes the studio's commands."""
