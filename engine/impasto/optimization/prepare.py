"""From settings to a run that is ready to paint; everything that can be refused is refused here."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Collection, Sequence
from typing import TypeVar, cast

import torch

from impasto.errors import PictureError, PluginError
from impasto.host.host import Host, Kind, Origin, build_host
from impasto.images.tensors import Photo, open_picture, to_tensor
from impasto.model.color import recolored
from impasto.model.extractor import Extractor
from impasto.model.loss import Loss
from impasto.model.masks import check_masks, open_mask, plan_regions
from impasto.model.objective import Objective
from impasto.optimization.compiling import choose_compile
from impasto.optimization.hardware import choose_device, choose_precision
from impasto.optimization.initial_image import InitialImageInputs, make_start
from impasto.optimization.schedule import check_schedule
from impasto.optimization.stages import plan_stages
from impasto.optimization.state import Run, Stage
from impasto.settings.settings import Settings
from impasto.settings.spec import Spec
from impasto.storage.recipe import checksums, refuse_what_changed, stamps
from impasto.storage.style_file import fitting

Thing = TypeVar("Thing")

logger = logging.getLogger("impasto")


def prepare(
    settings: Settings, content: Photo | None = None, styles: Sequence[Photo | None] = ()
) -> Run:
    """Read pictures, load plugins, check every option, and make what a run needs.

    Args:
        settings: what the user asked for.
        content: the content picture if it is in memory already; otherwise it is read from its file.
        styles: the same for the style pictures, one for each, or none.

    Raises:
        ImpastoError: a picture, plugin, option or device that cannot be used.
    """
    before = stamps(settings)
    inputs = checksums(settings) if settings.recipe and settings.output is not None else {}
    content_picture = content or open_picture(settings.content, settings.max_megapixels)
    style_pictures = open_styles(settings, styles)
    generator = torch.Generator().manual_seed(settings.seed)
    stages = plan_stages(settings, *content_picture.size)
    check_pixels(settings, stages, style_pictures)
    if max(stages[-1].width, stages[-1].height) > max(content_picture.size):
        logger.info("the content picture is smaller than the result and is enlarged")
    content_image = to_tensor(content_picture)
    style_images = [
        None if picture is None else recolored(to_tensor(picture), content_image, settings.colors)
        for picture in style_pictures
    ]
    size = (stages[0].height, stages[0].width)
    given = InitialImageInputs(
        content_image, style_images[0], *size, generator, settings.max_megapixels
    )
    start = make_start(settings.init, given)
    objective, host, device, precision = assemble(settings)
    check_sides(settings, stages, style_pictures, objective.extractor.smallest_side)
    check_masks(settings.style, host, objective)
    for callback in settings.callback:
        register_callback(host, callback)
    run = Run(
        settings=settings,
        host=host,
        device=device,
        precision=precision,
        content=content_image,
        styles=[
            fitting(style, settings, host, objective, stages) if image is None else image
            for style, image in zip(settings.style, style_images, strict=True)
        ],
        regions=plan_regions(settings.style, content_picture.size, settings.max_megapixels),
        style_masks=[
            None
            if picture is None or style.style_mask is None
            else open_mask(style.style_mask, picture.size, settings.max_megapixels)
            for style, picture in zip(settings.style, style_pictures, strict=True)
        ],
        photo=content_picture,
        inputs=inputs,
        start=start,
        stages=stages,
        objective=objective,
        evaluate=choose_compile(settings.compile, device, precision, objective, stages),
        generator=generator,
    )
    refuse_what_changed(before, settings)
    return run


def open_styles(settings: Settings, given: Sequence[Photo | None]) -> list[Photo | None]:
    """The style pictures; None for a style file, which has none.

    Args:
        settings: name the files.
        given: pictures that are in memory already, None for the others; or nothing.

    Raises:
        PictureError: a picture that cannot be read.
    """
    return [
        picture
        or (
            None
            if style.is_file_of_a_learned_style
            else open_picture(style.file, settings.max_megapixels)
        )
        for picture, style in zip(
            given or [None] * len(settings.style), settings.style, strict=True
        )
    ]


def assemble(settings: Settings) -> tuple[Objective, Host, torch.device, torch.dtype]:
    """Plugins loaded and checked; extractor and losses made, on their device in their precision.

    Raises:
        ImpastoError: a plugin, option or device that cannot be used.
    """
    host = build_host(settings.load, settings.plugin)
    check_specs(host, settings)
    torch.manual_seed(settings.seed)
    device = choose_device(settings.device)
    precision = choose_precision(settings.precision, device)
    objective = make_objective(host, settings)
    objective.extractor.prepare(device, precision)
    objective.to(device)
    return objective, host, device, precision


def check_specs(host: Host, settings: Settings) -> None:
    """Check every name and option before anything slow is made.

    Raises:
        SettingsError: an unknown name or option, or a value that does not fit.
    """
    specs: list[tuple[Kind, Spec]] = [
        ("extractor", settings.extractor),
        ("optimizer", settings.optimizer),
        ("canvas", settings.canvas),
        *(("loss", spec) for spec in settings.loss),
        *(("callback", spec) for spec in settings.callback),
    ]
    for kind, spec in specs:
        host.check(kind, spec)
    if settings.schedule is not None:
        check_schedule(settings.schedule)


def check_pixels(
    settings: Settings, stages: Sequence[Stage], styles: Sequence[Photo | None]
) -> None:
    """Refuse a result, or a style picture, that would have more pixels than ``max_megapixels``.

    Raises:
        PictureError: with the size that it would have.
    """
    for what, (width, height) in sizes_at(stages[-1], settings, styles).items():
        if width * height > settings.max_megapixels * 1e6:
            raise PictureError(
                f"{what} would be {width} × {height} pixels, more than {settings.max_megapixels:g}"
                " million; --max-megapixels allows more"
            )


def check_sides(
    settings: Settings, stages: Sequence[Stage], styles: Sequence[Photo | None], smallest: int
) -> None:
    """Refuse pictures that are too narrow for the layers asked for, as panoramas may be.

    Args:
        settings: ``style_fit`` says which size the styles get.
        stages: of the run; the first is the coarsest.
        styles: the style pictures; None for a style file.
        smallest: shortest side, in pixels, that the network takes.

    Raises:
        PictureError: with the size that it would have, and the least that is needed.
    """
    for what, (width, height) in sizes_at(stages[0], settings, styles).items():
        if min(width, height) < smallest:
            raise PictureError(
                f"{what} would be {width} × {height} pixels in the coarsest stage; the layers asked"
                f" for need {smallest} on each side: give a larger --size, or coarsest --scales"
            )


def sizes_at(
    stage: Stage, settings: Settings, styles: Sequence[Photo | None]
) -> dict[str, tuple[int, int]]:
    """Width and height, pixels, of result and style pictures in a stage."""
    sizes = {"the result": (stage.width, stage.height)}
    for style, picture in zip(settings.style, styles, strict=True):
        if picture is not None:
            sizes[f"the style picture '{style.file}'"] = stage.style_size(
                *picture.size, settings.style_fit, style
            )
    return sizes


def make_objective(host: Host, settings: Settings) -> Objective:
    """Extractor and losses, as plugins make them.

    Raises:
        SettingsError: an option that does not fit, or a layer that the extractor does not have.
        PluginError: a plugin failed, or returned something else than it offers.
    """
    extractor = made(host, "extractor", settings.extractor, Extractor)
    losses: dict[str, Loss] = {}
    for spec in settings.loss:
        # Modules of torch cannot have a dot in their name.
        name = distinct(spec.name.replace(".", "_"), losses)
        losses[name] = made(host, "loss", spec, Loss)
    return Objective(extractor, losses)


def distinct(name: str, taken: Collection[str]) -> str:
    """The name; where it is taken, the first of ``name-2``, ``name-3`` … that is free."""
    numbered = (f"{name}-{number}" for number in itertools.count(2))
    return next(free for free in itertools.chain([name], numbered) if free not in taken)


def made(host: Host, kind: Kind, spec: Spec, expected: Callable[..., Thing]) -> Thing:
    """What a plugin makes, checked for its type.

    Raises:
        PluginError: the factory returned something else.
    """
    thing = host.make(kind, spec)
    if not isinstance(thing, cast("type[object]", expected)):
        raise PluginError(
            f"{kind} '{spec.name}' of plugin {host.origin_of(kind, spec.name)} made"
            f" {type(thing).__name__}, not impasto.{expected.__name__}"
        )
    return cast("Thing", thing)


def register_callback(host: Host, spec: Spec) -> Origin:
    """Make a callback and register it for this run.

    Raises:
        SettingsError: an option that does not fit.
        PluginError: the plugin failed, or made something that has no valid hooks.
    """
    callback = host.make("callback", spec)
    offered_by = host.origin_of("callback", spec.name)
    name = distinct(spec.name, [origin.name for origin in host.origins])
    return host.register(callback, name, offered_by.source if offered_by else "object")
