"""Learning a painting's style into a style file."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from impasto import __version__
from impasto.builtin import build_host
from impasto.errors import SettingsError
from impasto.files.outputs import Outputs
from impasto.model import gpu
from impasto.model.masks import mask_of
from impasto.model.objective import Objective
from impasto.model.precision import precision_name
from impasto.optimization.checks import check_masks, check_specs
from impasto.optimization.failures import failures_named
from impasto.optimization.hardware import choose_device, choose_precision
from impasto.optimization.inputs import InputFiles
from impasto.optimization.making import make_objective
from impasto.optimization.stages import Stage, stage_sizes
from impasto.optimization.style_files import (
    described,
    probe,
    refuse_other_statistics,
    style_losses,
)
from impasto.optimization.style_statistics import StylePicture, visible_part
from impasto.optimization.tiling import tile_to_learn
from impasto.settings.input_files import files_of
from impasto.settings.settings import Settings
from impasto.settings.style import STYLE_FILE
from impasto.storage.style_file import FORMAT, Record, write


@torch.no_grad()
def learn_settings(settings: Settings, documents: Sequence[str] = ()) -> Record:
    """Learn the one style of these settings into their output.

    Args:
        settings: with one style; the output's suffix is ``.style``.
        documents: files that the settings come from.

    Returns:
        The record that the file has.

    Raises:
        ImpastoError: a setting, picture or plugin that cannot be used.
    """
    refuse_other_statistics(settings)
    outputs = Outputs(force=settings.force)
    outputs.reads([*files_of(settings), *documents])
    path = outputs.claim(settings.output or "", suffixes=[STYLE_FILE])
    host = build_host(settings.load, settings.plugin)
    check_specs(host, settings)
    device = choose_device(settings.device)
    gpu.configure(device)
    precision = choose_precision(settings.precision, device)
    generator = torch.Generator().manual_seed(settings.seed)
    objective = make_objective(host, settings, generator, device, precision)
    style = settings.style[0]
    check_masks(settings, host, objective)
    files = InputFiles(settings.max_megapixels)
    photo = files.picture(style.file)
    mask = None
    if style.style_mask is not None:
        mask = mask_of(style.style_mask, photo.size, files.picture)
    mask = visible_part(style.file, photo, objective, mask)
    picture = StylePicture(
        photo.image, style, mask, objective.extractor.smallest_side, turns=settings.style_turns
    )
    assert settings.shape is not None
    sizes = stage_sizes(settings, max(settings.shape))
    stages = [
        Stage(number, length, length, 1, length / sizes[-1], settings.strokes_at(sizes[-1]))
        for number, length in enumerate(sizes)
    ]
    with failures_named(host, settings, objective):
        stage = stages[-1]
        shape = picture.image.shape[3], picture.image.shape[2]
        width, height = stage.style_size(*shape, settings.style_fit, style, picture.smallest)
        objective.tile = tile_to_learn(settings, objective, height, width, device)
        tensors = tensors_of(picture, stages, settings.style_fit, objective, device)
    losses = style_losses(host, objective)
    if not losses:
        raise SettingsError("none of the losses compares with a style; there is nothing to learn")
    tensors |= {f"probe/{layer}": mean for layer, mean in probe(objective).items()}
    record: Record = {
        "format": FORMAT,
        "impasto": __version__,
        "extractor": described(host, "extractor", settings.extractor),
        "weights": objective.extractor.weights,
        "losses": losses,
        "sizes": sizes,
        "style": settings.style[0].options,
        "style_fit": settings.style_fit,
        "strokes": settings.strokes_at(sizes[-1]),
        "style_turns": settings.style_turns,
        "seed": settings.seed,
        "precision": precision_name(precision),
    }
    outputs.keep_or_raise(partial(write, tensors=tensors, record=record), path, "style")
    return record


def tensors_of(
    picture: StylePicture,
    stages: Sequence[Stage],
    fit: str,
    objective: Objective,
    device: torch.device,
) -> dict[str, Tensor]:
    """The statistics of a picture at each size, by their names in the file; on the CPU."""
    tensors: dict[str, Tensor] = {}
    for stage in stages:
        for term, layers in picture.statistics(stage, fit, objective, device).items():
            for layer, summary in layers.items():
                for key, value in summary.items():
                    # Cloned: safetensors refuses tensors that share memory.
                    tensors[f"{stage.width}/{term}/{layer}/{key}"] = (
                        value.cpu().contiguous().clone()
                    )
    return tensors
