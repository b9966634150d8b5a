"""The callback ``profile``: a few steps of each stage under torch's profiler, and a report at the end.

What reads, plots and prints is imported at the end of a run that was profiled.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import Field

import impasto
from impasto.plugin import require
from impasto_profiling.recording import Plan, Recording

logger = logging.getLogger("impasto")

PACKAGES = ("tensorboard", "torch_tb_profiler", "matplotlib")
FOLDER = "profile"
PAGE = "report.html"
WRITTEN = ("report.json", PAGE, "roofline.png", "parts.png", "out_of_memory.txt")
"""Files in the folder, traces left out, which have names of their own."""


class Profile:
    """Where the time of a run goes: a trace for TensorBoard, and a report of parts and layers."""

    def __init__(
        self,
        folder: Annotated[
            Path, Field(description="of the log, for TensorBoard; made if it is not there")
        ] = Path(FOLDER),
        wait: Annotated[int, Field(ge=0, description="steps of a stage to leave alone first")] = 1,
        warmup: Annotated[int, Field(ge=0, description="steps to record and throw away")] = 2,
        active: Annotated[int, Field(ge=1, description="steps to record")] = 5,
        repeat: Annotated[int, Field(ge=1, description="how often, in each stage")] = 1,
        profile_memory: Annotated[bool, Field(description="record allocations, too")] = False,
        with_stack: Annotated[bool, Field(description="record Python functions, too")] = False,
    ) -> None:
        """Take the options.

        Raises:
            SettingsError: a package of the extra is not installed.
        """
        for package in PACKAGES:
            require(package, "profiling", "callback 'profile'")
        self.folder = folder
        self.plan = Plan(wait, warmup, active, repeat, profile_memory, with_stack)
        self.recordings: list[Recording] = []
        self.going: Recording | None = None

    @impasto.hookimpl
    def impasto_before_run(self, run: impasto.Run) -> None:
        longest = max(stage.steps for stage in run.stages)
        if longest <= self.plan.first:
            raise impasto.SettingsError(
                f"callback 'profile': no stage has more than {longest} steps, and the first"
                f" {self.plan.first} of each (wait and warmup) are not recorded"
            )
        what = "callback 'profile': "
        folder = run.outputs.claim_folder(self.folder, f"{what}folder")
        # A run that is resumed finds its own traces there, and keeps them.
        if not run.step:
            clear(folder, run.settings.force)
        for name in WRITTEN:
            run.outputs.claim(folder / name, f"{what}file")
        self.folder = folder

    @impasto.hookimpl(trylast=True)
    def impasto_before_stage(self, run: impasto.Run, stage: impasto.Stage) -> None:
        from impasto_profiling.standing import standing_of

        standing = standing_of(run.objective.extractor) if self.plan.profile_memory else []
        self.going = Recording(stage, self.plan, self.folder, run.device, standing=standing)
        self.recordings.append(self.going)
        self.going.start()

    @impasto.hookimpl(trylast=True)
    def impasto_after_step(self) -> None:
        assert self.going is not None
        self.going.step()

    @impasto.hookimpl(tryfirst=True)
    def impasto_after_stage(self) -> None:
        self.stop()

    @impasto.hookimpl
    def impasto_after_run(self, run: impasto.Run) -> None:
        self.report(run)

    @impasto.hookimpl
    def impasto_run_failed(self, run: impasto.Run, error: BaseException) -> None:
        from impasto.optimization.memory import is_out_of_memory
        from impasto_profiling.out_of_memory import dump

        if is_out_of_memory(error):
            path = dump(error, run.device, self.folder, run.outputs)
            logger.warning("out of memory: what was allocated is in '%s'", path)
        self.stop()
        if any(recording.traces for recording in self.recordings):
            self.report(run)

    def stop(self) -> None:
        """End what is being recorded."""
        going, self.going = self.going, None
        if going is not None:
            going.stop()

    def report(self, run: impasto.Run) -> None:
        """Read the traces back, measure the ceiling, and write, log and print the report."""
        from impasto_profiling.making import make_report
        from impasto_profiling.page.profile import write_page
        from impasto_profiling.plots import write_plots
        from impasto_profiling.report import write_report
        from impasto_profiling.table import print_report

        report = make_report(run, self.recordings, self.folder)
        write_report(report, self.folder, run.outputs)
        print_report(report)
        write_plots(report, self.folder, run.step, run.outputs)
        write_page(report, self.recordings, self.folder, run.outputs)
        if report.stages:
            logger.info("the page to look at: '%s'", self.folder / PAGE)
        logger.info("profile, curves and pictures: tensorboard --logdir '%s'", self.folder)


def clear(folder: Path, force: bool) -> None:
    """Make room for a new profile.

    Raises:
        SettingsError: the folder has one, and may not be overwritten.
    """
    from impasto_profiling.report import FILE
    from impasto_profiling.trace import SUFFIX

    old = [*folder.glob(f"*{SUFFIX}"), *folder.glob(FILE)]
    if old and not force:
        raise impasto.SettingsError(
            f"callback 'profile': folder '{folder}' has a profile already; name another, or set"
            " force",
            settings=("force",),
        )
    for path in old:
        path.unlink()


@impasto.hookimpl
def impasto_callbacks() -> Iterable[impasto.Offer]:
    return [impasto.Offer("profile", Profile)]
