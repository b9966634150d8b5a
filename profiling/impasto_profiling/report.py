"""The report of a profiled run: plain numbers, as JSON holds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from impasto.errors import SettingsError
from impasto.files.outputs import Outputs
from impasto.settings.document import MEGABYTE, read_document
from impasto.settings.plain_json import to_json
from impasto_profiling.memory import Peak
from impasto_profiling.standing import Holder

LARGEST = 10 * MEGABYTE
"""Bytes of a report."""
FILE = "report.json"
"""Its name in the folder of a profile."""


@dataclass(frozen=True)
class OperatorTime:
    """What an operator took of its own."""

    name: str
    calls: int
    seconds: float
    fraction: float
    """Fraction of the recorded steps' time, 0 to 1."""


@dataclass(frozen=True)
class PartTime:
    """What a part took."""

    name: str
    seconds: float
    """Seconds in all recorded steps, by the clock; what recording cost is taken out."""
    fraction: float
    """Fraction of the recorded steps' time, 0 to 1; those of all parts add up to 1."""
    forward: float
    """Seconds of its own, parts inside it left out."""
    backward: float
    """Seconds of its gradients."""
    device: float
    """Seconds of the GPU for what it started; 0 on the CPU."""
    cost: float = 0.0
    """Seconds that recording took in it, taken out of the others."""
    times: list[float] = field(default_factory=list)
    """Seconds in each recorded step."""
    operators: list[OperatorTime] = field(default_factory=list)
    """The most expensive operators in it."""


@dataclass(frozen=True)
class LayerRate:
    """What a layer's convolutions achieved."""

    layer: str
    seconds: float
    fraction: float
    """Fraction of the recorded steps' time, 0 to 1."""
    rate: float
    """GFLOP/s, forward and backward together, as if by the direct algorithm."""
    forward_rate: float
    """GFLOP/s; 0 where it cannot be told."""
    backward_rate: float
    """GFLOP/s; 0 where it cannot be told."""
    of_ceiling: float
    """``done_rate`` by that of a matrix product."""
    intensity: float
    """Operations that were computed for each byte of input, weight and output."""
    done_rate: float = 0.0
    """GFLOP/s of what was computed: Winograd's algorithm computes less than the direct one."""


@dataclass(frozen=True)
class StageReport:
    """What a stage's recorded steps took."""

    stage: int
    width: int
    """Width in pixels."""
    height: int
    """Height in pixels."""
    planned: int
    """Steps of the stage."""
    steps: int
    """Steps that were recorded."""
    seconds: float
    """Seconds of all recorded steps together; what recording cost is taken out."""
    usual_step: float
    """Seconds: the median of the steps that were not recorded, by a plain clock; 0 if there were none."""
    compiling: float | None
    """Seconds that the first step took longer than the median of the others; None if not compiled."""
    parts: list[PartTime]
    operators: list[OperatorTime]
    layers: list[LayerRate]
    untold: list[str]
    """Layers whose convolutions could not be found in the trace."""
    peak: Peak | None
    """None where memory was not recorded."""
    cost: float = 0.0
    """Seconds that recording took in all recorded steps, taken out of the other figures."""
    times: list[float] = field(default_factory=list)
    """Seconds of each recorded step."""
    standing: list[Holder] = field(default_factory=list)
    """What was in memory before the first step: network, targets, pictures. The peak comes on top."""

    @property
    def step(self) -> float:
        """Seconds of one recorded step."""
        return self.seconds / self.steps


@dataclass(frozen=True)
class Report:
    """A profiled run."""

    name: str
    """Name of the folder."""
    device: str
    precision: str
    compiled: bool
    extractor: str
    losses: list[str]
    optimizer: str
    ceiling: float
    """GFLOP/s of a matrix product in this precision, measured after the run."""
    bandwidth: float
    """GB/s of a copy in main memory, measured after the run."""
    peak_memory: float
    """MiB: on a GPU what torch held at most; else the most that the process took since it began."""
    stages: list[StageReport]
    findings: list[str] = field(default_factory=list)
    """What limits the run, in a sentence or two."""
    versions: dict[str, str] = field(default_factory=dict)
    threads: int = 0
    machine: str = ""
    """Name of the processor or card."""
    command: str = ""
    """That makes this profile again; empty where the run had objects that no command line can name."""
    cache_bandwidth: float = 0.0
    """GB/s of a copy that stays in the processor's caches: nothing moves faster; 0 if not measured."""
    raised: bool = False
    """Whether a layer was faster than the matrix product that was measured, and the ceiling is its rate."""
    content: str = ""
    styles: list[str] = field(default_factory=list)


def write_report(report: Report, folder: Path, outputs: Outputs) -> None:
    """Write the report as JSON into its folder."""
    text = to_json(TypeAdapter(Report).dump_python(report), indent=2)
    with outputs.writing(folder / FILE) as part:
        part.write_text(text + "\n", encoding="utf-8")


def read_report(path: Path) -> Report:
    """Read a report, given its file or the folder of its profile.

    Raises:
        SettingsError: it is not there, or no report.
    """
    file = path / FILE if path.is_dir() else path
    data = read_document(file, f"report '{file}'", LARGEST, SettingsError)
    try:
        return TypeAdapter(Report).validate_json(data)
    except (ValidationError, UnicodeDecodeError):
        raise SettingsError(f"'{file}' is not the report of a profile") from None
