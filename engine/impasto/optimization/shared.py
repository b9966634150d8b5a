"""What runs of one process have from one another: the network, and the statistics of style pictures.

Both are the same, bit for bit, as those that each run would make by itself.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from impasto.model.extractor import Extractor
from impasto.model.objective import StyleStatistics
from impasto.settings.document import MEGABYTE
from impasto.settings.settings import Settings

MOST = 512 * MEGABYTE
"""Bytes of statistics that are kept; those that were not used for longest go first."""

OF_THE_OBJECTIVE = (
    *("extractor", "loss", "style_weight", "content_weight"),
    *("seed", "plugin", "load"),
)
"""Settings that network and losses are made from."""


@dataclass
class Shared:
    """Keeps the last network, since two take twice the memory, and as many statistics as fit."""

    most: int = MOST
    network: tuple[str, Extractor, Tensor] | None = None
    """Its key, the extractor, and the state that making it left the run's generator in."""
    statistics: OrderedDict[str, StyleStatistics] = field(default_factory=OrderedDict)

    def keep(self, key: str, statistics: StyleStatistics) -> None:
        """Keep statistics, and let go those that do not fit any more."""
        self.statistics[key] = statistics
        while sum(map(size_of, self.statistics.values())) > self.most:
            self.statistics.popitem(last=False)


@dataclass(frozen=True)
class Share:
    """What one run takes from the others, and leaves to them."""

    shared: Shared
    key: str
    """Tells apart objectives; see :func:`objective_key`."""
    generator: torch.Generator
    """Of the run."""

    def extractor(self) -> Extractor | None:
        """The network if an earlier run had the same; the generator is then as if it had been made."""
        if self.shared.network is None or self.shared.network[0] != self.key:
            return None
        _, extractor, drawn = self.shared.network
        self.generator.set_state(drawn)
        return extractor

    def keep_extractor(self, extractor: Extractor) -> None:
        """Keep a network that was made just now."""
        self.shared.network = (self.key, extractor, self.generator.get_state())

    def statistics(
        self, picture: str, height: int, width: int, compute: Callable[[], StyleStatistics]
    ) -> StyleStatistics:
        """The statistics of a style picture, computed unless an earlier run had the same.

        Those that draw from the generator are not kept: what is drawn next would be something else
        without them.

        Args:
            picture: checksum of the picture and its mask.
            height: that the picture has in the stage, pixels.
            width: the same.
            compute: makes them.
        """
        key = checksum_of(self.key, picture, height, width)
        if key in self.shared.statistics:
            self.shared.statistics.move_to_end(key)
            return self.shared.statistics[key]
        before = self.generator.get_state()
        made = compute()
        if torch.equal(before, self.generator.get_state()):
            self.shared.keep(key, made)
        return made


def objective_key(
    settings: Settings, device: torch.device, precision: torch.dtype, files: Mapping[str, str]
) -> str:
    """Tells apart networks, with the layers that the losses ask for, and losses.

    Args:
        settings: of a run.
        device: of the run.
        precision: of the network.
        files: SHA-256 of each file that a plugin is, or reads, by its name.
    """
    table = settings.as_table()
    chosen = {name: table.get(name) for name in OF_THE_OBJECTIVE}
    return checksum_of(chosen, str(device), str(precision), sorted(files.items()))


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
