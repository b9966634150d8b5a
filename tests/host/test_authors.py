"""What an author meets whose plugin is broken: one line, which names the line of his file and what to do.

To add a case, write a line into the table: what is replaced in the working plugin of its kind, by what. The
line of code that the error must name ends in ``# here``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

import impasto
import impasto.testing
from helpers import Invoke, Pair, refused

WORKING = {
    "loss": """
class Mine(impasto.Loss):
    def __init__(self, power: float = 2.0):
        super().__init__()
        self.power = power

    def summarize_layer(self, feature):
        return {"sum": feature.sum((0, 2, 3)), "pixels": feature.new_tensor(feature[0, 0].numel())}

    def compare_layer(self, summary, target):
        difference = summary["sum"] / summary["pixels"] - target["sum"] / target["pixels"]
        return difference.abs().pow(self.power).mean()
""",
    "extractor": """
class Mine(impasto.Extractor):
    layers = ("fine", "coarse")

    def __init__(self, seed: int = 0):
        super().__init__()
        self.filters = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, image):
        fine = self.filters(image.to(self.filters.weight.dtype)).relu()
        features = {"fine": fine, "coarse": nn.functional.avg_pool2d(fine, 2)}
        return {layer: features[layer] for layer in self.selected}
""",
    "optimizer": """
class Mine(torch.optim.Optimizer):
    def __init__(self, parameters, lr: float = 0.01):
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure):
        with torch.enable_grad():
            loss = closure()
        for parameter in self.param_groups[0]["params"]:
            parameter.sub_(parameter.grad.sign(), alpha=0.01)
        return loss
""",
    "canvas": """
class Mine(impasto.Canvas):
    def __init__(self, image, margin: float = 0.01):
        super().__init__()
        self.values = nn.Parameter(torch.logit(image, eps=margin))

    def forward(self):
        return self.values.sigmoid()
""",
    "callback": """
class Mine:
    @impasto.hookimpl
    def impasto_after_step(self, run, step):
        pass
""",
}
"""A plugin of each kind, without what offers it."""

FILE = """import torch
from torch import nn
import impasto
{code}
@impasto.hookimpl
def impasto_{hook}():
    return [impasto.Offer("mine", Mine)]
"""

HOOKS = {"loss": "losses", "extractor": "extractors", "optimizer": "optimizers",
         "canvas": "canvases", "callback": "callbacks"}  # fmt: skip

AS = {
    "loss": "--loss mine",
    "extractor": "--extractor mine --loss gram:layers=fine,coarse",
    "optimizer": "--optimizer mine --loss tv",
    "canvas": "--canvas mine --loss tv",
    "callback": "--callback mine --loss tv",
}
"""How each kind is asked for."""


@dataclass(frozen=True)
class Broken:
    """One line of the table."""

    what: str
    """Kind, colon, what is wrong."""
    old: str
    """What is replaced in the file of a working plugin."""
    new: str
    says: str
    """What the error's line says, besides the line of the code."""
    options: str = ""
    """Of the run, besides those that ask for the plugin."""

    @property
    def kind(self) -> str:
        return self.what.partition(":")[0]


INIT = "        super().__init__()\n"
OFFER = 'return [impasto.Offer("mine", Mine)]'
VALUE = "return difference.abs().pow(self.power).mean()"
FEATURES = "return {layer: features[layer] for layer in self.selected}"
PICTURE = "return self.values.sigmoid()"
PARAMETER = "nn.Parameter(torch.logit(image, eps=margin))"

BROKEN = [
    Broken("loss: does not compile", VALUE, "return (  # here", "SyntaxError: '(' was never closed"),
    Broken("loss: fails when loaded", "import torch\n", "import torch, no_such_module  # here\n",
           "ModuleNotFoundError: No module named 'no_such_module'"),
    Broken("loss: an Offer that is not in a list", f"def impasto_losses():\n    {OFFER}",
           'def impasto_losses():  \n    return impasto.Offer("mine", Mine)',
           "returned Offer; return a list: [impasto.Offer(NAME, FACTORY)]"),
    Broken("loss: a hook that returns nothing", OFFER, 'impasto.Offer("mine", Mine)',
           "returned nothing; return a list: [impasto.Offer(NAME, FACTORY)]"),
    Broken("loss: a class in place of an Offer", OFFER, "return [Mine]", "expected impasto.Offer, got"),
    Broken("loss: an Offer of a thing", OFFER, 'return [impasto.Offer("mine", Mine())]',
           "give the class or function that makes the thing, without calling it"),
    Broken("loss: an Offer without a factory", OFFER, 'return [impasto.Offer("mine")]  # here',
           "TypeError: Offer.__init__() missing 1 required positional argument: 'factory'"),
    Broken("loss: a name that cannot be typed", OFFER, 'return [impasto.Offer("mine one", Mine)]  # here',
           "'mine one' cannot be the name of an Offer: begin with a letter"),
    Broken("loss: options without names", "def __init__(self, power: float = 2.0):",
           "def __init__(self, *options):", "takes *options; options need names and types"),
    Broken("loss: fails when made", "self.power = power", "self.power = power.real_part  # here",
           "AttributeError: 'float' object has no attribute 'real_part'"),
    Broken("loss: fails", VALUE, "return difference.no_such_thing()  # here",
           "AttributeError: 'Tensor' object has no attribute 'no_such_thing'"),
    Broken("loss: fails where the target is summarized", 'return {"sum"',
           '1 / 0  # here\n        return {"sum"', "ZeroDivisionError: division by zero"),
    Broken("loss: a module of torch", "class Mine(impasto.Loss):", "class Mine(nn.Module):  # here",
           "not impasto.Loss: derive it from impasto.Loss"),
    Broken("loss: nothing is made", OFFER,
           'return [impasto.Offer("mine", make)]\n\n\ndef make():  # here\n    Mine()',
           "made nothing, not impasto.Loss: return what is made"),
    Broken("loss: no super().__init__()", f"def __init__(self, power: float = 2.0):\n{INIT}",
           "def __init__(self, power: float = 2.0):  # here\n", "must call super().__init__() first"),
    Broken("loss: a module before super().__init__()", INIT,
           f"        self.one = nn.Linear(1, 1)  # here\n{INIT}",
           "call super().__init__() first"),
    Broken("loss: the __init__ of a module only", INIT, "        nn.Module.__init__(self)\n",
           "call super().__init__() first"),
    Broken("loss: layers that are text", INIT, '        super().__init__(layers="conv1_1")  # here\n',
           "layers must be a list of names, as ('conv1_1',), not 'conv1_1'"),
    Broken("loss: layers of the class that are text", "class Mine(impasto.Loss):",
           'class Mine(impasto.Loss):  # here\n    layers = ("conv1_1")\n',
           "layers must be a list of names, as ('conv1_1',), not 'conv1_1'"),
    Broken("loss: no layers", INIT, "        super().__init__(layers=())  # here\n",
           "layers must be a list of names, as ('conv1_1',), not ()"),
    Broken("loss: a weight of the class that is text", "class Mine(impasto.Loss):",
           'class Mine(impasto.Loss):  # here\n    weight = "2"\n',
           "weight must be a number of 0 or more, not '2'"),
    Broken("loss: a target that does not exist", "class Mine(impasto.Loss):",
           'class Mine(impasto.Loss):  # here\n    target = "styl"\n',
           "unknown target 'styl'; did you mean 'style'? Allowed: content, none, style"),
    Broken("loss: a summary that is a tensor", 'return {"sum"', 'return feature.sum()\n        return {"sum"',
           "returned a tensor of shape (); return a dict of tensors by name"),
    Broken("loss: a summary with a number", "feature.new_tensor(feature[0, 0].numel())",
           "feature[0, 0].numel()", "returned int under 'pixels'; return a dict of tensors by name"),
    Broken("loss: nothing is summarized", 'return {"sum"', '{"sum"',
           "returned nothing; return a dict of tensors by name"),
    Broken("loss: a sum without its pixels, of several styles", 'return {"sum"',
           'return {"sum": feature.sum((0, 2, 3))}\n        return {"sum"',
           "has no 'pixels'", "--style STYLE"),
    Broken("loss: a value that is no scalar", VALUE, "return difference",
           "returned a tensor of shape (64,); return one number, a tensor of no dimensions"),
    Broken("loss: a value that is a float", VALUE, VALUE + ".item()", "returned float; return one number"),
    Broken("loss: no value", VALUE, "difference", "returned nothing; return one number"),
    Broken("loss: a complex value", VALUE, VALUE + " * 1j",
           "returned a tensor of complex64; return one number"),
    Broken("loss: a whole number", VALUE, VALUE + ".long()", "returned a tensor of int64; return one number"),
    Broken("loss: a value without a gradient", VALUE, VALUE + ".detach()",
           "returned a tensor without a gradient; compute it from the summary with torch, without"
           " detach, item, numpy or no_grad"),
    Broken("loss: a value of compare", "def compare_layer", "def compare(self, summary, target):  # here\n"
           "        return 3\n\n    def compare_layer", "Mine.compare"),
    Broken("extractor: no super().__init__()", INIT, "", "call super().__init__() first"),
    Broken("extractor: leaves out a layer", FEATURES, 'return {"fine": fine}',
           "left out the layer 'coarse'; return a tensor (1, C, h, w) for each of self.selected: fine,"
           " coarse"),
    Broken("extractor: a tensor", FEATURES, "return fine",
           "returned a tensor of shape (1, 4, 64, 64), not a dict"),
    Broken("extractor: nothing", FEATURES, "features", "returned nothing, not a dict"),
    Broken("extractor: no dimension for the batch", FEATURES,
           FEATURES.replace("[layer] for", "[layer][0] for"),
           "returned a tensor of shape (4, 64, 64) for the layer 'fine'; return a tensor (1, C, h, w)"),
    Broken("extractor: no gradient", FEATURES, FEATURES.replace("[layer] for", "[layer].detach() for"),
           "returned a tensor without a gradient for the layer 'fine'"),
    Broken("extractor: other shapes at the same size", FEATURES,
           "self.calls = getattr(self, 'calls', 0) + 1\n"
           "        return {layer: features[layer][..., self.calls :] for layer in self.selected}",
           "for a picture of the same size; return the same shape each time"),
    Broken("extractor: fails", FEATURES, "return fine.no_such_thing()  # here", "AttributeError: "),
    Broken("extractor: a module of torch", "class Mine(impasto.Extractor):", "class Mine(nn.Module):  # here",
           "not impasto.Extractor: derive it from impasto.Extractor"),
    Broken("optimizer: no super().__init__()", '        super().__init__(parameters, {"lr": lr})',
           "        pass", "call super().__init__() first"),
    Broken("optimizer: calls the closure without gradients",
           "with torch.enable_grad():\n            loss = closure()", "loss = closure()  # here",
           "the closure was called where gradients are off; call it within"
           " 'with torch.enable_grad():'"),
    Broken("optimizer: calls no closure", "loss = closure()", "return 0",
           "did not call the closure, which computes loss and gradients"),
    Broken("optimizer: none of torch", OFFER, 'return [impasto.Offer("mine", lambda parameters: 3)]',
           "not torch.optim.Optimizer: derive it"),
    Broken("optimizer: fails", "        return loss", "        return loss.no_such_thing()  # here",
           "AttributeError: "),
    Broken("canvas: no super().__init__()", INIT, "", "call super().__init__() first"),
    Broken("canvas: of the wrong size", PICTURE, PICTURE + "[..., 1:]",
           "returned a tensor of shape (1, 3, 48, 63); return the picture as (1, 3, 48, 64)"),
    Broken("canvas: no batch", PICTURE, PICTURE + "[0]", "returned a tensor of shape (3, 48, 64)"),
    Broken("canvas: without parameters", PARAMETER, "torch.logit(image, eps=margin)",
           "has no parameters to optimize; keep them as torch.nn.Parameter"),
    Broken("canvas: parameters that take no gradient", PARAMETER, f"{PARAMETER[:-1]}, requires_grad=False)",
           "has no parameters to optimize"),
    Broken("canvas: parameters that are not contiguous", PARAMETER,
           f"{PARAMETER[:-1]}.to(memory_format=torch.channels_last))",
           "its parameter 'values' is not contiguous; call .contiguous() on the tensor"),
    Broken("canvas: does not use its parameters", PICTURE, "return self.values.detach().sigmoid()",
           "returned a tensor without a gradient"),
    Broken("canvas: whole numbers", PICTURE, "return (self.values.sigmoid() * 255).byte()",
           "returned a tensor of uint8; return the picture as (1, 3, 48, 64), float32 sRGB in [0, 1]"),
    Broken("canvas: half precision", PICTURE, PICTURE + ".half()",
           "returned a tensor of float16; return the picture"),
    Broken("canvas: values up to 255", PICTURE, PICTURE + " * 255", "in [0, 1]"),
    Broken("canvas: values from -1", PICTURE, PICTURE + " * 2 - 1", "in [0, 1]"),
    Broken("canvas: values up to 255, luminance", PICTURE, PICTURE + " * 255", "in [0, 1]",
           "--colors luminance"),
    Broken("canvas: nothing", PICTURE, "self.values", "returned nothing; return the picture"),
    Broken("canvas: a module of torch", "class Mine(impasto.Canvas):", "class Mine(nn.Module):  # here",
           "not impasto.Canvas: derive it from impasto.Canvas"),
    Broken("callback: no hooks", "    @impasto.hookimpl\n    def impasto_after_step", "    def after_step",
           "has no hook of Impasto"),
    Broken("callback: the hook lacks its decorator", "    @impasto.hookimpl\n    def", "    def",
           "lacks the decorator @impasto.hookimpl"),
]  # fmt: skip


def written(folder: Path, one: Broken) -> Path:
    code = FILE.format(code=WORKING[one.kind], hook=HOOKS[one.kind])
    assert one.old in code
    path = folder / "broken.py"
    path.write_text(code.replace(one.old, one.new, 1), encoding="utf-8")
    return path


def place(path: Path) -> str:
    """The line that the error must name."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return next((f"{path}:{number}" for number, line in enumerate(lines, 1)
                 if line.endswith("# here")), f"{path}:")  # fmt: skip


@pytest.mark.parametrize("one", BROKEN, ids=lambda one: one.what)
def test_one_line_names_the_line_of_the_plugin_and_what_to_do(
    one: Broken, invoke: Invoke, pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, one)
    options = [*AS[one.kind].split(), *one.options.replace("STYLE", str(pair.style)).split()]
    run = ["run", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", 64, "--steps", 2,
           "--scales", "single", "--quiet", "--plugin", path, *options]  # fmt: skip
    said = refused(invoke(*run))
    assert one.says in said
    assert place(path) in said
    assert "bug in Impasto" not in said
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("kind", WORKING)
def test_the_working_ones_work(kind: str, invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    path = written(tmp_path, Broken(f"{kind}: nothing", "", "", ""))
    done = invoke(
        "run", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", 64, "--steps", 2,
        "--scales", "single", "--quiet", "--plugin", path, *AS[kind].split(),
    )  # fmt: skip
    assert done.status == 0, done.err


LAYERS = """
import impasto

class Mine(impasto.Loss):
    def summarize_layer(self, feature):
        return {"sum": feature.sum((0, 2, 3)), "pixels": feature.new_tensor(feature[0, 0].numel())}

    def compare_layer(self, summary, target):
        if not target:
            return summary["sum"].mean() / summary["pixels"]
        return (summary["sum"] / summary["pixels"] - target["sum"] / target["pixels"]).square().mean()

@impasto.hookimpl
def impasto_losses():
    return [impasto.Offer("mine", Mine)]
"""
STYLE = ["conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"]


@pytest.mark.parametrize(
    ("attributes", "weight", "layers"),
    [
        ("", 1.0, STYLE),
        ("weight = 3", 3, STYLE),
        ("layers = ('conv2_1',)", 1.0, ["conv2_1"]),
        ("layers = ['conv2_1', 'image']; weight = 0.5", 0.5, ["conv2_1", "image"]),
        ("target = 'content'", 1.0, ["conv4_2"]),
        ("target = 'none'", 1.0, ["image"]),
        ("def __init__(self, layers: impasto.Layers = ('conv3_1',)): super().__init__(layers=layers)",
         None, ["conv3_1"]),
    ],
)  # fmt: skip
def test_the_layers_and_the_weight_of_a_loss_are_those_of_its_class(
    attributes: str, weight: float | None, layers: list[str], invoke: Invoke, tmp_path: Path
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(LAYERS.replace("Loss):", f"Loss):\n    {attributes}\n", 1), encoding="utf-8")
    (shown,) = json.loads(invoke("plugins", "show", "mine", "--plugin", path, "--json").out)
    defaults = {option["name"]: option["default"] for option in shown["options"]}
    assert defaults.get("weight") == weight
    assert defaults["layers"] == layers
    made = impasto.make("loss", "mine", plugin=[str(path)])
    assert list(made.layers) == layers
    assert made.weight == (weight or 1.0)
    result = impasto.testing.run(loss=["mine"], plugin=[str(path)], steps=2)
    assert result.losses[-1] <= result.losses[0]
    assert list(impasto.make("loss", "mine:layers=conv1_1", plugin=[str(path)]).layers) == [
        "conv1_1"
    ]


def test_an_extractor_without_the_layers_of_a_loss_says_which_it_has(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    path, extractor = (
        tmp_path / "mine.py",
        written(tmp_path, Broken("extractor: nothing", "", "", "")),
    )
    path.write_text(LAYERS, encoding="utf-8")
    run = ["run", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", 64, "--steps", 2,
           "--plugin", path, "--plugin", extractor, "--extractor", "mine", "--loss"]  # fmt: skip
    assert refused(invoke(*run, "mine")) == (
        "loss 'mine': unknown layer 'conv1_1'. Allowed: coarse, fine, image; give it layers that this"
        " extractor has (--loss)"
    )
    assert invoke(*run, "mine:layers=fine").status == 0
