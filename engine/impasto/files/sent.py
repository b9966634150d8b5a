"""Files that another machine sent to this process, by the names that they have there."""

SENT: dict[str, str] = {}
"""Paths of pictures on this machine, by names that settings have for them."""
