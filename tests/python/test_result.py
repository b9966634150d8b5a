"""What a run gives: saved, shown, plotted, kept as TOML; with ``import impasto`` and nothing else."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy
import pandas
import pytest
from PIL import Image, ImageCms, ImageShow

import impasto
import impasto.testing
from helpers import INTERRUPT

SMALL: dict[str, Any] = {
    "size": 32,
    "scales": "24",
    "steps": 3,
    "plugin": ["impasto.testing"],
    "extractor": "tiny",
}


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A photograph with a profile of its own, EXIF and transparency."""
    picture, _ = impasto.testing.pictures()
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    exif = Image.Exif()
    exif[0x010E] = "the harbor"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = tmp_path / "photo.png"
    picture.save(path, exif=exif, icc_profile=profile)
    return path


@pytest.fixture
def painting(tmp_path: Path) -> Path:
    path = tmp_path / "painting.png"
    impasto.testing.pictures(seed=3)[1].save(path)
    return path


@pytest.mark.parametrize(
    ("name", "more"),
    [("a.png", {}), ("a.png", {"depth": 16}), ("a.jpg", {"quality": 60}), ("a.webp", {}),
     ("a.tiff", {}), ("a.png", {"recipe": False})],
)  # fmt: skip
def test_a_saved_result_has_the_bytes_of_the_output(
    tmp_path: Path, photo: Path, painting: Path, name: str, more: dict[str, Any]
) -> None:
    output, saved = tmp_path / name, tmp_path / f"saved{name}"
    impasto.run(photo, painting, output=output, **SMALL, **more)
    impasto.run(photo, painting, **SMALL, **more).save(saved)
    assert saved.read_bytes() == output.read_bytes()
    if name == "a.png":
        with Image.open(saved) as picture:
            assert picture.mode == "RGBA"
            assert picture.getexif()[0x010E] == "the harbor"
            assert picture.info["icc_profile"]
        assert (b"impasto:recipe" in saved.read_bytes()) is more.get("recipe", True)


def test_an_existing_file_and_an_input_are_not_overwritten(
    tmp_path: Path, photo: Path, painting: Path
) -> None:
    result = impasto.run(photo, painting, **SMALL)
    result.save(tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()
    with pytest.raises(impasto.OutputError, match="exists; set force to overwrite it"):
        result.save(tmp_path / "a.png")
    result.save(tmp_path / "a.png", force=True)
    assert (tmp_path / "a.png").read_bytes() == before
    with pytest.raises(impasto.OutputError, match="is one of the inputs"):
        result.save(photo, force=True)
    with pytest.raises(impasto.OutputError, match=r"unknown suffix '\.gif'"):
        result.save(tmp_path / "a.gif")
    with pytest.raises(impasto.PictureError, match="JPEG has 8 bits"):
        impasto.run(photo, painting, depth=16, **SMALL).save(tmp_path / "b.jpg")


def test_history_has_all_terms_by_step_and_pandas_takes_it() -> None:
    seen: list[dict[str, float]] = []
    steps = impasto.steps(
        *impasto.testing.pictures(), loss=["content", "gram", "gram", "tv"], **SMALL
    )
    seen = [step.terms for step in steps]
    result = steps.result()
    assert list(result.history) == ["step", "stage", "total", "content", "gram", "gram-2", "tv"]
    table = pandas.DataFrame(result.history)
    assert table["step"].tolist() == [1, 2, 3, 4, 5, 6]
    assert table["stage"].tolist() == [0, 0, 0, 1, 1, 1]
    assert table["total"].tolist() == result.losses
    assert table[list(seen[0])].to_dict("records") == seen
    sums = sum(result.history[name] for name in seen[0])
    numpy.testing.assert_allclose(sums, result.history["total"], rtol=1e-5)


def test_a_resumed_run_has_the_history_of_all_its_steps(
    tmp_path: Path, photo: Path, painting: Path
) -> None:
    (tmp_path / "interrupt.py").write_text(INTERRUPT)
    plugins = ["impasto.testing", str(tmp_path / "interrupt.py")]
    given = {**SMALL, "plugin": plugins, "loss": ["content", "gram"]}
    whole = impasto.run(photo, painting, **given)
    with pytest.raises(impasto.Interrupted) as caught:
        impasto.run(
            photo, painting, **given, callback="interrupt", checkpoint=str(tmp_path / "kept")
        )
    early = caught.value.result.history
    resumed = impasto.resume(tmp_path / "kept", plugins=plugins).history
    assert list(resumed) == list(whole.history)
    for name in resumed:
        assert early[name].tolist() == resumed[name][:2].tolist()
        assert resumed[name].tolist() == whole.history[name].tolist()


def test_the_result_of_a_run_that_failed_can_be_saved(
    tmp_path: Path, photo: Path, painting: Path
) -> None:
    (tmp_path / "interrupt.py").write_text(INTERRUPT)
    given = {**SMALL, "plugin": ["impasto.testing", str(tmp_path / "interrupt.py")]}
    with pytest.raises(impasto.Interrupted) as caught:
        impasto.run(photo, painting, **given, callback="interrupt")
    caught.value.result.save(tmp_path / "a.png")
    assert b"interrupted" in (tmp_path / "a.png").read_bytes()


def test_a_notebook_shows_the_picture_and_a_line() -> None:
    result = impasto.testing.run()
    line = f"32 × 32 pixels, 5 steps in {result.seconds:.1f} s, loss {result.losses[0]:.4g} →"
    assert repr(result).startswith(f"<impasto.Result: {line}")
    shown = result._repr_html_()
    assert line in shown
    assert shown.startswith('<img src="data:image/png;base64,iVBOR')
    assert result._repr_png_().startswith(b"\x89PNG")


def test_a_large_picture_is_shown_smaller() -> None:
    import io

    result = impasto.testing.run(loss="tv", size=1500, steps=1)
    assert Image.open(io.BytesIO(result._repr_png_())).size == (1024, 1024)
    assert result.picture.size == (1500, 1500)


def test_show_opens_the_viewer(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Image.Image] = []

    class Viewer(ImageShow.Viewer):
        def show(self, image: Image.Image, **options: Any) -> int:
            opened.append(image)
            return 1

    monkeypatch.setattr(ImageShow, "_viewers", [Viewer()])
    result = impasto.testing.run(steps=1)
    result.show()
    assert opened == [result.picture]


def test_plot_draws_total_and_terms() -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    result = impasto.testing.run(loss=["content", "gram"], scales="24")
    axes = result.plot()
    lines = {str(line.get_label()): line for line in axes.get_lines()}
    assert {"total", "content", "gram"} <= set(lines)
    assert list(lines["total"].get_ydata()) == result.losses  # type: ignore[arg-type]
    assert axes.get_yscale() == "log"
    assert result.plot(axes) is axes
    pyplot.close("all")


def test_plot_without_matplotlib_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    result = impasto.testing.run(steps=1)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(impasto.SettingsError) as caught:
        result.plot()
    assert str(caught.value) == (
        "Result.plot needs the package matplotlib, which is not installed: pip install 'impasto[plot]'"
    )


def test_a_run_without_plots_imports_no_matplotlib(imported: set[str]) -> None:
    assert not imported & {"matplotlib", "IPython"}


@pytest.mark.parametrize("preset", ["default", "quick", "gatys2016", "notebook", "strong"])
def test_settings_as_toml_give_the_same_settings(
    tmp_path: Path, photo: Path, painting: Path, preset: str
) -> None:
    odd = tmp_path / 'a "b"\\ü\t\x7f.png'
    odd.write_bytes(painting.read_bytes())
    settings = impasto.run(
        photo, [painting, impasto.Style(str(odd), weight=0.3)], preset=preset,
        **SMALL, seed=7, ema=0.5, loss=["content", "gram:layers=conv1_1"],
        init="noise", recipe=False,
    ).settings  # fmt: skip
    file = tmp_path / "again.toml"
    file.write_text(settings.to_toml(), encoding="utf-8")
    assert tomllib.loads(settings.to_toml())["seed"] == 7
    again = impasto.run(
        photo, [painting, impasto.Style(str(odd), weight=0.3)], config=file,
        plugin=["impasto.testing"],
    ).settings  # fmt: skip
    assert again == settings


def test_a_preset_does_not_bring_back_what_the_settings_left_out(
    tmp_path: Path, photo: Path, painting: Path
) -> None:
    preset = tmp_path / "mine.toml"
    preset.write_text('schedule = "CosineAnnealingLR:T_max=5"\n')
    settings = impasto.run(
        photo, painting, preset=str(preset), schedule="none", optimizer="adam", **SMALL
    ).settings
    file = tmp_path / "again.toml"
    file.write_text(settings.to_toml())
    again = impasto.run(
        photo, painting, preset=str(preset), config=file, plugin=["impasto.testing"]
    )
    assert again.settings == settings
    assert again.settings.schedule is None
