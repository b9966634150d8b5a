"""One thing at a time that is done in a thread, while the run goes on."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread

from impasto.errors import ImpastoError


class Background:
    """A thread for what may fail with an ``ImpastoError``, which is told to who waits for it."""

    def __init__(self) -> None:
        """Do nothing yet."""
        self.thread: Thread | None = None
        self.error: ImpastoError | None = None

    @property
    def busy(self) -> bool:
        """Whether something is being done."""
        return self.thread is not None and self.thread.is_alive()

    def start(self, work: Callable[[], None]) -> None:
        """Begin something, after what was begun before it is done.

        Args:
            work: what to do.

        Raises:
            ImpastoError: what was begun before failed; the new one is not begun.
        """
        self.finish()
        self.thread = Thread(target=self._do, args=(work,), name="impasto-background")
        self.thread.start()

    def finish(self) -> None:
        """Wait until nothing is being done.

        Raises:
            ImpastoError: it failed; told once.
        """
        if self.thread is not None:
            self.thread.join()
            self.thread = None
        error, self.error = self.error, None
        if error is not None:
            raise error

    def _do(self, work: Callable[[], None]) -> None:
        try:
            work()
        except ImpastoError as error:
            self.error = error
