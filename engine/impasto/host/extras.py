"""Packages that Impasto does not need to paint: they are extras, and are looked for when they are used."""

from __future__ import annotations

import importlib.util

from impasto.errors import SettingsError


def require(package: str, extra: str, what: str) -> None:
    """Refuse what needs a package that is not installed.

    Args:
        package: name by which it is imported.
        extra: the extra of Impasto that installs it.
        what: what needs it, for the error.

    Raises:
        SettingsError: with the command that installs it.
    """
    if importlib.util.find_spec(package) is None:
        raise SettingsError(
            f"{what} needs the package {package}, which is not installed: pip install 'impasto[{extra}]'"
        )
