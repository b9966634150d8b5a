"""Checkpoints are signed with a key of the user's, so that one's own are told from those of strangers.

A checkpoint names files that its run writes. One that this user's runs wrote on this machine may do so;
any other must be trusted first, since its files could be anybody's. The key is 32 random bytes in
the user's folder of settings, and tells nothing about anyone.
"""

from __future__ import annotations

import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path

import click

BYTES = 32


def signature_of(checksum: str) -> str:
    """The signature of a file's checksum; empty where the user has no place for a key."""
    key = _key()
    return hmac.digest(key, checksum.encode(), "sha256").hex() if key else ""


def is_ours(checksum: str, signature: str) -> bool:
    """Whether the signature of a checksum was made with this user's key."""
    ours = signature_of(checksum)
    return bool(ours) and hmac.compare_digest(ours.encode(), signature.encode())


def _key() -> bytes:
    path = Path(click.get_app_dir("impasto")) / "key"
    with suppress(OSError):
        if not path.exists():
            _make(path)
        key = path.read_bytes()
        return key if len(key) == BYTES else b""
    return b""


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"key.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        part.touch(mode=0o600)
        part.write_bytes(secrets.token_bytes(BYTES))
        # Another process may have been faster: its key stays.
        with suppress(FileExistsError):
            path.hardlink_to(part)
    finally:
        part.unlink(missing_ok=True)
