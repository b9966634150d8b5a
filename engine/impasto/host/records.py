"""What a host has, as records that JSON can hold."""

from __future__ import annotations

import json

from impasto.host.host import Host, Offered
from impasto.settings.options import Option


def records(host: Host) -> list[dict[str, object]]:
    """Every offer of every plugin, then the plugins that could not be loaded, with the reason."""
    failed: list[dict[str, object]] = [
        {"name": one.name, "origin": one.source, "status": f"failed: {one.error}"}
        for one in host.origins
        if one.error
    ]
    return [*(record(host, item) for item in host.offered), *failed]


def record(host: Host, item: Offered) -> dict[str, object]:
    """One offer: kind, name, help, where it comes from, whether it can be used, and its options."""
    return {
        "kind": item.kind,
        "name": item.offer.name,
        "help": item.help,
        "origin": item.origin.source,
        "plugin": item.origin.name,
        "status": status(host, item),
        "options": [_option_record(option) for option in item.options],
    }


def _option_record(option: Option) -> dict[str, object]:
    record: dict[str, object] = {"name": option.name, "type": option.type, "help": option.help}
    if option.default is not ...:
        record["default"] = json.loads(json.dumps(option.default, default=str))
    return record


def status(host: Host, item: Offered) -> str:
    """``loaded``, or the plugin that offers the same name."""
    same = [
        other
        for other in host.offered
        if (other.kind, other.offer.name) == (item.kind, item.offer.name) and other is not item
    ]
    return f"clashes with {same[0].origin}" if same else "loaded"
