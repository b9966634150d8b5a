"""Films painted frame by frame, each from the one before.

Ruder, Dosovitskiy and Brox, "Artistic Style Transfer for Videos", GCPR 2016. A frame is a run: its initial
image is the painted frame before, warped to it by optical flow; the loss ``temporal`` holds it to that.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property, partial
from pathlib import Path

from impasto.builtin import build_host
from impasto.errors import ImpastoError, OutputError, PluginError, SettingsError, unknown
from impasto.files.outputs import Outputs
from impasto.host.host import Host
from impasto.images.films import CODECS, check_film_output, write_film
from impasto.images.writing import SUFFIXES
from impasto.jobs.carrying import Carried, Carrying
from impasto.jobs.frames import Frame, Range, Source, extracted, names_of, numbered, size_of
from impasto.jobs.job import Job
from impasto.jobs.manifest import WORK, Manifest, opened
from impasto.jobs.own_files import labeled, paths_of
from impasto.jobs.worker import Ended, Task, Worker
from impasto.model.flow import Flow
from impasto.optimization.checks import check_specs
from impasto.optimization.inputs import InputFiles
from impasto.optimization.stages import plan_stages
from impasto.settings.input_files import files_of, picture_files
from impasto.settings.settings import Settings
from impasto.settings.spec import Spec

logger = logging.getLogger("impasto")


@dataclass(frozen=True)
class VideoOptions:
    """How a film is painted, besides the settings that each frame has like any picture."""

    chosen: Range = field(default_factory=Range)
    """Which frames."""
    fps: float = 25.0
    """Frames a second of a sequence of pictures."""
    flow: str = "dis"
    """SPEC of the optical flow."""
    temporal_weight: float = 1000.0
    """Weight of the loss ``temporal``; 0 leaves it out."""
    long_term: tuple[int, ...] = ()
    """How many frames back there are others that a frame is held to, besides the one before."""
    frame_steps: int | None = None
    """Optimizer steps of a frame that starts from the one before; None is half of those of the last stage."""
    cut: float = 0.3
    """Part of a frame that must be found in the one before; where less is, a new scene begins."""
    sound: bool = True
    """Whether the film has the sound of the other."""


@dataclass(frozen=True)
class PaintedFrame:
    """A frame that is done."""

    number: int
    """In the film, from 1 on."""
    seconds: float
    """Time of the frame, since the film began."""
    file: str
    """The picture."""
    begins: bool
    """Whether a scene begins with it: it is not painted from the one before."""


@dataclass(frozen=True)
class Video:
    """A film that was painted."""

    output: str
    """The film, or the folder of its frames."""
    frames: tuple[PaintedFrame, ...]


Follower = Callable[[PaintedFrame, Ended | None, int], None]
"""Called for each frame with what became of it, None if it was done before, and the number of all frames."""


@dataclass
class Places:
    """Where a film and its frames go."""

    output: str
    folder: Path
    name: str
    """Of a frame, with its number as ``%06d``."""
    is_film: bool

    @classmethod
    def of(cls, output: str | None, folder: str | None) -> Places:
        """The places that an output means.

        Raises:
            SettingsError: no output.
            OutputError: another suffix than those of films.
        """
        if not output:
            raise SettingsError(
                f"a film needs an output: a film ({', '.join(CODECS)}), a folder, or a numbered name as"
                " frames/%04d.png",
                settings=("output",),
            )
        names = names_of(output)
        if names is None:
            suffix = Path(output).suffix.lower()
            if suffix not in CODECS:
                raise OutputError(f"output '{output}': {unknown('suffix', suffix, CODECS)}")
            beside = Path(output).with_name(f"{Path(output).stem}_frames")
            return cls(output, Path(folder) if folder else beside, "frame_%06d.png", True)
        if folder and Path(folder) != names[0]:
            raise SettingsError(
                "frames go to the output; leave the folder out", settings=("folder",)
            )
        if Path(names[1]).suffix.lower() not in SUFFIXES:
            raise OutputError(
                f"output '{output}': {unknown('suffix', Path(names[1]).suffix, SUFFIXES)}"
            )
        return cls(output, names[0], names[1], False)


def paint_video(
    settings: Settings,
    options: VideoOptions,
    folder: str | None = None,
    preview: int = 0,
    documents: Sequence[str] = (),
    follow: Follower | None = None,
) -> Video:
    """Paint a film. Called again, it does only what is missing or changed.

    Args:
        settings: of all frames; their content is the film, their output the painted one.
        options: how the film is painted.
        folder: of the painted frames and the manifest; None is beside the output.
        preview: paint only so many frames, spread over the film, each by itself; 0 paints the film.
        documents: files that the settings come from.
        follow: is told of each frame.

    Raises:
        ImpastoError: something that cannot be used, before the first frame; or a frame that failed.
        KeyboardInterrupt: it was stopped; the frames that are done are kept.
    """
    places = Places.of(settings.output, folder)
    host = build_host(settings.load, settings.plugin)
    check_options(options)
    flow = make_flow(options.flow, host)
    check_specs(host, settings)
    InputFiles(settings.max_megapixels).check_that_they_exist(picture_files(settings)[1:])
    if settings.content is None:
        raise SettingsError("a film has to be named")
    source = Source.of(settings.content, options.fps, settings.max_megapixels)
    if places.is_film:
        check_film_output(places.output, source.info.sound if options.sound else None)
    if options.sound and places.is_film and source.info.sound is None:
        logger.info("'%s' has no sound", settings.content)
    with opened(places.folder) as manifest:
        register = claimed(settings, places, documents, source)
        size = size_of(source, settings, places.is_film)
        work = places.folder / WORK
        frames = extracted(source, options.chosen, size, work, settings.max_megapixels)
        painting = Painting(settings, options, host, flow, places, size, manifest, register, follow)
        if preview:
            return painting.preview(frames, preview)
        painted = painting.paint(frames)
        if places.is_film:
            shown = [
                (frame.time, Path(one.file)) for frame, one in zip(frames, painted, strict=True)
            ]
            write_shown(register, places, source, options, shown)
        return Video(places.output, tuple(painted))


def check_options(options: VideoOptions) -> None:
    """Refuse options that do not fit.

    Raises:
        SettingsError: with what is allowed.
    """
    chosen = options.chosen
    if chosen.start < 0 or (chosen.end is not None and chosen.end <= chosen.start):
        raise SettingsError(f"the range from {chosen.start:g} s to {chosen.end:g} s has no frames")
    if chosen.every < 1 or (options.frame_steps is not None and options.frame_steps < 1):
        raise SettingsError("every and frame_steps must be 1 or more")
    if not 0 < options.fps <= 1000:
        raise SettingsError(f"fps must be above 0 and 1000 at most, not {options.fps:g}")
    if not 0 <= options.temporal_weight < float("inf"):
        raise SettingsError(f"temporal_weight must be 0 or more, not {options.temporal_weight:g}")
    if not 0 <= options.cut <= 1:
        raise SettingsError(f"cut must be from 0 to 1, not {options.cut:g}")
    if any(one < 2 for one in options.long_term):
        raise SettingsError(
            "long_term counts frames back, 2 or more: the one before is always there"
        )


def make_flow(spec: str, host: Host) -> Flow:
    """The optical flow that a SPEC names.

    Raises:
        SettingsError: there is none of that name, or an option does not fit.
        PluginError: it cannot be made, or is no flow.
    """
    flow = host.make("flow", Spec.parse(spec))
    if not isinstance(flow, Flow):
        raise PluginError(f"flow '{spec}' made {type(flow).__name__}, not impasto.Flow")
    return flow


def claimed(
    settings: Settings, places: Places, documents: Sequence[str], source: Source
) -> Outputs:
    """The register of what the film is made from, with its output claimed.

    Raises:
        OutputError: the output cannot be written, is an input, or is there and not of this film.
    """
    register = Outputs(force=settings.force)
    register.remember_in(places.folder / WORK)
    register.reads([*files_of(settings), *documents, *source.files])
    if places.is_film:
        register.claim(places.output, suffixes=CODECS)
    return register


@dataclass
class Painting:
    """A film that is being painted."""

    settings: Settings
    options: VideoOptions
    host: Host
    flow: Flow
    places: Places
    size: tuple[int, int]
    """Width and height of all frames, pixels."""
    manifest: Manifest
    register: Outputs
    follow: Follower | None
    worker: Worker = field(default_factory=Worker)

    def paint(self, frames: Sequence[Frame]) -> list[PaintedFrame]:
        """Paint all frames in order."""
        self._claim([numbered(self.places.name, frame.number) for frame in frames])
        self._begin(len(frames))
        carrying = Carrying(
            self.flow, self.options.flow, self.options.cut, self.options.long_term, self._work()
        )
        painted: list[PaintedFrame] = []
        jobs: list[Job] = []
        scene: list[tuple[Frame, str]] = []
        try:
            for frame in frames:
                carried = carrying.to(frame, scene)
                if carried is None:
                    scene.clear()
                jobs.append(self._job(frame, carried, numbered(self.places.name, frame.number)))
                painted.append(self._done(frame, jobs[-1], carried is None))
                scene.append((frame, painted[-1].file))
        except KeyboardInterrupt:
            logger.info(
                "%d of %d frames are done; the same call goes on with the rest",
                *(len(painted), len(frames)),
            )
            raise
        self.manifest.plan(self._batch(), [], [job.key for job in jobs])
        return painted

    def preview(self, frames: Sequence[Frame], number: int) -> Video:
        """Paint some frames, spread over the film, each by itself."""
        last = len(frames) - 1
        places = sorted({round(last * turn / max(1, number - 1)) for turn in range(number)})
        chosen = [frames[place] for place in places]
        names = [f"preview_{frame.number:06}.png" for frame in chosen]
        self._claim(names)
        self._begin(len(chosen))
        painted = [
            self._done(frame, self._job(frame, None, name), True)
            for frame, name in zip(chosen, names, strict=True)
        ]
        return Video(os.fspath(self.places.folder), tuple(painted))

    def _begin(self, count: int) -> None:
        self.manifest.refuse_another(self._batch(), self.settings.force)
        self.count = count
        self.manifest.plan(self._batch(), [], self.manifest.keys)

    def _batch(self) -> str:
        return f"video {os.path.abspath(self.settings.content or '')}"

    def _work(self) -> Path:
        return self.places.folder / WORK

    def _claim(self, names: Sequence[str]) -> None:
        for name in names:
            path = self.places.folder / name
            self.register.claim(path, suffixes=SUFFIXES, replace=name in self.manifest.written)

    def _job(self, frame: Frame, carried: Carried | None, output: str) -> Job:
        """The run that paints a frame: the settings of the film, and what is carried over to it."""
        one = replace(
            self.settings, content=frame.file, output=output, size="original", side="longer",
            callback=self._own_files(Path(output).stem),
        )  # fmt: skip
        if carried is not None:
            held = carried.held if self.options.temporal_weight else ()
            losses = [
                Spec("temporal", {**each.files, "weight": self.options.temporal_weight})
                for each in held
            ]
            one = replace(
                one, init=carried.start, scales="single", loss=(*one.loss, *losses),
                steps=(self.frame_steps,),
            )  # fmt: skip
        return Job.of(one, f"frame {frame.number}")

    def _own_files(self, name: str) -> tuple[Spec, ...]:
        """The callbacks, each writing files of its own for this frame."""
        return tuple(
            Spec(
                spec.name,
                {**spec.options,
                 **{key: str(labeled(path, name)) for key, path in paths_of(self.host, spec).items()}},
            )
            for spec in self.settings.callback
        )  # fmt: skip

    @cached_property
    def frame_steps(self) -> int:
        """Steps of a frame that starts from the one before: half of those of the last stage, rounded up."""
        last = plan_stages(replace(self.settings, size="original"), *self.size)[-1]
        return self.options.frame_steps or -(-last.steps // 2)

    def _done(self, frame: Frame, job: Job, begins: bool) -> PaintedFrame:
        """Paint a frame unless it is done.

        Raises:
            ImpastoError: it failed.
        """
        path = self.places.folder / job.output
        painted = PaintedFrame(frame.number, float(frame.time), os.fspath(path), begins)
        ended = None
        if self.manifest.status(job.key) != "done":
            ended = self._painted(job)
        if self.follow is not None:
            self.follow(painted, ended, self.count)
        return painted

    def _painted(self, job: Job) -> Ended:
        manifest, replaces = self.manifest, job.output in self.manifest.written
        manifest.plan(self._batch(), [job], manifest.keys)
        manifest.begin(job.key)
        task = Task(job, os.fspath(self.places.folder), self.settings.force or replaces)
        ended = self.worker.do(task)
        manifest.end(job.key, job.output, ended.status, ended.error, ended.record)
        if ended.status != "done":
            raise ImpastoError(
                f"{job.output} ({job.place}): {ended.error}; the frames before it are done, and the same"
                " call goes on from there"
            )
        return ended


def write_shown(
    register: Outputs,
    places: Places,
    source: Source,
    options: VideoOptions,
    shown: Sequence[tuple[Fraction, Path]],
) -> None:
    """Write the film of painted frames, which begins with the first of them.

    Raises:
        OutputError: it is not in its place; the line says where it is.
    """
    begin, chosen = shown[0][0], options.chosen
    end = None if chosen.end is None else Fraction(chosen.end)
    info = source.info if options.sound else replace(source.info, sound=None)
    info = replace(info, rate=info.rate / chosen.every)
    write = partial(
        write_film, suffix=Path(places.output).suffix.lower(), info=info, begin=begin, end=end,
        frames=[(time - begin, file) for time, file in shown],
    )  # fmt: skip
    register.keep_or_raise(lambda path: write(path), Path(places.output), "film")


def scenes(frames: Sequence[PaintedFrame]) -> Iterator[list[PaintedFrame]]:
    """The frames by scene."""
    scene: list[PaintedFrame] = []
    for frame in frames:
        if frame.begins and scene:
            yield scene
            scene = []
        scene.append(frame)
    yield scene
