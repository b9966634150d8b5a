"""Bad input: one clear line each, before minutes of work, nothing overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from helpers import SHALLOW, Invoke, Pair, refused


@pytest.fixture
def bad(tmp_path: Path, pair: Pair) -> dict[str, Path]:
    """Pictures that cannot be used, by what is wrong with them."""
    paths = {name: tmp_path / f"{name}.jpg" for name in ("text", "truncated", "tiny", "empty")}
    paths["text"].write_text("not a picture\n")
    paths["empty"].write_bytes(b"")
    with Image.open(pair.content) as picture:
        picture.save(paths["truncated"])
    whole = paths["truncated"].read_bytes()
    paths["truncated"].write_bytes(whole[: len(whole) // 2])
    Image.new("RGB", (1, 1)).save(paths["tiny"])
    return paths


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("text", "is not a picture in a format that is read"),
        ("empty", "is empty"),
        ("truncated", "cannot be read: "),
        ("tiny", "is 1 × 1 pixels; each side needs at least 16"),
    ],
)
def test_bad_pictures(
    invoke: Invoke, pair: Pair, bad: dict[str, Path], name: str, words: str
) -> None:
    for content, style in ((bad[name], pair.style), (pair.content, bad[name])):
        line = refused(invoke("run", content, style))
        assert words in line
        assert str(bad[name]) in line


def test_missing_files_and_folders(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    missing = tmp_path / "missing.jpg"
    assert refused(invoke("run", missing, pair.style)) == f"picture '{missing}' does not exist"
    assert refused(invoke("run", tmp_path, pair.style)) == f"picture '{tmp_path}' is a folder"
    line = refused(invoke("run", pair.content, pair.style, "-o", tmp_path / "no" / "out.png"))
    assert line.endswith(f": the folder '{tmp_path / 'no'}' does not exist")
    line = refused(invoke("run", pair.content, pair.style, "-o", tmp_path / "out.gif"))
    assert "unknown suffix '.gif'" in line
    line = refused(invoke("run", pair.content, pair.style, "--init", tmp_path / "none.png"))
    assert "does not exist; allowed: content, style, noise, blend, or a picture file" in line
    assert "'style' must be given" in refused(invoke("run"))


def test_an_output_that_exists_is_kept_without_force(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    out = tmp_path / "out.png"
    out.write_bytes(b"precious")
    run = ("run", pair.content, pair.style, "-o", out, "--size", 32, "--steps", 1, *SHALLOW)
    assert refused(invoke(*run)) == f"output '{out}' exists; set force to overwrite it (--force)"
    assert out.read_bytes() == b"precious"
    assert invoke(*run, "--force").status == 0
    with Image.open(out) as picture:
        assert picture.size == (32, 24)


def test_an_input_is_never_overwritten(invoke: Invoke, pair: Pair) -> None:
    before = pair.content.read_bytes()
    line = refused(invoke("run", pair.content, pair.style, "-o", pair.content, "--force"))
    assert line == f"output '{pair.content}' is one of the inputs: it would be lost"
    assert pair.content.read_bytes() == before


def test_an_input_is_never_overwritten_by_another_name(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    before = pair.content.read_bytes()
    (tmp_path / "folder").mkdir()
    (tmp_path / "hard.png").hardlink_to(pair.content)
    (tmp_path / "soft.png").symlink_to(pair.content)
    for other in ("hard.png", "soft.png", f"folder/../{pair.content.name}"):
        line = refused(invoke("run", pair.content, pair.style, "-o", tmp_path / other, "--force",
                              "--size", 32, "--steps", 1, "--loss", "tv"))  # fmt: skip
        assert line == f"output '{tmp_path / other}' is one of the inputs: it would be lost"
    assert pair.content.read_bytes() == before


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("a\nb", "a\\nb"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202egnp", "\\u202egnp"),
        ("\u200b", "\\u200b"),
        ("\udc80", "\\udc80"),
        ("caf\xe9 \u753b", "caf\xe9 \u753b"),
    ],
)
def test_an_error_shows_what_would_steer_a_terminal(
    invoke: Invoke, pair: Pair, typed: str, shown: str
) -> None:
    line = refused(invoke("run", pair.content, pair.style, "--preset", typed))
    assert f"'{shown}'" in line


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            ["--loss", "gramm"],
            "unknown loss 'gramm'; did you mean 'gram'? Allowed: content, covariance, gram",
        ),
        (["--loss", "gram:wieght=2"], "unknown option 'wieght'; did you mean 'weight'?"),
        (
            ["--loss", "gram:weight=heavy"],
            "loss 'gram': option 'weight': must be a number ≥ 0, not 'heavy'",
        ),
        (["--loss", "gram:weight=-1"], "must be greater than or equal to 0, not '-1'"),
        (["--loss", "gram:weight=nan"], "option 'weight': must be a finite number, not 'nan'"),
        (["--loss", "gram:layers=conv9_1"], "unknown layer 'conv9_1'; did you mean 'conv"),
        (["--loss", "gram:layers=conv1_1,layer_weights=1,2"], "2 layer_weights for 1 layers"),
        (["--loss", "gram:weight"], "'gram:weight': 'weight' should read key=value"),
        (["--loss", "gram:weight=1,weight=2"], "gives the option 'weight' twice"),
        (["--loss", ":"], "is not a SPEC"),
        (["--extractor", "vgg19:pooling=mean"], "unknown value for option 'pooling': 'mean'"),
        (["--extractor", "vgg91"], "unknown extractor 'vgg91'; did you mean 'vgg19'?"),
        (["--optimizer", "adm"], "unknown optimizer 'adm'; did you mean 'adam'?"),
        (["--optimizer", "adam:lr=0"], "option 'lr': must be greater than 0, not '0'"),
        (["--optimizer", "adam:betas=0.9"], "optimizer 'adam': option 'betas'"),
        (["--canvas", "pixel"], "unknown canvas 'pixel'; did you mean 'pixels'?"),
        (["--callback", "snapshots"], "callback 'snapshots': the option 'folder' must be given"),
        (
            ["--callback", "log:file=/no/such/folder/log"],
            "the folder '/no/such/folder' does not exist",
        ),
        (["--size", "big"], "setting 'size'"),
        (["--size", "8"], "setting 'size'"),
        (["--steps", "0"], "setting 'steps': must be greater than or equal to 1, not '0'"),
        (["--precision", "float23"], "did you mean 'float32'?"),
        (["--device", "quantum"], "device 'quantum' cannot be used here"),
        (["--plugin", "none.py"], "plugin file 'none.py' does not exist"),
        (["--plugin", "no_such_module_at_all"], "ModuleNotFoundError"),
        (["--load", "nobody"], "unknown installed plugin 'nobody'"),
        (["--config", "none.toml"], "config file 'none.toml' does not exist"),
        (["--sizes", "3"], "No such option '--sizes'"),
    ],
)
def test_bad_options(
    invoke: Invoke, pair: Pair, tmp_path: Path, options: list[str], expected: str
) -> None:
    out = tmp_path / "out.png"
    assert expected in refused(invoke("run", pair.content, pair.style, "-o", out, *options))
    assert not out.exists()


def test_bad_toml(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    for text, expected in {
        "size = ": "is not valid TOML",
        "sise = 3": "unknown setting 'sise'; did you mean 'size'?",
        "size = 'large'": "setting 'size'",
        "preset = 3": "setting 'preset' must be text",
        "[[loss]]\nweight = 2": "a plugin's table needs the key 'name'",
        "loss = 3": "3 is not a SPEC",
    }.items():
        config.write_text(text)
        line = refused(invoke("run", pair.content, pair.style, "--config", config))
        assert expected in line


def test_debug_shows_the_traceback(invoke: Invoke, pair: Pair) -> None:
    done = invoke("--debug", "run", pair.content, "missing.png")
    assert done.status == 1
    assert "Traceback" in done.err
    assert done.error == "impasto: error: picture 'missing.png' does not exist"


def test_panoramas_too_narrow_for_the_network(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    narrow, out = tmp_path / "narrow.png", tmp_path / "out.png"
    Image.new("RGB", (400, 20), "navy").save(narrow)
    line = refused(invoke("run", narrow, pair.style, "-o", out, "--size", 200))
    assert line.startswith("the result would be 200 × 10 pixels in the coarsest stage;")
    assert "need 16 on each side" in line
    done = invoke("run", narrow, pair.style, "-o", out, "--size", 200, "--steps", 1,
                  "--loss", "gram:layers=conv1_1,conv2_1")  # fmt: skip
    assert done.status == 0, done.err


def test_results_of_too_many_pixels(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    run = (
        "run",
        pair.content,
        pair.style,
        "-o",
        tmp_path / "out.png",
        "--loss",
        "tv",
        "--steps",
        1,
        "--force",
    )
    line = refused(invoke(*run, "--size", 1_000_000))
    assert line == (
        "the result would be 1000000 × 750000 pixels, more than 200 million, which max_megapixels"
        " allows (--max-megapixels, --size)"
    )
    line = refused(invoke(*run, "--size", 40, "--max-megapixels", 0.001))
    assert "has more than 0.001 million pixels" in line
    line = refused(invoke(*run, "--size", 80, "--max-megapixels", 0.004))
    assert line.startswith("the result would be 80 × 60 pixels, more than 0.004 million")
    assert invoke(*run, "--size", 80, "--max-megapixels", 0.0064, "--style", pair.style).status == 0
    large = f"{pair.style}:scale=90000"
    line = refused(invoke(*run, "--size", 64, "--style", large))
    assert line.startswith(f"the style picture '{pair.style}' would be 5760000 × 5760000 pixels")
