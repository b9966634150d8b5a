"""Measure the mean activation of every layer of VGG-19 over photographs, and store it.

    python -m impasto_plugins.extractors.measure_scales PHOTO... [--weights oxford]

The stored file names the photographs. Each is measured at 512 pixels on its longer side.
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from impasto.plugin import fitted, open_picture, resized, to_tensor
from impasto_plugins.extractors.vgg_weights import SCALES, load_weights, mean_activations

SIDE = 512


@click.command()
@click.argument("photographs", nargs=-1, required=True, type=click.Path(exists=True))
@click.option("--weights", "source", default="oxford", show_default=True)
def main(photographs: tuple[str, ...], source: str) -> None:
    """Measure and store one factor for each layer, for each kind of pooling."""
    pictures = []
    for path in photographs:
        picture = open_picture(path)
        width, height = fitted(*picture.size, SIDE)
        pictures.append(resized(to_tensor(picture), height, width))
    weights = load_weights(source)
    table = json.loads(SCALES.read_text(encoding="utf-8")) if SCALES.exists() else {"weights": {}}
    table["weights"][weights.digest] = {
        "name": weights.name,
        "photographs": sorted(Path(path).name for path in photographs),
        "side": SIDE,
        **{
            pooling: mean_activations(weights, pooling, pictures)
            for pooling in ("max", "average", "l2")
        },
    }
    SCALES.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")
    click.echo(f"{SCALES.name}: {weights.name}, {len(pictures)} photographs")


if __name__ == "__main__":
    main()
