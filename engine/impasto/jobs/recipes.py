"""The inputs of a recipe, where they are now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from impasto.settings.settings import Settings, validate


def relocated(settings: Settings, places: Mapping[str, str]) -> Settings:
    """The settings with files where they are now.

    Args:
        settings: of a recipe.
        places: where each file is now, by its name in the settings.
    """

    def moved(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: item if key == "name" else moved(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [moved(item) for item in value]
        return places.get(value, value) if isinstance(value, str) else value

    return validate(moved(settings.as_table()))
