"""Pictures that a callback keeps in files until the run ends, and over a resume.

Not a plugin: what the callbacks share.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from pathlib import Path

from PIL.Image import Image

import impasto
from impasto.plugin import fitting_name, scratch_folder, written_whole


class KeptPictures:
    """Numbered PNG files in a folder: in the checkpoint's where the run has one, else a temporary one."""

    def __init__(self, run: impasto.Run, callback: str, output: Path) -> None:
        """Make the folder, or find again that of the run that is resumed.

        Args:
            run: before its first step. Pictures of steps that are done anew are removed.
            callback: whose pictures they are.
            output: what the callback writes from them; tells its pictures from those of another.

        Raises:
            OSError: the folder cannot be made.
        """
        self.lasting = run.settings.checkpoint is not None
        self.folder = folder_for(run, callback, output) if self.lasting else scratch_folder()
        self.forget_after(run.step if run.step else -1)

    def forget_after(self, step: int) -> None:
        """Remove the pictures of later steps, which are done anew."""
        for later, path in self.by_step().items():
            if later > step:
                path.unlink()

    def by_step(self) -> dict[int, Path]:
        """The files by their step, in order; other files in the folder are left alone."""
        return {
            int(path.stem): path
            for path in sorted(self.folder.iterdir())
            if re.fullmatch(r"\d{9}\.png", path.name, re.ASCII)
        }

    def add(self, step: int, picture: Image) -> None:
        """Keep a picture, in the place of one of the same step.

        Raises:
            OutputError: it cannot be written.
        """
        with written_whole(self.folder / f"{step:09}.png") as part:
            # Hardly packed: it is read once, and soon.
            picture.save(part, "PNG", compress_level=1)

    def end(self) -> None:
        """Remove the pictures, unless a resumed run may want them."""
        if not self.lasting:
            shutil.rmtree(self.folder, ignore_errors=True)


def folder_for(run: impasto.Run, callback: str, output: Path) -> Path:
    """A folder in that of the checkpoint, which is found again also where all have been moved.

    Raises:
        OSError: it cannot be made.
    """
    place = os.fsencode(os.path.relpath(output, run.outputs.folder))
    told = hashlib.sha256(place).hexdigest()[:8]
    name = fitting_name(f"{callback} {output.name}", f" {told}")
    folder = run.outputs.located(str(run.settings.checkpoint)) / name
    folder.mkdir(exist_ok=True)
    return folder
