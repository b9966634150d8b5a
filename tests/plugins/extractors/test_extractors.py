"""The extractors other than VGG-19: against torchvision's modules with the same weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision import models

import impasto
from helpers import Invoke, Pair, layers_of_torchvision
from impasto_plugins.extractors.random_vgg import RandomVGG
from impasto_plugins.extractors.torchvision_models import TorchvisionModel
from impasto_plugins.extractors.trained_vgg import NETWORKS, trained_vgg
from impasto_plugins.extractors.vgg_weights import Network, pooled

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
DEVIATION = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)

KINDS = [network for network in NETWORKS if network != "vgg19"]
"""``test_vgg19.py`` has the other one."""


def prepared(extractor: impasto.Extractor, layers: tuple[str, ...]) -> impasto.Extractor:
    extractor.select(layers)
    extractor.prepare(torch.device("cpu"), torch.float32)
    return extractor


def trained(name: str) -> nn.Module:
    """A VGG of torchvision whose normalizations do something."""
    torch.manual_seed(3)
    network = layers_of_torchvision(name).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_var, module.weight, module.bias, module.running_mean):
                assert tensor is not None
                torch.nn.init.uniform_(tensor, 0.5, 1.5)
    return network.requires_grad_(False)


@pytest.fixture(scope="module", params=KINDS)
def saved(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Network, nn.Module, Path]:
    network = trained(request.param)
    path = tmp_path_factory.mktemp("weights") / f"{request.param}.pth"
    torch.save({f"features.{key}": value for key, value in network.state_dict().items()}, path)
    return request.param, network, path


def test_vggs_equal_torchvisions_layer_by_layer(saved: tuple[Network, nn.Sequential, Path]) -> None:
    name, network, path = saved
    image = torch.rand(1, 3, 48, 32)
    extractor = trained_vgg(name, str(path), scale=False)
    actual = prepared(extractor, extractor.layers)(image)
    feature, expected = (image - MEAN) / DEVIATION, []
    for layer in network:
        feature = layer(feature).clone()
        if isinstance(layer, (nn.ReLU, nn.MaxPool2d)):
            expected.append(feature)
    assert len(actual) == len(expected) == {"vgg16": 18}.get(name.removesuffix("_bn"), 21)
    for (layer_name, found), wanted in zip(actual.items(), expected, strict=True):
        error = (found - wanted).abs().max() / wanted.abs().max()
        assert error < 1e-4, layer_name


def test_a_run_with_each_and_weights_of_the_wrong_kind(
    saved: tuple[Network, nn.Module, Path], invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    name, _, path = saved
    spec = f"{name}:weights={path}"
    loss = "gram:layers=conv1_1,conv2_1"
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "a.png", "--size", 32,
                  "--steps", 2, "--extractor", spec, "--loss", loss, "--json")  # fmt: skip
    assert done.status == 0, done.err
    record = json.loads(done.out)
    assert record["loss"]["last"] < record["loss"]["first"]
    other = name.removesuffix("_bn") if name.endswith("_bn") else f"{name}_bn"
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "b.png",
                  "--extractor", f"{other}:weights={path}")  # fmt: skip
    assert done.status == 1
    assert f"; {other} is " in done.error
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "b.png",
                  "--extractor", f"{name}:weights=oxford")  # fmt: skip
    assert done.error.endswith("no such file; allowed: torchvision, or a file of it")


@pytest.mark.parametrize(("padding", "mode"), [("replicate", "edge"), ("reflect", "reflect")])
def test_padding_of_the_first_convolution(padding: str, mode: str) -> None:
    image = torch.rand(1, 3, 20, 24)
    plain, other = trained_vgg("vgg19", "oxford"), trained_vgg("vgg19", "oxford", padding=padding)  # type: ignore[arg-type]
    layer = ("conv1_1",)
    found = prepared(other, layer)(image)["conv1_1"]
    wide = numpy.pad(image.numpy(), ((0, 0), (0, 0), (1, 1), (1, 1)), mode=mode)  # type: ignore[call-overload]
    wanted = prepared(plain, layer)(torch.from_numpy(wide))["conv1_1"][..., 1:-1, 1:-1]
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    zero = plain(image)["conv1_1"]
    assert not torch.allclose(found, zero)
    torch.testing.assert_close(found[..., 1:-1, 1:-1], zero[..., 1:-1, 1:-1])


def test_l2_pooling_is_the_root_of_the_mean_square_with_a_gradient_at_zero() -> None:
    feature = torch.zeros(1, 1, 2, 4)
    feature[0, 0, :, :2] = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    feature.requires_grad_()
    halved = pooled(feature, "l2")
    assert halved[0, 0, 0, 0].item() == pytest.approx((30 / 4) ** 0.5, rel=1e-5)
    assert halved[0, 0, 0, 1].item() == pytest.approx(0, abs=2e-3)
    halved.sum().backward()  # type: ignore[no-untyped-call]
    assert feature.grad is not None
    assert feature.grad.isfinite().all()


@pytest.mark.parametrize("pooling", ["max", "average", "l2"])
def test_activations_keep_their_scale_with_each_pooling(pooling: str) -> None:
    from impasto.demo import CONTENT
    from impasto.images.tensors import open_picture, resized, to_tensor

    extractor = trained_vgg("vgg19", "oxford", pooling=pooling)  # type: ignore[arg-type]
    layers = tuple(layer for layer in extractor.layers if layer.startswith("conv"))
    picture = resized(to_tensor(open_picture(CONTENT)), 192, 256)
    for layer, feature in prepared(extractor, layers)(picture).items():
        assert 0.4 < feature.mean() < 2.5, layer


def test_random_weights_follow_from_the_seed_and_keep_the_scale(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    extractor = RandomVGG(scale=False)
    for layer, feature in prepared(extractor, extractor.layers)(torch.rand(1, 3, 96, 96)).items():
        # He et al. 2015: the mean square of features after ReLU neither grows nor fades.
        assert 0.02 < feature.square().mean() < 20, layer
    pictures = []
    for number, seed in enumerate((1, 1, 2)):
        out = tmp_path / f"{number}.png"
        done = invoke("run", pair.content, pair.style, "-o", out, "--size", 32, "--steps", 3,
                      "--extractor", "random", "--seed", seed, "--loss", "gram:layers=conv1_1,conv2_1",
                      "--json")  # fmt: skip
        assert done.status == 0, done.err
        record = json.loads(done.out)
        assert record["loss"]["last"] < record["loss"]["first"]
        pictures.append(numpy.asarray(Image.open(out)))
    assert numpy.array_equal(pictures[0], pictures[1])
    assert not numpy.array_equal(pictures[0], pictures[2])


def resnet_layers(network: nn.Module, image: Tensor) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for name in ("bn1", "layer1.0", "layer2.1.conv2"):
        network.get_submodule(name).register_forward_hook(
            lambda _, __, out, name=name: found.update({name: out.clone()})
        )
    with torch.no_grad():
        network(image)
    return found


def test_a_backbone_of_torchvision_by_node_names(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    torch.manual_seed(5)
    network = models.resnet18(weights=None).eval()
    path = tmp_path / "resnet18.pth"
    torch.save(network.state_dict(), path)
    image = torch.rand(1, 3, 64, 64)
    extractor = prepared(
        TorchvisionModel("resnet18", str(path)), ("bn1", "layer1.0.relu_1", "layer2.1.conv2")
    )
    # The ReLU after bn1 works in place, and layer1.0 adds in place: what was asked for is still there.
    wanted = resnet_layers(network, (image - MEAN) / DEVIATION)
    found = extractor(image)
    assert wanted["bn1"].min() < 0
    for (name, one), other in zip(found.items(), wanted.values(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5, msg=name)
    assert not any(name.startswith("layer3") for name, _ in extractor.named_modules())
    spec = f"torchvision:model=resnet18,weights={path}"
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "a.png", "--size", 48,
                  "--steps", 2, "--extractor", spec, "--loss", "gram:layers=relu,layer1.0.relu_1",
                  "--loss", "content:layers=layer1.1.relu_1", "--json")  # fmt: skip
    assert done.status == 0, done.err
    record = json.loads(done.out)
    assert record["loss"]["last"] < record["loss"]["first"]
    assert record["weights"] == "resnet18 resnet18.pth"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ("model=resnet81", "unknown model 'resnet81'; did you mean 'resnet18'?"),
        ("model=resnet18,weights=IMAGENET", "unknown weights 'IMAGENET'; did you mean"),
        (
            "model=resnet18,weights=random",
            "loss 'content': unknown layer 'conv4_2'; did you mean 'conv1'?",
        ),
        ("", "the option 'model' must be given"),
    ],
)
def test_what_a_backbone_does_not_have_is_refused(
    options: str, complaint: str, invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "a.png",
                  "--extractor", f"torchvision:{options}" if options else "torchvision")  # fmt: skip
    assert done.status == 1
    assert complaint in done.error


def test_a_layer_that_is_no_feature_map_and_a_file_of_another_model(tmp_path: Path) -> None:
    with pytest.raises(impasto.SettingsError, match=r"'fc' of resnet18 random is no feature map"):
        TorchvisionModel("resnet18", "random").select(["fc"])
    path = tmp_path / "other.pth"
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(impasto.SettingsError, match="are not those of resnet18"):
        TorchvisionModel("resnet18", str(path))
    path.write_bytes(b"no file of torch")
    with pytest.raises(impasto.SettingsError, match="cannot be read"):
        TorchvisionModel("resnet18", str(path))
