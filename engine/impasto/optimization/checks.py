"""What is refused before a run is made: names, options, sizes, masks."""

from __future__ import annotations

from collections.abc import Sequence

from impasto.errors import PictureError, SettingsError
from impasto.host.host import Host, Kind
from impasto.images.reading import Photo
from impasto.model.masks import takes_masks
from impasto.model.objective import Objective
from impasto.optimization.schedule import check_schedule
from impasto.optimization.stages import Stage
from impasto.settings.settings import Settings
from impasto.settings.spec import Spec


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


def check_content(settings: Settings, host: Host) -> None:
    """Refuse settings that need a content picture where there is none, or a shape that the content gives.

    Args:
        settings: of the run.
        host: has the losses; those whose factory is their class are checked here, and all by
            :func:`check_terms` once they are made.

    Raises:
        SettingsError: with what to give instead.
    """
    if settings.content is not None:
        if settings.shape is not None and not isinstance(settings.size, int):
            raise SettingsError(
                f"size {settings.size}: the content picture gives the shape: give the length of one side",
                settings=("size",),
            )
        return
    for spec in settings.loss:
        factory = host.find("loss", spec.name).offer.factory
        refuse_content_loss(spec.name, getattr(factory, "target", "style"))
    if settings.shape is None:
        raise SettingsError(
            f"size {settings.size} is that of the content picture, and there is none: give width and height,"
            " as 768x512",
            settings=("size",),
        )
    if settings.colors != "style":
        raise SettingsError(
            f"colors {settings.colors} are those of the content picture, and there is none: leave it out",
            settings=("colors",),
        )
    if settings.content_detail:
        raise SettingsError(
            f"content_detail {settings.content_detail:g} is that of the content picture, and there is none:"
            " leave it out",
            settings=("content_detail",),
        )


def check_terms(settings: Settings, objective: Objective) -> None:
    """Refuse a loss that compares with the content where there is none.

    Raises:
        SettingsError: with what to give instead.
    """
    for term in objective.names if settings.content is None else ():
        refuse_content_loss(term, objective.loss(term).target)


def refuse_content_loss(name: str, target: str) -> None:
    """Refuse a loss of a run without content by what it compares with.

    Raises:
        SettingsError: it is the content.
    """
    if target == "content":
        raise SettingsError(
            f"loss '{name}' compares with a content picture, and there is none: give one, or take losses"
            " without it, as preset texture does",
            settings=("loss", "preset"),
        )


def check_masks(settings: Settings, host: Host, objective: Objective) -> None:
    """Refuse masks, and maps of regions, with losses that cannot be summarized over a part of the picture.

    Raises:
        SettingsError: with the losses that can.
    """
    masks = any(style.content_mask or style.style_mask for style in settings.style)
    if not masks and not settings.regions:
        return
    for term in objective.terms_without_masks():
        able = [
            item.offer.name
            for item in host.offered
            if item.kind == "loss" and takes_masks(item.offer.factory)
        ]
        raise SettingsError(
            f"loss '{term}' takes no masks, as it needs the whole picture; those that do:"
            f" {', '.join(sorted(able))}",
            settings=("loss",),
        )


def check_pixels(
    settings: Settings, stages: Sequence[Stage], styles: Sequence[Photo | None], smallest: int
) -> None:
    """Refuse a result, or a style picture, that would have more pixels than ``max_megapixels``.

    Raises:
        PictureError: with the size that it would have.
    """
    for what, (width, height) in sizes_at(stages[-1], settings, styles, smallest).items():
        if width * height > settings.max_megapixels * 1e6:
            raise PictureError(
                f"{what} would be {width} × {height} pixels, more than {settings.max_megapixels:g}"
                " million, which max_megapixels allows",
                settings=("max_megapixels", "size"),
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
    for what, (width, height) in sizes_at(stages[0], settings, styles, smallest).items():
        if min(width, height) < smallest:
            raise PictureError(
                f"{what} would be {width} × {height} pixels in the coarsest stage; the layers asked"
                f" for need {smallest} on each side: give a larger size, or larger scales",
                settings=("size", "scales"),
            )


def sizes_at(
    stage: Stage, settings: Settings, styles: Sequence[Photo | None], smallest: int
) -> dict[str, tuple[int, int]]:
    """Width and height, in pixels, of the result and of the style pictures in a stage."""
    sizes = {"the result": (stage.width, stage.height)}
    for style, picture in zip(settings.style, styles, strict=True):
        if picture is not None:
            sizes[f"the style picture '{style.file}'"] = stage.style_size(
                *picture.size, settings.style_fit, style, smallest
            )
    return sizes
