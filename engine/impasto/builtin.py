"""The plugins that Impasto ships with: ordinary modules that use the public hooks only."""

BUILT_IN = (
    "impasto_plugins.extractors.vgg19",
    "impasto_plugins.losses.content",
    "impasto_plugins.losses.gram",
    "impasto_plugins.losses.tv",
    "impasto_plugins.optimizers.lbfgs",
    "impasto_plugins.optimizers.adam",
    "impasto_plugins.optimizers.torch_optim",
    "impasto_plugins.canvases.pixels",
    "impasto_plugins.canvases.normalized",
    "impasto_plugins.callbacks.progress",
    "impasto_plugins.callbacks.snapshots",
    "impasto_plugins.callbacks.log",
)
