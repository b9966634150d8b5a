"""Settings: everything a user can ask for, from preset, TOML file and command line."""

from __future__ import annotations

import csv
import logging
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields, replace
from os import PathLike, fspath
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)
from pydantic.dataclasses import dataclass

from impasto.errors import SettingsError, unknown
from impasto.settings.options import complaint, refuse_flags
from impasto.settings.preset import find_preset, over, preset_chain, read_preset, read_toml
from impasto.settings.spec import Spec
from impasto.settings.style import Style, normalized_weights
from impasto.settings.toml import to_toml
from impasto.settings.trust import refuse_unnamed, refuse_writes_outside

OF_THE_USER = ("force", "trust")
"""Settings that the user alone can give: a document from a stranger may have the worst in mind."""

logger = logging.getLogger("impasto")


def _spec(value: object) -> Spec:
    return Spec.parse(value)


def _several(value: object) -> object:
    return value if isinstance(value, (list, tuple)) else (value,)


def _numbers(value: object) -> object:
    if isinstance(value, str):
        parts = value.split(",")
        return parts if all(part.strip().isdigit() for part in parts) else value
    return (value,) if isinstance(value, int) else value


def _seed(value: object) -> object:
    if value != "random":
        return value
    seed = secrets.randbelow(2**32)
    logger.info("seed %d, drawn at random", seed)
    return seed


def _width_and_height(value: object) -> object:
    if isinstance(value, (list, tuple)) and all(isinstance(one, int) for one in value):
        return "x".join(map(str, value))
    return value.strip().lower().replace("×", "x") if isinstance(value, str) else value


def _stroke_size(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = "".join(value.lower().split())
    with suppress(ValueError):
        return float(text)
    return text


def _memory(value: object) -> object:
    text = "".join(value.upper().split()) if isinstance(value, str) else ""
    if value is not None and not re.fullmatch(r"\d{1,6}(\.\d{1,3})?[GM]B", text):
        raise ValueError("must be a number of GB or MB, as 8GB or 900MB")
    return text or None


def _whole(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _spec_or_none(value: object) -> Spec | None:
    return None if value in (None, "none") else Spec.parse(value)


def _maps(value: object) -> object:
    if isinstance(value, str):
        # Quotes keep a comma in a name, as in a SPEC.
        return [name for name in next(csv.reader([value], skipinitialspace=True), []) if name]
    return [fspath(one) if isinstance(one, PathLike) else one for one in _several(value)]  # type: ignore[attr-defined]


def _style(value: object) -> Style:
    return Style.parse(value)


def _with_a_weight(styles: tuple[Style, ...]) -> tuple[Style, ...]:
    normalized_weights(styles)
    return styles


OneStyle = Annotated[Style, BeforeValidator(_style)]
OneSpec = Annotated[Spec, BeforeValidator(_spec)]
OneSpecOrNone = Annotated[Spec | None, BeforeValidator(_spec_or_none)]
Specs = Annotated[tuple[OneSpec, ...], BeforeValidator(_several)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_several)]
Maps = Annotated[tuple[str, ...], Field(title="MAP,MAP"), BeforeValidator(_maps)]
Sizes = Annotated[
    tuple[Annotated[int, Field(ge=16)], ...], Field(min_length=1), BeforeValidator(_numbers)
]
WidthAndHeight = Annotated[
    str, Field(title="WxH", pattern=r"^(1[6-9]|[2-9]\d|\d{3,7})x(1[6-9]|[2-9]\d|\d{3,7})$")
]
Memory = Annotated[str, Field(title="8GB"), BeforeValidator(_memory)]
StrokeSize = Annotated[
    Annotated[float, Field(gt=0, le=16)]
    | Annotated[str, Field(title="512px", pattern=r"^[1-9]\d{0,5}px$")],
    BeforeValidator(_stroke_size),
]
Size = Annotated[
    Annotated[int, Field(ge=16)] | Literal["original"] | WidthAndHeight,
    BeforeValidator(_width_and_height),
]
Counts = Annotated[
    tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1), BeforeValidator(_numbers)
]


@dataclass(frozen=True, config=ConfigDict(extra="forbid", use_attribute_docstrings=True))
class Settings:
    """One run, described in full. Names are those of the command line and of TOML files."""

    content: str | None = Field(default=None, kw_only=True)
    """Picture that gives the objects; none paints a texture, of the style alone."""
    style: Annotated[
        tuple[OneStyle, ...],
        Field(min_length=1),
        BeforeValidator(_several),
        AfterValidator(_with_a_weight),
    ]
    """One more style picture, with options after a colon, FILE:weight=0.3,scale=0.5: weight relative to
    the other styles; scale, its size relative to the result; size, its longer side in pixels in every
    stage; content_mask, a picture that is white where the style is painted; style_mask, one that is
    white on the part of the style that counts. May be given several times."""
    regions: Maps = ()
    """Maps of regions, of the content and of each style, separated by commas: where the content's map has a
    color, the part of the style is painted whose map has that color; what is transparent, or in a color that
    no style's map has, is painted by the whole style."""
    region_weight: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    """How strongly the regions of maps count beside the rest, for their area: 5, as in STROTSS, where they
    are points that must correspond."""
    output: str | None = None
    """File to write; the default is made from the names of the pictures."""
    quality: Annotated[int, Field(ge=1, le=100)] = 95
    """Quality of JPEG and WebP."""
    depth: Annotated[Literal[8, 16], BeforeValidator(_whole)] = 8
    """Bits per channel; 16 needs PNG or TIFF, and keeps what 8 bits would round away."""
    recipe: bool = True
    """Write settings, versions, checksums and losses into the picture, for impasto show and rerun."""
    size: Size = 512
    """Length of the result's longer side in pixels, or 'original' for the content's own. Without a content
    picture width and height, as 768x512, or one length for both."""
    side: Literal["longer", "shorter"] = "longer"
    """The side of the result that size measures."""
    style_fit: Literal["keep", "shrink", "stretch"] = "keep"
    """Whether the style picture keeps its aspect ratio, its longer side as long as the result's; or the
    same, but is never enlarged (shrink); or is stretched to the result's width and height."""
    stroke_size: StrokeSize = 1.0
    """Size of the strokes in the picture, whatever its size: 0.5 paints them half as large. Or in pixels, as
    512px: as large as in a result of 512 pixels, however large this one is. It multiplies the scale of each
    style; a style with a size in pixels keeps that."""
    style_turns: Annotated[Literal[1, 2, 4], BeforeValidator(_whole)] = 1
    """Whether copies of the style pictures that are turned by quarter turns count as well (4), or by half a
    turn (2). Losses that need whole pictures refuse it, but for neural_neighbors."""
    seamless: Literal["none", "x", "y", "both"] = "none"
    """Sides at which copies of the result join without a seam: left and right (x), top and bottom (y), or
    both."""
    scales: Literal["single", "pyramid", "doubling", "octaves"] | Sizes = "single"
    """Stages from coarse to fine: single is one stage; pyramid starts at about 128 pixels and grows by
    factors of √2; doubling starts at about 64 and doubles; octaves at about 32, for textures; or list the
    sizes, separated by commas. The last stage always has the size asked for."""
    steps: Counts = (300,)
    """Optimizer steps of each stage, separated by commas, from the coarsest on. The last number is used
    for all further stages; numbers beyond the last stage are ignored."""
    coarse_steps: Counts | None = None
    """Steps of each stage but the last, as steps has them, which then counts for the last stage alone;
    none takes those of steps for all. Where steps is given anew, a preset's coarse_steps count no more."""
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """A stage other than the last ends early when its last five steps lowered the loss by less than this
    fraction of it; 0 takes all steps."""
    extractor: OneSpec = Field(default_factory=lambda: Spec("vgg19"))
    """Network that computes the features."""
    loss: Annotated[Specs, Field(min_length=1)] = Field(
        default_factory=lambda: (Spec("content"), Spec("gram"))
    )
    """Term of the objective. May be given several times; replaces the preset's terms."""
    style_weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    """Factor for the weights of all losses that compare with the style: 2 doubles them."""
    content_weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    """Factor for the weights of all losses that compare with the content: 2 doubles them."""
    optimizer: OneSpec = Field(default_factory=lambda: Spec("lbfgs"))
    """Optimizer of the canvas."""
    schedule: OneSpecOrNone = None
    """Learning-rate schedule over each stage, by its name in torch.optim.lr_scheduler:
    CosineAnnealingLR, OneCycleLR:max_lr=0.1 …; none keeps the learning rate."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay of an exponential moving average over the pictures of a stage, which is then the result:
    0.99 averages about the last hundred steps; 0 takes the last picture alone."""
    canvas: OneSpec = Field(default_factory=lambda: Spec("pixels"))
    """What is optimized, and how it becomes a picture: pixels, Fourier coefficients …"""
    callback: Specs = ()
    """Observer of the run. May be given several times."""
    keys: bool = True
    """Take keys of the terminal while the progress bar is shown: p pauses, q stops and keeps the picture; all
    are said when the run begins."""
    colors: Literal["style", "luminance", "match", "histogram"] = "style"
    """Whose colors the result has: style, the style's; the others keep the content's. luminance paints
    luminance alone; match gives the style picture the content's mean and covariance first, histogram
    its histograms."""
    smooth_colors: Annotated[int, Field(ge=0, le=1024)] = 0
    """Radius, in pixels, within which the result's colors are smoothed up to its edges, when it is done;
    light and dark stay as painted. Takes off colored specks; 0 leaves them."""
    init: str = "content"
    """What the canvas starts from: content, style, noise (gray), noise:colors=style (with the style's mean
    and covariance), a blend as blend:content=0.8,noise=0.2, or a picture file."""
    content_detail: Annotated[float, Field(ge=0, le=4)] = 0.0
    """How much of the content's fine detail, for which the stage before was too small, is added to the
    picture where a stage begins; 1 holds shapes, as in STROTSS."""
    seed: Annotated[int, Field(ge=0, lt=2**63), BeforeValidator(_seed)] = 0
    """Seed of everything random; 'random' draws one, which the recipe records."""
    max_megapixels: Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False)] = 200.0
    """Largest picture that is read or painted, in millions of pixels. Protects against small files that
    decode into more than memory holds."""
    device: str = "auto"
    """Where to compute: auto, cpu, cuda, cuda:1, mps. auto takes a GPU where there is one."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of the network. Statistics, losses and the canvas stay in float32."""
    compile: Literal["auto", "on", "off"] = "auto"
    """Compile the objective with torch.compile."""
    tile: Annotated[
        Literal["auto", "off"] | Annotated[int, Field(ge=64)], BeforeValidator(_whole)
    ] = "auto"
    """Compute features of a large picture in tiles of about N × N pixels, which takes less memory and more
    time, and gives the same picture but for rounding. auto does so where memory would not suffice."""
    max_memory: Memory | None = None
    """Memory that a run may take at its peak, as 8GB or 900MB; on a GPU that of the GPU. Without it, what is
    free. Where it does not suffice, tile auto takes tiles, and lbfgs keeps its steps in bfloat16."""
    plugin: Texts = ()
    """Plugin to load: a file ending in .py, or a module. May be given several times."""
    load: str = "all"
    """Installed plugins to load: all, none, or names separated by commas."""
    checkpoint: str | None = None
    """Folder to save the run's state in, regularly and when the run is stopped or fails; impasto resume
    continues from there."""
    checkpoint_every: Annotated[float, Field(ge=0)] = 60.0
    """Seconds between checkpoints."""
    force: bool = False
    """Overwrite the output if it exists."""
    trust: bool = False
    """Let a config or preset that names files to write have them anywhere, not only in the working
    folder and its own."""

    @property
    def shape(self) -> tuple[int, int] | None:
        """Width and height, pixels, that ``size`` gives by itself; None where the content has to."""
        if isinstance(self.size, int):
            return (self.size, self.size)
        width, times, height = self.size.partition("x")
        return (int(width), int(height)) if times else None

    def strokes_at(self, length: int) -> float:
        """Factor of the styles' scales in a result whose longer side has so many pixels."""
        if isinstance(self.stroke_size, str):
            return int(self.stroke_size.removesuffix("px")) / length
        return self.stroke_size

    @property
    def max_bytes(self) -> int | None:
        """Bytes of ``max_memory``; None where that is not set."""
        if self.max_memory is None:
            return None
        return round(float(self.max_memory[:-2]) * {"GB": 1e9, "MB": 1e6}[self.max_memory[-2:]])

    @property
    def wraps(self) -> tuple[int, ...]:
        """Axes of the canvas whose ends are neighbors: 3 for left to right, 2 for top to bottom."""
        return {"none": (), "x": (3,), "y": (2,), "both": (2, 3)}[self.seamless]

    def with_output(self, name: str) -> Settings:
        """The same settings, with this output if none is set."""
        return self if self.output is not None else replace(self, output=name)

    def observed_by(self, callback: str, **options: object) -> Settings:
        """The same settings with one more callback, unless it is there already."""
        if any(spec.name == callback for spec in self.callback):
            return self
        return replace(self, callback=(*self.callback, Spec(callback, options)))

    def watched(self, quiet: bool) -> Settings:
        """The same settings with a progress bar, and keys if they are wanted; or with neither."""
        if quiet:
            return self.without("progress").without("keys")
        shown = self.observed_by("progress")
        return shown.observed_by("keys") if self.keys else shown.without("keys")

    def objects(self) -> list[tuple[str, Spec]]:
        """What stands for objects that were given in Python: kind and SPEC of each."""
        specs = [
            ("extractor", self.extractor),
            *(("loss", spec) for spec in self.loss),
            ("optimizer", self.optimizer),
            ("canvas", self.canvas),
            *(("callback", spec) for spec in self.callback),
        ]
        return [(kind, spec) for kind, spec in specs if spec.is_object]

    def without(self, callback: str) -> Settings:
        """The same settings without a callback."""
        kept = tuple(spec for spec in self.callback if spec.name != callback)
        return replace(self, callback=kept)

    def as_table(self) -> dict[str, object]:
        """The settings as a table that TOML and JSON can hold; reading it gives the same settings."""
        table: dict[str, object] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:
                table[field.name] = _plain(value)
        return table

    def to_toml(self) -> str:
        """The settings as a TOML file, which as ``config`` gives the same settings again.

        What no document can say is left out: ``force`` and ``trust``. Plugins stand there, but have to be
        given again, since no document loads code.

        Raises:
            SettingsError: a value that TOML cannot hold.
        """
        table = self.as_table()
        # Where it is left out, that of a preset would count.
        table.setdefault("schedule", "none")
        return to_toml({key: table[key] for key in table if key not in OF_THE_USER})


def gather(
    given: Mapping[str, object], preset: str | None, config: str | None, otherwise: str = "default"
) -> Settings:
    """Settings from three layers: what is given wins over the file, the file over the preset.

    Args:
        given: settings by name, as text or as values; those that are None are left out.
        preset: name of a preset, or a TOML file of one; None takes the file's, or ``otherwise``.
        config: path of a TOML file, or None.
        otherwise: name of the preset where none is named.

    Raises:
        SettingsError: an unknown setting or preset, a value that does not fit, with what is allowed,
            or something that a document cannot ask for.
        PluginError: a preset or the file needs a plugin that is not given.
    """
    given = {name: value for name, value in given.items() if value is not None}
    from_file = read_toml(Path(config), f"config file '{config}'") if config else {}
    from_file.pop("about", None)
    named = from_file.pop("preset", otherwise)
    from_preset = read_preset(preset or named)
    if config:
        wanted_of(f"config file '{config}'", config, from_file, given)
    hidden = {**from_file, **given}
    wanted_of(f"preset '{preset or named}'", find_preset(preset or named), from_preset, hidden)
    return validate(over(over(from_preset, from_file), given))


def wanted_of(
    what: str, path: str | PathLike[str], table: dict[str, Any], given: Mapping[str, object]
) -> None:
    """Take out of a document's settings what documents cannot have, and check the rest.

    Args:
        what: the document, for errors.
        path: where it lies.
        table: its settings; the plugins are taken out.
        given: settings that win over the document's.

    Raises:
        SettingsError: it overwrites files, or writes outside of the working folder and its own.
        PluginError: it needs a plugin that is not given.
    """
    for name in OF_THE_USER:
        if name in table:
            raise SettingsError(
                f"{what} sets '{name}', which no document can: set it yourself", settings=(name,)
            )
    plugins = [fspath(one) for one in _several(given.get("plugin", ()))]  # type: ignore[attr-defined]
    refuse_unnamed(what, table.pop("plugin", ()), plugins)
    if not given.get("trust"):
        left = {name: value for name, value in table.items() if name not in given}
        folders = (Path.cwd(), Path(path).parent)
        refuse_writes_outside(what, left, Path.cwd(), folders, SettingsError)


def documents_of(preset: str | None, config: str | None) -> list[str]:
    """The TOML files that :func:`gather` reads for these, the user's own and the built-in ones.

    Raises:
        SettingsError: as for :func:`gather`.
    """
    named: object = preset
    if config is not None and preset is None:
        named = read_toml(Path(config), f"config file '{config}'").get("preset")
    chain = preset_chain(named) if isinstance(named, str) else []
    return [*([config] if config else []), *map(str, chain)]


def validate(table: Mapping[str, object]) -> Settings:
    """Settings from one table.

    Raises:
        SettingsError: an unknown setting, or a value that does not fit, with what is allowed.
    """
    known = [field.name for field in fields(Settings)]
    for name in table:
        if name not in known:
            raise SettingsError(unknown("setting", str(name), known))
    annotations = get_type_hints(Settings, include_extras=True)
    refuse_flags(table, {name: annotations[name] for name in table}, "setting")
    try:
        return TypeAdapter(Settings).validate_python(dict(table))
    except ValidationError as error:
        raise SettingsError(complaint(error, "setting", annotations)) from None


def _plain(value: object) -> object:
    if isinstance(value, Spec):
        return {"name": value.name, **{key: _plain(item) for key, item in value.options.items()}}
    if isinstance(value, Style):
        return value.as_table()
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
