"""The plugins that Impasto ships with, and the host that has them: they use the public hooks only."""

from __future__ import annotations

from collections.abc import Iterable

from impasto import hookspecs
from impasto.host.host import Host

BUILT_IN = (
    "impasto_plugins.extractors.trained_vgg",
    "impasto_plugins.extractors.random_vgg",
    "impasto_plugins.extractors.torchvision_models",
    "impasto_plugins.losses.content",
    "impasto_plugins.losses.gram",
    "impasto_plugins.losses.moments",
    "impasto_plugins.losses.wasserstein",
    "impasto_plugins.losses.sliced",
    "impasto_plugins.losses.histogram",
    "impasto_plugins.losses.nearest",
    "impasto_plugins.losses.relaxed_emd",
    "impasto_plugins.losses.covariance",
    "impasto_plugins.losses.palette",
    "impasto_plugins.losses.neural_neighbors",
    "impasto_plugins.losses.self_similarity",
    "impasto_plugins.losses.laplacian",
    "impasto_plugins.losses.tv",
    "impasto_plugins.losses.range",
    "impasto_plugins.losses.temporal",
    "impasto_plugins.optimizers.lbfgs",
    "impasto_plugins.optimizers.adam",
    "impasto_plugins.optimizers.torch_optim",
    "impasto_plugins.canvases.pixels",
    "impasto_plugins.canvases.normalized",
    "impasto_plugins.canvases.fourier",
    "impasto_plugins.canvases.laplacian",
    "impasto_plugins.callbacks.progress",
    "impasto_plugins.callbacks.keys",
    "impasto_plugins.callbacks.page",
    "impasto_plugins.callbacks.snapshots",
    "impasto_plugins.callbacks.log",
    "impasto_plugins.callbacks.statistics",
    "impasto_plugins.callbacks.contact_sheet",
    "impasto_plugins.callbacks.stop",
    "impasto_plugins.callbacks.timelapse",
    "impasto_plugins.callbacks.tensorboard",
    "impasto_plugins.executors.local",
    "impasto_plugins.executors.processes",
    "impasto_plugins.executors.ray",
    "impasto_plugins.flows.dis",
    "impasto_plugins.flows.raft",
    "impasto_profiling.profile",
)


def build_host(load: str = "all", plugins: Iterable[str] = ()) -> Host:
    """A host with the built-in plugins, the installed ones, and those given by file or module.

    Args:
        load: which installed third-party plugins: ``all``, ``none``, or names separated by commas.
        plugins: paths of Python files (they end in ``.py``), or names of modules.

    Raises:
        PluginError: one that was given by file or module does not load.
        SettingsError: ``load`` names a plugin that is not installed.
    """
    host = Host(hookspecs)
    for module_name in BUILT_IN:
        host.load_module(module_name, module_name.removeprefix("impasto_plugins."), "built in")
    host.load_entry_points(load)
    for given in plugins:
        host.load_given(given)
    return host
