"""The parts of a run by themselves, in loops of one's own: with ``import impasto`` and nothing else."""

from __future__ import annotations

import copy
import pickle
import re
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import impasto
import impasto.testing

TINY = impasto.testing.TinyExtractor
LOSSES = (
    "content", "gram", "moments", "wasserstein", "sliced", "histogram", "nearest", "relaxed_emd",
    "self_similarity", "laplacian", "tv", "range",
)  # fmt: skip


def image(seed: int, side: int = 32) -> Tensor:
    return torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(seed))


def objective(*losses: str) -> impasto.Objective:
    return impasto.Objective(TINY(), [impasto.make("loss", name) for name in losses])


def test_features_of_a_file_a_picture_and_a_tensor_are_the_same(tmp_path: Path) -> None:
    picture, _ = impasto.testing.pictures()
    picture.save(tmp_path / "a.png")
    network = TINY()
    layers = ("conv3_1", "conv1_1", "image")
    of_file = impasto.features(tmp_path / "a.png", layers, network)
    assert list(of_file) == list(layers)
    assert of_file["conv3_1"].shape == (1, 6, 8, 8)
    for given in (picture, of_file["image"]):
        again = impasto.features(given, layers, network)
        assert all(torch.equal(again[layer], of_file[layer]) for layer in layers)
    assert network.selected == (), "the extractor is left as it was"


def test_features_by_the_name_of_a_network() -> None:
    found = impasto.features(image(1), ["conv1_1"], "random", size=16)
    assert found["conv1_1"].shape == (1, 64, 16, 16)


def test_features_have_a_gradient_on_the_tensor() -> None:
    given = image(1).requires_grad_()
    found = impasto.features(given, ["conv2_1"], TINY())["conv2_1"]
    torch.autograd.backward(found.square().sum())
    assert given.grad is not None
    assert given.grad.abs().sum() > 0


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_by_itself_is_the_term_of_the_objective_and_has_a_gradient(name: str) -> None:
    loss = impasto.make("loss", name, weight=3)
    given = image(1).requires_grad_()
    of_given, of_target = (
        impasto.features(one, [*loss.layers], TINY()) for one in (given, image(2))
    )
    term = loss(of_given) if loss.target == "none" else loss(of_given, of_target)
    (gradient,) = torch.autograd.grad(term, given)
    assert term.shape == ()
    assert gradient.isfinite().all()
    whole = impasto.Objective(TINY(), [loss]).set_targets(image(2), image(2))
    torch.testing.assert_close(term, whole(image(1))[0])


@pytest.mark.parametrize(
    ("given", "target", "said"),
    [
        (["conv1_1"], None, "GramLoss compares with a style picture: give its features as target"),
        (["conv2_1"], ["conv1_1"], "GramLoss compares the layer 'conv1_1', which the features do not"
                                   " have; they have conv2_1"),
    ],
)  # fmt: skip
def test_a_loss_says_what_it_lacks(given: list[str], target: list[str] | None, said: str) -> None:
    loss = impasto.make("loss", "gram:layers=conv1_1")
    of_target = target and impasto.features(image(2), target, TINY())
    with pytest.raises(impasto.SettingsError) as caught:
        loss(impasto.features(image(1), given, TINY()), of_target)
    assert str(caught.value) == said


def test_a_loop_of_ones_own_paints() -> None:
    whole = objective("content", "gram").set_targets(image(1), [image(2), image(3)])
    canvas = image(1).requires_grad_()
    optimizer = torch.optim.AdamW([canvas], lr=0.02)
    totals = []
    for _ in range(10):
        optimizer.zero_grad()
        total, terms = whole(canvas)
        total.backward()
        optimizer.step()
        totals.append(total.item())
    assert whole.names == ("content", "gram")
    assert terms.sum().item() == pytest.approx(totals[-1])
    assert totals[-1] < 0.8 * totals[0]


def test_the_loop_of_ones_own_has_the_losses_of_a_run() -> None:
    content, style = impasto.testing.pictures()
    run = impasto.testing.run(optimizer="adam:lr=0.02", steps=4, precision="float32",
                              loss=["content", "gram", "tv"])  # fmt: skip
    of_picture = {name: impasto.features(one, ["image"], TINY())["image"]
                  for name, one in (("content", content), ("style", style))}  # fmt: skip
    whole = objective("content", "gram", "tv").set_targets(
        of_picture["content"], of_picture["style"]
    )
    canvas = impasto.make("canvas", "pixels", of_picture["content"])
    optimizer = impasto.make("optimizer", "adam", list(canvas.parameters()), lr=0.02)
    losses = []
    for _ in range(4):
        canvas.zero_grad()
        total, _ = whole(canvas())
        total.backward()
        losses.append(total.item())
        optimizer.step()
        canvas.project()
    assert losses == run.losses


def test_one_network_for_many_pictures_is_trained_with_impasto_as_its_loss() -> None:
    whole = objective("content", "gram:layers=conv1_1,conv2_1")
    style = whole.style_statistics(image(9))
    torch.manual_seed(0)
    network = nn.Conv2d(3, 3, 3, padding=1)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    totals = []
    for _ in range(15):
        batch = [image(seed) for seed in (1, 2)]
        painted = network(torch.cat(batch))
        total = torch.stack(
            [whole.set_targets(content, style)(one)[0]
             for content, one in zip(batch, painted.split(1), strict=True)]
        ).mean()  # fmt: skip
        optimizer.zero_grad()
        torch.autograd.backward(total)
        optimizer.step()
        totals.append(total.item())
    assert totals[-1] < 0.7 * totals[0]
    assert all(parameter.grad is None for parameter in whole.parameters())


def test_regions_and_weights() -> None:
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., :16, :] = 1
    regions = [impasto.Region((0,), (1.0,), mask), impasto.Region((1,), (1.0,), 1 - mask)]
    content, styles = image(1), [image(2), image(3) ** 3]
    halves = objective("gram").set_targets(content, styles, regions=regions)(content)[0]
    first, second = (
        objective("gram").set_targets(content, styles, weights)(content)[0]
        for weights in ([1.0, 0.0], [0.0, 1.0])
    )
    assert len({halves.item(), first.item(), second.item()}) == 3


@pytest.mark.parametrize("name", LOSSES)
def test_targets_move_with_the_objective_and_are_copied_with_it(name: str) -> None:
    whole = objective(name).set_targets(image(1), [image(2), image(3)])
    expected = whole(image(4))[0]
    assert [key for key in whole.state_dict() if "target" in key] == []
    for copied in (copy.deepcopy(whole), pickle.loads(pickle.dumps(whole))):
        assert torch.equal(copied(image(4))[0], expected)
        copied.double()
        double = copied(image(4).double())[0]
        assert double.dtype == torch.float64
        assert double.item() == pytest.approx(expected.item(), rel=1e-3)
    assert torch.equal(whole(image(4))[0], expected), "the copy shares nothing that changes"


def test_a_network_of_weights_in_the_processors_own_layout_is_copied_too() -> None:
    losses = [
        impasto.make("loss", "content:layers=conv2_1"),
        impasto.make("loss", "gram:layers=conv1_1"),
    ]
    whole = impasto.Objective(impasto.make("extractor", "random"), losses)
    expected = whole.set_targets(image(1), image(2))(image(4))[0]
    for copied in (copy.deepcopy(whole), pickle.loads(pickle.dumps(whole))):
        assert torch.equal(copied(image(4))[0], expected)
        double = copied.double()(image(4).double())[0]
        assert double.item() == pytest.approx(expected.item(), rel=1e-3)


def test_targets_are_on_the_device_that_the_objective_is_moved_to() -> None:
    whole = objective("content", "gram", "tv")
    mask = torch.ones(1, 1, 32, 32)
    whole.set_targets(image(1), image(2), regions=[impasto.Region((0,), (1.0,), mask)])
    inside = nn.Sequential(whole).to("meta")
    assert {one.device.type for one in whole.buffers()} == {"meta"}
    total, terms = inside(image(4).to("meta"))
    assert total.device.type == terms.device.type == "meta"
    assert len(list(whole.buffers())) > 12


def test_targets_can_be_set_again_and_leave_nothing_of_the_old_ones() -> None:
    whole = objective("content", "gram").set_targets(image(1), [image(2), image(3)])
    count = len(list(whole.buffers()))
    for side in (24, 32):
        whole.set_targets(image(5, side), [image(2), image(3)])
    assert len(list(whole.buffers())) == count
    again = objective("content", "gram").set_targets(image(5), [image(2), image(3)])
    assert torch.equal(whole(image(4))[0], again(image(4))[0])


class Darkness(impasto.Loss):
    """A loss that is written in a notebook."""

    target = "none"

    def summarize_layer(self, feature: Tensor) -> impasto.Summary:
        return {"sum": feature.sum(), "pixels": torch.tensor(float(feature[0, 0].numel()))}

    def compare_layer(self, summary: impasto.Summary, target: impasto.Summary) -> Tensor:
        return summary["sum"] / summary["pixels"]


def test_terms_are_named_by_plugin_class_or_as_said() -> None:
    gram = impasto.make("loss", "gram")
    listed = impasto.Objective(TINY(), [gram, Darkness(), Darkness(weight=2)])
    assert listed.names == ("gram", "Darkness", "Darkness-2")
    assert impasto.Objective(TINY(), {"style": gram}).names == ("style",)


def test_parts_that_are_none_are_refused() -> None:
    for extractor, losses, said in (
        (nn.Conv2d(3, 3, 3), [Darkness()], "the extractor is of type Conv2d, not an impasto.Extractor"),
        (TINY(), {"a": "gram"}, "the loss 'a' is of type str, not an impasto.Loss"),
        (TINY(), [], "an objective needs one loss at least"),
    ):  # fmt: skip
        with pytest.raises(impasto.SettingsError) as caught:
            impasto.Objective(extractor, losses)  # type: ignore[arg-type]
        assert str(caught.value) == said


WANTED = "wanted is one of shape (1, 3, H, W), sRGB in [0, 1]"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (torch.rand(3, 32, 32), f"the image is a tensor of shape (3, 32, 32); {WANTED}"),
        (torch.rand(2, 3, 32, 32), f"the image is a tensor of shape (2, 3, 32, 32); {WANTED};"
                                   " take the pictures of a batch one by one"),
        (torch.ones(1, 3, 32, 32, dtype=torch.uint8), f"the image is a tensor of torch.uint8; {WANTED}"),
        ("a.png", f"the image is of type str, not a tensor; {WANTED}"),
        (torch.rand(1, 3, 24, 32),
         "the image is 32 × 24 pixels and the content 32 × 32; they need one size"),
    ],
)  # fmt: skip
def test_images_that_are_none_are_refused(given: Tensor, said: str) -> None:
    whole = objective("content", "gram").set_targets(image(1), image(2))
    with pytest.raises(impasto.PictureError) as caught:
        whole(given)
    assert str(caught.value) == said


def test_an_objective_says_what_is_to_be_done_first() -> None:
    whole = objective("gram")
    with pytest.raises(impasto.SettingsError, match="has no targets yet: call set_targets first"):
        whole(image(1))
    with pytest.raises(impasto.SettingsError, match="2 weights for 1 styles; give one for each"):
        whole.set_targets(image(1), image(2), [0.5, 0.5])
    with pytest.raises(impasto.SettingsError, match="unknown layer 'conv9_1'"):
        impasto.Objective(TINY(), [Darkness(layers=("conv9_1",))])
    network = TINY()
    first = impasto.Objective(network, [impasto.make("loss", "gram")])
    impasto.Objective(network, [Darkness()])
    with pytest.raises(impasto.SettingsError, match="give each objective an extractor of its own"):
        first.set_targets(image(1), image(2))


def test_a_network_that_left_out_its_deep_layers_says_so() -> None:
    network = impasto.make("extractor", "random")
    network.select(["conv1_1"])
    with pytest.raises(impasto.SettingsError, match="layers from conv1_2 on were left out"):
        network.select(["conv2_1"])


def test_parts_that_are_made_have_the_options_that_were_given() -> None:
    assert impasto.make("loss", "gram:weight=2", layers=["conv1_1"]).layers == ("conv1_1",)
    assert impasto.make("extractor", "tiny", plugin=["impasto.testing"]).weights == "tiny"
    for spec, said in (
        ("gramm", "did you mean 'gram'"),
        ("gram:wieght=2", "did you mean 'weight'"),
    ):
        with pytest.raises(impasto.SettingsError, match=said):
            impasto.make("loss", spec)


class OnePerChannel(Darkness):
    def compare_layer(self, summary: impasto.Summary, target: impasto.Summary) -> Tensor:
        return torch.ones(3)


class Plain(Darkness):
    def compare(self, summary: object, target: object) -> Tensor:
        return 1.0  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("loss", "given"),
    [
        (OnePerChannel(), "compare_layer returned a tensor of shape (3,)"),
        (Plain(), "compare returned float"),
    ],
)
def test_a_loss_that_gives_no_number_is_refused(loss: impasto.Loss, given: str) -> None:
    method, _, rest = f"{type(loss).__name__}.{given}".partition(" ")
    wanted = rf"{method} \(.*test_pieces.py:\d+\) {re.escape(rest)}; return one number"
    whole = impasto.Objective(TINY(), [loss]).set_targets(image(1), image(2))
    for ask in (partial(whole, image(1)), partial(loss, {"image": image(1)})):
        with pytest.raises(impasto.PluginError, match=wanted):
            ask()


@pytest.mark.slow
def test_an_objective_with_targets_that_were_moved_compiles() -> None:
    whole = objective("content", "gram").set_targets(image(1), image(2))
    expected = whole.double()(image(4).double())[0]
    compiled = torch.compile(whole, fullgraph=True)
    torch.testing.assert_close(compiled(image(4).double())[0], expected)
