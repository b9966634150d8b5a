"""What runs of one process have from one another: the network, and the statistics of style pictures.

Both are the same, bit for bit, as those that each run would make by itself.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from impasto.model.extractor import Extractor
from impasto.model.objective import StyleStatistics
from impasto.settings.document import MEGABYTE
from impasto.settings.settings import Settings
from impasto.settings.spec import Spec

MOST = 512 * MEGABYTE
"""Bytes of statistics that are kept; those that were not used for longest go first."""

OF_THE_NETWORK = ("extractor", "seed", "plugin", "load")
"""Settings that the network is made from."""


@dataclass
class Shared:
    """Keeps the last network, since two take twice the memory, and as many statistics as fit."""

    most: int = MOST
    network: tuple[str, Extractor, Tensor] | None = None
    """Its key, the extractor, and the state that making it left the run's generator in."""
    statistics: OrderedDict[str, StyleStatistics] = field(default_factory=OrderedDict)

    said: set[str] = field(default_factory=set)
    """What runs have said about themselves."""

    def is_news(self, line: str) -> bool:
        """Whether no run before has said it; it counts as said from now on."""
        news = line not in self.said
        self.said.add(line)
        return news

    def keep(self, key: str, statistics: StyleStatistics) -> None:
        """Keep statistics, and let go those that do not fit any more."""
        self.statistics[key] = statistics
        while sum(map(size_of, self.statistics.values())) > self.most:
            self.statistics.popitem(last=False)


@dataclass
class Share:
    """What one run takes from the others, and leaves to them."""

    shared: Shared
    key: str
    """Tells apart networks; see :func:`network_key`."""
    generator: torch.Generator
    """Of the run."""
    files: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of each file that a plugin reads, by the name that its options have for it."""
    style_losses: str = ""
    """Tells apart the losses that compare with a style."""

    def extractor(self) -> Extractor | None:
        """The network if an earlier run had the same; the generator is then as if it had been made.

        It has the layers that the losses of that run asked for.
        """
        if self.shared.network is None or self.shared.network[0] != self.key:
            return None
        _, extractor, drawn = self.shared.network
        self.generator.set_state(drawn)
        return extractor

    def keep_extractor(self, extractor: Extractor, drawn: Tensor) -> None:
        """Keep a network, with the state that making it left the generator in."""
        self.shared.network = (self.key, extractor, drawn)

    def forget(self) -> None:
        """Let go the network, and what was noted of losses."""
        self.shared.network, self.style_losses = None, ""

    def has_style_loss(self, spec: Spec, namesakes: int) -> None:
        """Note a loss that compares with a style, just after it was made.

        Args:
            spec: that it was made from.
            namesakes: losses before it with the same name, after which its term is numbered.
        """
        drawn = hashlib.sha256(self.generator.get_state().numpy().tobytes()).hexdigest()
        read = sorted(read_by([spec], self.files).items())
        self.style_losses = checksum_of(
            *(self.style_losses, spec.name, spec.options, namesakes, drawn, read)
        )

    def statistics(
        self,
        picture: str,
        height: int,
        width: int,
        wraps: Sequence[int],
        compute: Callable[[], StyleStatistics],
    ) -> StyleStatistics:
        """The statistics of a style picture, computed unless an earlier run had the same.

        Those that draw from the generator are not kept: what is drawn next would be something else
        without them.

        Args:
            picture: checksum of the picture and its mask.
            height: that the picture has in the stage, pixels.
            width: the same.
            wraps: axes of the canvas whose ends are neighbors.
            compute: makes them.
        """
        key = checksum_of(self.key, self.style_losses, picture, height, width, tuple(wraps))
        if key in self.shared.statistics:
            self.shared.statistics.move_to_end(key)
            return self.shared.statistics[key]
        before = self.generator.get_state()
        made = compute()
        if torch.equal(before, self.generator.get_state()):
            self.shared.keep(key, made)
        return made


def network_key(
    settings: Settings,
    device: torch.device,
    precision: torch.dtype,
    plugins: Mapping[str, str],
    files: Mapping[str, str],
) -> str:
    """Tells apart networks, but for the layers that the losses ask for.

    Args:
        settings: of a run.
        device: of the run.
        precision: of the network.
        plugins: SHA-256 of each file that a plugin is, by its name.
        files: that of each file that a plugin reads.
    """
    table = settings.as_table()
    chosen = {name: table.get(name) for name in OF_THE_NETWORK}
    read = {**plugins, **read_by([settings.extractor], files)}
    return checksum_of(chosen, str(device), str(precision), sorted(read.items()))


def read_by(specs: Iterable[Spec], files: Mapping[str, str]) -> dict[str, str]:
    """Of these files those that plugins read, as their options say."""
    named = {value for spec in specs for value in spec.options.values() if isinstance(value, str)}
    return {name: files[name] for name in named if name in files}


def checksum_of(*parts: object) -> str:
    """A checksum of values that JSON can hold."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def size_of(statistics: StyleStatistics) -> int:
    """Bytes of the tensors in statistics."""
    return sum(
        value.numel() * value.element_size()
        for layers in statistics.values()
        for summary in layers.values()
        for value in summary.values()
    )
