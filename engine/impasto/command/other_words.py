"""Words that people bring from other programs, and what they are here.

From neural-style (Johnson), neural-style-pt, fast-style-transfer, pastiche, and common usage.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

_STEPS = "--steps N"
_SIZE = "--size N"
_CONTENT = "the first argument, with no option: impasto run CONTENT STYLE"
_STYLE = "an argument after the content, with no option: impasto run CONTENT STYLE STYLE"
_OUTPUT = "--output FILE, or -o FILE"
_RATE = "an option of the optimizer: --optimizer adam:lr=0.05"
_COLORS = "--colors luminance (or match, histogram)"
_LAYERS = "an option of the loss: --loss content:layers=conv4_2 --loss gram:layers=conv1_1,conv2_1"
_SNAPSHOTS = "--callback snapshots:folder=shots,every=20"
_WEIGHTS = "an option of the network: --extractor vgg19:weights=FILE"

OTHER_WORDS = {
    "--iterations": _STEPS,
    "--num-iterations": _STEPS,
    "--num-iters": _STEPS,
    "--iters": _STEPS,
    "--max-iter": _STEPS,
    "--epochs": _STEPS,
    "--num-steps": _STEPS,
    "--image-size": _SIZE,
    "--img-size": _SIZE,
    "--max-size": _SIZE,
    "--width": _SIZE,
    "--height": _SIZE,
    "--resolution": _SIZE,
    "--content": _CONTENT,
    "--content-image": _CONTENT,
    "--content-img": _CONTENT,
    "--input": _CONTENT,
    "--style-image": _STYLE,
    "--style-images": _STYLE,
    "--styles": _STYLE,
    "--style-img": _STYLE,
    "--output-image": _OUTPUT,
    "--out": _OUTPUT,
    "--overwrite": "--force",
    "--gpu": "--device cuda (or cuda:1; --device auto takes a GPU by itself)",
    "--cuda": "--device cuda (--device auto takes a GPU by itself)",
    "--cpu": "--device cpu",
    "--no-cuda": "--device cpu",
    "--no-gpu": "--device cpu",
    "--mps": "--device mps",
    "--backend": "--device NAME",
    "--fp16": "--precision bfloat16 (float16 would lose a third of the gradient)",
    "--half": "--precision bfloat16 (float16 would lose a third of the gradient)",
    "--lr": _RATE,
    "--learning-rate": _RATE,
    "--step-size": _RATE,
    "--tv-weight": "a loss: --loss content --loss gram --loss tv:weight=10",
    "--smoothness": "a loss: --loss content --loss gram --loss tv:weight=10",
    "--init-image": "--init FILE (or content, style, noise)",
    "--initial": "--init FILE (or content, style, noise)",
    "--initialize": "--init content, style, noise, or a file",
    "--noise": "--init noise",
    "--original-colors": _COLORS,
    "--preserve-color": _COLORS,
    "--preserve-colors": _COLORS,
    "--keep-colors": _COLORS,
    "--color": _COLORS,
    "--style-scale": "an option of the style: impasto run CONTENT STYLE:scale=0.5",
    "--style-blend-weights": "an option of each style: impasto run CONTENT STYLE:weight=0.7 STYLE:weight=0.3",
    "--style-weights": "an option of each style: impasto run CONTENT STYLE:weight=0.7 STYLE:weight=0.3",
    "--mask": "an option of the style: impasto run CONTENT STYLE:content_mask=FILE",
    "--content-layers": _LAYERS,
    "--style-layers": _LAYERS,
    "--save-iter": _SNAPSHOTS,
    "--save-every": _SNAPSHOTS,
    "--save-interval": _SNAPSHOTS,
    "--checkpoint-dir": "--checkpoint FOLDER",
    "--resume": "a command of its own: impasto resume FOLDER",
    "--print-iter": "--callback log:file=log.csv",
    "--log": "--callback log:file=log.csv",
    "--model": "--extractor NAME (vgg19, vgg16 …)",
    "--model-file": _WEIGHTS,
    "--vgg": _WEIGHTS,
    "--network": "--extractor NAME (vgg19, vgg16 …)",
    "--pooling": "an option of the network: --extractor vgg19:pooling=average",
    "--multiscale": "--scales pyramid (the default preset has it)",
    "--pyramid": "--scales pyramid (the default preset has it)",
    "--no-progress": "--quiet",
    "--silent": "--quiet",
}
"""What to give instead of an option of another program; names with hyphens, two before the first."""


def answer(arguments: Sequence[str], known: Collection[str]) -> str | None:
    """The line for the first argument that is an option of another program; None if there is none.

    Args:
        arguments: of the command line; those after ``--`` are no options.
        known: options of the command itself, which come first.

    >>> answer(["a.jpg", "-num_iterations", "500"], {"--steps"})
    "there is no option '-num_iterations'; here it is --steps N"
    """
    for argument in arguments:
        if argument == "--":
            return None
        word = argument.partition("=")[0]
        name = f"--{word.lstrip('-').replace('_', '-').lower()}"
        if word.startswith("-") and word not in known and len(word) > 2 and name in OTHER_WORDS:
            return f"there is no option '{word}'; here it is {OTHER_WORDS[name]}"
    return None
