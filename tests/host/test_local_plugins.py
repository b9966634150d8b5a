"""A local loss, optimizer, extractor, canvas and callback each swap in by one option, from a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers import Invoke, Pair

LOCAL = '''
import torch
from torch import nn
import impasto

class Brightness(impasto.Loss):
    """Distance of the mean color from the style's."""

    def summarize_layer(self, feature):
        return {"sum": feature.sum((0, 2, 3)), "pixels": feature.new_tensor(feature[0, 0].numel())}

    def compare_layer(self, summary, target):
        mine, wanted = (part["sum"] / part["pixels"] for part in (summary, target))
        return (mine - wanted).square().sum()

class Downhill(torch.optim.SGD):
    """Plain gradient descent."""

    def __init__(self, parameters, rate: float = 1.0):
        super().__init__(parameters, lr=rate)

class Edges(impasto.Extractor):
    """One fixed convolution."""

    layers = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv4_2", "conv5_1")

    def __init__(self, seed: int = 0):
        super().__init__()
        self.weights = f"edges {seed}"
        torch.manual_seed(seed)
        self.kernel = nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, image):
        feature = self.kernel(image.to(self.kernel.weight.dtype)).relu()
        return {layer: feature for layer in self.selected}

class Logits(impasto.Canvas):
    """Pixels through a sigmoid: never outside [0, 1]."""

    def __init__(self, image, margin: float = 0.01):
        super().__init__()
        self.values = nn.Parameter(torch.logit(image, eps=margin))

    def forward(self):
        return self.values.sigmoid()

class Count:
    """Count the steps into a file."""

    def __init__(self, file: str):
        self.file = file

    @impasto.hookimpl
    def impasto_after_run(self, result):
        with open(self.file, "w") as file:
            file.write(str(result.steps))

@impasto.hookimpl
def impasto_losses():
    return [impasto.Offer("brightness", Brightness)]

@impasto.hookimpl
def impasto_optimizers():
    return [impasto.Offer("downhill", Downhill)]

@impasto.hookimpl
def impasto_extractors():
    return [impasto.Offer("edges", Edges)]

@impasto.hookimpl
def impasto_canvases():
    return [impasto.Offer("logits", Logits)]

@impasto.hookimpl
def impasto_callbacks():
    return [impasto.Offer("count", Count)]
'''


@pytest.fixture
def local(tmp_path: Path) -> Path:
    path = tmp_path / "local.py"
    path.write_text(LOCAL, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "swap",
    [
        ("--loss", "brightness:weight=3"),
        ("--optimizer", "downhill:rate=0.001"),
        ("--extractor", "edges:seed=4"),
        ("--canvas", "logits:margin=0.02"),
    ],
)
def test_each_kind_swaps_in_by_one_option(
    invoke: Invoke, pair: Pair, local: Path, tmp_path: Path, swap: tuple[str, str]
) -> None:
    shallow = ("--loss", "gram:layers=conv1_1") if swap[0] != "--loss" else ()
    done = invoke(
        "run", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", 32, "--steps", 4,
        "--plugin", local, *shallow, *swap, "--json",
    )  # fmt: skip
    assert done.status == 0, done.err
    record = json.loads(done.out)
    assert record["loss"]["last"] < record["loss"]["first"]
    if swap[0] == "--loss":
        assert list(record["terms"]) == ["brightness"]
    if swap[0] == "--extractor":
        assert (record["extractor"], record["weights"]) == ("edges:seed=4", "edges 4")


def test_a_callback_swaps_in_by_one_option(
    invoke: Invoke, pair: Pair, local: Path, tmp_path: Path
) -> None:
    counted = tmp_path / "count.txt"
    done = invoke(
        "run", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", 32, "--steps", 4,
        "--plugin", local, "--loss", "tv", "--callback", f"count:file={counted}",
    )  # fmt: skip
    assert done.status == 0, done.err
    assert counted.read_text() == "4"


def test_plugins_lists_local_ones_with_origin_and_options(invoke: Invoke, local: Path) -> None:
    records = json.loads(invoke("plugins", "--plugin", local, "--json").out)
    (mine,) = [record for record in records if record["name"] == "brightness"]
    assert mine["kind"] == "loss"
    assert mine["origin"] == f"file {local}"
    assert mine["status"] == "loaded"
    assert mine["help"] == "Distance of the mean color from the style's."
    assert [option["name"] for option in mine["options"]] == [
        "weight", "layers", "layer_weights", "by_stage",
    ]  # fmt: skip
    assert mine["options"][0]["default"] == 1.0


def test_plugins_show_tells_one_in_full(invoke: Invoke) -> None:
    shown = invoke("plugins", "show", "gram")
    assert shown.status == 0
    assert "loss gram: " in shown.out
    assert "normalization = relative | paper | notebook  [relative]" in shown.out
    assert "strength of the term" in shown.out
    unknown = invoke("plugins", "show", "grim")
    assert unknown.status == 1
    assert "did you mean 'gram'?" in unknown.error


def test_plugins_table_names_every_kind(invoke: Invoke) -> None:
    table = invoke("plugins").out
    for word in ("vgg19", "content", "gram", "tv", "lbfgs", "adam", "pixels", "progress", "log"):
        assert word in table


def test_any_optimizer_of_torch_by_its_name(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    done = invoke(
        "run", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", 32, "--steps", 5,
        "--loss", "tv", "--optimizer", "torch.RMSprop:lr=0.01,momentum=0.5", "--json",
    )  # fmt: skip
    assert done.status == 0, done.err
    assert json.loads(done.out)["loss"]["last"] < json.loads(done.out)["loss"]["first"]
    refused = invoke(
        "run", pair.content, pair.style, "--optimizer", "torch.RMSprop:speed=1",
    )  # fmt: skip
    assert refused.status == 1
    assert "optimizer 'torch.RMSprop': unknown option 'speed'" in refused.error
