"""Every option of every built-in plugin: its default fits; a wrong value is refused by all three doors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import impasto
from helpers import Invoke, Pair
from impasto.builtin import build_host
from impasto.host.host import Kind, Offered
from impasto.settings.options import Option

HOST = build_host("none")
OPTIONS = [
    (offered.kind, offered.offer.name, option)
    for offered in HOST.offered
    for option in offered.options
]
WRONG = [
    (kind, name, option)
    for kind, name, option in OPTIONS
    if ("number" in option.type or "|" in option.type)
    and option.type != "Path | none"
    # Torch's optimizers are all made by one function.
    and (not name.startswith("torch.") or name == "torch.SGD")
    # Options of commands for many pictures and for films alone; no settings.
    and kind not in ("executor", "flow")
]
"""Those that do not take any text; what the others refuse is tested beside each plugin."""

LISTS: dict[Kind, bool] = {"loss": True, "callback": True}
"""Kinds of which a run may have several."""


def named(one: tuple[Kind, str, Option]) -> str:
    return f"{one[1]}:{one[2].name}"


def text(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool | None) else str(value)


@pytest.mark.parametrize("one", OPTIONS, ids=named)
def test_the_default_can_be_given_by_each_door(one: tuple[Kind, str, Option]) -> None:
    """As text, as in ``--loss name:option=value``, and as a value of TOML or Python."""
    kind, name, option = one
    offered = HOST.find(kind, name)
    needed = {other.name: "given" for other in offered.options if other.default is ...}
    if option.default is ...:
        assert HOST.check(kind, impasto.Spec(name, needed))[option.name] is not None
        return
    if option.default != ():
        written = impasto.Spec.parse(f"{name}:{option.name}={text(option.default)}")
        spec = impasto.Spec(name, {**needed, **written.options})
        assert HOST.check(kind, spec)[option.name] == option.default
    value = list(option.default) if isinstance(option.default, tuple) else option.default
    spec = impasto.Spec(name, {**needed, option.name: value})
    assert HOST.check(kind, spec)[option.name] == option.default


@pytest.mark.parametrize("one", WRONG, ids=named)
def test_a_wrong_value_is_refused_by_name_by_each_door(
    one: tuple[Kind, str, Option], invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    kind, name, option = one
    config = tmp_path / "settings.toml"
    heading = f"[[{kind}]]" if kind in LISTS else f"[{kind}]"
    lines = [heading, f"name = {json.dumps(name)}", f'{option.name} = "never"']
    config.write_text("\n".join(lines), encoding="utf-8")
    errors = [
        invoke("run", pair.content, pair.style, f"--{kind}", f"{name}:{option.name}=never").error,
        invoke("run", pair.content, pair.style, "--config", config).error,
    ]
    table = {"name": name, option.name: "never"}
    given = {kind: [table] if kind in LISTS else table}
    with pytest.raises(impasto.SettingsError) as refused:
        impasto.run(pair.content, pair.style, **given)  # type: ignore[arg-type]
    errors.append(f"impasto: error: {refused.value}")
    assert len(set(errors)) == 1, "the doors disagree"
    assert f"{kind} '{name}'" in errors[0]
    assert f"option '{option.name}'" in errors[0]
    assert "never" in errors[0]


STRANGE: tuple[object, ...] = (
    float("nan"), float("inf"), -float("inf"), "nan", "1e999", "-1e999", {}, {"a": 1}, [[1]], True, b"1",
)  # fmt: skip
"""What no option takes that is a number, or several."""
BELOW = -1e30


@pytest.mark.parametrize("one", [one for one in OPTIONS if "number" in one[2].type], ids=named)
def test_strange_numbers_are_refused(one: tuple[Kind, str, Option]) -> None:
    """Of every built-in plugin, also of one that is added later."""
    kind, name, option = one
    needed = {o.name: "given" for o in HOST.find(kind, name).options if o.default is ...}
    # The ranges of torch's own optimizers are checked by torch, when they are made.
    bounded = not name.startswith("torch.")
    for value in (*STRANGE, *([BELOW, str(BELOW)] if bounded else [])):
        # Among torch's options are some that take a number or a truth value.
        if value is True and "true | false" in option.type:
            continue
        with pytest.raises(impasto.SettingsError, match=f"option '{option.name}'"):
            HOST.check(kind, impasto.Spec(name, {**needed, option.name: value}))


@pytest.mark.parametrize(
    ("name", "value"),
    [("steps", True), ("seed", False), ("quality", True), ("output", b"a.png"), ("steps", [True])],
)
def test_settings_refuse_what_is_no_number_and_no_text(name: str, value: object) -> None:
    with pytest.raises(impasto.SettingsError, match=f"setting '{name}': must be"):
        impasto.run("a.png", "b.png", **{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("offered", HOST.offered, ids=lambda one: f"{one.kind} {one.offer.name}")
def test_an_unknown_option_is_refused_with_what_is_allowed(offered: Offered) -> None:
    name, options = offered.offer.name, sorted(option.name for option in offered.options)
    with pytest.raises(impasto.SettingsError) as refused:
        HOST.check(offered.kind, impasto.Spec(name, {"no_such": 1}))
    assert str(refused.value).startswith(f"{offered.kind} '{name}': unknown option 'no_such'")
    assert str(refused.value).endswith(f"Allowed: {', '.join(options) or 'none'}")
