"""Any backbone of torchvision, by the names of its model and of the nodes in its graph.

Nodes are named as by ``torchvision.models.feature_extraction.get_graph_node_names``: ``layer2.0.relu``
of a ResNet, ``features.3.0`` of a MobileNet. Layers have to be given for each loss; the defaults are
VGG's. torchvision is imported where it is used: it takes as long as torch, and few runs want it.
"""

from __future__ import annotations

import operator
import urllib.error
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, fx, nn

import impasto
from impasto.plugin import unknown
from impasto_plugins.extractors.vgg_weights import DEVIATION, MEAN

IN_PLACE = {operator.iadd: operator.add, operator.imul: operator.mul}
"""Operations that overwrite a feature which may have been asked for, and what does not."""


class TorchvisionModel(impasto.Extractor):
    """Any backbone of torchvision, by model and node names."""

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        model: Annotated[str, Field(description="name in torchvision.models, e.g. resnet50")],
        weights: Annotated[
            str, Field(description="DEFAULT or another name of its weights, a file, or random")
        ] = "DEFAULT",
        generator: torch.Generator | None = None,
    ) -> None:
        """Build the model and name its nodes.

        Raises:
            SettingsError: no such model or weights, or a model that cannot be traced.
        """
        from torchvision import models
        from torchvision.models.feature_extraction import get_graph_node_names

        super().__init__()
        known = models.list_models(module=models)
        if model not in known:
            raise impasto.SettingsError(unknown("model", model, known))
        self.weights = f"{model} {Path(weights).name}"
        seed = generator.initial_seed() if generator is not None else 0
        # torchvision draws random weights from torch's global generator alone.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            made = models.get_model(model, weights=None, **_quiet(model))
        self.model: nn.Module = made.eval()
        if weights != "random":
            wanted = self.model.state_dict()
            self.model.load_state_dict(state_of(model, weights, wanted, ["random"]))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                _, nodes = get_graph_node_names(self.model)
        except Exception as error:
            raise impasto.SettingsError(f"model '{model}' cannot be traced: {error}") from error
        self.layers = tuple(nodes[1:])
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("deviation", DEVIATION.view(1, 3, 1, 1).clone())

    def select(self, layers: Iterable[str]) -> None:
        from torchvision.models.feature_extraction import create_feature_extractor

        super().select(layers)
        if not self.selected:
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            traced = create_feature_extractor(self.model, list(self.selected))
        keep_features(traced)
        self.model = traced
        for name, feature in self.model(torch.zeros(1, 3, 224, 224)).items():
            if not torch.is_tensor(feature) or feature.dim() != 4:
                raise impasto.SettingsError(
                    f"layer '{name}' of {self.weights} is no feature map (1, C, h, w)"
                )

    def forward(self, image: Tensor) -> impasto.Features:
        precision = next(self.model.parameters()).dtype
        normalized = (image - self.mean) / self.deviation
        features: impasto.Features = self.model(
            normalized.to(precision, memory_format=torch.channels_last)
        )
        return features

    def prepare(self, device: torch.device, precision: torch.dtype) -> None:
        super().prepare(device, precision)
        # The picture is normalized before it is rounded to the network's precision.
        self.mean, self.deviation = self.mean.float(), self.deviation.float()


def keep_features(model: fx.GraphModule) -> None:
    """Let nothing overwrite a feature after it was taken: no operation in place."""
    for module in model.modules():
        if getattr(module, "inplace", False):
            module.inplace = False  # type: ignore[assignment]
    for node in model.graph.nodes:
        node.target = IN_PLACE.get(node.target, node.target)
        if node.kwargs.get("inplace"):
            node.kwargs = {**node.kwargs, "inplace": False}
    model.recompile()


def _quiet(model: str) -> dict[str, bool]:
    # These two would warn that their slow initialization will be left out one day.
    return {"init_weights": False} if model in ("googlenet", "inception_v3") else {}


def state_of(
    model: str, weights: str, wanted: dict[str, Tensor], others: Sequence[str] = ()
) -> dict[str, Tensor]:
    """The weights of a model of torchvision, from a file or from its hub.

    Args:
        model: name in torchvision.models.
        weights: a file, ``DEFAULT``, or another name of the model's weights.
        wanted: state of the model, with the shapes that they have to have.
        others: names that are allowed besides, for the line that says so.

    Raises:
        SettingsError: no such weights, or those of another model; or they cannot be fetched.
    """
    if Path(weights).is_file():
        try:
            state = torch.load(weights, weights_only=True, map_location="cpu")
        except Exception as error:
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise impasto.SettingsError(f"weights '{weights}' cannot be read: {reason}") from None
        if not isinstance(state, dict) or state.keys() != wanted.keys():
            raise impasto.SettingsError(f"weights '{weights}' are not those of {model}")
        if any(state[key].shape != value.shape for key, value in wanted.items()):
            raise impasto.SettingsError(f"weights '{weights}' have other shapes than {model}")
        return state
    from torchvision.models import get_model_weights

    kinds = get_model_weights(model)
    names = [*kinds.__members__, "DEFAULT"]
    if weights not in names:
        raise impasto.SettingsError(unknown("weights", weights, [*names, *others]) + ", or a file")
    try:
        fetched: dict[str, Tensor] = kinds[weights].get_state_dict(progress=False, check_hash=True)
    except (urllib.error.URLError, OSError, RuntimeError) as error:
        allowed = ", or ".join(f"weights={one}" for one in ("FILE", *others))
        raise impasto.SettingsError(
            f"weights '{weights}' of {model} cannot be fetched from torchvision's hub ({error});"
            f" otherwise: {allowed}"
        ) from None
    return fetched


@impasto.hookimpl
def impasto_extractors() -> Iterable[impasto.Offer]:
    return [impasto.Offer("torchvision", TorchvisionModel)]
