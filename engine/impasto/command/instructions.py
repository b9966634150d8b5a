"""Which instructions torch may use, as its variable says: a name that it does not know is taken out.

A line says so; torch would ignore it with a warning of two lines from wherever it computes first.
"""

from __future__ import annotations

from collections.abc import MutableMapping

from impasto.errors import nearest

CAPABILITY = "ATEN_CPU_CAPABILITY"
KNOWN = ("default", "avx2", "avx512", "vsx", "zvector", "sve", "sve128", "sve256")
"""Names that torch knows, on one processor or another."""


def check_instructions(environment: MutableMapping[str, str]) -> str | None:
    """Take an unknown name out; to be called before torch computes.

    Args:
        environment: of this process.

    Returns:
        A line about it; None if there was none.
    """
    given = environment.get(CAPABILITY)
    if given is None or given in KNOWN:
        return None
    del environment[CAPABILITY]
    near = nearest(given.lower(), KNOWN)
    meant = f"; did you mean {near}?" if near else ""
    return (
        f"{CAPABILITY}={given}: not one of {', '.join(KNOWN)}{meant}; taking what the machine has"
    )
