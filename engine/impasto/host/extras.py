"""Packages that Impasto does not need to paint: they come as extras, and are asked for when used."""

from __future__ import annotations

import importlib.util

from impasto.errors import SettingsError


def require(package: str, extra: str, what: str) -> None:
    """Refuse what needs a package that is not installed.

    Args:
        package: as it is imported.
        extra: of Impasto, that installs it.
        what: needs it, for the error.

    Raises:
        SettingsError: with the command that installs it.
    """
    if importlib.util.find_spec(package) is None:
        raise SettingsError(
            f"{what} needs the package {package}, which is not installed: pip install 'impasto[{extra}]'"
        )
