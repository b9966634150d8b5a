"""A run step by step: it can be left and gone on with, and has its picture at any time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

from PIL.Image import Image

from impasto.errors import SettingsError, counted
from impasto.images.reading import Photo
from impasto.images.tensors import to_picture
from impasto.jobs.run import prepare_run, register
from impasto.jobs.saving import kept, output_of
from impasto.optimization.loop import fail, finish, steps_of
from impasto.optimization.outcome import colors_and_alpha, result_so_far
from impasto.optimization.result import Result, RunFailed, Step
from impasto.optimization.state import Run
from impasto.settings.settings import Settings


class Steps(Iterator[Step]):
    """A run that takes a step each time it is asked for one.

    A loop over it can be left and begun again; the run goes on. It ends after the last step, after an
    error, or when it is closed, by :meth:`close` or at the end of a ``with`` block: then the plugins are
    told, and the output is written if one is named.
    """

    def __init__(self, run: Run) -> None:
        """Take a run that is ready.

        Args:
            run: as :func:`impasto.jobs.run.prepare_run` gives it.

        Raises:
            PictureError: the format of its output cannot hold the picture.
        """
        self.run = run
        """Canvas, optimizer, objective and stages, as hooks get them."""
        self._output = output_of(run)
        self._loop: Iterator[Step] | None = steps_of(run)
        self._result: Result | None = None
        self._left_at: float | None = None

    def __next__(self) -> Step:
        """Take a step.

        Raises:
            RunFailed: it failed; the run is over, and ``result`` has the picture.
            Interrupted: the same for Ctrl-C.
        """
        if self._loop is None:
            raise StopIteration
        self._leave_out_the_time_between_steps()
        try:
            step = next(self._loop, None)
        except BaseException as error:
            raise self._failure(error) from error
        self._left_at = time.perf_counter()
        if step is None:
            self._end()
            raise StopIteration
        return step

    @property
    def picture(self) -> Image:
        """The picture so far, 8 bits; RGBA where the content picture has transparency."""
        return self._result.picture if self._result else to_picture(*colors_and_alpha(self.run))

    def result(self) -> Result:
        """The result so far, also before the run has ended. Waits for the device."""
        if self._result is not None:
            return self._result
        return result_so_far(self.run)

    def close(self) -> None:
        """End the run where it is; its result counts as complete. It does nothing if the run has ended.

        Raises:
            RunFailed: the output cannot be written any more; the error names where the picture is.
        """
        if self._loop is None:
            return
        self.run.go_on()
        if self.run.step:
            if self.run.step < self.run.total_steps:
                self.run.stop(f"left after {counted(self.run.step, 'step')}")
            for _ in self:
                pass
        self._loop = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _leave_out_the_time_between_steps(self) -> None:
        if self._left_at is not None:
            self.run.started += time.perf_counter() - self._left_at

    def _failure(self, error: BaseException) -> BaseException:
        self._loop = None
        fail(self.run, error)
        failure = kept(self.run, error, self._output)
        self._result = getattr(failure, "result", None)
        return failure

    def _end(self) -> None:
        self._loop = None
        self._result = finish(self.run)
        if self._output is not None:
            trouble = self.run.outputs.keep(self._result.write, self._output)
            if trouble:
                raise RunFailed(trouble, self._result)


def steps_of_settings(
    settings: Settings,
    content: Photo | None = None,
    styles: Sequence[Photo | None] = (),
    observers: Sequence[object] = (),
    documents: Sequence[str] = (),
) -> Steps:
    """A run as its settings say, step by step; see :func:`impasto.jobs.run.run_settings`.

    Raises:
        ImpastoError: something asked for cannot be had.
    """
    if settings.checkpoint is not None:
        raise SettingsError("a run step by step takes no checkpoint; impasto.run does")
    outputs = register(settings, documents)
    return Steps(prepare_run(settings, content, styles, observers, outputs))
