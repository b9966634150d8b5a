"""From settings to a run that is ready to paint; everything that can be refused is refused here.

The order is that of a user's patience: names and options first, then that the files are there, then the
network, and only then are pictures decoded.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
from torch import Tensor

from impasto.host.host import Host
from impasto.images.reading import Photo
from impasto.model import gpu
from impasto.model.color import recolored
from impasto.model.objective import CUT, CUT_ON_GPU, Objective
from impasto.model.torus import periodic
from impasto.optimization.checks import (
    check_content,
    check_masks,
    check_pixels,
    check_sides,
    check_specs,
    check_terms,
)
from impasto.optimization.compiling import choose_compile
from impasto.optimization.hardware import choose_device, choose_precision
from impasto.optimization.initial_image import InitialImageInputs, make_initial_image
from impasto.optimization.inputs import InputFiles
from impasto.optimization.making import make_objective, register_callback
from impasto.optimization.regions import Part, check_regions, plan_parts
from impasto.optimization.shared import Share, Shared, network_key
from impasto.optimization.stages import Stage, plan_stages
from impasto.optimization.state import Prepared, Run
from impasto.optimization.style_files import fitting_statistics
from impasto.optimization.style_statistics import SavedStyleStatistics, StylePicture, visible_part
from impasto.optimization.tiling import fit_into_memory
from impasto.settings.input_files import option_texts
from impasto.settings.settings import Settings

logger = logging.getLogger("impasto")


def prepare(
    settings: Settings,
    host: Host,
    content: Photo | None = None,
    styles: Sequence[Photo | None] = (),
    folder: str = "",
    shared: Shared | None = None,
) -> Run:
    """Check every name and option, read the inputs, and make what a run needs.

    Args:
        settings: what the user asked for.
        host: has the plugins of the settings; the callbacks of the run are registered with it.
        content: the content picture if it is in memory already; otherwise it is read from its file.
        styles: the same for the style pictures, one for each, None for one to be read; or nothing.
        folder: relative names in the settings count from there; empty is the working folder.
        shared: what runs of this process have from one another; None shares nothing.

    Raises:
        ImpastoError: a picture, plugin, option or device that cannot be used.
    """
    check_specs(host, settings)
    check_content(settings, host)
    device = choose_device(settings.device)
    gpu.configure(device)
    precision = choose_precision(settings.precision, device)
    given = list(styles) or [None] * len(settings.style)
    files = InputFiles(settings.max_megapixels, folder)
    check_regions(settings)
    files.check_that_they_exist([*pictures_to_read(settings, content, given), *settings.regions])
    generator = torch.Generator().manual_seed(settings.seed)
    share = None
    if shared is not None:
        read = files.checksums_now(option_texts(settings))
        key = network_key(settings, device, precision, host.checksums, read)
        share = Share(shared, key, generator, read)
    with files.read_by_plugins([*option_texts(settings)]):
        objective = make_objective(host, settings, generator, device, precision, share)
    check_masks(settings, host, objective)
    check_terms(settings, objective)
    for callback in settings.callback:
        register_callback(host, callback)

    photo = content
    if photo is None and settings.content is not None:
        photo = files.picture(settings.content)
    shape = photo.size if photo else settings.shape
    assert shape is not None
    photos = [
        picture or (None if style.is_style_file else files.picture(style.file))
        for picture, style in zip(given, settings.style, strict=True)
    ]
    stages = plan_stages(settings, *shape, objective.extractor.smallest_side)
    check_pixels(settings, stages, photos, objective.extractor.smallest_side)
    check_sides(settings, stages, photos, objective.extractor.smallest_side)
    objective.cut = CUT if device.type == "cpu" else CUT_ON_GPU
    settings = fit_into_memory(settings, host, objective, stages[-1], device)
    objective.tile = settings.tile if isinstance(settings.tile, int) else None
    if max(stages[-1].width, stages[-1].height) > max(shape):
        logger.info("the content picture is smaller than the result and is enlarged")
    regions, parts = plan_parts(settings, shape, photos, files.picture)
    sources = [
        style_source(settings, part, photos[part.style], photo, objective, files, share)
        or fitting_statistics(
            files.style_file(settings.style[part.style].file),
            settings.style[part.style], settings, host, objective, stages,
        )
        for part in parts
    ]  # fmt: skip
    return Run(
        Prepared(
            settings=settings,
            host=host,
            device=device,
            precision=precision,
            content=photo,
            styles=sources,
            regions=regions,
            initial_image=initial_image_of(settings, photo, sources[0], stages[0], files),
            stages=stages,
            objective=objective,
            evaluate=choose_compile(settings.compile, device, precision, objective, shared),
            generator=generator,
            checksums=checksums_of(settings, files, host),
            folder=folder,
        )
    )


def pictures_to_read(
    settings: Settings, content: Photo | None, styles: Sequence[Photo | None]
) -> list[str]:
    """The names of the content and style pictures that are not in memory already."""
    from_content = [] if content else [settings.content]
    return [*filter(None, from_content)] + [
        style.file
        for style, photo in zip(settings.style, styles, strict=True)
        if photo is None and not style.is_style_file
    ]


def initial_image_of(
    settings: Settings,
    content: Photo | None,
    style: StylePicture | SavedStyleStatistics,
    stage: Stage,
    files: InputFiles,
) -> Tensor:
    """The initial image of a run, at the size of its first stage: (1, 3, H, W) sRGB in [0, 1].

    Raises:
        SettingsError, PictureError: the initial image that the settings name cannot be used.
    """
    inputs = InitialImageInputs(
        content.image if content else None,
        style.image if isinstance(style, StylePicture) else None,
        stage.height,
        stage.width,
        # Its own source, so that the noise is the same whatever plugins draw.
        torch.Generator().manual_seed(settings.seed),
        files.picture,
    )
    return periodic(make_initial_image(settings.init, inputs), settings.wraps)


def style_source(
    settings: Settings,
    part: Part,
    picture: Photo | None,
    content: Photo | None,
    objective: Objective,
    files: InputFiles,
    share: Share | None = None,
) -> StylePicture | None:
    """A style picture of a run with the colors that it is to give, and its mask; None for a style file.

    Args:
        settings: of the run.
        part: of a style that paints.
        picture: as it was read; None for a style file.
        content: gives the colors where the settings say so; None where there is none.
        objective: says whether its losses take masks.
        files: has the checksum of the mask.
        share: has statistics of earlier runs, for pictures in files that give their own colors.

    Raises:
        PictureError: the mask cannot be used.
    """
    if picture is None:
        return None
    style = settings.style[part.style]
    image = picture.image
    if content is not None:
        image = recolored(image, content.image, settings.colors, picture.alpha, content.alpha)
    mask = visible_part(style.file, picture, objective, part.mask)
    checksum = picture.checksum + files.checksums.get(part.file, "") + part.color
    own_colors = settings.colors == "style" and bool(picture.checksum)
    smallest = objective.extractor.smallest_side
    kept = share if own_colors else None
    return StylePicture(image, style, mask, smallest, kept, checksum, settings.style_turns)


def checksums_of(settings: Settings, files: InputFiles, host: Host) -> dict[str, str]:
    """SHA-256 of each input by its name in the settings; empty for a picture in memory."""
    pictures = [*filter(None, [settings.content]), *(style.file for style in settings.style)]
    in_memory = dict.fromkeys(pictures, "")
    plugins = {name: host.checksums.get(files.real_path(name)) for name in settings.plugin}
    ran = {name: checksum for name, checksum in plugins.items() if checksum is not None}
    return {**in_memory, **files.checksums, **ran}
