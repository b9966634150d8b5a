"""Jobs one after another in this process."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence

import impasto


class Local(impasto.Executor):
    """One after another in this process."""

    same_machine = True

    def __init__(self) -> None:
        self.worker = impasto.Worker()

    def run(
        self, tasks: Sequence[impasto.Task], began: Callable[[impasto.Task], None]
    ) -> Generator[tuple[impasto.Task, impasto.Ended], None, None]:
        for task in tasks:
            began(task)
            yield task, self.worker.do(task)


@impasto.hookimpl
def impasto_executors() -> Iterable[impasto.Offer]:
    return [impasto.Offer("local", Local)]
