"""Measure how much a painted film flickers: frames one by one, each from the one before, and held to it.

    python -m impasto_profiling.flicker FOLDER PAINTING [--width 128] [--steps 40]

The film is drawn (:mod:`impasto_profiling.clip`), so that its motion is known. The warping error is the
mean square between a frame and the one before, warped by the true flow, where a pixel was seen in both.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy
import torch
from PIL import Image

import impasto
from impasto.command.printing import say
from impasto.images.contact_sheet import contact_sheet
from impasto.images.tensors import open_picture, to_tensor
from impasto.model.flow import warped
from impasto_profiling.clip import DrawnFrame, drawn_clip

WAYS: Mapping[str, Mapping[str, object]] = {
    "one by one": {"cut": 1.0},
    "from the one before": {"temporal_weight": 0.0},
    "held to it": {},
    "held to others, too": {"long_term": (2, 4)},
}
"""Ways to paint a film, by what :func:`impasto.video` is given."""


def write_clip(folder: Path, width: int, frames: int) -> list[DrawnFrame]:
    """Draw the film as a sequence of pictures."""
    clip = drawn_clip(frames, width, width * 3 // 4, frames * 2 // 3)
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(clip, 1):
        Image.fromarray(frame.image).save(folder / f"{number:04}.png")
    return clip


def warping_error(clip: Sequence[DrawnFrame], files: Sequence[str]) -> float:
    """Mean over pairs of neighbors of the mean square where a pixel could be seen in both."""
    pictures = [to_tensor(open_picture(file)) for file in files]
    errors = []
    for frame, before, now in zip(clip[1:], pictures, pictures[1:], strict=False):
        if frame.begins:
            continue
        flow, seen = torch.from_numpy(frame.flow)[None].float(), torch.from_numpy(frame.seen)
        square = (warped(before, flow) - now).square().mean(1)[0]
        errors.append(float(square[seen].mean()))
    return float(numpy.mean(errors))


def style_distance(files: Sequence[str], content: str, painting: str) -> float:
    """Mean Wasserstein distance from the painting, on layers that no loss uses."""
    scores = impasto.compare(list(files), content, painting)[2:]
    return float(numpy.mean([score.style["wasserstein"] for score in scores]))


def seconds_of(folder: Path) -> list[float]:
    """Seconds of the steps of each frame, as the manifest has them."""
    lines = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    return [line["seconds"] for line in lines if line.get("status") == "done"]


def measure(
    folder: Path, painting: str, ways: Sequence[str], width: int, frames: int, **given: object
) -> None:
    """Paint the film in some ways, and print a row for each."""
    clip = write_clip(folder / "clip", width, frames)
    drawn = [str(path) for path in sorted((folder / "clip").glob("*.png"))]
    say(f"the film itself: warping error {warping_error(clip, drawn):.2e}")
    for way in ways:
        place = folder / way.replace(" ", "_").replace(",", "")
        options = {**WAYS[way], **given}
        made = impasto.video(folder / "clip", painting, output=place, **options)  # type: ignore[arg-type]
        files = [frame.file for frame in made.frames]
        cells = [(Path(file).stem[-2:], Image.open(file)) for file in files]
        contact_sheet(cells, 6, 2 * width).save(folder / f"{place.name}.png")
        error, style = warping_error(clip, files), style_distance(files, drawn[0], painting)
        times = seconds_of(place)
        begins = [frame.number for frame in made.frames if frame.begins]
        say(
            f"{way:<20} warping error {error:.2e}  style {style:.4f}  seconds a frame:"
            f" first {times[0]:.2f}, median {float(numpy.median(times)):.2f}  scenes begin at"
            f" {begins if len(begins) < len(files) else 'all'}"
        )


def main() -> None:
    """Measure, and print a row for each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("painting")
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--steps", default="40")
    parser.add_argument("--frame-steps", type=int, default=None)
    parser.add_argument("--temporal-weight", type=float, default=None)
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    asked = parser.parse_args()
    more = {"frame_steps": asked.frame_steps} if asked.frame_steps else {}
    if asked.temporal_weight is not None:
        more["temporal_weight"] = asked.temporal_weight
    measure(
        asked.folder, asked.painting, asked.ways, asked.width, asked.frames,
        size="original", steps=asked.steps, **more,
    )  # fmt: skip


if __name__ == "__main__":
    main()
