"""Attacks by documents that come from strangers: configs, presets, recipes, checkpoints, style files."""

from __future__ import annotations

from attacks.attack import QUICK, Attack

RUN = f"run content.png style.png -o out.png {QUICK}"
OUT = ("here/out.png",)

ATTACKS = [
    Attack("nothing: a run that is not attacked", RUN, writes=OUT),
    Attack("nothing: the same as JSON", f"{RUN} --json", writes=OUT, prints='"steps": 2'),
    Attack("config: not TOML", f"{RUN} --config a.toml", {"a.toml": "size = "}, "is not valid TOML"),
    Attack("config: nests without end", f"{RUN} --config a.toml", {"a.toml": "loss = " + "[" * 100_000},
           "is not valid TOML"),
    Attack("config: a number without end", f"{RUN} --config a.toml", {"a.toml": "seed = " + "9" * 5000},
           "is not valid TOML"),
    Attack("config: 1e999", f"{RUN} --config a.toml", {"a.toml": "ema = 1e999"}, "setting 'ema'"),
]  # fmt: skip
