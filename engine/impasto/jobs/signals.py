"""Ctrl-C, SIGTERM and the closing of a terminal: what was painted is kept, however often they come.

Once means: stop. A run stops in the middle of a step, or at its end if the run has checkpoints, which are
whole only then. Twice means: stop now, also what observers still do (a film may take long). Whatever comes
while the picture is being written waits for that.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

AGAIN = 1.0
"""Seconds in which several signals that would stop at once count as one: programs pass on what the terminal
sends to all, and nothing may come between the error that the first one raises and what deals with it."""

REASONS: Mapping[int, str] = {
    signal.SIGINT: "interrupted",
    signal.SIGTERM: "terminated",
    **({signal.SIGHUP: "the terminal was closed"} if hasattr(signal, "SIGHUP") else {}),
}
"""The signals, and what they are called in the error's line."""

logger = logging.getLogger("impasto")


class Stopped(KeyboardInterrupt):
    """A signal that asks to stop; its text is the reason."""

    def __init__(self, number: int = signal.SIGINT, line: str = "") -> None:
        super().__init__(line or REASONS[number])
        self.number = number
        """Number of the signal."""


class StopSignals:
    """Turns signals into an error, at the right time."""

    def __init__(self, *, patient: bool = False, hold: bool = False) -> None:
        """Wait for signals, once :meth:`watched` says so.

        Args:
            patient: the first signal waits until :meth:`stop_if_asked` is called.
            hold: all signals wait until then, as after :meth:`hold`.
        """
        self.patient, self.holding = patient, hold
        self.asked: int | None = None
        """The signal that waits."""
        self._raised = float("-inf")

    def hold(self) -> None:
        """Let all signals wait from now on."""
        self.holding = True

    def stop_if_asked(self) -> None:
        """Raise if a signal waits.

        Raises:
            Stopped: with the reason.
        """
        if self.asked is not None:
            self._stop(self.asked)

    @contextmanager
    def watched(self, *, defaults: bool = False) -> Iterator[None]:
        """Catch the signals meanwhile; those that are ignored, as under ``nohup``, stay so.

        Only the main thread of a process can; elsewhere this does nothing.

        Args:
            defaults: catch also what would end the process at once.

        Raises:
            Stopped: a signal came while others were held back, outside of this.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before: dict[int, Any] = {number: signal.getsignal(number) for number in REASONS}
        try:
            for number, handler in before.items():
                if callable(handler) or (defaults and handler == signal.SIG_DFL):
                    signal.signal(number, self._come)
                    outer = getattr(handler, "__self__", None)
                    if isinstance(outer, StopSignals):
                        outer.stop_if_asked()
            yield
        finally:
            for number, handler in before.items():
                outer = getattr(handler, "__self__", None)
                if isinstance(outer, StopSignals) and (self.asked or self._raised > 0):
                    # The error on its way says where the picture is; the next of several signals that
                    # come at once must not take its place.
                    outer._raised = time.monotonic()
                signal.signal(number, handler)

    def _come(self, number: int, _: FrameType | None) -> None:
        if self.holding:
            self.asked = number
        elif self.patient and self.asked is None:
            self.asked = number
            # The signal may have come in the middle of a line that is being printed.
            with suppress(RuntimeError):
                logger.info("stopping after this step; once more stops at once")
        elif time.monotonic() - self._raised >= AGAIN:
            self._stop(number)

    def _stop(self, number: int) -> None:
        self._raised = time.monotonic()
        raise Stopped(number)
