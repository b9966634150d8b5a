"""All settings as records that JSON can hold: for whoever shows them in a form."""

from __future__ import annotations

from typing import Any, get_type_hints

from impasto.settings.groups import GROUPS
from impasto.settings.options import describe
from impasto.settings.settings import Settings, validate


def setting_records() -> list[dict[str, Any]]:
    """Every setting, in the order and the groups of the help.

    Returns:
        ``name``; ``group``; ``type``, what may be given, in words; ``help``; ``default``, as a table of
        settings has it, which is that without any preset.
    """
    hints = get_type_hints(Settings, include_extras=True)
    information = Settings.__pydantic_fields__  # type: ignore[attr-defined]
    table = validate({"style": "style"}).as_table()
    return [
        {
            "name": name,
            "group": group,
            "type": describe(hints[name]),
            "help": " ".join((information[name].description or "").split()),
            "default": None if name == "style" else table.get(name),
        }
        for group, lines in GROUPS.items()
        for name in lines
    ]
