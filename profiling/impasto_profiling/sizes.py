"""The same settings at several sizes: how strength and strokes, relative to the picture, compare.

    python -m impasto_profiling.sizes --pair photo.jpg,painting.jpg --folder results

Every result is made as small as the smallest one, so that only what all of them can show is compared: the
distances of ``impasto compare``, and how broad what was painted is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import torch
from PIL import Image
from rich.table import Table
from torch import Tensor

import impasto
from impasto.command.printing import say
from impasto.command.safe_console import SafeConsole
from impasto.errors import counted
from impasto.images.contact_sheet import contact_sheet
from impasto.images.tensors import open_picture, resized, save, to_picture, to_tensor
from impasto.jobs.compare import compare
from impasto.jobs.run import run_settings
from impasto.settings.plain_json import to_json
from impasto.settings.settings import gather
from impasto_profiling.pairs import check_pairs

FEWEST_WAVES = 4
"""Fewest wavelengths across the longer side that count. What is broader is a tint, not a stroke."""
BRIGHTNESS = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the brightness (ITU-R BT.601)."""


def breadth(painted: Tensor, content: Tensor) -> float:
    """How broad what was painted is: the mean wavelength of the change, as a fraction of the longer side.

    The mean is geometric, and weighed by power. In pictures each octave has about the same power (Field,
    JOSA A 1987), so no octave decides alone; strokes of twice the size have twice the wavelength.

    Args:
        painted: (1, 3, H, W) sRGB in [0, 1].
        content: the same, before it was painted.
    """
    height, width = painted.shape[2:]
    change = torch.einsum("c,chw->hw", torch.tensor(BRIGHTNESS), (painted - content)[0])
    # Without the window the edges, which do not meet, would count as strokes.
    window = torch.hann_window(height)[:, None] * torch.hann_window(width)
    power = torch.fft.rfft2((change - change.mean()) * window).abs().square()
    frequency = torch.hypot(torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width))
    counted = (frequency >= FEWEST_WAVES / max(height, width)) & (frequency <= 0.5)
    power = power[counted]
    logarithm = (power * frequency[counted].log()).sum() / power.sum().clamp_min(1e-30)
    return float(1 / logarithm.exp() / max(height, width))


def painted_at(pair: tuple[str, str], preset: str, size: int, folder: Path) -> Path:
    """The picture of a size; painted unless the folder has it."""
    content, style = pair
    picture = (
        folder / f"{Path(content).stem}_as_{Path(style).stem}_{Path(preset).stem}_{size}px.png"
    )
    if not picture.is_file():
        given = {"content": content, "style": style, "size": size}
        result = run_settings(gather(given, preset, None))
        save(result.picture, picture)
        say(f"{picture.name}: {result.seconds:.0f} s, {counted(result.steps, 'step')}", err=True)
    return picture


def measured(pair: tuple[str, str], pictures: Mapping[int, Path]) -> list[dict[str, Any]]:
    """A record for each size, from the smallest to the largest."""
    content, style = (open_picture(file) for file in pair)
    results = {f"{size} px": open_picture(pictures[size]) for size in sorted(pictures)}
    scores = compare(results, content, {impasto.Style(pair[1]): style})[2:]
    smallest = to_tensor(next(iter(results.values())))
    shape = smallest.shape[2], smallest.shape[3]
    before = resized(to_tensor(content), *shape)
    return [
        {
            "pair": f"{Path(pair[0]).stem} as {Path(pair[1]).stem}",
            "size": size,
            "style_distance": score.style["wasserstein"],
            "content_distance": score.content["self_similarity"],
            "stroke_breadth": breadth(resized(to_tensor(result), *shape), before),
        }
        for size, score, result in zip(sorted(pictures), scores, results.values(), strict=True)
    ]


def table(records: Sequence[Mapping[str, Any]]) -> Table:
    """The records, for people."""
    rows = Table("pair", "size", "style", "shapes", "strokes", box=None, pad_edge=False)
    for record in records:
        strokes = f"{100 * record['stroke_breadth']:.2f}% of the longer side"
        distances = (f"{record[key]:.3f}" for key in ("style_distance", "content_distance"))
        rows.add_row(record["pair"], f"{record['size']} px", *distances, strokes)
    return rows


def middle(picture: Image.Image) -> Image.Image:
    """The middle of a picture, a third of each side."""
    width, height = picture.size
    return picture.crop((width // 3, height // 3, 2 * width // 3, 2 * height // 3))


@click.command()
@click.option("--pair", "pairs", callback=check_pairs, multiple=True, required=True,
              metavar="CONTENT,STYLE", help="Two picture files; may be given several times.")  # fmt: skip
@click.option("--preset", default="default", show_default=True, help="Preset that paints.")
@click.option("--sizes", default="256,512,1024", show_default=True, help="Longer sides, pixels.")
@click.option("--folder", default="sizes", show_default=True, help="Made if not there.")
@click.option("--cell", default=340, show_default=True, help="Pixels of each picture in the sheet.")
def main(
    pairs: tuple[tuple[str, str], ...], preset: str, sizes: str, folder: str, cell: int
) -> None:
    """Paint each pair at several sizes with the same settings; print a table and lay out a sheet.

    Under each row of whole pictures are their middles. What the folder has is not painted again.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    records: list[dict[str, Any]] = []
    cells: list[tuple[str, Image.Image]] = []
    wanted = sorted({int(size) for size in sizes.split(",")})
    for pair in pairs:
        pictures = {size: painted_at(pair, preset, size, target) for size in wanted}
        records += measured(pair, pictures)
        whole = [to_picture(open_picture(pictures[size]).image) for size in wanted]
        cells += [(f"{size} px", one) for size, one in zip(wanted, whole, strict=True)]
        cells += [
            (f"{size} px, middle", middle(one)) for size, one in zip(wanted, whole, strict=True)
        ]
    (target / "sizes.json").write_text(to_json(records, indent=2), encoding="utf-8")
    save(contact_sheet(cells, columns=len(wanted), cell=cell), target / "sizes.png")
    SafeConsole(width=100).print(table(records))


if __name__ == "__main__":
    main()
