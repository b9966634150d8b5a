"""Tells a page about a run, from the run's own process, and takes its commands.

The run's thread only notes what happened. Numbers are read, and the picture is encoded, in a thread of the
reporter's own, at most so often, and the picture only when it was asked for: a run that nobody watches
encodes none.
"""

from __future__ import annotations

import concurrent.futures
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy
from PIL import Image
from torch import Tensor

import impasto
from impasto.plugin import fitted, peak_bytes
from impasto_plugins.studio.steering import saved, steer, steering_of

EVERY = 0.2
"""Seconds between two messages with the numbers of steps."""
LONGEST = 1024
"""Longer side of a picture that is sent, pixels; the page asks for more where somebody looks closely."""
QUALITY = 82
PATIENCE = 50.0
"""Seconds that a command waits for the end of a step."""
SNAPSHOTS = 500.0
"""10⁶ bytes for the states that the page can take a run back to."""

Send = Callable[[Mapping[str, Any]], None]


class Reporter:
    """Has the life-cycle hooks of a callback; sends messages, each a dictionary with its ``kind``."""

    def __init__(self, send: Send, snapshots: float = SNAPSHOTS) -> None:
        """Take where to.

        Args:
            send: takes a message; called from the reporter's thread.
            snapshots: 10⁶ bytes for the states that the run can be taken back to; 0 keeps none.
        """
        self.send, self.megabytes = send, snapshots
        self.run: impasto.Run | None = None
        self.lock = threading.Lock()
        self.wake = threading.Event()
        self.steps: list[tuple[impasto.Step, float]] = []
        self.picture: tuple[int, Tensor] | None = None
        self.messages: list[Mapping[str, Any]] = []
        self.closely: dict[str, Any] | None = None
        self.last = 0
        """Step that was noted last."""
        self.wanted = False
        self.ended = False
        self.work = queue.SimpleQueue[
            tuple[concurrent.futures.Future[dict[str, Any]], Callable[[], dict[str, Any]]]
        ]()
        self.thread = threading.Thread(target=self.keep_sending, name="page", daemon=True)
        self.commands = queue.SimpleQueue[Mapping[str, Any]]()
        # A thread of its own, so that a command that takes long holds up neither server nor numbers.
        self.obeying = threading.Thread(target=self.keep_obeying, name="page-commands", daemon=True)

    def command(self, message: Mapping[str, Any]) -> None:
        """Take a command, from any thread; its ``do`` says which."""
        if message["do"] == "picture":
            self.wanted = True
        else:
            self.commands.put(message)

    def keep_obeying(self) -> None:
        """Do what commands say, one after the other; each gets a reply with its ``id``."""
        while True:
            message = self.commands.get()
            try:
                found = self.obey(message)
            except impasto.ImpastoError as error:
                found = {"line": str(error)}
            except Exception as error:
                found = {"line": f"{type(error).__name__}: {' '.join(str(error).split())}"}
            self.note({"kind": "reply", "id": message.get("id"), **found})

    def obey(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Do what a command says; what the reply has beside its id."""
        run = self.running()
        if message["do"] == "look":
            return self.looked_at(run)
        if message["do"] == "save":
            return self.between_steps(lambda: saved(run, message.get("format")))
        steer(run, message)
        # What a command does shows at once, and then again when the run has done it.
        self.note({"kind": "state", **steering_of(run)})
        return {}

    def looked_at(self, run: impasto.Run) -> dict[str, Any]:
        """The picture with all its pixels, for who looks closely; encoded once a step for all viewers."""
        if self.closely is None or self.closely["step"] != run.step:
            taken = self.between_steps(
                lambda: {"step": run.step, "image": run.picture().detach().clone()}
            )
            made = encoded(taken["step"], taken["image"], max(taken["image"].shape))
            self.closely = {
                **made,
                "data": made.pop("jpeg"),
                "type": "image/jpeg",
                "name": "now.jpg",
            }
            return self.closely
        return {**self.closely, "cost": 0.0}

    def between_steps(self, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What a function gives that needs the run at rest: its own thread calls it after the step.

        Raises:
            SettingsError: the step takes too long, or the run is over.
        """
        done = concurrent.futures.Future[dict[str, Any]]()
        self.work.put((done, work))
        try:
            return done.result(PATIENCE)
        except TimeoutError:
            done.cancel()
            raise impasto.SettingsError(
                f"the step takes more than {PATIENCE:g} s; pause the run first"
            ) from None

    def running(self) -> impasto.Run:
        """The run, which has begun.

        Raises:
            SettingsError: it has not, or is over.
        """
        if self.run is None or self.ended:
            raise impasto.SettingsError("the run does not paint now")
        return self.run

    @impasto.hookimpl
    def impasto_before_run(self, run: impasto.Run) -> None:
        self.run = run
        if self.megabytes and not run.cannot_be_steered:
            run.keep_snapshots(self.megabytes)
        self.note({"kind": "state", "status": "running", **about(run), **steering_of(run)})
        self.thread.start()
        self.obeying.start()

    @impasto.hookimpl
    def impasto_before_stage(self, run: impasto.Run, stage: impasto.Stage) -> None:
        with self.lock:
            if self.last > run.step:
                # After a rewind.
                self.steps = [one for one in self.steps if one[0].number <= run.step]
                self.messages.append({"kind": "back", "step": run.step})
            self.last = run.step
        self.note({"kind": "state", "stage": stage.number})
        self.show(run)

    @impasto.hookimpl
    def impasto_after_step(self, run: impasto.Run, step: impasto.Step) -> None:
        with self.lock:
            self.steps.append((step, run.seconds))
            self.last = step.number
        self.show(run)
        self.wake.set()

    @impasto.hookimpl
    def impasto_after_run(self, run: impasto.Run, result: impasto.Result) -> None:
        self.wanted = True
        self.show(run)
        self.note({"kind": "state", "status": "done", "stopped": result.stopped})
        self.end()

    @impasto.hookimpl
    def impasto_run_failed(self, error: BaseException) -> None:
        line = " ".join(str(error).split()) or type(error).__name__
        self.note({"kind": "state", "status": "failed", "line": line})
        self.end()

    @impasto.hookimpl
    def impasto_while_paused(self, run: impasto.Run) -> None:
        self.show(run)

    def show(self, run: impasto.Run) -> None:
        """Do what waits for the end of a step, and keep the picture, if that was asked for."""
        while not self.work.empty():
            done, work = self.work.get()
            if done.set_running_or_notify_cancel():
                try:
                    done.set_result(work())
                except Exception as error:
                    done.set_exception(error)
        if self.wanted:
            self.wanted = False
            with self.lock:
                # A copy, since the run changes it.
                self.picture = run.step, run.picture().detach().clone()
            self.wake.set()

    def note(self, message: Mapping[str, Any]) -> None:
        """Have a message sent."""
        with self.lock:
            self.messages.append(message)
        self.wake.set()

    def end(self) -> None:
        """Send what is left, and end the thread."""
        self.ended = True
        self.wake.set()
        if self.thread.is_alive():
            self.thread.join(5)

    def keep_sending(self) -> None:
        """Send whatever there is, until the run has ended."""
        ended = False
        self.send({"kind": "inputs", **inputs_of(self.running())})
        while not ended:
            self.wake.wait(1)
            self.wake.clear()
            ended = self.ended
            with self.lock:
                messages, self.messages = self.messages, []
                steps, self.steps = self.steps, []
                picture, self.picture = self.picture, None
            # First, since one of them may say that the run went back.
            for message in messages:
                self.send(message)
            if steps:
                # Reading them waits for the device, once for all of them.
                self.send({"kind": "rows", "rows": [row(*one) for one in steps]})
            if self.run is not None and not ended:
                self.send({"kind": "state", **steering_of(self.run)})
            if picture is not None:
                self.send({"kind": "picture", **encoded(*picture)})
            if not ended:
                time.sleep(EVERY)


def about(run: impasto.Run) -> dict[str, Any]:
    """What a page shows of a run before its first step."""
    settings = run.settings
    return {
        "step": run.step,
        "steps": run.total_steps,
        "names": list(run.objective.names),
        "stages": [[one.width, one.height, one.steps] for one in run.stages],
        "device": str(run.device),
        "output": settings.output,
        "styles": [{"file": one.file, "weight": one.weight} for one in settings.style],
    }


def inputs_of(run: impasto.Run) -> dict[str, Any]:
    """The inputs as pictures of a moderate size: names and JPEGs, of content and styles."""
    named = [("content", run.content)] if run.content is not None else []
    named += [("style", image) for image in run.style_pictures]
    return {
        "names": [name for name, _ in named],
        "jpegs": [encoded(0, sampled(image))["jpeg"] for _, image in named],
    }


def sampled(image: Tensor) -> Tensor:
    """A large picture with fewer pixels, at least twice as many a side as are sent."""
    every = max(1, max(image.shape[2:]) // (2 * LONGEST))
    return image[:, :, ::every, ::every]


def row(step: impasto.Step, seconds: float) -> list[Any]:
    """A point of the curves: step, stage, seconds, bytes of memory, total, and each term."""
    terms = step.terms_tensor.tolist()
    return [step.number, step.stage.number, round(seconds, 2), memory(step), step.loss, *terms]


def memory(step: impasto.Step) -> int:
    """Bytes: the peak of the GPU where the run is on one, else what the process has now; 0 is unknown."""
    if (peak := peak_bytes(step.loss_tensor.device)) is not None:
        return peak
    with suppress(OSError, ValueError, IndexError):
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    return 0


def encoded(step: int, image: Tensor, longest: int = LONGEST) -> dict[str, Any]:
    """A picture as JPEG, with what encoding it took of the processor.

    By NumPy, since torch would start threads of its own for this one, beside those of the run.

    Args:
        step: after which it is.
        image: (1, 3, H, W) sRGB in [0, 1].
        longest: a picture with a longer side is made smaller.
    """
    began = time.thread_time()
    samples = image[0].cpu().numpy()
    levels = numpy.clip(samples * 255 + 0.5, 0, 255).astype(numpy.uint8).transpose(1, 2, 0)
    picture = Image.fromarray(numpy.ascontiguousarray(levels))
    width, height = picture.size
    if max(width, height) > longest:
        picture = picture.resize(fitted(width, height, longest), reducing_gap=2)
    file = BytesIO()
    picture.save(file, "JPEG", quality=QUALITY)
    return {
        "step": step,
        "width": width,
        "height": height,
        "jpeg": file.getvalue(),
        "cost": time.thread_time() - began,
    }
