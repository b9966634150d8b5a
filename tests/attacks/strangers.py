"""Documents as a stranger would make them: real ones, with something else in them and checksums that fit."""

from __future__ import annotations

import functools
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from attacks.attack import QUICK, Attack, Maker, ended, lay_out
from helpers import drawn
from impasto.images.reading import photo_of
from impasto.images.writing import PictureMetadata, encoded
from impasto.storage.checkpoint import NAME
from impasto.storage.recipe import read_recipe, with_recipe
from impasto.storage.safetensors_file import sum_of


@functools.cache
def real() -> Path:
    """A folder with a run's picture ``out.png``, its checkpoint ``kept`` and a style file ``a.style``."""
    root = Path(tempfile.mkdtemp(prefix="impasto-attacks-")) / "real"
    learn = "style learn style.png -o a.style --size 32 --scales single --loss gram:layers=conv1_1"
    lay_out(Attack("", ""), root)
    for command in (f"run content.png style.png -o out.png {QUICK} --checkpoint kept", learn):
        done = ended(command, root)
        assert done.status == 0, done.err
    return root / "here"


def recipe(
    *,
    packet: bytes | None = None,
    text: str | None = None,
    settings: Mapping[str, Any] | None = None,
    **parts: Any,
) -> Maker:
    """Make a picture whose recipe says something else.

    Args:
        packet: the whole XMP packet.
        text: in place of the recipe's JSON.
        settings: some of the recipe's.
        parts: other parts of the recipe.
    """

    def make(path: Path) -> None:
        told: dict[str, Any] = {**read_recipe(real() / "out.png"), **parts}
        if settings is not None:
            told["settings"] = (
                {**told["settings"], **settings} if isinstance(settings, Mapping) else settings
            )
        other = escape(json.dumps(told) if text is None else text).encode()
        xmp = with_recipe(b"", {}).replace(b"{}", other) if packet is None else packet
        image = photo_of(drawn(64, 48, seed=3)).image
        path.write_bytes(encoded("PNG", image, PictureMetadata(xmp=xmp), 8, 90))

    return make


def checkpoint(
    *,
    state: Mapping[str, Any] | None = None,
    machine: str | None = None,
    versions: Mapping[str, str] | None = None,
    started_in: str | None = None,
    **settings: Any,
) -> Maker:
    """Make a checkpoint whose state says something else.

    Args:
        state: parts of the state.
        machine: in place of each word about the machine.
        versions: some of the versions.
        started_in: folder from above ``here`` in which the run was started.
        settings: some of the run's settings.
    """

    def make(path: Path) -> None:
        header, tensors = opened(real() / "kept" / NAME)
        told = dict(json.loads(header["state"])["table"])
        # As the run had been started here, where the checkpoint was put.
        told["folder"] = str(
            path.parent.parent if started_in is None else path.parents[2] / started_in
        )
        if machine is not None:
            told["machine"] = {"table": [[key, machine] for key, _ in told["machine"]["table"]]}
        told["settings"] = packed(
            {**unpacked(told["settings"]), "checkpoint": path.parent.name, **settings}
        )
        told.update({key: packed(value) for key, value in (state or {}).items()})
        text = json.dumps({"table": [[key, value] for key, value in told.items()]})
        header["versions"] = json.dumps({**json.loads(header["versions"]), **(versions or {})})
        header.pop("signature", None)
        save_file(tensors, path, {**header, "state": text, "sha256": sum_of(text, tensors)})

    return make


def style_file(**parts: Any) -> Maker:
    """Make a style file whose record says something else."""

    def make(path: Path) -> None:
        header, tensors = opened(real() / "a.style")
        text = json.dumps({**json.loads(header["impasto"]), **parts})
        save_file(tensors, path, {"impasto": text, "sha256": sum_of(text, tensors)})

    return make


def safetensors(key: str, text: str) -> Maker:
    """Make a checkpoint or a style file with any text for its JSON."""

    def make(path: Path) -> None:
        source = real() / ("a.style" if key == "impasto" else f"kept/{NAME}")
        header, tensors = opened(source)
        save_file(tensors, path, {**header, key: text, "sha256": sum_of(text, tensors)})

    return make


def opened(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Header and tensors of a file of the format safetensors."""
    with safe_open(path, "pt") as file:
        names = list(file.keys())
        return dict(file.metadata()), {name: file.get_tensor(name) for name in names}


def packed(value: Any) -> Any:
    """A value in the form that checkpoints have for tables."""
    if isinstance(value, Mapping):
        return {"table": [[key, packed(item)] for key, item in value.items()]}
    return [packed(item) for item in value] if isinstance(value, list) else value


def unpacked(value: Any) -> Any:
    """The same the other way."""
    if isinstance(value, dict) and "table" in value:
        return {key: unpacked(item) for key, item in value["table"]}
    return [unpacked(item) for item in value] if isinstance(value, list) else value
