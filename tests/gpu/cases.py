"""What would go wrong on a GPU, seen on a device that is none; ``test_fake_gpu.py`` runs this.

The bounds are what is measured today; each may only be lowered.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gpu.fake_device import NAME, FakeDevice, OnDevice, fake_backend
from impasto.builtin import build_host
from impasto.jobs.run import prepare_run
from impasto.model import gpu
from impasto.optimization.loop import begin, take_step
from impasto.optimization.state import Run
from impasto.plugin import DEMO_CONTENT, DEMO_STYLE
from impasto.settings.settings import gather
from impasto_plugins.extractors import trained_vgg
from impasto_plugins.extractors.vgg_weights import Network, Weights, load_weights, random_weights

WAITS = {
    "default": 1, "lbfgs": 1, "lbfgs:precondition=true": 1, "luminance": 1,
    # Two before the search, and one for each evaluation in it.
    "lbfgs:line_search_fn=strong_wolfe": 3,
    "torch.Adafactor": 2, "torch.ASGD": 2, "torch.LBFGS:max_iter=2": 7,  # torch's own
}  # fmt: skip
"""Times that a step makes the host wait, by what is tried; 0 for losses with Adam and other optimizers."""
LAUNCHES = 199
"""Operations of a default step with a full history, where ReLUs are fused; a launch takes the host about
5 µs."""
ADAM_LAUNCHES = 137
"""The same with Adam."""
ROWS_FIRST = {"both": 1}
"""Convolutions, by what is tried, whose features do not lie channels last: where a seamless picture's
gradient is padded again."""
FULL_PRODUCTS = 0
"""Matrix products in float32 of a default step whose network is in bfloat16."""

SHALLOW = ["content:layers=conv2_1", "gram:layers=conv1_1,conv2_1,weight=10"]
OFFERED = [(one.kind, one.offer.name) for one in build_host("none").offered]
NEEDS_FILES = ("temporal",)
LOSSES = [name for kind, name in OFFERED if kind == "loss" and name not in NEEDS_FILES] + [
    "gram:normalization=paper", "gram:normalization=notebook", "nearest:distance=contextual",
    "tv:form=absolute", "tv:form=nine_point", f"temporal:picture={DEMO_STYLE}",
]  # fmt: skip
OPTIMIZERS = [name for kind, name in OFFERED if kind == "optimizer" and name != "torch.LBFGS"] + [
    "lbfgs:line_search_fn=strong_wolfe", "lbfgs:precondition=true", "torch.LBFGS:max_iter=2",
]  # fmt: skip
CANVASES = [name for kind, name in OFFERED if kind == "canvas"]
CANVASES += ["pixels:clamp=true", "fourier:colors=decorrelated"]
PARTS = [
    *(("optimizer", name) for name in OPTIMIZERS),
    *(("canvas", name) for name in CANVASES),
    *(("extractor", f"{name}:scale=false") for name in ("random", "vgg16", "vgg19_bn")),
    *(("extractor", f"vgg19:{way}") for way in ("pooling=l2", "pooling=average", "padding=reflect")),
    ("style", f"{DEMO_STYLE}:content_mask={DEMO_CONTENT}"),
    ("style", f"{DEMO_CONTENT}:style_mask={DEMO_CONTENT}"),
    ("style", (str(DEMO_STYLE), str(DEMO_CONTENT))),
    ("colors", "luminance"), ("colors", "match"), ("scales", "32,48"), ("ema", 0.9), ("seamless", "both"),
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def device() -> Iterator[None]:
    kept: dict[tuple[str, str], Weights] = {}
    load = load_weights

    def weights(source: str, network: Network = "vgg19") -> Weights:
        if (source, network) not in kept:
            bundled = network == "vgg19"
            kept[source, network] = load(source, network) if bundled else random_weights(network)
        return kept[source, network]

    with fake_backend(), pytest.MonkeyPatch.context() as patch:
        # Those of the other networks would be fetched.
        patch.setattr(trained_vgg, "load_weights", weights)
        yield


def prepared(**options: object) -> Run:
    given = {"content": str(DEMO_CONTENT), "style": str(DEMO_STYLE), "size": 48, "steps": 2}
    given |= {"scales": "single", "precision": "float32", "compile": "off"}
    return prepare_run(gather({**given, **options}, "default", None))


def painted(device: str = "gpu:0", **options: Any) -> tuple[list[float], FakeDevice]:
    """Losses of a run, and what was called for in its last step."""
    with FakeDevice() as watch:
        run = prepared(device=device, **options)
        for stage in run.stages:
            begin(run, stage)
            for _ in range(stage.steps):
                watch.calls.clear()
                take_step(run)
    losses = [one.memory if isinstance(one, OnDevice) else one for one in run.loss_tensors]
    return [float(one) for one in losses], watch


def check(name: str, **options: Any) -> None:
    """Nothing mixes devices, losses are the processor's, features lie channels last, few waits."""
    losses, watch = painted(**options)
    assert losses == pytest.approx(painted("cpu", **options)[0], rel=1e-3)
    rows_first = watch.places("rows_first")
    assert rows_first.total() <= ROWS_FIRST.get(name, 0), rows_first
    waits = watch.places("waits")
    bound = WAITS.get(name, 0 if "optimizer" in options else WAITS["default"])
    assert waits.total() <= bound, waits


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the device take what is done for CUDA alone."""
    monkeypatch.setattr(gpu, "is_cuda", lambda device: device.type == NAME)
    # What asks the driver.
    monkeypatch.setattr(gpu, "refusal", lambda device: "")
    monkeypatch.setattr(gpu, "configure", lambda device: None)
    monkeypatch.setattr(gpu, "multiplies_bfloat16", lambda device: True)
    monkeypatch.setattr(gpu, "fusing_pays", lambda device, precision: True)


@pytest.mark.usefixtures("cuda")
@pytest.mark.parametrize(("optimizer", "launches"), [("lbfgs", LAUNCHES), ("adam", ADAM_LAUNCHES)])
def test_default_step(optimizer: str, launches: int) -> None:
    _, watch = painted(steps=25, precision="bfloat16", optimizer=optimizer)
    assert watch.launches <= launches
    waits = watch.places("waits")
    assert waits.total() <= (WAITS["default"] if optimizer == "lbfgs" else 0), waits
    assert watch.places("full_product").total() <= FULL_PRODUCTS, watch.places("full_product")
    assert not watch.places("rows_first")


@pytest.mark.usefixtures("cuda")
def test_products_of_half_precision_are_the_same() -> None:
    exact, watch = painted(precision="bfloat16", loss=SHALLOW)
    assert exact == pytest.approx(painted("cpu", precision="bfloat16", loss=SHALLOW)[0], rel=0.01)
    assert not watch.places("full_product")


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name: str) -> None:
    check(name.partition(":")[0], loss=[name], optimizer="adam")


@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_parts(kind: str, name: object) -> None:
    check(str(name), loss=SHALLOW, **{kind: name})


def test_torchvision() -> None:
    layers = ["content:layers=layer2.1.relu_1", "gram:layers=relu,layer1.1.relu_1"]
    check("lbfgs", extractor="torchvision:model=resnet18,weights=random", loss=layers)


def test_tiles() -> None:
    check("tiles", loss=SHALLOW, optimizer="adam", size=96, tile=64)
