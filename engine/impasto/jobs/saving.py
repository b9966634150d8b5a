"""Painting a prepared run and writing its picture, also where the run ends early or the disk refuses."""

from __future__ import annotations

import signal
from pathlib import Path

from impasto.errors import ImpastoError, PluginError, counted
from impasto.images.writing import check_format
from impasto.jobs.checkpoints import Checkpoints
from impasto.jobs.rescue import Rescue, can_be_lost
from impasto.jobs.signals import Stopped, StopSignals
from impasto.optimization.failures import failure
from impasto.optimization.loop import leave_a_picture, paint
from impasto.optimization.memory import clear_frames, is_out_of_memory
from impasto.optimization.out_of_memory import out_of_memory_advice
from impasto.optimization.outcome import result_of
from impasto.optimization.result import Interrupted, Result, RunFailed
from impasto.optimization.state import Run


def paint_and_save(run: Run, checkpoints: Checkpoints | None = None) -> Result:
    """Paint a run that is ready, and write its output if one is named.

    Raises:
        RunFailed: it failed; or it was painted and its output cannot be written any more: then the
            picture is in a folder for temporary files, which the error names.
        Interrupted: the user stopped it.
    """
    output = output_of(run)
    signals = StopSignals(patient=checkpoints is not None)
    if checkpoints is not None:
        checkpoints.signals = signals
        run.host.register(checkpoints, "checkpoint", "the engine")
    rescue = Rescue()
    if can_be_lost(run):
        run.host.register(rescue, "rescue", "the engine")
    with signals.watched():
        result, error = painted(run, signals)
        if error is not None:
            failure = kept(run, error, output, rescue.result)
            raise failure from (None if failure is error else error)
        assert result is not None
        if output is None:
            line = f"the picture after {result.steps} steps is in the error's result"
        elif trouble := run.outputs.keep(result.write, output):
            resumable = checkpoints is not None and checkpoints.has_one()
            hint = "; impasto resume goes on from its checkpoint" if resumable else ""
            raise RunFailed(trouble + hint, result)
        else:
            line = f"the picture is complete, in '{output}'"
        if signals.asked is not None:
            stopped = Stopped(signals.asked)
            raise Interrupted(f"{stopped}; {line}", result, stopped.number)
    return result


def painted(run: Run, signals: StopSignals) -> tuple[Result | None, BaseException | None]:
    """Paint, and return the result or what ended the run early; from then on signals wait.

    Nested, since a signal may come while an error is dealt with; for some time after it no other is raised.
    """
    result: Result | None = None
    error: BaseException | None = None
    try:
        try:
            try:
                result = paint(run)
            except Exception as caught:
                error = caught
            signals.hold()
        except KeyboardInterrupt as caught:
            error = caught
            signals.hold()
    except KeyboardInterrupt as caught:
        error = caught
        signals.hold()
    return result, error


def output_of(run: Run) -> Path | None:
    """Where the run's picture goes; None if nothing is to be written.

    Raises:
        PictureError: its format cannot hold the picture.
    """
    settings = run.settings
    if settings.output is None:
        return None
    output = run.outputs.located(settings.output)
    check_format(output, settings.depth, run.stages[-1].width, run.stages[-1].height)
    return output


def kept(
    run: Run, error: BaseException, output: Path | None, rescued: Result | None = None
) -> BaseException:
    """What ended a run early as an error that has the picture so far, which is saved.

    Args:
        run: as far as it came.
        error: what ended it.
        output: where the picture goes.
        rescued: an earlier result, should the present one be lost.

    Returns:
        RunFailed for an error, Interrupted for a signal; an ``ImpastoError`` before the first step without
        a picture, and one where the canvas itself fails, so that there is no picture to keep.
    """
    if isinstance(error, ImpastoError) and not run.step:
        if isinstance(error, PluginError):
            return PluginError(reason_of(run, error), settings=error.settings)
        return error
    interrupted = isinstance(error, KeyboardInterrupt)
    reason = str(error) or "interrupted"
    if isinstance(error, Exception):
        reason = reason_of(run, error)
        clear_frames(error)
    try:
        # A second signal may have come before this was done.
        leave_a_picture(run)
        so_far = result_of(run, stopped="interrupted" if interrupted else "failed")
    except Exception:
        lost = f"{reason}; {run.device} cannot be read any more"
        if run.device.type == "cpu":
            lost = f"{reason}; the canvas cannot be read any more"
        if rescued is None:
            return ImpastoError(f"{lost}, and no picture is kept")
        reason, so_far = f"{lost}, and what was copied last is kept", rescued
    line = f"{reason}; {_keep(run, so_far, output)}"
    if interrupted:
        return Interrupted(line, so_far, getattr(error, "number", signal.SIGINT))
    less: tuple[str, ...] = ()
    if isinstance(error, Exception) and is_out_of_memory(error):
        less = (*(["tile"] if ": tile " in reason else []), "size", "precision")
    return RunFailed(line, so_far, getattr(error, "settings", less))


def reason_of(run: Run, error: Exception) -> str:
    """What failed, in one line: for a plugin its kind, name and origin, as the scopes tell."""
    if is_out_of_memory(error):
        return out_of_memory_advice(run)
    return failure(error, run.host, run.settings, run.objective)


def _keep(run: Run, result: Result, output: Path | None) -> str:
    if not result.steps:
        return "no step was done, nothing is written"
    if output is None:
        return f"the picture after {counted(result.steps, 'step')} is in the error's result"
    trouble = run.outputs.keep(result.write, output)
    return trouble or f"the picture after {counted(result.steps, 'step')} is in '{output}'"
