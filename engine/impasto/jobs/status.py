"""What became of the jobs of a batch, seen by another process than the one that paints it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from impasto.jobs.batch import read_manifest
from impasto.jobs.live import PICTURE, Standing, standing_in
from impasto.jobs.manifest import Manifest, is_being_painted, work_of


@dataclass(frozen=True)
class JobStatus:
    """One job."""

    output: str
    place: str
    status: str
    """``waiting``, ``running``, ``done``, ``failed`` or ``set aside``."""
    error: str = ""
    """One line, if something went wrong."""
    standing: Standing | None = None
    """How far it is, if it is running and says so."""
    picture: str = ""
    """File of the picture so far, if it is running and there is one."""

    def as_record(self) -> dict[str, object]:
        """What JSON can hold; without what is not known."""
        table = {key: value for key, value in vars(self).items() if key != "standing" and value}
        return {**table, **(asdict(self.standing) if self.standing else {})}

    def __str__(self) -> str:
        error = self.error if self.status != "done" else ""
        more = [str(part) for part in (error, self.standing, self.picture) if part]
        line = f"{self.status:<9}  {self.output} ({self.place})"
        return ": ".join([line, "; ".join(more)]) if more else line


@dataclass(frozen=True)
class BatchStatus:
    """All jobs of a batch, in their order."""

    jobs: Sequence[JobStatus]
    seconds_left: float | None
    """A guess, while the batch is painted, from the jobs that ended since it was called."""

    def counts(self) -> dict[str, int]:
        """Jobs by their status."""
        return dict(Counter(job.status for job in self.jobs))


def status_of(folder: Path) -> BatchStatus:
    """The status of the batch in a folder.

    Raises:
        OutputError: there is none, or its manifest cannot be read.
    """
    manifest = read_manifest(folder)
    painted = is_being_painted(folder)
    jobs = [_job(manifest, key, painted and key in manifest.running) for key in manifest.keys]
    left = sum(job.status in ("waiting", "running") for job in jobs)
    known = painted and manifest.ended and left
    each = (time.time() - manifest.called) / manifest.ended if known else 0
    return BatchStatus(jobs, each * left if known else None)


def _job(manifest: Manifest, key: str, running: bool) -> JobStatus:
    table, work = manifest.tables[key], work_of(manifest.folder, key)
    picture = work / PICTURE
    return JobStatus(
        table["output"],
        table["place"],
        "running" if running else manifest.status(key),
        manifest.error(key),
        standing_in(work) if running else None,
        str(picture) if running and picture.is_file() else "",
    )
