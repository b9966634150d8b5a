"""The groups of settings in help and documents, most used first: each setting is in exactly one."""

from __future__ import annotations

GROUPS: dict[str, dict[str, str]] = {
    "Pictures": {
        "output": "File to write; made from both names if not given.",
        "force": "Overwrite it if it exists.",
        "trust": "",
        "style": "One more style picture, FILE:weight=0.3,scale=0.5 …",
        "init": "Start from content, style, noise, or a file.",
    },
    "Look": {
        "style_weight": "Paint bolder (2) or more timidly (0.5).",
        "content_weight": "Keep more of the content (2) or less (0.5).",
        "regions": "",
        "region_weight": "",
        "colors": "style, luminance, match or histogram.",
        "loss": "Term of the objective, in place of the preset's.",
        "canvas": "",
        "stroke_size": "",
        "style_fit": "",
        "style_turns": "",
        "smooth_colors": "",
        "seamless": "",
        "ema": "",
        "content_detail": "",
    },
    "Size and steps": {
        "size": "Longer side in pixels, or 'original'.",
        "steps": "Optimizer steps of each stage, as 300 or 100,80,60.",
        "scales": "Stages: single, pyramid, doubling, or sizes as 128,256.",
        "seed": "Seed of all that is random.",
        "coarse_steps": "",
        "tolerance": "",
        "side": "",
        "optimizer": "",
        "schedule": "",
        "max_megapixels": "",
    },
    "Speed": {
        "device": "auto, cpu, cuda, cuda:1 or mps.",
        "precision": "auto, float32 or bfloat16.",
        "compile": "",
        "tile": "",
        "max_memory": "",
    },
    "Saving": {
        "checkpoint": "Folder that impasto resume continues from.",
        "checkpoint_every": "",
        "recipe": "",
        "quality": "",
        "depth": "",
    },
    "Plugins": {
        "extractor": "Network; impasto plugins lists all parts.",
        "callback": "Observer: log:file=log.csv, timelapse:file=a.mp4 …",
        "keys": "",
        "plugin": "Plugin to load: a .py file, or a module.",
        "load": "",
    },
}
"""Settings by the title of their group, each with its line in the short help; those without one are in
the long help alone."""
