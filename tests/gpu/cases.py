"""What would go wrong on a GPU, seen on a device that is none; ``test_fake_gpu.py`` runs this.

The bounds are what is measured today; each may only be lowered.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
import torch
import torch._inductor.lowering  # decompositions look for it
from functorch.compile import (  # type: ignore[import-untyped]
    make_boxed_func,
    min_cut_rematerialization_partition,
)
from torch import Tensor, nn
from torch._dynamo.backends.common import aot_autograd
from torch._inductor.decomposition import select_decomp_table
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx import GraphModule
from torch.fx.experimental.symbolic_shapes import ShapeEnv

from gpu.fake_device import NAME, FakeDevice, OnDevice, fake_backend
from impasto.builtin import build_host
from impasto.jobs.run import prepare_run
from impasto.model import gpu
from impasto.optimization.compiling import quietly
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
ADAM_LAUNCHES = 132
"""The same with Adam."""
OPTIMIZER_LAUNCHES = {
    "adam": 2, "torch.Adam": 2, "torch.AdamW": 2, "torch.SGD": 1, "torch.SGD:momentum=0.9": 1,
    "torch.RMSprop": 5,  # torch has no such kernel for it
}  # fmt: skip
"""Operations of an optimizer's own step: one, and one that counts steps."""
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
    ("colors", "luminance"), ("colors", "match"), ("scales", "24,32"), ("ema", 0.9), ("seamless", "both"),
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
    given = {"content": str(DEMO_CONTENT), "style": str(DEMO_STYLE), "size": 32, "steps": 2}
    given |= {"scales": "single", "precision": "float32", "compile": "off"}
    return prepare_run(gather({**given, **options}, "default", None))


def painted(device: str = "gpu:0", **options: Any) -> tuple[list[float], FakeDevice]:
    """Losses of a run, and what was called for in its last step, if not on the processor."""
    watch = FakeDevice()
    with nullcontext() if device == "cpu" else watch:
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


@pytest.mark.usefixtures("cuda")
@pytest.mark.parametrize(("optimizer", "launches"), OPTIMIZER_LAUNCHES.items())
def test_steps_are_one_kernel(optimizer: str, launches: int) -> None:
    given: dict[str, Any] = {"optimizer": optimizer, "loss": SHALLOW, "steps": 3}
    losses, watch = painted(**given)
    assert losses == pytest.approx(painted("cpu", **given)[0], rel=1e-3)
    own = [call.name for call in watch.calls if call.name.startswith(("_foreach_", "_fused_"))]
    assert len(own) == launches, own
    assert any(name.startswith("_fused_") for name in own) is (launches <= 2)


@dataclass
class Traced:
    """The graphs of an objective on the device, forward and backward, as torch's compiler is given them."""

    graphs: list[GraphModule] = field(default_factory=list)
    copied: int = 0
    """Inputs of the forward one whose address may change, so that they are copied into the recording."""

    def compiler(self, graph: GraphModule, inputs: list[Tensor]) -> Any:
        if not self.graphs:
            told = torch._guards.TracingContext.get().fw_metadata
            assert told is not None
            self.copied = len(inputs) - len(told.static_input_indices)
        self.graphs.append(graph)
        return make_boxed_func(graph.forward)

    @property
    def kept(self) -> list[Tensor]:
        """What the forward graph gives besides loss and terms: it is kept for the backward one."""
        (output,) = self.graphs[0].graph.find_nodes(op="output")
        made = [one.meta["val"] for one in output.args[0][2:] if one.op == "call_function"]
        return [one for one in made if isinstance(one, Tensor)]

    @property
    def on_host(self) -> list[str]:
        """Tensors that do not lie on the device: with one, torch records nothing."""
        nodes = [node for graph in self.graphs for node in graph.graph.nodes]
        values = [(node.name, node.meta.get("val")) for node in nodes]
        return [name for name, one in values if isinstance(one, Tensor) and one.device.type != NAME]

    @property
    def changed(self) -> list[str]:
        """What is changed in place: an input that is, torch does not record."""
        nodes = [node for graph in self.graphs for node in graph.graph.nodes]
        names = [str(node.target) for node in nodes if node.op == "call_function"]
        return [name for name in names if any(one.endswith("_") for one in name.split("."))]


def traced(**options: object) -> Traced:
    """Trace an objective with tensors that have no numbers, in one graph as CUDA's are recorded.

    Operations are decomposed, and what the backward graph is given chosen, as torch's compiler does it.
    """
    run = prepared(**options)
    begin(run, run.stages[-1])
    assert run.canvas is not None
    image = run.canvas()
    # Losses make once what they keep.
    run.objective(image)
    mode, found = FakeTensorMode(shape_env=ShapeEnv()), Traced()

    def there(tensor: Tensor) -> Tensor:
        with mode:
            empty = torch.empty_strided(
                tensor.shape, tensor.stride(), dtype=tensor.dtype, device=f"{NAME}:0"
            )
        return nn.Parameter(empty, tensor.requires_grad) if type(tensor) is nn.Parameter else empty

    run.objective._apply(there)
    for module in run.objective.modules():
        # What a loss keeps for itself.
        for name, value in vars(module).items():
            if isinstance(value, dict) and not name.startswith("_"):
                kept = {key: there(one) for key, one in value.items() if isinstance(one, Tensor)}
                value.update(kept)
    image = there(image).requires_grad_()
    compiler = cast("Any", found.compiler)
    backend = aot_autograd(
        fw_compiler=compiler, bw_compiler=compiler, decompositions=select_decomp_table(),
        partition_fn=min_cut_rematerialization_partition,
    )  # fmt: skip
    made = torch.compile(run.objective, fullgraph=True, backend=backend)
    torch._dynamo.reset()
    with mode:
        total, _ = quietly(made, image)
        torch.autograd.backward(total)
    assert image.grad is not None
    return found


@pytest.mark.usefixtures("cuda")
@pytest.mark.parametrize("name", LOSSES)
def test_graph_of_loss(name: str) -> None:
    found = traced(loss=[name], precision="bfloat16")
    assert len(found.graphs) == 2
    assert not found.on_host
    assert not found.changed
    # Not the picture either, which is the parameter itself.
    assert not found.copied


@pytest.mark.usefixtures("cuda")
@pytest.mark.parametrize(("canvas", "copied"), [("pixels", 0), ("fourier", 1), ("laplacian", 1)])
def test_graph_of_the_default(canvas: str, copied: int) -> None:
    found = traced(canvas=canvas, precision="bfloat16")
    assert len(found.graphs) == 2
    assert not found.on_host
    assert not found.changed
    assert found.copied == copied
    # Of each maximum, where it was among four, in a byte.
    places = [one.dtype for one in found.kept if not one.is_floating_point() and one.dim() == 4]
    assert places.count(torch.int8) == 4
    assert torch.int64 not in places
