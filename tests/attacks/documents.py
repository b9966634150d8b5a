# ruff: noqa: E501 - one line an attack, where that can be read.
"""Attacks by documents that come from strangers: configs, presets, recipes, checkpoints, style files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attacks.attack import QUICK, Attack, fifo, link_to, sparse
from attacks.strangers import checkpoint, recipe, safetensors, style_file

OUT = ("here/out.png",)
RUN = f"run content.png style.png -o out.png {QUICK}"
CONFIG = f"{RUN} --config a.toml"
PRESET = f"{RUN} --preset a.toml"
ALONE = "run content.png style.png --quiet --config a.toml"
"""A run that has nothing but its config."""
TRACE = "open('ran', 'w').close()\n"
"""A plugin that leaves a trace when it is run."""
UNSEEN = "\x1b[2J\x1b]0;title\x07\u202eabc\u2066\x9b31m"
"""Clears the screen, sets the title, turns the direction of what follows."""
TOML_UNSEEN = "\\u001b[2J\\u0007\\u202eabc\\u009b31m"

EVIL = {"evil.py": TRACE}
NAMES_PLUGIN = 'plugin = ["evil.py"]\n'
EVIL_CONFIG = {"a.toml": NAMES_PLUGIN, **EVIL}
EVIL_PRESET = {"a.toml": NAMES_PLUGIN, "b.toml": 'preset = "a.toml"\n', **EVIL}
NEEDS = "needs the plugin 'evil.py'"


def table(rows: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
    """Name and content of attacks that differ in these alone."""
    return rows


PLUGINS = [
    Attack("plugins: config", CONFIG, EVIL_CONFIG, ("config file 'a.toml'", NEEDS, "(--plugin)")),
    Attack("plugins: config as text", CONFIG, {**EVIL, "a.toml": 'plugin = "evil.py"'}, NEEDS),
    Attack("plugins: config that names a module", CONFIG, {**EVIL, "a.toml": 'plugin = "evil"'},
           "needs the plugin 'evil'"),
    Attack("plugins: config that is not a list", CONFIG, {"a.toml": "plugin = {a = 1}"}, "'plugin'"),
    Attack("plugins: config that does not list text", CONFIG, {"a.toml": "plugin = [1]"}, "'plugin'"),
    Attack("plugins: config, dry run", f"{CONFIG} --dry-run", EVIL_CONFIG, NEEDS),
    Attack("plugins: preset", PRESET, EVIL_PRESET, ("preset 'a.toml'", NEEDS)),
    Attack("plugins: preset of a preset", f"{RUN} --preset b.toml", EVIL_PRESET, NEEDS),
    Attack("plugins: preset of a config", f"{RUN} --config b.toml", EVIL_PRESET, NEEDS),
    Attack("plugins: preset of the user", f"{RUN} --preset mine",
           {"../home/.config/impasto/presets/mine.toml": NAMES_PLUGIN, **EVIL}, NEEDS),
    Attack("plugins: presets", "presets", {"../home/.config/impasto/presets/mine.toml": NAMES_PLUGIN, **EVIL}),
    Attack("plugins: sweep", f"sweep content.png style.png -o out.png --vary seed=1,2 --config a.toml {QUICK}",
           EVIL_CONFIG, NEEDS),
    Attack("plugins: sweep that varies them",
           f"sweep content.png style.png -o out.png --vary plugin=evil.py --preset a.toml {QUICK}",
           EVIL_PRESET, NEEDS),
    Attack("plugins: style learn", "style learn style.png -o out.style --config a.toml", EVIL_CONFIG, NEEDS),
    Attack("plugins: profile", f"profile content.png style.png -o out.png --config a.toml {QUICK}",
           EVIL_CONFIG, NEEDS),
    Attack("plugins: one named, another not", f"{CONFIG} --plugin good.py",
           {"a.toml": 'plugin = ["good.py", "evil.py"]', "good.py": "import impasto\n"
            "@impasto.hookimpl\ndef impasto_after_run(): pass\n", **EVIL}, NEEDS),
    Attack("plugins: recipe", "rerun a.png -o out.png", {"a.png": recipe(settings={"plugin": ["evil.py"]}), **EVIL},
           ("the recipe in 'a.png'", NEEDS)),
    Attack("plugins: checkpoint", "resume kept --trust",
           {"kept/checkpoint.safetensors": checkpoint(plugin=["evil.py"]), **EVIL}, ("checkpoint", NEEDS)),
    Attack("plugins: all are named", f"{CONFIG} --plugin good.py",
           {"a.toml": 'plugin = "./good.py"', "good.py": "import impasto\n"
            "@impasto.hookimpl\ndef impasto_after_run(): pass\n"}, writes=OUT),
]  # fmt: skip

OUTSIDE = ("elsewhere/precious.png", "--trust")
WRITES = [
    Attack("writes: config with force", CONFIG, {"a.toml": "force = true\n", "out.png": b"precious"},
           ("config file 'a.toml'", "force")),
    Attack("writes: config with an output elsewhere", f"run content.png style.png --config a.toml {QUICK}",
           {"a.toml": 'output = "../elsewhere/new.png"'}, ("elsewhere/new.png", "--trust")),
    Attack("writes: config with an output elsewhere that is trusted",
           f"run content.png style.png --config a.toml {QUICK} --trust",
           {"a.toml": 'output = "../elsewhere/new.png"'}, writes=("elsewhere/new.png",)),
    Attack("writes: config with an output here", f"run content.png style.png --config a.toml {QUICK}",
           {"a.toml": 'output = "out.png"'}, writes=OUT),
    Attack("writes: preset with a log", PRESET, {"a.toml": 'callback = "log:file=../home/.bashrc"'},
           ("home/.bashrc", "--trust")),
    Attack("writes: preset with a checkpoint", PRESET, {"a.toml": 'checkpoint = "../elsewhere/kept"'},
           ("elsewhere/kept", "--trust")),
    *(
        Attack(f"writes: checkpoint with {what}", "resume kept",
               {"kept/checkpoint.safetensors": checkpoint(**settings)}, ("would write", "elsewhere/x", "--trust"))
        for what, settings in table({
            "an output elsewhere": {"output": "../elsewhere/x.png"},
            "a log elsewhere": {"callback": ["log:file=../elsewhere/x.json"]},
            "a sheet elsewhere": {"callback": ["contact_sheet:file=../elsewhere/x.png"]},
            "a film elsewhere": {"callback": ["timelapse:file=../elsewhere/x.gif"]},
            "snapshots elsewhere": {"callback": ["snapshots:folder=../elsewhere/x"]},
            "curves elsewhere": {"callback": ["tensorboard:folder=../elsewhere/x"]},
            "statistics elsewhere": {"callback": ["statistics:file=../elsewhere/x.json"]},
            "a trace elsewhere": {"callback": ["profile:folder=../elsewhere/x"]},
            "a table of options": {"callback": [{"name": "log", "file": "../elsewhere/x.json"}]},
        }).items()
    ),
    Attack("writes: checkpoint of a stranger beside the user's files", "resume kept",
           {"kept/checkpoint.safetensors": checkpoint(output="content.png")}, ("would write", "content.png", "--trust")),
    Attack("writes: checkpoint that says it was started at home", "resume kept",
           {"kept/checkpoint.safetensors": checkpoint(callback=["log:file=.bashrc"], started_in="home")},
           ("would write", "here/.bashrc", "--trust")),
    Attack("writes: checkpoint with a link in its folder", "resume kept",
           {"kept/checkpoint.safetensors": checkpoint(output="kept/out.png"),
            "kept/out.png": link_to("../../elsewhere/precious.png")}, ("would write", *OUTSIDE)),
    Attack("writes: checkpoint of a stranger that is trusted", "resume kept --trust --quiet",
           {"kept/checkpoint.safetensors": checkpoint(output="new.png")}, writes=("here/new.png", "here/kept/*")),
    Attack("writes: checkpoint of one's own",
           (f"run content.png style.png -o out.png {QUICK} --checkpoint kept", "resume kept --quiet"),
           writes=("here/out.png", "here/kept/*")),
]  # fmt: skip

KINDS_OF_DOCUMENTS = {
    "config": (CONFIG, "a.toml"),
    "preset": (PRESET, "a.toml"),
    "recipe": ("show a.png", "a.png"),
    "recipe that is repeated": ("rerun a.png -o out.png", "a.png"),
    "style file": ("style show a.style", "a.style"),
    "style file that is used": (f"run content.png a.style -o out.png {QUICK}", "a.style"),
    "checkpoint": ("resume kept", "kept/checkpoint.safetensors"),
    "user's preset": (f"{RUN} --preset a", "../home/.config/impasto/presets/a.toml"),
    "report to compare with": ("profile --compare a a", "a/report.json"),
}  # fmt: skip
"""Commands that read each kind of document, and the document's name."""

PICTURES = ("recipe", "recipe that is repeated")
"""Documents that are pictures."""
TABLES = ("config", "preset", "user's preset")
"""Documents of which an empty one asks for nothing."""

READING = [
    attack
    for kind, (command, name) in KINDS_OF_DOCUMENTS.items()
    for refusal in ["a.png" if kind in PICTURES else "not a regular file"]
    for attack in (
        Attack(f"reading: {kind} that is a pipe", command, {name: fifo}, refusal),
        Attack(f"reading: {kind} that is a device", command, {name: link_to("/dev/zero")}, refusal),
        Attack(f"reading: {kind} that is a terabyte", command, {name: sparse(10**12)}, "too large" if kind not in PICTURES else "a.png"),
        Attack(f"reading: {kind} in /proc", command, {name: link_to("/proc/self/mem")}, refusal),
        Attack(f"reading: {kind} of other bytes", command, {name: bytes(range(256)) * 40}, "a" if kind != "checkpoint" else "kept"),
        Attack(f"reading: {kind} that is empty", command, {name: b""}, writes=OUT) if kind in TABLES
        else Attack(f"reading: {kind} that is empty", command, {name: b""}, name.partition("/")[0]),
    )
]  # fmt: skip
READING += [
    Attack(f"reading: {kind} that is a folder", command, {f"{name}/x": "x"}, "folder")
    for kind, (command, name) in KINDS_OF_DOCUMENTS.items()
    if not kind.startswith("report")
]

TYPES = [
    *(
        Attack(f"types: config with {text[:40]}", ALONE, {"a.toml": text}, says)
        for text, says in {
            "preset = []": "'preset' must be text",
            "preset = {a = 1}": "'preset' must be text",
            "ema = 1e999": "setting 'ema'",
            "ema = nan": "setting 'ema'",
            "seed = " + "9" * 5000: "is not valid TOML",
            "size = 1979-05-27": "setting 'size'",
            "loss = " + "[" * 100_000: "is not valid TOML",
            "loss  = " + "[" * 50 + "]" * 50: "is not a SPEC",
            "loss = [{name = [1]}]": "needs the key 'name'",
            "loss = [{name = 'gram', weight = {}}]": "option 'weight'",
            "loss = [{name = 'gram', weight = 1e999}]": "option 'weight'",
            "output = []": "setting 'output'",
            "output = 3": "setting 'output'",
            "about = 3": "'about' must be text",
            "callback = [[]]": "is not a SPEC",
            "steps = [1e999]": "setting 'steps'",
            "colors = ['a']": "setting 'colors'",
            "a" + ".a" * 100_000 + " = 1": "a.toml",
            "load = 3": "setting 'load'",
            "checkpoint = 3": "setting 'checkpoint'",
        }.items()
    ),
    *(
        Attack(f"types: preset with {text[:40]}", PRESET, {"a.toml": text}, says)
        for text, says in {
            "preset = []": "'preset' must be text",
            "about = []": "'about' must be text",
            "preset = 'a.toml'": "leads back to itself",
            "preset = '" + "a" * 5000 + "'": "unknown preset",
        }.items()
    ),
    *(
        Attack(f"types: recipe with {name}", command, {"a.png": recipe(**parts)}, "the recipe in 'a.png' is damaged")
        for name, parts in table({
            "settings that are a list": {"settings": []},
            "inputs that are numbers": {"inputs": {"content.png": 3}},
            "inputs that are a list": {"inputs": ["content.png"]},
            "steps that are true": {"steps": True},
            "steps below zero": {"steps": -1},
            "steps that are text": {"steps": "2"},
            "a reason that is a list": {"stopped": ["a"]},
            "a loss that is text": {"loss": {"first": "a", "last": None}},
            "versions that are lists": {"versions": {"torch": []}},
            "a network that is a number": {"network": 3},
            "callbacks that are numbers": {"callbacks": 3},
            "infinite loss": {"loss": {"first": float("inf"), "last": 0.0}},
        }).items()
        for command in ("show a.png",)
    ),
    *(
        Attack(f"types: checkpoint with {name}", "resume kept --trust",
               {"kept/checkpoint.safetensors": checkpoint(state=parts)}, "checkpoint")
        for name, parts in table({
            "a folder that is a list": {"folder": []},
            "a folder that is missing": {"folder": None},
            "a stage that is text": {"stage": "0"},
            "a stage that is not there": {"stage": 99},
            "a step that is text": {"step": "1"},
            "steps without end": {"step": 10**30},
            "seconds that are infinite": {"seconds": float("inf")},
            "losses that are text": {"losses": "a"},
            "inputs that are a list": {"inputs": []},
            "a machine that is text": {"machine": "x"},
            "settings that are text": {"settings": "x"},
            "random numbers that are none": {"random": None},
            "a canvas that is none": {"current": None},
        }).items()
    ),
    *(
        Attack(f"types: style file with {name}", "style show a.style", {"a.style": style_file(**parts)},
               "style file")
        for name, parts in table({
            "sizes that are text": {"sizes": "a"},
            "sizes that are infinite": {"sizes": [float("inf")]},
            "a seed that is a list": {"seed": []},
            "losses that are numbers": {"losses": [3]},
            "options that are infinite": {"extractor": {"name": "vgg19", "options": {"a": float("inf")}}},
            "a name that is a list": {"extractor": {"name": [], "options": {}}},
        }).items()
    ),
    Attack("types: checkpoint whose header nests without end", "resume kept",
           {"kept/checkpoint.safetensors": safetensors("state", "[" * 200_000)}, "kept"),
    Attack("types: style file whose header nests without end", "style show a.style",
           {"a.style": safetensors("impasto", "[" * 200_000)}, "a.style"),
    Attack("types: recipe that nests without end", "show a.png", {"a.png": recipe(text="[" * 200_000)},
           "the recipe in 'a.png' is damaged"),
    Attack("types: recipe with a number without end", "show a.png", {"a.png": recipe(text="9" * 5000)},
           "the recipe in 'a.png' is damaged"),
]  # fmt: skip

WORDS = [
    Attack("terminal: recipe", "show a.png", {"a.png": recipe(stopped=UNSEEN, machine={UNSEEN: UNSEEN})},
           prints="\\x1b[2J"),
    Attack("terminal: recipe as JSON", "show a.png --json", {"a.png": recipe(stopped=UNSEEN)}, prints="\\u001b"),
    Attack("terminal: recipe that is repeated", "rerun a.png -o out.png --quiet",
           {"a.png": recipe(stopped=UNSEEN, machine={"device": UNSEEN}, versions={"torch": UNSEEN}, callbacks=[UNSEEN])},
           writes=OUT, prints="\\x1b[2J"),
    Attack("terminal: recipe with an input", "rerun a.png -o out.png", {"a.png": recipe(inputs={UNSEEN: "0" * 64})},
           "\\x1b[2J"),
    Attack("terminal: recipe with a setting", "rerun a.png -o out.png", {"a.png": recipe(settings={UNSEEN: 1})},
           "\\x1b[2J"),
    Attack("terminal: checkpoint with a reason to stop", "resume kept --trust",
           {"kept/checkpoint.safetensors": checkpoint(output="new.png", state={"stopping": UNSEEN})},
           writes=("here/new.png", "here/kept/*"), prints="\\x1b[2J"),
    Attack("terminal: checkpoint with a machine", "resume kept --trust --quiet",
           {"kept/checkpoint.safetensors": checkpoint(output="new.png", machine=UNSEEN)},
           writes=("here/new.png", "here/kept/*"), prints="\\x1b[2J"),
    Attack("terminal: checkpoint with an output", "resume kept",
           {"kept/checkpoint.safetensors": checkpoint(output=f"{UNSEEN}.png")}, "\\x1b[2J"),
    Attack("terminal: checkpoint with a version", "resume kept",
           {"kept/checkpoint.safetensors": checkpoint(versions={"torch": UNSEEN})}, "\\x1b[2J"),
    Attack("terminal: config with a key", CONFIG, {"a.toml": f'"{TOML_UNSEEN}" = 1'}, "\\x1b[2J"),
    Attack("terminal: config with a value", CONFIG, {"a.toml": f'colors = "{TOML_UNSEEN}"'}, "x1b[2J"),
    Attack("terminal: config with a plugin", CONFIG, {"a.toml": f'plugin = "{TOML_UNSEEN}.py"'}, "x1b[2J"),
    Attack("terminal: config with a name", ALONE, {"a.toml": f'loss = [{{name = "{TOML_UNSEEN}"}}]'}, "\\x1b[2J"),
    Attack("terminal: a preset's description", "presets",
           {"../home/.config/impasto/presets/mine.toml": f'about = "{TOML_UNSEEN}"'}, prints="\\x1b[2J"),
    Attack("terminal: a preset's description as JSON", "presets --json",
           {"../home/.config/impasto/presets/mine.toml": f'about = "{TOML_UNSEEN}"'}, prints="\\u001b"),
    Attack("terminal: a preset's keys", "presets",
           {"../home/.config/impasto/presets/mine.toml": f'"{TOML_UNSEEN}" = 3'}, prints="\\x1b[2J"),
    Attack("terminal: a preset's values", "presets",
           {"../home/.config/impasto/presets/mine.toml": f'init = "{TOML_UNSEEN}"'}, prints="\\x1b[2J"),
    Attack("terminal: a preset's loss", "presets",
           {"../home/.config/impasto/presets/mine.toml": f'loss = {{name = "{TOML_UNSEEN}"}}'}, prints="\\x1b[2J"),
    Attack("terminal: a preset's loss that is none", "presets",
           {"../home/.config/impasto/presets/mine.toml": "loss = {weight = 3}"}, prints="mine"),
    Attack("terminal: a preset's name", "presets",
           {f"../home/.config/impasto/presets/{UNSEEN.replace('/', '')}.toml": "size = 64"}, prints="\\x1b[2J"),
    Attack("terminal: style file", "style show a.style", {"a.style": style_file(weights=UNSEEN)}, prints="\\u001b"),
    Attack("terminal: style file that does not fit", f"run content.png a.style -o out.png {QUICK}",
           {"a.style": style_file(weights=UNSEEN)}, "\\x1b[2J"),
    Attack("terminal: a picture's name", f"run '{UNSEEN}.png' style.png --size 32 --steps 2 --loss tv",
           {f"{UNSEEN}.png": recipe()}, writes=("here/*_as_style.png",), prints="\\x1b[2J"),
    Attack("terminal: a picture's name in compare", f"compare '{UNSEEN}.png' --content content.png --style style.png",
           {f"{UNSEEN}.png": recipe()}, prints="\\x1b[2J"),
    Attack("terminal: a plugin's name", "plugins --plugin a.py",
           {"a.py": "import impasto\nclass L(impasto.Loss):\n    '\\x1b[2J'\n"
                    "@impasto.hookimpl\ndef impasto_losses():\n"
                    "    return [impasto.Offer('mine', L, help='\\x1b[2Jevil')]\n"}, prints="mine"),
]  # fmt: skip

JSON = [
    Attack("JSON: a loss that is NaN", "run content.png style.png -o out.png --size 32 --steps 2 --quiet --json"
           " --plugin a.py --loss worst", {"a.py": "import impasto\nclass Worst(impasto.Loss):\n"
           "    def summarize_layer(self, feature): return {'x': feature.mean()}\n"
           "    def compare_layer(self, summary, target): return (summary['x'] - target['x']).abs() * float('nan')\n"
           "@impasto.hookimpl\ndef impasto_losses(): return [impasto.Offer('worst', Worst)]\n"}, "nan",
           writes=OUT),
    Attack("JSON: plugins with infinite defaults", "plugins --json --plugin a.py",
           {"a.py": "import impasto\nclass L(impasto.Loss):\n    def __init__(self, most: float = float('inf')): super().__init__()\n"
            "@impasto.hookimpl\ndef impasto_losses(): return [impasto.Offer('worst', L)]\n"}),
    Attack("JSON: recipe with NaN", "show a.png --json", {"a.png": recipe(settings={"ema": float("nan")})},
           "the recipe in 'a.png' is damaged"),
    Attack("JSON: dry run", f"{RUN} --dry-run --json"),
    Attack("JSON: presets with infinite values", "presets --json",
           {"../home/.config/impasto/presets/mine.toml": "ema = inf\nsize = nan"}, prints="mine"),
    Attack("JSON: presets with dates", "presets --json",
           {"../home/.config/impasto/presets/mine.toml": "size = 1979-05-27"}, prints="mine"),
]  # fmt: skip

XMP = b"<rdf:Description "
SLOW = [
    Attack("time: XMP with many namespaces", "show a.png",
           {"a.png": recipe(packet=XMP + b'xmlns:impasto="urn:impasto:recipe:1" ' * 60_000)}, "has no recipe"),
    Attack("time: XMP with many beginnings", "show a.png",
           {"a.png": recipe(packet=b'<rdf:Description xmlns:impasto="urn:impasto:recipe:1">' * 60_000)}, "recipe"),
    Attack("time: XMP with many recipes that do not end", "show a.png",
           {"a.png": recipe(packet=b"<impasto:recipe>" * 200_000)}, "recipe"),
    Attack("time: XMP with much space", "show a.png",
           {"a.png": recipe(packet=(b'<rdf:Description xmlns:impasto="urn:impasto:recipe:1">' + b" " * 3000) * 1000)},
           "recipe"),
    Attack("time: XMP that is painted", f"run a.png style.png -o out.png {QUICK}",
           {"a.png": recipe(packet=XMP + b'xmlns:impasto="urn:impasto:recipe:1" ' * 60_000)}, writes=OUT),
    Attack("time: SPEC with many commas", ALONE, {"a.toml": f'loss = "gram:layers={"," * 200_000}"'}, "layers"),
    Attack("time: SPEC with many quotes", ALONE, {"a.toml": "loss = 'gram:layers=" + '"a"' * 60_000 + '"' + "'"}, "quote"),
    Attack("time: SPEC with many colons", "run content.png --quiet --config a.toml", {"a.toml": f'style = "{":a" * 100_000}"'}, "picture"),
    Attack("time: SPEC with many words", ALONE, {"a.toml": f'loss = "gram:{"a=1,b=2," * 25_000}"'}, "twice"),
    Attack("time: STYLE with many spaces", "run content.png --quiet --config a.toml", {"a.toml": f'style = "{": a " * 50_000}"'}, "picture"),
    Attack("time: INIT with many parts", ALONE, {"a.toml": f'init = "blend:{"content=1," * 20_000}"'}, "twice"),
    Attack("time: a setting of a megabyte", ALONE, {"a.toml": f'{"a" * 200_000} = 1'}, "unknown setting"),
    Attack("time: a name of a megabyte", ALONE, {"a.toml": f'loss = "{"gram" * 50_000}"'}, "unknown loss"),
    Attack("time: a device of a megabyte", ALONE, {"a.toml": f'device = "{"cuda:" * 40_000}"'}, "device"),
    Attack("time: many tables", ALONE, {"a.toml": "".join(f"[a{n}.b]\n" for n in range(15_000))}, "unknown setting"),
    Attack("time: many losses", ALONE, {"a.toml": "[[loss]]\nname = 'tv'\n[[loss]]\nname='x'\n" * 4_000}, "unknown loss"),
    Attack("time: steps without end", ALONE, {"a.toml": f'steps = "{"1," * 100_000}x"'}, "steps"),
    Attack("time: scales without end", "run content.png style.png -o out.png --loss tv --config a.toml",
           {"a.toml": f'scales = [{", ".join(map(str, range(16, 20000)))}]\nsize = 20000'}, "pixels"),
]  # fmt: skip

ATTACKS = [
    Attack("nothing: a run that is not attacked", RUN, writes=OUT),
    Attack("nothing: the same as JSON", f"{RUN} --json", writes=OUT, prints='"steps": 2'),
    *PLUGINS,
    *WRITES,
    *READING,
    *TYPES,
    *WORDS,
    *JSON,
    *SLOW,
]  # fmt: skip
