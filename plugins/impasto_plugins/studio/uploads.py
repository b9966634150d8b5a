"""Pictures from the browser: kept under names that the studio gives, once the engine could read them."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

import impasto
from impasto.plugin import fitted, open_picture, to_picture, written_whole

MOST_BYTES = 64 * 10**6
MOST_MEGAPIXELS = 64.0
MOST_FILES = 2000
THUMBNAIL = 480
"""Longer side, pixels, of the small picture that the page shows."""
IDENTIFIER = re.compile(r"[0-9a-f]{24}", re.ASCII)
LONGEST_NAME = 120


class TooLarge(impasto.PictureError):
    """An upload with too many bytes."""


class Uploads:
    """The pictures of a folder, each known by an identifier, which its bytes give.

    A name that the browser sends is shown to people and never used as a file's name.
    """

    def __init__(self, folder: Path) -> None:
        """Take the folder; it is made if it is not there."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        # One is read at a time: a large one takes a gigabyte meanwhile.
        self.reading = asyncio.Lock()

    async def add(self, name: str, parts: AsyncIterator[bytes]) -> dict[str, Any]:
        """Keep a picture.

        Args:
            name: what people call it.
            parts: its bytes.

        Raises:
            PictureError: it is too large, or the engine cannot read it.
        """
        data = bytearray()
        async for part in parts:
            data += part
            if len(data) > MOST_BYTES:
                raise TooLarge(
                    f"'{shown(name)}' has more than {MOST_BYTES // 10**6} MB, the most that are taken"
                )
        if not data:
            raise impasto.PictureError(f"'{shown(name)}' is empty")
        async with self.reading:
            return await asyncio.to_thread(self.keep, shown(name), bytes(data))

    def keep(self, name: str, data: bytes) -> dict[str, Any]:
        """Read a picture as a run would, and keep it if it can be read.

        Raises:
            PictureError: it cannot.
        """
        identifier = hashlib.sha256(data).hexdigest()[:24]
        path = self.folder / f"{identifier}.picture"
        if not path.is_file() and len(list(self.folder.glob("*.picture"))) >= MOST_FILES:
            raise impasto.PictureError(
                f"the studio keeps {MOST_FILES} pictures at most; remove some from '{self.folder}'"
            )
        part = self.folder / f"{identifier}.part"
        try:
            part.write_bytes(data)
            photo = open_picture(part, MOST_MEGAPIXELS)
            picture = to_picture(photo.image)
            part.replace(path)
        except impasto.PictureError as error:
            # The engine names the file, whose name the user has never seen.
            raise impasto.PictureError(str(error).replace(str(part), name)) from None
        except OSError as error:
            raise impasto.PictureError(
                f"'{name}' cannot be kept: {error.strerror or error}"
            ) from None
        finally:
            part.unlink(missing_ok=True)
        width, height = picture.size
        small = picture.resize(
            fitted(width, height, min(THUMBNAIL, max(width, height))), reducing_gap=2
        )
        with written_whole(self.folder / f"{identifier}.jpg") as place:
            small.save(place, "JPEG", quality=85)
        told = {"id": identifier, "name": name, "width": width, "height": height}
        with written_whole(self.folder / f"{identifier}.json") as place:
            place.write_text(impasto.to_json(told), encoding="utf-8")
        return told

    def path(self, identifier: object) -> Path:
        """Where a picture lies.

        Raises:
            PictureError: there is none of that identifier.
        """
        if isinstance(identifier, str) and IDENTIFIER.fullmatch(identifier):
            path = self.folder / f"{identifier}.picture"
            if path.is_file():
                return path
        raise impasto.PictureError("there is no such picture; drop it once more")

    def about(self, identifier: object) -> dict[str, Any]:
        """Identifier, name, width and height of a picture.

        Raises:
            PictureError: there is none of that identifier.
        """
        path = self.path(identifier).with_suffix(".json")
        try:
            found = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            found = {}
        return {"id": identifier, "name": "picture", **found}

    def small(self, identifier: object) -> bytes:
        """A small JPEG of a picture.

        Raises:
            PictureError: there is none of that identifier.
        """
        return self.path(identifier).with_suffix(".jpg").read_bytes()


def shown(name: str) -> str:
    """A file's name as it may be shown: without folders, control characters, and of a moderate length."""
    plain = re.split(r"[/\\]", name)[-1].strip() or "picture"
    plain = "".join(one for one in plain if one.isprintable())
    return plain[:LONGEST_NAME] or "picture"


def jpeg(path: Path, longest: int) -> bytes:
    """A result as JPEG of a moderate size.

    Raises:
        PictureError: it cannot be read.
    """
    picture = to_picture(open_picture(path).image)
    width, height = picture.size
    if max(width, height) > longest:
        picture = picture.resize(
            fitted(width, height, longest), Image.Resampling.BICUBIC, reducing_gap=2
        )
    file = BytesIO()
    picture.save(file, "JPEG", quality=88)
    return file.getvalue()
