"""Whether to compile: as the user says, and said with the reason."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
import torch._dynamo.exc
from torch import Tensor

import impasto
from helpers import SHALLOW, Invoke, Pair
from impasto.model import gpu
from impasto.optimization import compiling, prepare
from impasto.optimization.compiling import reason_against
from impasto.plugin import open_picture
from impasto.testing import TinyExtractor


@pytest.mark.parametrize(("asked", "wanted"), [("auto", False), ("on", True), ("off", False)])
def test_a_run_compiles_where_it_is_asked_for(
    invoke: Invoke, pair: Pair, tmp_path: Path, asked: str, wanted: bool
) -> None:
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "out.png", *SHALLOW, "--size", 48,
                  "--scales", "single", "--dry-run", "--json", "-v", "--compile", asked)  # fmt: skip
    assert done.status == 0, done.err
    assert json.loads(done.out)["compiled"] is wanted
    assert ("compile off: gains at most a twentieth" in done.err) is (asked == "auto")


def test_on_other_devices_the_reason_is_another() -> None:
    assert "'--compile on' tries it" in reason_against(torch.device("mps"))


class Compiler:
    """In place of torch's, with a memory of its own that each call overwrites, as graphs have one."""

    def __init__(
        self, error: Exception | None = None, fails_at: int = 1, of: tuple[object, ...] = ()
    ) -> None:
        """Make it.

        Args:
            error: raised by what it makes, and never with None.
            fails_at: the call from which on.
            of: the modes that fail; all where none is given.
        """
        self.error, self.fails_at, self.of = error, fails_at, of
        self.calls, self.marks = 0, 0
        self.options: list[dict[str, object]] = []
        self.memory: list[Tensor] = []
        self.strict: list[bool] = []
        """Whether torch was to fail where it cannot record, at each call."""

    def __call__(
        self, objective: Callable[[Tensor], Any], **options: object
    ) -> Callable[[Tensor], Any]:
        self.options.append(options)
        self.objective, calls = objective, 0

        def made(image: Tensor) -> Any:
            nonlocal calls
            calls, self.calls = calls + 1, self.calls + 1
            self.strict.append(torch._inductor.config.triton.cudagraph_or_error)
            fails = not self.of or options["mode"] in self.of
            if self.error is not None and fails and calls >= self.fails_at:
                raise self.error
            return tuple(self.kept(one) for one in objective(GradientInMemory.apply(image, self)))

        return made

    def kept(self, tensor: Tensor) -> Tensor:
        """A tensor whose numbers lie where the next call overwrites them; the tensor itself is new."""
        memory = tensor.detach().clone()
        self.memory.append(memory)
        kept: Tensor = InMemory.apply(tensor, memory)
        return kept

    def mark(self) -> None:
        """Begin another step: what is kept of the last one is lost."""
        self.marks += 1
        for memory in self.memory:
            memory.fill_(torch.nan)
        self.memory.clear()


class InMemory(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor, memory: Tensor) -> Tensor:
        return memory.view(memory.shape)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


class GradientInMemory(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image: Tensor, compiler: Compiler) -> Tensor:
        ctx.compiler = compiler
        return image.view_as(image)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        memory = gradients[0].clone()
        ctx.compiler.memory.append(memory)
        # Another tensor, since torch hands on what nobody else holds.
        return memory.view(memory.shape), None


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Callable[[Compiler], None]:
    """Take the CPU for CUDA, and a compiler for torch's."""

    def take(compiler: Compiler) -> None:
        monkeypatch.setattr(gpu, "is_cuda", lambda device: True)
        monkeypatch.setattr(torch, "compile", compiler)
        monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", compiler.mark)

    return take


def evaluated(pair: Pair, asked: str) -> tuple[Callable[[Tensor], tuple[Tensor, Tensor]], Tensor]:
    losses = [
        impasto.make("loss", "content:layers=conv2_1"),
        impasto.make("loss", "gram:layers=conv1_1"),
    ]
    objective = impasto.Objective(TinyExtractor(), losses)
    image = open_picture(str(pair.content)).image
    objective.set_targets(image, image.flip(3))
    device = torch.device("cpu")
    return compiling.choose_compile(asked, device, torch.float32, objective), image


def test_cuda_records_graphs(pair: Pair, cuda: Callable[[Compiler], None]) -> None:
    cuda(compiler := Compiler())
    evaluate, image = evaluated(pair, "auto")
    image.requires_grad_()
    first, terms = evaluate(image)
    kept = first.detach(), terms.detach(), torch.autograd.grad(first, image)[0]
    wanted = [one.clone() for one in kept]
    second = evaluate(image / 2)[0]
    assert compiler.options == [{"fullgraph": True, "mode": "reduce-overhead"}]
    # A stage begins with three that try it, to fail where something cannot be recorded.
    assert compiler.strict == [True] * 3 + [False] * 2
    assert compiler.marks == compiler.calls == 5
    assert float(first.detach()) != float(second.detach())
    # What one has of a step stays as it is.
    assert all(map(torch.equal, kept, wanted))


class Momentum(torch.optim.Optimizer):
    """Keeps the gradient of the last step itself, and no copy of it."""

    def __init__(self, parameters: list[Tensor]) -> None:
        super().__init__(parameters, {"lr": 0.01})
        self.last: list[Tensor | None] = [None] * len(parameters)

    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        loss = closure()
        for number, one in enumerate(self.param_groups[0]["params"]):
            before, self.last[number] = self.last[number], one.grad
            with torch.no_grad():
                one -= 1e-3 * (one.grad if before is None else one.grad + before)
        return loss


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": Momentum},
        {"optimizer": "lbfgs"},
        {"optimizer": "lbfgs:line_search_fn=strong_wolfe"},
        {"optimizer": "torch.LBFGS:max_iter=3"},
        {"optimizer": "torch.Rprop"},
        {"optimizer": "adam", "ema": 0.9},
        # It diverges, so that the best picture is gone back to.
        {"optimizer": "torch.SGD:lr=1e7", "steps": 11},
        {"canvas": "fourier"},
        {"canvas": "laplacian"},
        {"colors": "luminance"},
        {"seamless": "both"},
    ],
    ids=str,
)
def test_nothing_is_kept_in_the_memory_of_graphs(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    def run(evaluate: Callable[..., object]) -> impasto.Result:
        monkeypatch.setattr(prepare, "choose_compile", evaluate)
        return impasto.run(
            pair.content, pair.style, size=32, scales=[24, 32], precision="float32",
            loss=["content:layers=conv2_1", "gram:layers=conv1_1,conv2_1"], **{"steps": 4, **options},
        )  # fmt: skip

    plain = run(lambda *given: given[3])
    compiler = Compiler()
    monkeypatch.setattr(torch, "compile", compiler)
    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", compiler.mark)
    recorded = run(lambda *given: compiling.compiled(given[3], graphs=True))
    assert compiler.marks == compiler.calls >= 2 * (3 + 4)
    assert recorded.losses == pytest.approx(plain.losses, rel=0, abs=0, nan_ok=True)
    assert torch.equal(recorded.image, plain.image)


@pytest.mark.slow
def test_torch_compiles_as_for_graphs(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # On a processor torch records nothing, and does all else.
    def losses(evaluate: Callable[..., object]) -> list[float]:
        monkeypatch.setattr(prepare, "choose_compile", evaluate)
        return impasto.run(
            pair.content, pair.style, size=48, scales=[32, 48], steps=3, precision="float32",
            loss=["content:layers=conv2_1", "gram:layers=conv1_1,conv2_1"],
        ).losses  # fmt: skip

    plain = losses(lambda *given: given[3])
    caplog.clear()
    found = losses(lambda *given: compiling.compiled(given[3], graphs=True))
    assert found == pytest.approx(plain, rel=1e-3)
    assert not said(caplog)


def test_a_process_may_compile_many_objectives(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    torch._dynamo.reset()
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))
    image = open_picture(str(pair.content)).image[..., :24, :24]
    # With torch's own limit, lower here, the third would fail.
    with torch._dynamo.config.patch(recompile_limit=2):
        for number in range(4):
            losses = [impasto.make("loss", f"gram:layers=conv1_1,weight={number + 1}")]
            losses += [impasto.make("loss", "tv")] * number
            objective = impasto.Objective(TinyExtractor(), losses)
            objective.set_targets(image, image.flip(3))
            total, _ = compiling.compiled(objective)(image)
            assert float(total) == pytest.approx(float(objective(image)[0]), rel=1e-5)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    records = [one for one in caplog.records if one.name.startswith("impasto")]
    warned = [one.getMessage() for one in records if one.levelname == "WARNING"]
    caplog.clear()
    return [f"{one.partition(',')[0]}: {one.rpartition(': ')[2]}" for one in warned]


FAILED = torch._dynamo.exc.TorchDynamoException("no Triton\nhere")
GRAPHS, PLAIN = {"fullgraph": True, "mode": "reduce-overhead"}, {"fullgraph": True, "mode": None}


def test_where_the_compiler_fails_cuda_goes_on(
    pair: Pair, cuda: Callable[[Compiler], None], caplog: pytest.LogCaptureFixture
) -> None:
    cuda(compiler := Compiler(FAILED))
    evaluate, image = evaluated(pair, "auto")
    assert float(evaluate(image)[0]) == float(evaluate(image)[0])
    assert compiler.options == [GRAPHS, PLAIN]
    assert compiler.calls == 2
    assert said(caplog) == ["compiled without CUDA graphs: no Triton", "not compiled: no Triton"]
    with pytest.raises(torch._dynamo.exc.TorchDynamoException):
        evaluated(pair, "on")[0](image)


@pytest.mark.parametrize(("call", "asked"), [(1, "auto"), (2, "auto"), (3, "on")])
def test_what_cannot_be_recorded_is_compiled_without_graphs(
    pair: Pair,
    cuda: Callable[[Compiler], None],
    caplog: pytest.LogCaptureFixture,
    call: int,
    asked: str,
) -> None:
    error = RuntimeError("skipping cudagraphs due to mutated inputs (1 instances)")
    cuda(compiler := Compiler(error, call, ("reduce-overhead",)))
    evaluate, image = evaluated(pair, asked)
    first, second = evaluate(image)[0], evaluate(image)[0]
    assert float(first) == float(second)
    assert compiler.options == [GRAPHS, PLAIN]
    # The graph's up to the one that fails, three that try it anew, and two that were asked for.
    assert compiler.calls == call + 3 + 2
    assert said(caplog) == [f"compiled without CUDA graphs: {error}"]


def test_a_graph_that_goes_back_wrong_is_not_taken(
    pair: Pair, cuda: Callable[[Compiler], None], caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def fails(*given: object) -> None:
        raise RuntimeError("an event of another stream")

    cuda(compiler := Compiler())
    evaluate, image = evaluated(pair, "auto")
    monkeypatch.setattr(GradientInMemory, "backward", staticmethod(fails))
    evaluate(image.requires_grad_())
    assert said(caplog)[0] == "compiled without CUDA graphs: an event of another stream"
    assert compiler.calls == 2


def test_another_loss_is_not_taken(
    pair: Pair, cuda: Callable[[Compiler], None], caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    cuda(compiler := Compiler())
    evaluate, image = evaluated(pair, "auto")
    kept = Compiler.kept
    monkeypatch.setattr(Compiler, "kept", lambda self, one: kept(self, one * 1.1))
    plain = float(evaluate(image)[0])
    assert [one.partition(" in place of")[0].rpartition(" ")[0] for one in said(caplog)] == [
        "compiled without CUDA graphs: it gave a loss of",
        "not compiled: it gave a loss of",
    ]
    monkeypatch.undo()
    assert plain == float(compiler.objective(image)[0])


def test_where_graphs_take_too_much_memory_it_goes_on_without(
    pair: Pair, cuda: Callable[[Compiler], None], caplog: pytest.LogCaptureFixture
) -> None:
    cuda(
        compiler := Compiler(torch.OutOfMemoryError("CUDA out of memory"), 2, ("reduce-overhead",))
    )
    evaluate, image = evaluated(pair, "auto")
    evaluate(image)
    assert compiler.options == [GRAPHS, PLAIN]
    assert said(caplog) == ["compiled without CUDA graphs: CUDA out of memory"]


@pytest.mark.slow
def test_other_sizes_do_not_pay_again(pair: Pair) -> None:
    from torch._dynamo.utils import counters

    def losses(compile_: Literal["on", "off"]) -> list[float]:
        return impasto.run(
            pair.content, pair.style, size=96, scales=[32, 48, 80], steps=2, compile=compile_,
            precision="float32", loss=["content:layers=conv2_1", "gram:layers=conv1_1,conv2_1"],
        ).losses  # fmt: skip

    plain = losses("off")
    torch._dynamo.reset()
    counters.clear()
    assert losses("on") == pytest.approx(plain, rel=1e-3)
    assert counters["stats"]["unique_graphs"] == 2


@pytest.mark.slow
def test_every_loss_compiles_whole_with_a_style_file(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss = ["gram", "wasserstein", "sliced", "histogram", "moments", "nearest", "relaxed_emd", "laplacian",
            "tv", "range", "self_similarity", "content"]  # fmt: skip
    options: dict[str, Any] = {"size": 64, "scales": "single", "steps": 3, "precision": "float32"}
    style = tmp_path / "painting.style"
    impasto.learn(pair.style, style, loss=loss, **options)
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))

    def losses(compile_: Literal["on", "off"]) -> list[float]:
        return impasto.run(pair.content, style, loss=loss, compile=compile_, **options).losses

    assert losses("on") == pytest.approx(losses("off"), rel=1e-3)


@pytest.mark.slow
def test_the_benchmark_measures_it(invoke: Invoke, pair: Pair) -> None:
    done = invoke("bench", "evaluation", "--compile", "--quick", "--size", 32, "--rounds", 1,
                  "--pair", f"{pair.content},{pair.style}", "--json")  # fmt: skip
    assert done.status == 0, done.err
    assert '"compiled"' in done.out
