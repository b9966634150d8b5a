"""Files by URL, such as ``s3://bucket/photo.jpg``: fsspec fetches them, and puts results there."""

from __future__ import annotations

import atexit
import functools
import hashlib
import os
import re
import shutil
import threading
from collections import OrderedDict
from pathlib import Path, PurePosixPath
from typing import Any

from impasto.errors import PictureError, SettingsError, one_line
from impasto.files.scratch import scratch_folder

URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
"""How a URL begins; a letter alone before the colon is a drive of Windows."""

MOST = 100
"""Files that are kept; those that were fetched first go first."""

_kept: OrderedDict[str, Path] = OrderedDict()
_lock = threading.Lock()


def is_url(name: str) -> bool:
    """Whether a name is a URL.

    >>> is_url("s3://bucket/a.jpg"), is_url("a.jpg"), is_url("C:/a.jpg")
    (True, False, False)
    """
    return URL.match(name) is not None


def fetched(url: str) -> str:
    """A local file with what lies at a URL now; it is fetched once, unless it has changed.

    Raises:
        PictureError: there is none, or it cannot be fetched.
    """
    try:
        system, path = opened(url)
        # It differs when the file does, as far as the store tells: by its ETag, or time and size.
        key = hashlib.sha256(f"{url} {system.ukey(path)}".encode()).hexdigest()
        with _lock:
            if key not in _kept:
                file = _folder() / f"{key}{PurePosixPath(path).suffix}"
                system.get_file(path, os.fspath(file))
                _kept[key] = file
                while len(_kept) > MOST:
                    _kept.popitem(last=False)[1].unlink(missing_ok=True)
            _kept.move_to_end(key)
            return os.fspath(_kept[key])
    except SettingsError:
        raise
    except FileNotFoundError:
        raise PictureError(f"picture '{url}' does not exist") from None
    except Exception as error:
        reason = one_line(str(error)) or type(error).__name__
        raise PictureError(f"picture '{url}' cannot be fetched: {reason}") from None


def opened(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it.

    Raises:
        SettingsError: fsspec is not installed, or it has no such file system.
    """
    try:
        import fsspec
    except ImportError:
        raise SettingsError(
            f"'{url}' needs the package fsspec, which is not installed: pip install 'impasto[url]'"
        ) from None
    try:
        system, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise SettingsError(f"'{url}' cannot be used: {one_line(str(error))}") from None
    return system, path


@functools.cache
def _folder() -> Path:
    folder = scratch_folder()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
