# ruff: noqa: E501 - one line an attack, where that can be read.
"""Attacks on batches: rows and URLs that a stranger wrote, folders of results that others made or damaged."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from attacks.attack import QUICK, Attack, Maker, fifo, link_to, sparse
from attacks.outputs import only
from helpers import drawn

BATCH = f"batch jobs.csv --folder r {QUICK}"
RESULTS = ("here/r/*",)
FETCHED = ("tmp/*",)
"""What is removed when a process ends, but not one that the tests have forked."""
PAGE = "<!doctype html><html><body>404: not found</body></html>"
MINE: dict[str, str | bytes | Maker] = {"r/0.png": b"mine"}
DONE = f"batch content.png style.png --folder r {QUICK}"


def rows(*lines: str, columns: str = "content,style,output") -> dict[str, str | bytes | Maker]:
    """A file of rows."""
    return {"jobs.csv": "\n".join((columns, *lines))}


def content(url: str) -> dict[str, str | bytes | Maker]:
    """Rows of which the second has a content of a stranger's."""
    return rows("content.png,style.png,0.png", f"{url},style.png,1.png")


URLS = [
    Attack("url: a file that is not there", BATCH, content("file://none.png"),
           "row 2: picture 'file://none.png' does not exist"),
    Attack("url: a file of the system", BATCH, content("file:///etc/passwd"),
           "row 2: 'file:///etc/passwd' is not a picture", writes=FETCHED),
    Attack("url: a protocol that is not known", BATCH, content("gopher://host/a.png"),
           "row 2: 'gopher://host/a.png' cannot be used: Protocol not known: gopher"),
    Attack("url: a package that is not installed", BATCH, content("oss://bucket/a.png"),
           ("row 2: 'oss://bucket/a.png' cannot be used: ", "ossfs")),
    Attack("url: a page in the place of a picture", BATCH, {**content("file://page.png"), "page.png": PAGE},
           "row 2: 'file://page.png' is not a picture in a format that is read", writes=FETCHED),
    Attack("url: a folder", BATCH, {**content("file://folder"), "folder/a.txt": ""}, "row 2: picture 'file://folder' "),
    Attack("url: a pipe", BATCH, {**content("file://pipe"), "pipe": fifo}, "row 2: picture 'file://pipe' "),
    Attack("url: a device", BATCH, content("file:///dev/zero"), "row 2: picture 'file:///dev/zero' "),
    Attack("url: signs that steer a terminal", BATCH, content("file://\x1b[2J.png"), "\\x1b[2J"),
    Attack("url: an address that is none", BATCH, content("http://[::1/a.png"), "row 2: "),
    Attack("url: a name without end", BATCH, content("file://" + "a" * 20_000), "row 2: "),
    Attack("url: a folder with none", f"batch file://folder/ style.png --folder r {QUICK}", {"folder/a.txt": ""},
           "content 'file://folder/' has no pictures"),
    Attack("url: a folder of results that is unknown", f"batch content.png style.png --folder gopher://a {QUICK}",
           says="'gopher://a' cannot be used: Protocol not known: gopher"),
    Attack("url: a folder of results that is a file", f"batch content.png style.png --folder file://taken {QUICK}",
           {"taken": ""}, "the folder 'file://taken' cannot be", writes=("home/.cache/*",)),
    Attack("url: a plugin", f"{BATCH} --plugin file://p.py", content("content.png"), "plugin file 'file:/p.py' does not exist"),
]  # fmt: skip

ROWS = [
    Attack("rows: force", BATCH, rows("content.png,style.png,0.png,true", columns="content,style,output,force"),
           "row 1: file 'jobs.csv' sets 'force'"),
    Attack("rows: a plugin", BATCH, {**rows("content.png,style.png,p.py", columns="content,style,plugin"), "p.py": "open('ran', 'w')"},
           ("row 1: file 'jobs.csv'", "needs the plugin 'p.py'")),
    Attack("rows: an output elsewhere", BATCH, rows("content.png,style.png,../../elsewhere/a.png"), "row 1: "),
    Attack("rows: a log elsewhere", BATCH,
           rows("content.png,style.png,log:file=../home/.bashrc", columns="content,style,callback"), ("row 1: ", ".bashrc")),
    Attack("rows: pictures in one another's place", BATCH,
           rows("content.png,style.png,a.png", "content.png,style.png,a.png/b.png"), "row 2: output 'a.png/b.png': 'a.png' is"),
    Attack("rows: a picture over another's", BATCH, {**content("content.png"), **MINE},
           ("row 1: output 'r/0.png' exists", "--force"), writes=("here/r/.impasto/*",)),
    Attack("rows: a picture that is a device", BATCH, {**content("zero"), "zero": link_to("/dev/zero")}, "row 2: picture 'zero' is not a file"),
    Attack("rows: a picture that is a pipe", BATCH, {**content("pipe"), "pipe": fifo}, "row 2: picture 'pipe' is not a file"),
    Attack("rows: a picture of a terabyte", BATCH, {**content("large.png"), "large.png": sparse(10**12)}, "row 2: picture 'large.png' has more"),
    Attack("rows: other bytes", BATCH, {"jobs.csv": bytes(range(256)) * 40}, "file 'jobs.csv' is not text in UTF-8"),
    Attack("rows: a pipe", BATCH, {"jobs.csv": fifo}, "not a regular file"),
    Attack("rows: a terabyte", BATCH, {"jobs.csv": sparse(10**12)}, "too large"),
    Attack("rows: a quote that does not end", BATCH, {"jobs.csv": 'content,style\n"content.png,style.png'}, "is not valid CSV"),
    Attack("rows: many", BATCH, rows(*[f"content.png,style.png,{n}.png" for n in range(2000)], "none.png,style.png,"),
           "row 2001: picture 'none.png' does not exist"),
    Attack("rows: signs that steer a terminal", BATCH, rows("\x1b[2J,style.png,0.png"), "\\x1b[2J"),
]  # fmt: skip


def unreadable(path: Path) -> None:
    """A folder in the place of a manifest."""
    path.mkdir(parents=True)


DAMAGED: dict[str, tuple[str | bytes | Maker, str]] = {
    "other bytes": (bytes(range(256)) * 40, "is damaged in line 1"),
    "a list": ("[]\n", "is damaged in line 1"),
    "numbers for texts": ('{"batch": 3}\n', "is damaged in line 1"),
    "an unknown status": (
        '{"batch": "a"}\n{"job": "a", "status": "odd"}\n',
        "is damaged in line 2",
    ),
    "another version": ('{"format": 99, "batch": "a"}\n', "of another version"),
    "nests without end": ("[" * 200_000 + "\n", "is damaged in line 1"),
    "a terabyte": (sparse(10**12), "too large"),
    "a pipe": (fifo, "not a regular file"),
    "a device": (link_to("/dev/zero"), "not a regular file"),
    "a folder": (unreadable, "folder"),
}
"""Manifests that are none."""

FOLDERS = [
    *(
        Attack(f"results: {what} of a manifest, {name}", command, {"r/manifest.jsonl": made}, says,
               writes=("here/r/.impasto/*",))
        for what, (made, says) in DAMAGED.items()
        for name, command in {"status": "batch status r", "retry": "batch retry r", "batch": DONE}.items()
    ),
    Attack("results: a manifest with unseen signs", "batch status r",
           {"r/manifest.jsonl": '{"batch": "a"}\n{"job": "a", "output": "\\u001b[2J", "place": "\\u202e", "settings": {}}\n'},
           prints="\\x1b[2J"),
    Attack("results: a manifest that names a plugin", "batch retry r",
           {"p.py": "open('ran', 'w')", "r/manifest.jsonl": '{"batch": "a"}\n{"job": "a", "output": "a.png", "place": "row 1",'
            ' "settings": {"content": "content.png", "style": ["style.png"], "plugin": ["p.py"]}}\n'},
           "needs the plugin 'p.py'", writes=("here/r/.impasto/*",)),
    Attack("results: a manifest that writes elsewhere", "batch retry r",
           {"r/manifest.jsonl": '{"batch": "a"}\n{"job": "a", "output": "../../elsewhere/precious.png", "place": "row 1",'
            ' "settings": {"content": "content.png", "style": ["style.png"]}}\n'},
           "precious.png", writes=("here/r/.impasto/*",)),
    Attack("results: a manifest without settings", "batch retry r",
           {"r/manifest.jsonl": '{"batch": "a"}\n{"jobs": ["a"]}\n'}, "manifest", writes=("here/r/.impasto/*",)),
    Attack("results: a manifest with half a job, status", "batch status r",
           {"r/manifest.jsonl": '{"batch": "a"}\n{"job": "a", "settings": {}}\n'}, "manifest"),
    Attack("results: a file in the place of the folder", DONE, {"r": "mine"}, "folder 'r' cannot be made"),
    Attack("results: a file in the place of the work folder", DONE, {"r/.impasto": "mine"}, "folder 'r' cannot be made"),
    Attack("results: a pipe in the place of the lock", DONE, {"r/.impasto/lock": fifo}, writes=("here/r/*",)),
    Attack("results: no batch", "batch status r", {"r/a.png": "a"}, "there is no batch in 'r'"),
    Attack("results: the folder is that of the inputs", f"batch photos style.png --folder photos {QUICK}",
           {"photos/a.png": lambda path: drawn(40, 30, 4).save(path)},
           writes=("here/photos/manifest.jsonl", "here/photos/.impasto/*", "here/photos/a_as_style.png")),
]  # fmt: skip

ATTACKS = [
    Attack("nothing: a batch that is not attacked", BATCH, content("content.png"), writes=RESULTS,
           after=partial(only, "r", 2)),
    *URLS,
    *ROWS,
    *FOLDERS,
]  # fmt: skip
