"""Keys of the terminal steer a run while its bar is shown: pause, save, stop, paint more boldly.

The terminal gives single keys and does not show them, from the first step to the end of the run; and only
while the run is in the foreground, since a process in the background that reads from it would be stopped.
"""

from __future__ import annotations

import atexit
import logging
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

from pydantic import Field

import impasto
from impasto.plugin import result_so_far

try:
    import termios
except ImportError:
    termios = None  # type: ignore[assignment]

logger = logging.getLogger("impasto")

FACTOR = 10**0.1
"""What one press multiplies the weights of the style by: ten are ten times the weight."""
SAME = {"=": "+", "_": "-", " ": "p"}
"""Keys beside another one, or that films are paused with."""


class Terminal:
    """Standard input as a terminal that gives single keys while the run is in the foreground."""

    def __init__(self) -> None:
        """Change nothing yet.

        Raises:
            OSError, ValueError: standard input is closed.
        """
        self.descriptor = sys.stdin.fileno()
        self._before: list[Any] | None = None

    def pressed(self) -> str:
        """The keys that were pressed since the last call; none while another has the terminal."""
        if not self._is_mine():
            return ""
        pressed = b""
        with suppress(OSError, termios.error), without_being_stopped():
            self._take()
            while select.select([self.descriptor], [], [], 0)[0]:
                more = os.read(self.descriptor, 1024)
                if not more:
                    break
                pressed += more
        return pressed.decode(errors="replace")

    def _is_mine(self) -> bool:
        # ENOTTY without a controlling terminal, EIO once it is gone.
        with suppress(OSError):
            return os.tcgetpgrp(self.descriptor) == os.getpgrp()
        return False

    def _take(self) -> None:
        """Have single keys given; also when others, as a shell, have set the terminal back."""
        now = termios.tcgetattr(self.descriptor)
        if now[3] & termios.ICANON or self._before is None:
            self._before = now
            keys = [*now[:3], now[3] & ~(termios.ICANON | termios.ECHO), *now[4:]]
            termios.tcsetattr(self.descriptor, termios.TCSADRAIN, keys)

    def give_back(self) -> None:
        """Set the terminal as it was, if the run has it."""
        before, self._before = self._before, None
        if before is not None and self._is_mine():
            with suppress(OSError, termios.error), without_being_stopped():
                termios.tcsetattr(self.descriptor, termios.TCSADRAIN, before)


@contextmanager
def without_being_stopped() -> Iterator[None]:
    """Reading from the terminal, and setting it, fails in the background, and does not stop the process."""
    stops = {signal.SIGTTIN, signal.SIGTTOU}
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, stops)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


class Keys:
    """Keys of the terminal steer the run: p pause, n one step, s save, q stop, + - style, f finish stage."""

    def __init__(
        self,
        snapshots: Annotated[
            float,
            Field(ge=0, description="megabytes of states that r goes back to; 0 keeps none"),
        ] = 0.0,
    ) -> None:
        self.snapshots = snapshots
        self.terminal: Terminal | None = None
        self.saved: set[Path] = set()

    @impasto.hookimpl
    def impasto_before_run(self, run: impasto.Run) -> None:
        if termios is None or not is_for_a_person() or run.cannot_be_steered:
            return
        if self.snapshots:
            run.keep_snapshots(self.snapshots)
        self.terminal = Terminal()
        atexit.register(self.end)
        # A shell need not set back what a program has left that it stops.
        if signal.getsignal(signal.SIGTSTP) == signal.SIG_DFL:
            signal.signal(signal.SIGTSTP, self.stop_for_a_while)
        back = ", r back a snapshot" if self.snapshots else ""
        logger.info(
            "keys: p pause, n one step, s save, q stop, + - style, f finish the stage%s", back
        )

    @impasto.hookimpl
    def impasto_before_stage(self, run: impasto.Run) -> None:
        self.look(run)

    @impasto.hookimpl
    def impasto_after_step(self, run: impasto.Run) -> None:
        self.look(run)

    @impasto.hookimpl
    def impasto_while_paused(self, run: impasto.Run) -> None:
        self.look(run)

    @impasto.hookimpl
    def impasto_after_run(self) -> None:
        self.end()

    @impasto.hookimpl
    def impasto_run_failed(self) -> None:
        self.end()

    def end(self) -> None:
        """Give the terminal back."""
        terminal, self.terminal = self.terminal, None
        if terminal is None:
            return
        terminal.give_back()
        atexit.unregister(self.end)
        if signal.getsignal(signal.SIGTSTP) == self.stop_for_a_while:
            signal.signal(signal.SIGTSTP, signal.SIG_DFL)

    def stop_for_a_while(self, number: int, _: FrameType | None) -> None:
        """Ctrl-Z: give the terminal back, and be stopped; once in the foreground again, keys count again."""
        if self.terminal is not None:
            self.terminal.give_back()
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
        # Here it goes on.
        if self.terminal is not None:
            signal.signal(number, self.stop_for_a_while)

    def look(self, run: impasto.Run) -> None:
        """Do what the keys say that were pressed."""
        if self.terminal is None:
            return
        pressed = "".join(SAME.get(key, key.lower()) for key in self.terminal.pressed())
        does = self.does()
        if strange := [key for key in pressed if key not in does]:
            # An arrow, or words that are meant for the shell: parts of them are no keys.
            logger.info("no key of the run, and nothing was done: %r", strange[0])
            return
        louder = pressed.count("+") - pressed.count("-")
        try:
            for key in dict.fromkeys(pressed.replace("-", "+")):
                does[key](run, louder)
        except impasto.ImpastoError as error:
            logger.info("%s", error)

    def does(self) -> dict[str, Callable[[impasto.Run, int], None]]:
        """What each key does with the run; the number is how often + was pressed more than -."""
        return {
            "p": pause_or_go_on,
            "n": lambda run, _: run.one_step(),
            "s": self.save,
            "q": lambda run, _: run.stop("by the key q"),
            "+": paint_bolder,
            "-": paint_bolder,
            "f": lambda run, _: run.finish_stage(),
            "r": go_back,
        }

    def save(self, run: impasto.Run, _: int) -> None:
        """Save the picture so far beside the output, its step in its name."""
        if run.settings.output is None:
            raise impasto.SettingsError(
                "nothing is saved: the run has no output, from which the file would have its name"
            )
        output = Path(run.settings.output)
        name = output.with_stem(f"{output.stem}_step{run.step:05}")
        path = name if name in self.saved else run.outputs.claim(name, "the picture so far")
        self.saved |= {name, path}
        run.outputs.keep_or_raise(result_so_far(run).write, path)
        logger.info("saved '%s'", name)


def is_for_a_person() -> bool:
    """Whether someone sits there: keys come from a terminal, and what is said goes to one."""
    if threading.current_thread() is not threading.main_thread():
        return False
    with suppress(AttributeError, ValueError, OSError):
        return sys.stdin.isatty() and sys.stderr.isatty()
    return False


def pause_or_go_on(run: impasto.Run, _: int) -> None:
    """Pause, or end the pause."""
    if run.paused:
        run.go_on()
        return
    run.pause()
    logger.info("paused after step %d; p goes on", run.step)


def paint_bolder(run: impasto.Run, louder: int) -> None:
    """Multiply the weights of all terms that compare with a style."""
    terms = [name for name in run.weights if run.objective.loss(name).target == "style"]
    if not terms:
        raise impasto.SettingsError("no term of the run compares with a style")
    for name in terms:
        run.set_weight(name, run.weights[name] * FACTOR**louder)
    said = ", ".join(f"{name} {run.weights[name] * FACTOR**louder:.3g}" for name in terms)
    logger.info("style: %s", said)


def go_back(run: impasto.Run, _: int) -> None:
    """Go back to the snapshot before, and pause there."""
    earlier = [step for step in run.snapshots if step < run.step]
    if not earlier:
        raise impasto.SettingsError(
            "nothing to go back to: callback keys:snapshots=500 keeps 500 megabytes of states"
        )
    run.rewind(earlier[-1])
    run.pause()


@impasto.hookimpl
def impasto_callbacks() -> Iterable[impasto.Offer]:
    return [impasto.Offer("keys", Keys)]
