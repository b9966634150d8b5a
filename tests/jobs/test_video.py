"""``impasto video``: frames, times, sound, going on where it was, and what is refused before painting."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import av
import numpy
import pytest
from PIL import Image

import films
import impasto
from batches import killed_and_finished
from films import TINY
from helpers import Invoke, Outcome, drawn, refused

Painted = dict[int, bytes]


@pytest.fixture
def film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A film of six frames with a cut before the fifth, and a painting; the working folder is theirs."""
    monkeypatch.chdir(tmp_path)
    drawn(40, 30, seed=5).save("painting.png")
    return films.write(tmp_path / "in.mp4", sound="aac").relative_to(tmp_path)


def painted(folder: str) -> dict[str, bytes]:
    """The pixels of the frames of a folder."""
    return {path.name: Image.open(path).tobytes() for path in sorted(Path(folder).glob("*.png"))}


def video(invoke: Invoke, *arguments: object) -> Outcome:
    done = invoke("video", *arguments, *TINY)
    assert done.status == 0, done.err
    return done


def test_a_film_with_its_times_and_its_sound(invoke: Invoke, film: Path) -> None:
    done = video(invoke, film, "painting.png", "-o", "out.mp4", "--json")
    records = [json.loads(line) for line in done.out.splitlines()]
    assert [one["number"] for one in records] == [1, 2, 3, 4, 5, 6]
    assert [one["begins"] for one in records] == [True, False, False, False, True, False]
    times, frames = films.read(Path("out.mp4"))
    assert times == [round(number / 24, 4) for number in range(6)]
    assert films.seconds_of_sound(Path("out.mp4")) == pytest.approx(1, abs=0.15)
    for frame, name in zip(frames, sorted(painted("out_frames")), strict=True):
        wanted = numpy.asarray(Image.open(f"out_frames/{name}").convert("RGB")).astype(float)
        # Colors have half the resolution in a film.
        assert abs(frame.mean((0, 1)) - wanted.mean((0, 1))).max() < 3


def test_each_frame_is_a_run_from_the_one_before(invoke: Invoke, film: Path) -> None:
    video(invoke, film, "painting.png", "-o", "out.mp4", "--long-term", "2")
    shown = [
        json.loads(invoke("show", f"out_frames/frame_00000{number}.png", "--json").out)["settings"]
        for number in (1, 2, 3, 5)
    ]
    losses = [[one["name"] for one in settings["loss"]] for settings in shown]
    held = [names.count("temporal") for names in losses]
    assert held == [0, 1, 2, 0], "the third is held to two; with the fifth a scene begins"
    assert shown[0]["init"] == shown[3]["init"] == "content"
    assert shown[1]["init"].endswith("-start.png")
    alone = invoke("rerun", "out_frames/frame_000003.png", "-o", "again.png", "--plugin",
                   "impasto.testing")  # fmt: skip
    assert alone.status == 0, alone.err
    assert Image.open("again.png").tobytes() == painted("out_frames")["frame_000003.png"]


def test_called_again_it_does_what_is_missing_or_changed(invoke: Invoke, film: Path) -> None:
    video(invoke, film, "painting.png", "-o", "out.mp4")
    first = painted("out_frames")
    assert video(invoke, film, "painting.png", "-o", "out.mp4", "--json").out == ""
    os.unlink("out_frames/frame_000002.png")
    shutil.rmtree("out_frames/.impasto")
    done = video(invoke, film, "painting.png", "-o", "out.mp4", "--json", "--force")
    assert [json.loads(line)["number"] for line in done.out.splitlines()] == [2]
    assert painted("out_frames") == first
    drawn(40, 30, seed=6).save("painting.png")
    done = video(invoke, film, "painting.png", "-o", "out.mp4", "--json")
    assert len(done.out.splitlines()) == 6


def test_a_part_of_a_film(invoke: Invoke, film: Path) -> None:
    """Frames of 4 to 20 24ths, and of these each other one."""
    films.write(film, [0, 2, 5, 9, 14, 20], sound="aac")
    whole = ("--from", "0.05", "--to", "0:00.8")
    video(invoke, film, "painting.png", "-o", "out.mp4", *whole, "--every", 2)
    assert sorted(painted("out_frames")) == ["frame_000002.png", "frame_000004.png"]
    assert films.read(Path("out.mp4"))[0] == pytest.approx([0, 7 / 24], abs=1e-3)
    assert films.seconds_of_sound(Path("out.mp4")) == pytest.approx(0.8 - 2 / 24, abs=0.15)


def test_a_turned_film_is_painted_upright(invoke: Invoke, film: Path) -> None:
    films.write(film)
    video(invoke, film, "painting.png", "-o", "plain", "--to", "0.01")
    for degrees, turns in ((90, 1), (-90, 3), (180, 2)):
        films.write(film, rotation=degrees)
        video(invoke, film, "painting.png", "-o", f"t{degrees}", "--to", "0.01")
        place = next(Path(f"t{degrees}/.impasto").glob("film-*/000001.png"))
        plain = next(Path("plain/.impasto").glob("film-*/000001.png"))
        turned = numpy.rot90(numpy.asarray(Image.open(plain)), turns)
        assert abs(turned.astype(int) - numpy.asarray(Image.open(place))).max() < 40


def test_sequences_in_and_out(invoke: Invoke, film: Path) -> None:
    video(invoke, film, "painting.png", "-o", "frames", "--temporal-weight", 0)
    assert sorted(painted("frames")) == [f"frame_00000{number}.png" for number in range(1, 7)]
    for form in ("frames", "frames/frame_%06d.png", "frames/f*.png"):
        folder = f"{len(form)}"
        video(invoke, form, "painting.png", "-o", f"{folder}/%03d.png", "--to", "0.1", "--fps", 24)
        assert sorted(painted(folder)) == ["001.png", "002.png", "003.png"]
    video(invoke, "frames", "painting.png", "-o", "film.mkv", "--fps", 12.5)
    assert films.read(Path("film.mkv"))[0] == pytest.approx([n / 12.5 for n in range(6)], abs=2e-3)


def test_numbers_of_a_sequence_count(invoke: Invoke, film: Path) -> None:
    os.mkdir("seq")
    for number in (2, 10, 9):
        Image.new("RGB", (48, 36), (number * 20, 0, 0)).save(f"seq/a{number}.png")
    drawn(9, 9, seed=1).save("seq/b1.png")
    video(invoke, "seq/a%d.png", "painting.png", "-o", "out")
    red = [Image.open(file).getpixel((0, 0))[0]  # type: ignore[index]
           for file in sorted(Path("out/.impasto").glob("film-*/*.png"))]  # fmt: skip
    assert red == [40, 180, 200]


def test_a_preview_paints_single_frames(invoke: Invoke, film: Path) -> None:
    done = video(invoke, film, "painting.png", "-o", "out.mp4", "--preview", 2)
    assert sorted(painted("out_frames")) == ["preview_000001.png", "preview_000006.png"]
    assert not os.path.exists("out.mp4")
    assert "out_frames: 2 frames" in done.err


def test_from_python(film: Path) -> None:
    made = impasto.video(
        film, "painting.png", output="out.webm", end=0.1, sound=False, plugin="impasto.testing",
        extractor="tiny", scales="single", size=48, steps=2, loss=["content", "gram"],
    )  # fmt: skip
    assert made.output == "out.webm"
    assert [(one.number, one.begins) for one in made.frames] == [(1, True), (2, False), (3, False)]
    assert [os.path.exists(one.file) for one in made.frames] == [True] * 3
    assert len(films.read(Path("out.webm"))[0]) == 3
    with pytest.raises(impasto.SettingsError, match="a film needs an output"):
        impasto.video(film, "painting.png")


def test_a_stopped_film_goes_on(
    invoke: Invoke, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the third frame; the frames before it stay, and the film is that of one call."""
    video(invoke, film, "painting.png", "-o", "plain.mp4", "--no-recipe")
    Path("stop.py").write_text(
        "import impasto, os\n"
        "class Stop:\n"
        "    @impasto.hookimpl\n"
        "    def impasto_after_step(self, run, step):\n"
        "        if step.number == 2 and '000003' in run.settings.content and not os.path.exists('s'):\n"
        "            open('s', 'w').close()\n"
        "            raise KeyboardInterrupt\n"
        "@impasto.hookimpl\n"
        "def impasto_callbacks():\n"
        "    return [impasto.Offer('stop3', Stop)]\n"
    )
    more = (film, "painting.png", "-o", "out.mp4", "--no-recipe", "--plugin", "stop.py", "--callback",
            "stop3")  # fmt: skip
    done = invoke("video", *more, *TINY)
    assert done.status == 130
    assert "2 of 6 frames are done; the same call goes on with the rest" in done.err
    lines = Path("out_frames/manifest.jsonl").read_text().splitlines()
    assert [json.loads(line).get("status") for line in lines].count("done") == 2
    again = video(invoke, *more, "--json")
    assert [json.loads(line)["number"] for line in again.out.splitlines()] == [3, 4, 5, 6]
    assert painted("out_frames") == painted("plain_frames")
    assert films.read(Path("out.mp4"))[0] == films.read(Path("plain.mp4"))[0]


@pytest.mark.slow
def test_a_film_is_killed_ten_times(invoke: Invoke, film: Path) -> None:
    video(invoke, film, "painting.png", "-o", "plain.mp4", "--no-recipe")
    command = [sys.executable, "-m", "impasto", "video", str(film), "painting.png", "-o", "out.mp4",
               "--no-recipe", "--checkpoint-every", "0", *TINY]  # fmt: skip

    def one_more_file(number: int) -> Callable[[], bool]:
        before = len(list(Path().glob("out_frames/.impasto/*")))
        return lambda: len(list(Path().glob("out_frames/.impasto/*"))) > before

    killed_and_finished(command, 10, one_more_file, lambda number: 0.15 * number)
    assert painted("out_frames") == painted("plain_frames")
    assert len(films.read(Path("out.mp4"))[0]) == 6


def no_film(name: str) -> None:
    Path(name).write_text("no film at all")


def sound_alone(name: str) -> None:
    with av.open(name, "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        samples = numpy.zeros((1, 8000), numpy.int16)
        frame = av.AudioFrame.from_ndarray(samples, "s16", "mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


def cut_short(name: str) -> None:
    data = films.write(Path("whole.mp4")).read_bytes()
    Path(name).write_bytes(data[: len(data) // 2])


def cut_at_the_end(name: str) -> None:
    """FFmpeg reads what is there without a word: the table of frames is at the beginning."""
    data = films.write(
        Path(f"whole{Path(name).suffix}"), range(48), options={"movflags": "faststart"}
    )
    Path(name).write_bytes(data.read_bytes()[: data.stat().st_size * 2 // 3])


def sizes_in_a_film(name: str) -> None:
    whole = [films.write(Path(f"{width}.h264"), width=width).read_bytes() for width in (48, 64)]
    Path(name).write_bytes(b"".join(whole))


def broken_picture(name: str) -> None:
    several_sizes(name)
    Path(f"{name}/1.png").write_bytes(Path(f"{name}/1.png").read_bytes()[:200])


def pipe(name: str) -> None:
    os.mkfifo(name)


def several_sizes(name: str) -> None:
    os.mkdir(name)
    for number in range(3):
        drawn(48 + number // 2, 36, seed=number).save(f"{name}/{number}.png")


def playlist(name: str) -> None:
    Path(name).write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nin.mp4\n#EXT-X-ENDLIST\n")


def empty_folder(name: str) -> None:
    os.mkdir(name)


@pytest.mark.parametrize(
    ("make", "more", "complaint"),
    [
        (None, (), "film 'it.mp4' does not exist"),
        (no_film, (), "film 'it.mp4' cannot be read: Invalid data found"),
        (cut_short, (), "film 'it.mp4' cannot be read: "),
        (cut_at_the_end, (), "'it.mp4' is cut off: it should have 48 frames, of which "),
        (cut_at_the_end, ("it.mkv",), "'it.mkv' is cut off: it should last 2 s, of which "),
        (sizes_in_a_film, ("it.h264",), "frame 7 has 64 × 36 pixels and the first 48 × 36"),
        (broken_picture, ("it",), "picture 'it/1.png' cannot be read"),
        (pipe, (), "film 'it.mp4' is no file"),
        (films.write, ("it.mp4", "--size", "18"), "frames would have 18 × 14 pixels; each side needs"),
        (films.write, ("it.mp4", "--fps", "1e9"), "fps must be above 0 and 1000 at most"),
        (sound_alone, ("it.wav",), "'it.wav' has no moving pictures"),
        (playlist, ("it.m3u8",), "'it.m3u8' is no film, but of the format hls"),
        (several_sizes, ("it",), "picture 'it/2.png' has 49 × 36 pixels and the first 48 × 36"),
        (empty_folder, ("it",), "film folder 'it' has no pictures"),
        (films.write, ("it.mp4", "--from", "9"), "has no frames from 9 s on: the last is at 0.208 s"),
        (films.write, ("it.mp4", "--from", "2", "--to", "1"), "the range from 2 s to 1 s has no frames"),
        (films.write, ("it.mp4", "-o", "a.avi"), "output 'a.avi': unknown suffix '.avi'"),
        (films.write, ("it.mp4", "-o", "%d.bmp"), "output '%d.bmp': unknown suffix '.bmp'"),
        (films.write, ("it.mp4", "-o", "it.mp4"), "output 'it.mp4' is one of the inputs"),
        (films.write, ("it.mp4", "--flow", "sid"), "unknown flow 'sid'. Allowed: dis"),
        (films.write, ("it.mp4", "--flow", "dis:preset=slow"), "flow 'dis': unknown value for option"),
        (films.write, ("it.mp4", "--cut", "3"), "cut must be from 0 to 1, not 3"),
        (films.write, ("it.mp4", "--temporal-weight", "nan"), "temporal_weight must be 0 or more"),
        (films.write, ("it.mp4", "--long-term", "1"), "long_term counts frames back, 2 or more"),
        (films.write, ("it.mp4", "--max-megapixels", "0.001"), "more than the 0.001 megapixels allowed"),
        (films.write, ("it.mp4", "--style", "no.png"), "picture 'no.png' does not exist"),
        (films.write, ("it.mp4", "--loss", "garm"), "unknown loss 'garm'; did you mean 'gram'?"),
        (films.write, ("it.mp4", "--seed", "random"), "seed random draws another seed in each call"),
    ],
)  # fmt: skip
def test_what_is_refused_before_painting(
    invoke: Invoke, film: Path, make: object, more: tuple[str, ...], complaint: str
) -> None:
    name, *rest = more or ("it.mp4",)
    if make is films.write:
        films.write(Path(name))
    elif callable(make):
        make(name)
    given = [*TINY, *rest] if "-o" in rest else [*TINY, "-o", "out.mp4", *rest]
    done = invoke("video", name, "painting.png", *given)
    assert complaint in refused(done)
    assert not list(Path().glob("*/frame*.png"))


def test_a_film_that_is_cut_off_is_painted_up_to_there(invoke: Invoke, film: Path) -> None:
    cut_at_the_end("it.mp4")
    done = invoke("video", "it.mp4", "painting.png", "-o", "out.mp4", *TINY)
    end = refused(done).partition("end at ")[2].partition(" s ")[0]
    video(invoke, "it.mp4", "painting.png", "-o", "out.mp4", "--to", end, "--frame-steps", 1)
    assert films.read(Path("out.mp4"))[0][-1] == pytest.approx(float(end) - 1 / 24, abs=0.002)


def test_what_is_left_out_is_said(invoke: Invoke, film: Path) -> None:
    one = ("painting.png", "-o", "out", "--to", "0.01", "--force")
    films.write(film, transfer=16)
    said = video(invoke, film, *one).err
    assert "film 'in.mp4' has a high dynamic range (PQ): its colors are taken as sRGB" in said
    films.write(film, rotation=45)
    assert (
        "film 'in.mp4' is shown turned by 45°, which is left out" in video(invoke, film, *one).err
    )
    os.mkdir("seq")
    for number in (2, 4, 6, 12, 14):
        drawn(48, 36, seed=number).save(f"seq/take2_{number:02}.png")
    said = video(invoke, "seq", *one).err
    assert "numbers are missing between 'seq/take2_06.png' and 'seq/take2_12.png'" in said
    os.unlink("seq/take2_12.png")
    os.unlink("seq/take2_14.png")
    assert "missing" not in video(invoke, "seq", *one).err


def test_films_of_one_frame_and_of_one_pixel(invoke: Invoke, film: Path) -> None:
    films.write(film, [0])
    video(invoke, film, "painting.png", "-o", "out.mp4")
    assert len(films.read(Path("out.mp4"))[0]) == 1
    os.mkdir("dots")
    for number in range(2):
        Image.new("RGB", (1, 1), (90 * number, 50, 0)).save(f"dots/{number}.png")
    done = invoke("video", "dots", "painting.png", "-o", "dots.mp4", *TINY)
    assert "picture 'dots/0.png' is 1 × 1 pixels; each side needs at least 16" in refused(done)


def test_sound_that_the_format_cannot_hold(invoke: Invoke, film: Path) -> None:
    films.write(Path("in.mkv"), sound="flac")
    done = invoke("video", "in.mkv", "painting.png", "-o", "out.webm", *TINY)
    line = "output 'out.webm': .webm cannot hold the sound, which is flac; .mkv can"
    assert refused(done).startswith(line)
    assert done.error.endswith("(--sound)")
    video(invoke, "in.mkv", "painting.png", "-o", "out.webm", "--no-sound", "--to", "0.01")
    video(invoke, "in.mkv", "painting.png", "-o", "out.mkv", "--to", "0.01")
    assert films.seconds_of_sound(Path("out.mkv")) < 0.6


def test_a_film_without_sound_says_so(invoke: Invoke, film: Path) -> None:
    films.write(film)
    done = video(invoke, film, "painting.png", "-o", "out.mp4", "--to", "0.01")
    assert "'in.mp4' has no sound" in done.err
    assert films.seconds_of_sound(Path("out.mp4")) == 0


def test_files_that_are_there_stay(invoke: Invoke, film: Path) -> None:
    Path("out.mp4").write_text("mine")
    done = invoke("video", film, "painting.png", "-o", "out.mp4", *TINY)
    assert "output 'out.mp4' exists; set force to overwrite it" in refused(done)
    video(invoke, film, "painting.png", "-o", "other.mp4", "--to", "0.01")
    done = invoke("video", "out_frames", "painting.png", "-o", "other_frames", *TINY)
    assert done.status == 1


def test_files_of_callbacks_are_one_for_each_frame(invoke: Invoke, film: Path) -> None:
    video(
        invoke,
        film,
        "painting.png",
        "-o",
        "out.mp4",
        "--callback",
        "log:file=log.csv",
        "--to",
        "0.06",
    )
    logs = sorted(path.name for path in Path().glob("*.csv"))
    assert logs == ["log_frame_000001.csv", "log_frame_000002.csv"]


def test_a_frame_that_fails_ends_the_film(invoke: Invoke, film: Path) -> None:
    Path("no_paint.py").write_text(
        "import impasto, os\n"
        "class Failing(impasto.Loss):\n"
        "    target = 'none'\n"
        "    def summarize_layer(self, feature):\n"
        "        if os.path.exists('out_frames/frame_000002.png') and not os.path.exists('paint'):\n"
        "            raise RuntimeError('no paint left')\n"
        "        return {'sum': feature.square().sum()}\n"
        "    def compare_layer(self, summary, target):\n"
        "        return summary['sum'] * 0\n"
        "@impasto.hookimpl\n"
        "def impasto_losses():\n"
        "    return [impasto.Offer('failing', Failing)]\n"
    )
    more = ("video", film, "painting.png", "-o", "out.mp4", "--plugin", "no_paint.py", *TINY, "--loss",
            "failing")  # fmt: skip
    done = invoke(*more)
    assert done.status == 1
    assert "frame_000003.png (frame 3): " in done.error
    assert "no paint left" in done.error
    assert "the same call goes on from there" in done.error
    Path("paint").touch()
    again = invoke(*more)
    assert again.status == 0, again.err
    assert len(painted("out_frames")) == 6
