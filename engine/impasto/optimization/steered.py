"""What steering and snapshots need of a run, which has both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from impasto.host.host import Host
from impasto.model.objective import Objective
from impasto.optimization.stages import Stage
from impasto.settings.settings import Settings


class Steered(Protocol):
    """A run, as :class:`impasto.Run` is one; what is said of its parts stands there."""

    step: int
    started: float
    current: Any
    """The state of the stage; None before the first one."""

    @property
    def host(self) -> Host:
        """Has the plugins of the run."""

    @property
    def settings(self) -> Settings:
        """What the user asked for."""

    @property
    def objective(self) -> Objective:
        """Extractor and losses."""

    @property
    def prepared(self) -> Any:
        """What was made before the first step."""

    @property
    def stopping(self) -> str | None:
        """Why it ends after this step, if it does."""

    @property
    def has_state_to_load(self) -> bool:
        """Whether a stage is to begin where a state left it."""

    def is_over(self, stage: Stage) -> bool:
        """Whether all steps of a stage are done."""

    def done_in(self, stage: Stage) -> int:
        """Steps of a stage that are done."""

    def go_back(self, state: Mapping[str, Any]) -> None:
        """Go on from an earlier state."""

    def state_dict(self, *, history: bool = True) -> dict[str, Any]:
        """The state."""
