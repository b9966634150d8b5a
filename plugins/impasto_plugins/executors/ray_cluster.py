"""The connection to a Ray cluster, and a cluster for this process alone."""

from __future__ import annotations

import ipaddress
import logging
import os
import secrets
import shutil
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import impasto
from impasto.plugin import scratch_folder
from impasto_plugins.executors.processes import environment

SECONDS_TO_REACH = 5.0
"""In which a cluster has to take a connection."""

STORE = 100_000_000
"""Bytes of the object store of a cluster that is started here."""

SHORT = Path("/tmp")  # noqa: S108
"""Folder of temporary files with a short name: those of sockets have 107 bytes at most, and Ray takes 65."""

TOKEN = secrets.token_hex(32)
"""Without it nobody can give work to clusters that this process starts."""

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_enable_output_error_log_if_still_retry": "0",
}
"""Environment in which Ray tells nobody that it is used, and prints no errors that are told anyway."""

OF_OTHERS = {
    **QUIET,
    # Else Ray tries for many minutes what does not answer as a cluster.
    "RAY_gcs_server_port_wait_time_s": "1",
}
"""Environment to connect in to a cluster that somebody started."""

OWN = {
    **QUIET,
    # Ray listens on the loopback address alone where this says so, for the firewalls of these systems.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": TOKEN,
}
"""Environment of a cluster for this process alone."""


class Cluster:
    """A cluster that this process is connected to."""

    def __init__(self, address: str, cpus: int, gpus: float) -> None:
        """Connect to the cluster at an address, or start one.

        Args:
            address: ``auto`` or HOST:PORT; empty starts one on this machine.
            cpus: processors of one that is started.
            gpus: of a worker; 0 hides those of this machine from one that is started.

        Raises:
            SettingsError: it cannot be reached, or not be started.
        """
        self.address = address
        with ExitStack() as left:
            left.enter_context(environment(OF_OTHERS if address else OWN))
            options = {} if address else own_cluster(left, cpus, gpus)
            if threading.current_thread() is threading.main_thread():
                left.callback(signal.signal, signal.SIGTERM, signal.getsignal(signal.SIGTERM))
            try:
                # It reads the environment when it is imported.
                import ray

                left.callback(ray.shutdown)
                start = partial(ray.init, address or "local", log_to_driver=False,
                                logging_level=logging.ERROR, **options)  # fmt: skip
                start() if address else twice(start, ray.shutdown)
            except (Exception, SystemExit) as error:
                raise self._no(str(error)) from None
            if not address:
                self._refuse_others()
            left.enter_context(silence())
            self.stack = left.pop_all()

    def leave(self) -> None:
        """Disconnect; one that was started here ends, and its files are removed."""
        self.stack.close()

    def room(self, cpus: int, gpus: float) -> int:
        """How many workers with so many processors and GPUs fit on the machines that are there."""
        import ray

        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        rooms = [int(has.get("CPU", 0) // cpus) for has in machines]
        if gpus:
            by_gpus = [int(has.get("GPU", 0) / gpus) for has in machines]
            rooms = [min(pair) for pair in zip(rooms, by_gpus, strict=True)]
        return sum(rooms)

    def _refuse_others(self) -> None:
        import ray

        found = ray.util.get_node_ip_address()
        if not ipaddress.ip_address(found).is_loopback:
            raise self._no(
                f"it would listen on {found}, since Ray was imported before; set"
                " RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 before that"
            )

    def _no(self, reason: str) -> impasto.SettingsError:
        what = (
            f"the cluster at '{self.address}' cannot be reached"
            if self.address
            else "no cluster starts"
        )
        first = next(iter(reason.strip().splitlines()), "it gives no reason")
        return impasto.SettingsError(f"executor 'ray': {what}: {first}")


def own_cluster(left: ExitStack, cpus: int, gpus: float) -> dict[str, Any]:
    """Options of a cluster for this process alone, whose files are removed when it is left."""
    folder = os.fspath(scratch_folder(SHORT))
    left.callback(shutil.rmtree, folder, ignore_errors=True)
    return {
        "num_cpus": cpus,
        "include_dashboard": False,
        "object_store_memory": STORE,
        "_temp_dir": folder,
        **({} if gpus else {"num_gpus": 0}),
    }


def twice(start: Callable[[], object], clean: Callable[[], object]) -> None:
    """Start a cluster; once more if it fails, since Ray gives a busy machine half a minute only."""
    try:
        start()
    except Exception:
        clean()
        start()


def check_reachable(address: str) -> None:
    """Refuse an address that takes no connection: Ray would try for minutes.

    Raises:
        SettingsError: what is wrong with it.
    """
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS", "")
    if not address or address == "auto":
        return
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or "/" in host:
        raise impasto.SettingsError(
            f"executor 'ray': the address '{address}' is neither auto nor HOST:PORT"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), SECONDS_TO_REACH).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise impasto.SettingsError(
            f"executor 'ray': the cluster at '{address}' cannot be reached: {reason}"
        ) from None


@contextmanager
def silence() -> Iterator[None]:
    """Keep Ray from printing what happens on its machines on standard output, where records belong."""
    import ray._private.worker as module

    before = module.print_to_stdstream
    setattr(module, "print_to_stdstream", lambda *_, **__: None)  # noqa: B010
    try:
        yield
    finally:
        setattr(module, "print_to_stdstream", before)  # noqa: B010
