"""The settings of a run as keyword arguments with types, for editors and type checkers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any, Literal, TypedDict

import torch
from torch import Tensor

from impasto.model.canvas import Canvas
from impasto.model.extractor import Extractor
from impasto.model.loss import Loss
from impasto.settings.spec import Spec

OneSpec = str | Spec | Mapping[str, Any]
"""A SPEC: a plugin by name with its options, as text, :class:`impasto.Spec` or table."""
OneLoss = OneSpec | Loss
Numbers = int | Sequence[int] | str
Texts = str | Sequence[str]


class RunKeywords(TypedDict, total=False):
    """Settings by name; :class:`impasto.Settings` says more about each, and has the defaults."""

    output: str | PathLike[str] | None
    """File to write; None writes none."""
    quality: int
    """Quality of JPEG and WebP, 1 to 100."""
    depth: Literal[8, 16]
    """Bits per channel."""
    keys: bool
    """Take keys of the terminal while the progress bar is shown."""
    recipe: bool
    """Write settings, versions, checksums and losses into the picture."""
    size: int | Literal["original"] | str | tuple[int, int]
    """Length of the longer side, pixels, or ``original``; without content also width and height."""
    regions: str | Sequence[str | PathLike[str]]
    """Maps of regions, of the content and of each style."""
    region_weight: float
    """How strongly these regions count beside the rest."""
    side: Literal["longer", "shorter"]
    """The side that ``size`` measures."""
    stroke_size: float | str
    """Size of the strokes, relative to the picture, or in pixels as ``512px``."""
    style_fit: Literal["keep", "shrink", "stretch"]
    """Whether the style picture keeps its aspect ratio."""
    smooth_colors: int
    """Radius, pixels, within which colors are smoothed up to edges; 0 leaves them."""
    content_detail: float
    """How much of the content's fine detail is added where a stage begins."""
    style_turns: Literal[1, 2, 4]
    """Whether copies of the style picture that are turned by quarter turns count as well."""
    seamless: Literal["none", "x", "y", "both"]
    """Sides at which copies of the result join without a seam."""
    scales: Literal["single", "pyramid", "doubling", "octaves"] | Numbers
    """Stages from coarse to fine."""
    steps: Numbers
    """Optimizer steps of each stage."""
    coarse_steps: Numbers | None
    """Steps of each stage but the last, for which alone ``steps`` then counts."""
    tolerance: float
    """Fraction of the loss that five steps of a stage but the last must gain, from 0 to below 1."""
    extractor: OneSpec | Extractor
    """Network that computes the features."""
    loss: OneLoss | Sequence[OneLoss]
    """Terms of the objective."""
    style_weight: float
    """Factor for all losses that compare with the style, 0 or more."""
    content_weight: float
    """Factor for all losses that compare with the content, 0 or more."""
    optimizer: OneSpec | Callable[[list[Tensor]], torch.optim.Optimizer]
    """Optimizer of the canvas, or what makes it from its list of parameters."""
    schedule: OneSpec | None
    """Learning-rate schedule over each stage, by its name in ``torch.optim.lr_scheduler``."""
    ema: float
    """Decay of the moving average over pictures, from 0 to below 1; 0 takes the last one alone."""
    canvas: OneSpec | Callable[[Tensor], Canvas]
    """What is optimized, or what makes it from the image, (1, 3, H, W) sRGB in [0, 1]."""
    callback: OneSpec | Callable[[Any], object] | object | Sequence[object]
    """Observers: SPECs, objects with hooks, functions of the step."""
    colors: Literal["style", "luminance", "match", "histogram"]
    """Whose colors the result has."""
    init: str
    """What the canvas starts from."""
    seed: int | Literal["random"]
    """Seed of everything random."""
    max_megapixels: float
    """Largest picture that is read or painted, millions of pixels."""
    device: str
    """Where to compute: auto, cpu, cuda, cuda:1, mps."""
    precision: Literal["auto", "float32", "bfloat16"]
    """Precision of the network."""
    compile: Literal["auto", "on", "off"]
    """Compile the objective with ``torch.compile``."""
    tile: Literal["auto", "off"] | int
    """Side of the tiles that a large picture is computed in, pixels."""
    max_memory: str | None
    """Memory that a run may take at its peak, as ``8GB``; None takes what is free."""
    plugin: Texts
    """Plugins to load: files ending in ``.py``, or modules."""
    load: str
    """Installed plugins to load: all, none, or names separated by commas."""
    checkpoint: str | PathLike[str] | None
    """Folder to save the run's state in."""
    checkpoint_every: float
    """Seconds between checkpoints, 0 or more."""
    force: bool
    """Overwrite the output if it exists."""
    trust: bool
    """Let a config or preset write files anywhere."""
