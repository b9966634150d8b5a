"""The film of a run: its frames, sizes and times in each format, and what is kept of an interrupted one."""

from __future__ import annotations

from pathlib import Path

import av
import numpy
import pytest
from PIL import Image, ImageSequence

import impasto
from helpers import Interrupt, Invoke, Pair, drawn
from impasto.files.whole import written_whole
from impasto_plugins.callbacks.film import FORMATS, Film, write_film

Frames = list[numpy.ndarray]


def painted(
    invoke: Invoke, pair: Pair, film: Path, *more: object, options: str = "", size: int = 32
) -> int:
    done = invoke("run", pair.content, pair.style, "-o", film.with_name("out.png"), "--force",
                  "--size", size, "--steps", "4", "--loss", "tv", "--quiet",
                  "--optimizer", "adam:lr=0.05",
                  "--callback", f"timelapse:file={film}{options}", *more)  # fmt: skip
    assert "warning" not in done.err
    return done.status


def shown(film: Path) -> tuple[Frames, list[float]]:
    """The frames of a film, each (h, w, 3), and how long each is shown, seconds."""
    if film.suffix == ".mp4":
        with av.open(film) as container:
            stream = container.streams.video[0]
            assert stream.average_rate is not None
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
            return frames, [float(1 / stream.average_rate)] * len(frames)
    with Image.open(film) as opened:
        frames, times = [], []
        for frame in ImageSequence.Iterator(opened):
            frame.load()
            times.append(frame.info["duration"] / 1000)
            frames.append(numpy.asarray(frame.convert("RGB")))
    return frames, times


@pytest.mark.parametrize("suffix", FORMATS)
def test_start_steps_and_result_in_one_size(
    suffix: str, invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    """Two stages of four steps, every second one: the start, 2, 4, 6, 8."""
    film = tmp_path / f"film{suffix}"
    options = ",every=2,fps=10,hold=0.5"
    assert painted(invoke, pair, film, "--scales", "24,48", options=options, size=48) == 0
    frames, times = shown(film)
    assert {frame.shape for frame in frames} == {(36, 48, 3)}
    if suffix == ".mp4":
        assert len(frames) == 5 + 5
        assert times[0] == pytest.approx(0.1)
    else:
        assert times == pytest.approx([0.1, 0.1, 0.1, 0.1, 0.6])
    with Image.open(tmp_path / "out.png") as result:
        difference = frames[-1].astype(int) - numpy.asarray(result.convert("RGB"))
    # MP4 halves the resolution of colors, which the grain of these small pictures shows.
    near = 16 if suffix == ".mp4" else 8
    assert abs(difference).mean() < near
    with Image.open(pair.content) as content:
        start = content.convert("RGB").resize((24, 18), Image.Resampling.BICUBIC)
        start = start.resize((48, 36), Image.Resampling.LANCZOS)
    assert abs(frames[0].astype(int) - numpy.asarray(start)).mean() < near
    assert abs(frames[0].astype(int) - frames[-1]).mean() > 10


def test_a_size_of_its_own_and_odd_sides(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    for suffix, wanted in ((".webp", (15, 20, 3)), (".mp4", (14, 20, 3))):
        film = tmp_path / f"film{suffix}"
        assert painted(invoke, pair, film, options=",size=20") == 0
        assert shown(film)[0][0].shape == wanted


@pytest.mark.parametrize("suffix", FORMATS)
def test_colors_are_kept(suffix: str, tmp_path: Path) -> None:
    """Eight plain colors, each a frame."""
    colors = [(r, g, b) for r in (30, 220) for g in (30, 220) for b in (30, 220)]
    pictures = []
    for number, color in enumerate(colors):
        pictures.append(tmp_path / f"{number}.png")
        Image.new("RGB", (32, 32), color).save(pictures[-1])
    write_film(tmp_path / f"film{suffix}", pictures, Film(32, 32, fps=10, hold=0))
    frames, _ = shown(tmp_path / f"film{suffix}")
    assert len(frames) == 8
    for frame, color in zip(frames, colors, strict=True):
        assert abs(frame.reshape(-1, 3).mean(0) - color).max() < 4


def test_an_mp4_is_what_browsers_play(tmp_path: Path) -> None:
    drawn(40, 30, seed=3).save(tmp_path / "a.png")
    write_film(tmp_path / "film.mp4", [tmp_path / "a.png"], Film(40, 30, fps=12.5, hold=1))
    with av.open(tmp_path / "film.mp4") as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert container.streams.video[0].average_rate == 12.5
    data = (tmp_path / "film.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat"), "it plays before it is all there"


def test_an_interrupted_run_has_its_film_and_nothing_is_left(
    invoke: Invoke,
    pair: Pair,
    tmp_path: Path,
    interrupt: Interrupt,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    film = tmp_path / "film.webp"
    assert painted(invoke, pair, film, *interrupt, options=",every=1") == 130
    assert len(shown(film)[0]) == 3
    assert not [path for path in temporary.iterdir() if "timelapse" in path.name]


def test_a_resumed_run_has_its_whole_film(
    invoke: Invoke, pair: Pair, tmp_path: Path, interrupt: Interrupt
) -> None:
    whole, film, kept = tmp_path / "whole.webp", tmp_path / "film.webp", tmp_path / "kept"
    assert painted(invoke, pair, whole, options=",every=1") == 0
    assert painted(invoke, pair, film, *interrupt, "--checkpoint", kept, options=",every=1") == 130
    assert len(shown(film)[0]) == 3
    done = invoke("resume", kept)
    assert done.status == 0, done.err
    frames, expected = shown(film)[0], shown(whole)[0]
    assert len(frames) == len(expected) == 5
    for frame, other in zip(frames, expected, strict=True):
        assert numpy.array_equal(frame, other)
    assert len(list(kept.glob("timelapse film.webp */*.png"))) == 5


def test_a_new_run_in_an_old_checkpoint_has_no_old_frames(
    invoke: Invoke, pair: Pair, tmp_path: Path, interrupt: Interrupt
) -> None:
    film, kept = tmp_path / "film.webp", tmp_path / "kept"
    assert painted(invoke, pair, film, *interrupt, "--checkpoint", kept, options=",every=1") == 130
    assert painted(invoke, pair, film, "--checkpoint", kept, options=",every=4") == 0
    assert len(shown(film)[0]) == 2


def test_a_film_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    drawn(16, 16, seed=3).save(tmp_path / "a.png")
    for suffix in FORMATS:
        old = tmp_path / f"film{suffix}"
        old.write_bytes(b"the old one")
        with (
            pytest.raises(impasto.PictureError, match="is not a picture"),
            written_whole(old) as part,
        ):
            write_film(part, [tmp_path / "a.png", broken], Film(16, 16, fps=10, hold=0))
        assert old.read_bytes() == b"the old one"
    assert not list(tmp_path.glob(".*part*"))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (
            "film.avi",
            "callback 'timelapse': file 'film.avi': unknown suffix '.avi'."
            " Allowed: .gif, .mp4, .webp",
        ),
        (
            "film.gif,fps=60",
            "callback 'timelapse': option 'fps': GIF shows 50 frames a second at most, not 60;"
            " .webp and .mp4 show more",
        ),
        (
            "no/film.gif",
            "callback 'timelapse': file 'no/film.gif': the folder 'no' does not exist",
        ),
    ],
)
def test_what_is_refused(
    options: str, complaint: str, invoke: Invoke, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pair.content.parent)
    done = invoke("run", pair.content, pair.style, "--callback", f"timelapse:file={options}")
    assert (done.status, done.error) == (1, f"impasto: error: {complaint}")


def test_the_runs_own_pictures_are_not_overwritten(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    mask = tmp_path / "mask.webp"
    drawn(16, 16, seed=3).save(mask)
    before = mask.read_bytes()
    run = (
        "run",
        pair.content,
        f"{pair.style}:style_mask={mask}",
        "-o",
        tmp_path / "out.png",
        "--force",
    )
    done = invoke(*run, "--loss", "gram:layers=conv1_1", "--callback", f"timelapse:file={mask}")
    assert done.error == (
        f"impasto: error: callback 'timelapse': file '{mask}' is one of the inputs: it would be lost"
    )
    assert mask.read_bytes() == before
