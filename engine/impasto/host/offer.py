"""What a plugin needs to be one: the marker of its hooks, and the record of what it offers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pluggy

from impasto.errors import PluginError

hookimpl = pluggy.HookimplMarker("impasto")


@dataclass(frozen=True)
class Offer:
    """A thing that a plugin offers under a name.

    Its options are the parameters of ``factory``: names, types and defaults are read from the
    signature. The factories of optimizers and canvases take one more parameter first, which the
    engine gives (see the hooks). A factory of any kind that has a parameter ``generator`` gets the
    run's ``torch.Generator`` there, on the CPU and seeded by the setting ``seed``: what a plugin
    draws from it is the same again with the same seed. The engine seeds no other source.
    """

    name: str
    """What users type. Letters, digits, ``_``, ``-`` and ``.``; no other plugin of the kind may have it."""
    factory: Callable[..., Any]
    """Makes the thing from its options."""
    help: str = ""
    """One line; empty takes the first line of the factory's docstring."""

    def __post_init__(self) -> None:
        """Refuse a name that users cannot type.

        Raises:
            PluginError: with what is allowed.
        """
        # A colon is in the names of objects of Python only.
        if not isinstance(self.name, str) or not re.fullmatch(
            r"[A-Za-z_]([\w.-]*|.*:.*)", self.name
        ):
            raise PluginError(
                f"{self.name!r} cannot be the name of an Offer: begin with a letter, go on with letters,"
                " digits, _, - and ."
            )
