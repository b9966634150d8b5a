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
from impasto.optimization import compiling
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
    """In place of torch's: what it was asked for, and how often it was called."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.calls, self.options, self.marks = error, 0, dict[str, object](), 0

    def __call__(
        self, objective: Callable[[Tensor], Any], **options: object
    ) -> Callable[[Tensor], Any]:
        self.options = options

        def made(image: Tensor) -> Any:
            self.calls += 1
            if self.error is not None:
                raise self.error
            return objective(image)

        return made


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Callable[[Compiler], None]:
    """Take the CPU for CUDA, and a compiler for torch's."""

    def take(compiler: Compiler) -> None:
        def mark() -> None:
            compiler.marks += 1

        monkeypatch.setattr(gpu, "is_cuda", lambda device: True)
        monkeypatch.setattr(torch, "compile", compiler)
        monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", mark)

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
    first, second = evaluate(image)[0], evaluate(image / 2)[0]
    assert compiler.options == {"fullgraph": True, "mode": "reduce-overhead"}
    assert (compiler.calls, compiler.marks) == (2, 2)
    assert float(first) != float(second)


def test_where_the_compiler_fails_cuda_goes_on(
    pair: Pair, cuda: Callable[[Compiler], None], caplog: pytest.LogCaptureFixture
) -> None:
    cuda(compiler := Compiler(torch._dynamo.exc.TorchDynamoException("no Triton\nhere")))
    evaluate, image = evaluated(pair, "auto")
    assert float(evaluate(image)[0]) == float(evaluate(image)[0])
    assert compiler.calls == 1
    assert [
        one.getMessage().rpartition(": ")[2] for one in caplog.records if one.levelname == "WARNING"
    ] == ["no Triton"]
    with pytest.raises(torch._dynamo.exc.TorchDynamoException):
        evaluated(pair, "on")[0](image)


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
