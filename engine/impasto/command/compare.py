"""``impasto compare``: how near results are to style and content, on features no loss optimized."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table

from impasto.command.options import complete_file
from impasto.command.printing import say, say_json
from impasto.command.safe_console import SafeConsole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from impasto.jobs.compare import Score

NETWORKS = ("vgg19", "random:scale=false")
"""On which distances are taken where none is named: the one that runs have, and one that no training made."""


@click.command()
@click.argument("results", metavar="RESULT...", nargs=-1, required=True,
                shell_complete=complete_file)  # fmt: skip
@click.option("--content", required=True, metavar="FILE", shell_complete=complete_file,
              help="The content picture.")  # fmt: skip
@click.option("--style", "styles", required=True, multiple=True, metavar="STYLE",
              shell_complete=complete_file,
              help="The style picture, FILE or FILE:weight=0.3; may be given several times.")  # fmt: skip
@click.option("--layers", metavar="NAMES", help="Layers to compare on, with commas between."
              " [conv1_2,conv2_2,conv3_3,conv4_3,conv5_2]")  # fmt: skip
@click.option("--extractor", "extractors", multiple=True, metavar="SPEC",
              help="Network, e.g. vgg19:weights=torchvision; may be given several times."
              " [vgg19, random]")  # fmt: skip
@click.option("--size", type=click.IntRange(16), metavar="N",
              help="Longer side, in pixels, at which all are compared. [that of the smallest]")  # fmt: skip
@click.option("-o", "--output", metavar="OUT", shell_complete=complete_file,
              help="Write a contact sheet, too.")  # fmt: skip
@click.option("--force", is_flag=True, help="Overwrite the sheet if it exists.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array on standard output.")
def compare(
    results: tuple[str, ...],
    content: str,
    styles: tuple[str, ...],
    layers: str | None,
    extractors: tuple[str, ...],
    size: int | None,
    output: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Measure how near each RESULT is to a style and to a content.

    Distances are taken on layers that no loss uses by default, on one network after another, and of
    colors, structure (SSIM) and, where its weights are at hand, LPIPS. They tell whether a run reached
    the style's statistics and kept the content also where its optimizer was not looking. They do not
    tell which picture people like, so they are not summed. The layers lie between those of the losses,
    so small differences mean nothing, and a run whose losses used these layers has an advantage. The
    rows 'content' and 'style' are those pictures themselves, the style stretched to the content's shape.
    """
    from impasto.files.outputs import Outputs
    from impasto.images.contact_sheet import contact_sheet
    from impasto.images.tensors import SUFFIXES, open_picture, save, to_picture
    from impasto.jobs.compare import HELD_OUT, opened, say_layers_of_runs
    from impasto.jobs.compare import compare as measure
    from impasto.jobs.in_words import in_words
    from impasto.settings.style import Style

    outputs = Outputs(force=force)
    outputs.reads([content, *results, *(Style.parse(text).file for text in styles)])
    path = None if output is None else outputs.claim(output, suffixes=SUFFIXES)
    parsed = {style: open_picture(style.file) for style in map(Style.parse, styles)}
    pictures, photo = opened(results), open_picture(content)
    chosen = tuple(layers.split(",")) if layers else HELD_OUT
    networks = extractors or NETWORKS
    say_layers_of_runs(results, networks, chosen)
    scores = measure(pictures, photo, parsed, layers=chosen, extractor=networks, size=size)
    if as_json:
        say_json([_record(score, networks[0]) for score in scores], indent=2)
    else:
        _print(scores, chosen, networks)
        if len(results) > 1:
            say("\n".join(["", *in_words(scores[2:])]))
        else:
            say("impasto: one result has nothing to be compared with; give two or more", err=True)
    if path is not None:
        shown = [photo, *pictures.values()]
        cells = [
            (_label(score), to_picture(picture.image))
            for score, picture in zip([scores[0], *scores[2:]], shown, strict=True)
        ]
        cells[1:1] = [
            (f"style {Path(style.file).name}", to_picture(picture.image))
            for style, picture in parsed.items()
        ]
        sheet = contact_sheet(cells, columns=4, cell=320)
        outputs.keep_or_raise(partial(save, sheet), path, "contact sheet")


def _print(scores: Sequence[Score], layers: Sequence[str], networks: Sequence[str]) -> None:
    from impasto.jobs.in_words import short_name

    table = Table(box=None, pad_edge=False)
    table.add_column("picture", overflow="fold")
    headings = ["style\nWasserst.", "style\nGram", "content\nfeatures", "content\nshapes"]
    headings += [f"style\n{short_name(name, networks)}" for name in networks[1:]]
    headings += ["colors\nLab", *(f"content\n{name.upper()}" for name in scores[0].structure)]
    for heading in headings:
        table.add_column(heading, justify="right")
    for score in scores:
        numbers = [*score.style.values(), *score.content.values()]
        numbers += [score.networks[name]["wasserstein"] for name in networks[1:]]
        numbers += [score.colors["style"], *score.structure.values()]
        table.add_row(score.name, *(f"{number:.3f}" for number in numbers))
    SafeConsole().print(table)
    say(
        f"impasto: distances on {', '.join(layers)} of {', '.join(networks)}; 0 is equal, but of SSIM 1",
        err=True,
    )


def _label(score: Score) -> str:
    numbers = [f"style {score.style['wasserstein']:.3f}",
               f"shapes {score.content['self_similarity']:.3f}",
               *(f"{name.upper()} {value:.2f}" for name, value in score.structure.items())]  # fmt: skip
    return " ".join([Path(score.name).name, *numbers])


def _record(score: Score, extractor: str) -> dict[str, object]:
    return {
        "picture": score.name,
        "style": dict(score.style),
        "content": dict(score.content),
        "layers": {key: dict(value) for key, value in score.layers.items()},
        "extractor": extractor,
        "structure": dict(score.structure),
        "colors": dict(score.colors),
        "networks": {name: dict(value) for name, value in score.networks.items()},
    }
