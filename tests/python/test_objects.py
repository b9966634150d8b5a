"""Objects of Python wherever a SPEC goes: with ``import impasto`` and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
import torch
from torch import Tensor, nn

import impasto
import impasto.testing
from helpers import Invoke, Pair, refused

Made = dict[str, Any]


class Darkness(impasto.Loss):
    """Mean of all samples."""

    target: ClassVar[Literal["content", "style", "none"]] = "none"

    def summarize_layer(self, feature: Tensor) -> impasto.Summary:
        return {"sum": feature.sum(), "pixels": feature.new_tensor(feature[0, 0].numel())}

    def compare_layer(self, summary: impasto.Summary, target: impasto.Summary) -> Tensor:
        return summary["sum"] / summary["pixels"]


class Squared(impasto.Canvas):
    """Pixels as squares."""

    def __init__(self, image: Tensor) -> None:
        super().__init__()
        self.roots = nn.Parameter(image.sqrt().contiguous())

    def forward(self) -> Tensor:
        return self.roots.square()


class Watcher:
    """Counts steps and stops."""

    def __init__(self, stop_at: int = 10**9) -> None:
        self.stop_at = stop_at
        self.seen: list[int] = []

    @impasto.hookimpl
    def impasto_after_step(self, step: impasto.Step) -> None:
        self.seen.append(step.number)
        if step.number == self.stop_at:
            raise KeyboardInterrupt


def adamw(parameters: list[Tensor]) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr=0.02)


def painted(**settings: Any) -> impasto.Result:
    return impasto.testing.run(**{"load": "none", **settings})


def test_an_object_of_each_kind() -> None:
    seen: list[impasto.Step] = []
    watcher, loss = Watcher(), Darkness(weight=0.5)
    result = painted(
        loss=["content", "gram", loss],
        extractor=impasto.testing.TinyExtractor(),
        optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=0.02),
        canvas=Squared,
        callback=[watcher, seen.append],
        style_weight=2,
    )
    assert list(result.terms) == ["content", "gram", "Darkness"]
    assert [step.number for step in seen] == watcher.seen == [1, 2, 3, 4, 5]
    assert result.losses[-1] < result.losses[0]
    names = [spec.name for _, spec in result.settings.objects()]
    assert names[0] == "impasto.testing:TinyExtractor"
    assert f"{__name__}:Darkness" in names
    assert loss.spec is None, "the object that was given is left as it is"


def test_an_object_paints_what_its_name_paints() -> None:
    named = painted(loss=["content", "gram:weight=7"], optimizer="adam:lr=0.03", canvas="pixels",
                    style_weight=3)  # fmt: skip
    for _ in range(2):
        given = painted(
            loss=[impasto.make("loss", "content"), impasto.make("loss", "gram", weight=7)],
            optimizer=lambda parameters: impasto.make("optimizer", "adam", parameters, lr=0.03),
            canvas=lambda image: impasto.make("canvas", "pixels", image),
            extractor=impasto.testing.TinyExtractor(),
            style_weight=3,
        )
        assert torch.equal(given.image, named.image)


def test_one_object_of_a_kind_needs_no_list_and_the_same_one_may_stand_twice() -> None:
    loss = Darkness()
    assert list(painted(loss=loss).terms) == ["Darkness"]
    twice = painted(loss=[loss, Darkness(weight=3), loss])
    assert list(twice.terms) == ["Darkness", "Darkness-2", "Darkness-3"]
    first, second, third = twice.terms.values()
    assert second == pytest.approx(3 * first)
    assert third == first


def test_a_class_of_torch_is_an_optimizer() -> None:
    result = painted(optimizer=torch.optim.Adagrad)
    assert result.settings.optimizer.name == "torch.optim.adagrad:Adagrad"
    assert result.losses[-1] < result.losses[0]


def test_objects_step_by_step() -> None:
    content, style = impasto.testing.pictures()
    steps = impasto.steps(
        content, style, size=32, steps=3, extractor=impasto.testing.TinyExtractor(),
        loss=["content", Darkness()], optimizer=adamw,
    )  # fmt: skip
    assert [list(step.terms) for step in steps] == [["content", "Darkness"]] * 3


def no_optimizer(parameters: list[Tensor]) -> Any:
    return len(parameters)


def no_canvas(image: Tensor) -> Any:
    return image


def two(step: impasto.Step, run: impasto.Run) -> None: ...


HERE = __name__
REFUSED: list[tuple[Made, str]] = [
    ({"loss": [nn.MSELoss()]}, "the loss is MSELoss; wanted is an impasto.Loss"),
    ({"loss": [Darkness]}, "the loss is the class Darkness; wanted is an impasto.Loss"),
    ({"loss": 3}, "the loss is int; wanted is an impasto.Loss"),
    ({"extractor": nn.Conv2d(3, 3, 1)}, "the extractor is Conv2d; wanted is an impasto.Extractor, which"
     " names its layers and takes sRGB in [0, 1]"),
    ({"optimizer": torch.optim.Adam([torch.zeros(1)])}, "the optimizer is Adam; wanted is a class of"
     " torch.optim, or a function of the list of parameters"),
    ({"optimizer": no_optimizer}, f"what '{HERE}:no_optimizer' made for the optimizer is int; wanted is a"
     " torch.optim.Optimizer"),
    ({"canvas": Squared(torch.rand(1, 3, 32, 32))}, "the canvas is Squared; wanted is a class of canvases,"
     " or a function of the image that it starts from"),
    ({"canvas": no_canvas}, f"what '{HERE}:no_canvas' made for the canvas is Tensor; wanted is an"
     " impasto.Canvas"),
    ({"callback": [object()]}, "the callback is object; wanted is an object with hooks"
     " (@impasto.hookimpl), or a function of the step"),
    ({"callback": two}, "the callback is the function two; wanted is an object with hooks"
     " (@impasto.hookimpl), or a function of the step"),
    ({"callback": Watcher}, "the callback is the class Watcher; wanted is an object with hooks"
     " (@impasto.hookimpl), or a function of the step"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "said"), REFUSED)
def test_an_object_of_the_wrong_kind_is_one_clear_line(given: Made, said: str) -> None:
    steps: list[impasto.Step] = []
    with pytest.raises(impasto.SettingsError) as caught:
        painted(**{"callback": steps.append, **given})
    assert str(caught.value) == said
    assert steps == []


def test_a_hook_without_its_decorator_is_refused() -> None:
    class Forgot:
        def impasto_after_step(self, step: impasto.Step) -> None: ...

    with pytest.raises(impasto.PluginError, match=r"impasto_after_step .* lacks the decorator"):
        painted(callback=Forgot())


def test_the_recipe_names_objects_and_rerun_says_that_it_cannot_make_them(
    pair: Pair, tmp_path: Path, invoke: Invoke
) -> None:
    output = tmp_path / "out.png"
    impasto.run(
        pair.content, pair.style, size=32, steps=1, loss=[Darkness()], optimizer=adamw,
        extractor=impasto.testing.TinyExtractor(), output=output, callback=[Watcher()],
    )  # fmt: skip
    shown = invoke("show", output).out
    for line in (f"{HERE}:Darkness", f"{HERE}:adamw", "impasto.testing:TinyExtractor"):
        assert line in shown
    assert "rerun: not possible: given as an object of Python: extractor 'impasto.t" in shown
    assert refused(invoke("rerun", output)) == (
        f"the recipe in '{output}' has the extractor 'impasto.testing:TinyExtractor', an object of Python,"
        " which rerun cannot make: run its program again"
    )


def test_the_name_of_an_object_is_no_object() -> None:
    settings = painted(loss=["content", Darkness()]).settings
    with pytest.raises(impasto.SettingsError) as caught:
        painted(loss=settings.loss)
    assert str(caught.value) == (
        f"the loss '{HERE}:Darkness' was an object of Python, which no name can make again: give the object"
        " itself"
    )


def of(pair: Pair, **more: Any) -> Callable[..., impasto.Result]:
    def run(**settings: Any) -> impasto.Result:
        return impasto.run(pair.content, pair.style, size=32, steps=6, **{**more, **settings})

    return run


def test_a_checkpoint_is_resumed_with_its_objects_and_not_without(
    pair: Pair, tmp_path: Path, invoke: Invoke
) -> None:
    folder = tmp_path / "state"
    objects: Made = {"loss": ["content", Darkness(), Darkness(weight=2)], "optimizer": adamw,
                     "extractor": impasto.testing.TinyExtractor(), "canvas": Squared}  # fmt: skip
    run = of(pair, **objects, precision="float32")
    whole = run()
    with pytest.raises(impasto.Interrupted):
        run(checkpoint=str(folder), callback=[Watcher(stop_at=3)])
    missing = (
        f"the checkpoint in '{folder}' has the extractor 'impasto.testing:TinyExtractor', an object of"
        " Python: give it again, impasto.resume(folder, extractor=…)"
    )
    assert refused(invoke("resume", folder)) == missing
    with pytest.raises(impasto.CheckpointError) as caught:
        impasto.resume(folder, **{**objects, "loss": [Darkness()]}, callback=[Watcher()])
    assert f"has the loss '{HERE}:Darkness-2', an object of Python" in str(caught.value)
    with pytest.raises(impasto.SettingsError, match=r"has no loss 'tv'"):
        impasto.resume(folder, **{**objects, "loss": ["tv"]})
    with pytest.raises(
        impasto.SettingsError, match="unknown argument of resume 'los'; did you mean 'loss'"
    ):
        impasto.resume(folder, los=[])
    watcher = Watcher()
    resumed = impasto.resume(folder, **objects, callback=[watcher])
    assert watcher.seen == [4, 5, 6]
    assert torch.equal(resumed.image, whole.image)
    assert resumed.losses == whole.losses


def test_the_error_of_an_object_names_its_line_once() -> None:
    class Vector(impasto.Loss):
        def summarize_layer(self, feature: Tensor) -> impasto.Summary:
            return {"mean": feature.mean((2, 3))}

        def compare_layer(self, summary: impasto.Summary, target: impasto.Summary) -> Tensor:
            return summary["mean"]

    with pytest.raises(impasto.PluginError) as refused:
        impasto.testing.run(loss=[Vector()])
    line = str(refused.value)
    assert "Vector' of plugin given in Python failed: Vector.compare_layer (" in line
    assert line.count(".py:") == 1
    assert "test_objects.py:" in line
