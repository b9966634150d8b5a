"""A checkpoint: one file that holds a run's state, written whole or not at all, read without running code.

The tensors are stored as safetensors, the rest as JSON in that file's header, with a checksum of both.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from impasto import __version__
from impasto.errors import CheckpointError, OutputError
from impasto.files.whole import new_part, written_whole
from impasto.model.gpu import copies_done
from impasto.settings.document import GIGABYTE, read_document
from impasto.storage.safetensors_file import parse_safetensors, sum_of
from impasto.storage.serialization import pack, unpack
from impasto.storage.signature import is_ours, signature_of

NAME = "checkpoint.safetensors"
LOCK = "lock"
"""Empty file in the folder, which is locked by the process whose run has its checkpoint there."""

logger = logging.getLogger("impasto")

LARGEST = 64 * GIGABYTE
"""Bytes of a checkpoint: a picture of 500 million pixels, with a history of ten steps."""

VERSIONS = {"checkpoint": "7", "impasto": __version__, "torch": torch.__version__}
"""All must be the same to resume: another version would paint another picture without notice."""


def packed(state: Mapping[str, object], device: torch.device, copies: bool = False) -> Packed:
    """A state as it can be written.

    Args:
        state: what :func:`impasto.storage.serialization.pack` takes.
        device: of its tensors.
        copies: it may change before it is written, and is copied. Of a large picture a copy takes more memory
            than a step.

    Raises:
        CheckpointError: it holds what a checkpoint cannot.
    """
    tensors: dict[str, Tensor] = {}
    try:
        text = json.dumps(pack(state, tensors, copies))
    except TypeError as error:
        raise CheckpointError(f"the run's state cannot be kept in a checkpoint: {error}") from None
    return Packed(text, tensors, copies_done(device))


@dataclass(frozen=True)
class Packed:
    """A state that can be written, in any thread."""

    text: str
    tensors: dict[str, Tensor]
    wait: Callable[[], None]
    """Returns when the tensors are in main memory."""

    def write(self, folder: Path) -> None:
        """Write it; the checkpoint before it stays until the new one is whole and on the disk.

        Args:
            folder: of the checkpoint; it is there.

        Raises:
            CheckpointError: it cannot be written; the one before stays.
        """
        self.wait()
        checksum = sum_of(self.text, self.tensors)
        header = {
            "versions": json.dumps(VERSIONS),
            "state": self.text,
            "sha256": checksum,
            "signature": signature_of(checksum),
        }
        try:
            with written_whole(folder / NAME) as part:
                save_file(self.tensors, part, header)
        except (OutputError, SafetensorError) as error:
            raise CheckpointError(f"no checkpoint can be written: {error}") from None


@contextmanager
def locked(
    folder: Path, doing: str = "paints with its checkpoint", patience: float = 0.0
) -> Iterator[None]:
    """Lock a checkpoint's folder against other processes; the lock of a process ends with it.

    Args:
        folder: it is there.
        doing: what a process that has it locked does there, for the error.
        patience: seconds in which it may let go of it.

    Raises:
        CheckpointError: another process has it, or the folder cannot be written to.
    """
    lock = FileLock(folder / LOCK, timeout=patience)
    try:
        lock.acquire()
    except Timeout:
        raise CheckpointError(
            f"another process {doing} in '{folder}': wait for its end, or name another folder"
        ) from None
    except NotImplementedError:
        logger.warning("'%s' cannot be locked: let no other run have its checkpoint there", folder)
    except OSError as error:
        raise CheckpointError(
            f"no checkpoint can be written in '{folder}': {error.strerror or error}"
        ) from None
    try:
        yield
    finally:
        with suppress(OSError):
            lock.release()


def check_folder(folder: Path) -> None:
    """Refuse, before any work, a folder that cannot be written to.

    Raises:
        CheckpointError: with the reason.
    """
    try:
        new_part(folder / NAME)[0].unlink()
    except OSError as error:
        raise CheckpointError(
            f"no checkpoint can be written in '{folder}': {error.strerror or error}"
        ) from None


def read_checkpoint(folder: Path) -> dict[str, Any]:
    """The state in a folder; see :func:`open_checkpoint`."""
    return open_checkpoint(folder)[0]


def open_checkpoint(folder: Path) -> tuple[dict[str, Any], bool]:
    """The state in a folder, and whether a run of this user wrote it on this machine.

    Raises:
        CheckpointError: there is none, or it is cut short, damaged, or of another version.
    """
    path = folder / NAME
    if not os.path.lexists(path):
        raise CheckpointError(f"there is no checkpoint in '{folder}'")
    data = read_document(path, f"checkpoint '{path}'", LARGEST, CheckpointError)
    try:
        header, tensors = parse_safetensors(data)
        check_versions(path, json.loads(header["versions"]))
        if sum_of(header["state"], tensors) != header["sha256"]:
            raise CheckpointError(f"checkpoint '{path}' is damaged: its checksum does not fit")
        state = unpack(json.loads(header["state"]), tensors)
    except (SafetensorError, OSError, EOFError) as error:
        raise CheckpointError(f"checkpoint '{path}' is cut short or damaged: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        raise CheckpointError(f"'{path}' is not a checkpoint of Impasto") from None
    if not isinstance(state, dict):
        raise CheckpointError(f"'{path}' is not a checkpoint of Impasto")
    return state, is_ours(header["sha256"], header.get("signature", ""))


def check_versions(path: Path, found: Mapping[str, str]) -> None:
    """Refuse a checkpoint of another version.

    Raises:
        CheckpointError: with both versions.
    """
    for what, version in VERSIONS.items():
        if found.get(what) != version:
            raise CheckpointError(
                f"checkpoint '{path}' is of another version: it was made with {what}"
                f" {found.get(what)}, this is {what} {version}; go on with the one that made it"
            )
