"""The host: loads plugins, knows what each offers, calls the hooks, and names what failed."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import logging
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import pluggy
import torch

from impasto.errors import (
    ImpastoError,
    PluginError,
    SettingsError,
    defined_at,
    raised_at,
    unknown,
    with_place,
)
from impasto.host.offer import Offer
from impasto.model.loss import of_every_loss
from impasto.model.scopes import scope
from impasto.settings.options import Option, check_options, options_of, takes_generator
from impasto.settings.spec import Spec

logger = logging.getLogger("impasto")

Kind = Literal["extractor", "loss", "optimizer", "canvas", "callback", "executor", "flow"]

KINDS: dict[Kind, str] = {
    "extractor": "impasto_extractors",
    "loss": "impasto_losses",
    "optimizer": "impasto_optimizers",
    "canvas": "impasto_canvases",
    "callback": "impasto_callbacks",
    "executor": "impasto_executors",
    "flow": "impasto_flows",
}
"""Each kind of plugin and the hook that offers it."""

GIVEN_BY_HOST: dict[Kind, int] = {
    "extractor": 0,
    "loss": 0,
    "optimizer": 1,
    "canvas": 1,
    "callback": 0,
    "executor": 0,
    "flow": 0,
}
"""How many of a factory's first parameters the engine gives; the others are options."""

OF_EVERY: dict[Kind, Callable[..., None]] = {"loss": of_every_loss}
"""Options that each thing of a kind has, whatever its factory: the parameters of this function. They become
attributes of the thing, unless its factory has a parameter of that name itself."""

ENTRY_POINTS = "impasto"
PREFIX = "impasto_"
"""How the name of every hook begins."""
GIVEN = "given in Python"
"""Source of objects that the caller gave to a run."""


@dataclass(frozen=True)
class Origin:
    """Where a plugin came from."""

    name: str
    """Name that the plugin is registered under."""
    source: str
    """For people: ``built in``, ``file PATH``, ``module NAME``, ``DISTRIBUTION VERSION``."""
    error: str = ""
    """Why it is not loaded; empty if it is."""

    def __str__(self) -> str:
        named = self.source not in ("built in", GIVEN)
        return f"'{self.name}' ({self.source})" if named else self.source


@dataclass(frozen=True)
class Offered:
    """One offer and the plugin that made it."""

    kind: Kind
    offer: Offer
    origin: Origin

    @property
    def options(self) -> tuple[Option, ...]:
        """Its options, read from the factory's signature, and those of every thing of its kind."""
        own = options_of(self.offer.factory, GIVEN_BY_HOST[self.kind])
        names = {option.name for option in own}
        more = options_of(OF_EVERY[self.kind]) if self.kind in OF_EVERY else ()
        return (*own, *(option for option in more if option.name not in names))

    @property
    def help(self) -> str:
        """One line of help."""
        return self.offer.help or (inspect.getdoc(self.offer.factory) or "").partition("\n")[0]


class _Manager(pluggy.PluginManager):
    """pluggy's, which looks for hooks among the names that may be one; a host refuses marks elsewhere."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        return super().parse_hookimpl_opts(plugin, name) if name.startswith(PREFIX) else None


class Host:
    """A plugin manager that knows what was loaded, from where, what each plugin offers, and what failed."""

    def __init__(self, specifications: ModuleType) -> None:
        """Start without plugins.

        Args:
            specifications: the module of the hook specifications, :mod:`impasto.hookspecs`.
        """
        self.manager = _Manager("impasto")
        self.manager.add_hookspecs(specifications)
        self.hooks = [name for name in vars(specifications) if name.startswith(PREFIX)]
        self.checksums: dict[str, str] = {}
        """SHA-256 of each plugin file that was run, by its real path."""
        self.origins: list[Origin] = []
        self.offered: list[Offered] = []

    def register(self, plugin: object, name: str, source: str) -> Origin:
        """Register a plugin and collect what it offers.

        Raises:
            PluginError: it is not a valid plugin, with the reason and where it came from. Nothing
                of it stays registered.
        """
        origin = Origin(name, source)
        _refuse_bad_hooks(plugin, origin, self.hooks)
        try:
            self.manager.register(plugin, name)
        except (pluggy.PluginValidationError, ValueError) as error:
            if self.manager.get_plugin(name) is plugin:
                self.manager.unregister(plugin)
            raise PluginError(f"plugin {origin}: {_one_line(error)}") from error
        try:
            offered = [*self._offers_of(plugin, origin)]
        except Exception:
            self.manager.unregister(plugin)
            raise
        self.offered += offered
        self.origins.append(origin)
        return origin

    def load_module(self, module_name: str, name: str, source: str) -> Origin:
        """Import a module and register it as a plugin.

        Raises:
            PluginError: it cannot be imported, or is not a valid plugin.
        """
        try:
            module = importlib.import_module(module_name)
        except Exception as error:
            reason = reason_of(error, source_of(module_name))
            raise PluginError(f"plugin {Origin(name, source)}: {reason}") from error
        return self.register(module, name, source)

    def load_file(self, path: Path) -> Origin:
        """Run a Python file and register it as a plugin.

        Raises:
            PluginError: there is no such file, or it fails, or is not a valid plugin.
        """
        source = f"file {path}"
        # Unlike Path.is_file, this is False for a name that is too long for a file.
        if not os.path.isfile(path):
            raise PluginError(f"plugin file '{path}' does not exist")
        unique = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
        stem = re.sub(r"\W", "_", path.stem)
        module_name = f"impasto_plugin_{stem}_{unique}"
        try:
            source_code = path.read_bytes()
            module = _run_source(module_name, path, source_code)
        except Exception as error:
            reason = reason_of(error, str(path))
            raise PluginError(f"plugin {Origin(path.stem, source)}: {reason}") from error
        self.checksums[os.path.realpath(path)] = hashlib.sha256(source_code).hexdigest()
        return self.register(module, path.stem, source)

    def load_given(self, given: str) -> Origin:
        """Load a plugin that the user names: a file ending in ``.py``, or a module.

        Raises:
            PluginError: it is neither, it does not load, or it has no hook of Impasto.
        """
        if os.path.isdir(given):
            raise PluginError(
                f"plugin '{given}' is a folder; name its file ending in .py, or the module once it is"
                " installed",
                settings=("plugin",),
            )
        if given.endswith(".py"):
            origin = self.load_file(Path(given))
        elif all(part.isidentifier() for part in given.split(".")):
            origin = self.load_module(given, given, f"module {given}")
        else:
            raise PluginError(
                f"plugin '{given}' is neither a file ending in .py nor the name of a module",
                settings=("plugin",),
            )
        if not self.manager.get_hookcallers(self.manager.get_plugin(origin.name)):
            raise PluginError(
                f"plugin {origin} has no hook of Impasto; the functions that it offers need the"
                " decorator @impasto.hookimpl and a hook's name, as impasto_losses"
            )
        return origin

    def load_entry_points(self, wanted: str) -> None:
        """Load installed plugins: ``all``, ``none``, or names separated by commas.

        One that fails stays listed with its reason, and the others are loaded.

        Raises:
            SettingsError: a name that no installed distribution has.
        """
        found = {point.name: point for point in importlib.metadata.entry_points(group=ENTRY_POINTS)}
        names = list(found) if wanted == "all" else [] if wanted == "none" else wanted.split(",")
        for name in names:
            if name not in found:
                raise SettingsError(unknown("installed plugin", name, [*found, "all", "none"]))
            point = found[name]
            source = f"{point.dist.name} {point.dist.version}" if point.dist else point.value
            try:
                self._load_entry_point(point, source)
            except Exception as error:
                self.origins.append(Origin(name, source, error=_one_line(error)))

    def _load_entry_point(self, point: importlib.metadata.EntryPoint, source: str) -> None:
        try:
            plugin = point.load()
        except Exception as error:
            reason = reason_of(error, source_of(point.module))
            raise PluginError(f"plugin {Origin(point.name, source)}: {reason}") from error
        self.register(plugin, point.name, source)

    def find(self, kind: Kind, name: str) -> Offered:
        """The one offer of a kind and name.

        Raises:
            SettingsError: there is none, with what is allowed, the nearest, and what failed to load.
            PluginError: two plugins offer it; both are named.
        """
        matches = [item for item in self.offered if item.kind == kind and item.offer.name == name]
        if not matches and Spec(name).is_object:
            raise SettingsError(
                f"the {kind} '{name}' was an object of Python, which no name can make again: give"
                " the object itself"
            )
        if not matches:
            allowed = {item.offer.name for item in self.offered if item.kind == kind}
            failed = "; ".join(origin.error for origin in self.origins if origin.error)
            more = f". Not loaded: {failed}" if failed else ""
            raise SettingsError(unknown(kind, name, allowed) + more)
        if len(matches) > 1:
            both = " and ".join(str(item.origin) for item in matches)
            raise PluginError(f"two plugins offer the {kind} '{name}': {both}; leave one out")
        return matches[0]

    def check(self, kind: Kind, spec: Spec) -> dict[str, Any]:
        """The options of a SPEC, checked and converted, without making the thing.

        Raises:
            SettingsError: an unknown name or option, or a value that does not fit.
        """
        found = self.find(kind, spec.name)
        what = f"{kind} '{spec.name}'"
        return check_options(
            what, found.offer.factory, GIVEN_BY_HOST[kind], spec.options, OF_EVERY.get(kind)
        )

    def make(
        self, kind: Kind, spec: Spec, *given: object, generator: torch.Generator | None = None
    ) -> Any:
        """Make the thing that a SPEC names.

        Args:
            kind: the kind of plugin.
            spec: its name and options.
            given: what the engine gives to the factory before the options.
            generator: given to a factory that has a parameter of that name; one with seed 0 if
                there is none.

        Raises:
            SettingsError: an unknown name or option, or a value that does not fit.
            PluginError: the factory failed; the plugin is named.
        """
        found = self.find(kind, spec.name)
        options = self.check(kind, spec)
        for name in self._of_every(kind, found):
            options.pop(name, None)
        if takes_generator(found.offer.factory):
            options["generator"] = generator or torch.Generator().manual_seed(0)
        try:
            return found.offer.factory(*given, **options)
        except ImpastoError:
            raise
        except (ValueError, TypeError) as error:
            line = with_place(str(error), self.line_of(error, found.origin))
            raise SettingsError(f"{kind} '{spec}' of plugin {found.origin}: {line}") from error
        except Exception as error:
            reason = self.reason_of(error, found.origin)
            raise PluginError(
                f"{kind} '{spec.name}' of plugin {found.origin} cannot be made: {reason}"
            ) from error

    def attributes(self, kind: Kind, spec: Spec) -> dict[str, Any]:
        """Those options of a SPEC that every thing of its kind has, as far as they are given."""
        names = self._of_every(kind, self.find(kind, spec.name))
        return {name: value for name, value in self.check(kind, spec).items() if name in names}

    def _of_every(self, kind: Kind, found: Offered) -> set[str]:
        """The names of a thing's options that are not its factory's own."""
        own = options_of(found.offer.factory, GIVEN_BY_HOST[kind])
        return {option.name for option in found.options} - {option.name for option in own}

    def notify(self, hook: str, **arguments: object) -> None:
        """Call a life-cycle hook of every plugin; one that fails is reported and left out.

        Each plugin is called by itself rather than by pluggy's multicall, so that a failure has a
        name, does not keep the others from their call, and shows in a profile as its own scope.

        Raises:
            ImpastoError: raised by a plugin in ``impasto_before_run``, to refuse the run.
        """
        for implementation in reversed(getattr(self.manager.hook, hook).get_hookimpls()):
            try:
                with scope(f"plugin/{implementation.plugin_name}/{hook}"):
                    implementation.function(*(arguments[key] for key in implementation.argnames))
            except Exception as error:
                if hook == "impasto_before_run" and isinstance(error, ImpastoError):
                    raise
                self._leave_out(implementation, hook, error)

    def origin_of(self, kind: str, name: str) -> Origin | None:
        """Where the offer of a kind and name came from."""
        found = (item for item in self.offered if (item.kind, item.offer.name) == (kind, name))
        return next((item.origin for item in found), None)

    def reason_of(self, error: BaseException, origin: Origin | None) -> str:
        """What an error says, with its type and with the line of the plugin that it came from."""
        return reason_of(error, self._source_of(origin))

    def line_of(self, error: BaseException, origin: Origin | None) -> str:
        """The line of a plugin that an error came from, as ``path:line``; empty for a built-in plugin."""
        return raised_at(error, self._source_of(origin))

    def _source_of(self, origin: Origin | None) -> str:
        if origin is None or origin.source == "built in":
            return ""
        plugin = self.manager.get_plugin(origin.name)
        module: str = getattr(plugin, "__name__", type(plugin).__module__)
        # Objects of the caller may be offered by a plugin of the engine's; the line is not there.
        return "" if module.partition(".")[0] == "impasto" else source_of(module)

    def _leave_out(self, implementation: pluggy.HookImpl, hook: str, error: Exception) -> None:
        name = implementation.plugin_name
        origin = next((item for item in self.origins if item.name == name), Origin(name, "object"))
        logger.warning(
            "plugin '%s' (%s) failed in %s and is left out: %s",
            name, origin.source, hook, self.reason_of(error, origin),
        )  # fmt: skip
        logger.debug("traceback of %s", name, exc_info=error)
        self.manager.unregister(implementation.plugin)

    def _offers_of(self, plugin: object, origin: Origin) -> Iterable[Offered]:
        for kind, hook in KINDS.items():
            offering = getattr(plugin, hook, None)
            if offering is None or self.manager.parse_hookimpl_opts(plugin, hook) is None:
                continue
            try:
                for offer in _list_of_offers(offering):
                    offered = Offered(kind, offer, origin)
                    _ = offered.options
                    yield offered
            except Exception as error:
                reason = self.reason_of(error, origin)
                raise PluginError(f"plugin {origin} failed in {hook}: {reason}") from error


def _list_of_offers(offering: Callable[[], object]) -> list[Offer]:
    """What an offering hook returns, if it is a list of offers."""
    returned = offering()
    wanted = "return a list: [impasto.Offer(NAME, FACTORY)]"

    def wrong(what: str) -> PluginError:
        return PluginError(f"{with_place('the hook', defined_at(offering))} {what}")

    if isinstance(returned, Offer) or not isinstance(returned, Iterable):
        given = "nothing" if returned is None else type(returned).__name__
        raise wrong(f"returned {given}; {wanted}")
    offers = list(returned)
    for offer in offers:
        if not isinstance(offer, Offer):
            raise wrong(f"expected impasto.Offer, got {offer!r}; {wanted}")
        # A module of torch can be called, too.
        if isinstance(offer.factory, torch.nn.Module) or not callable(offer.factory):
            raise wrong(
                f"offers '{offer.name}' as a thing of type {type(offer.factory).__name__}; give the"
                " class or function that makes the thing, without calling it"
            )
    return offers


def source_of(module_name: str) -> str:
    """The file of a module; of one in a package, the package's folder. Empty if it cannot be found."""
    top = module_name.partition(".")[0]
    try:
        found = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return ""
    file = found.origin if found is not None else None
    return os.path.dirname(file) if file and file.endswith("__init__.py") else file or ""


def reason_of(error: BaseException, source: str) -> str:
    """What an error says, with its type, and the line of a source that it came from."""
    if isinstance(error, PluginError):
        return with_place(_one_line(error), raised_at(error, source))
    if isinstance(error, ImpastoError):
        # Raised on purpose, for the user.
        return _one_line(error)
    told = error.msg if isinstance(error, SyntaxError) else _one_line(error)
    # The words of torch's modules.
    hint = "; call super().__init__() first" if "before Module.__init__() call" in told else ""
    return with_place(f"{type(error).__name__}: {told}", raised_at(error, source)) + hint


def _run_source(module_name: str, path: Path, source: bytes) -> ModuleType:
    # Compiled from the bytes that the checksum is of: the file may change between two readings.
    specification = importlib.util.spec_from_file_location(module_name, path)
    assert specification is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[module_name] = module
    try:
        exec(compile(source, path, "exec"), vars(module))  # noqa: S102 a plugin is code
    except BaseException:
        del sys.modules[module_name]
        raise
    return module


def _refuse_bad_hooks(plugin: object, origin: Origin, known: Sequence[str]) -> None:
    """Refuse what pluggy would accept in silence: misspelled hooks, defaults, wrappers."""
    # Not by pluggy's check_pending: it runs when all are registered, and knows no nearest match.
    for name in dir(plugin):
        method = getattr(plugin, name, None)
        marks = getattr(method, "impasto_impl", None)
        if not isinstance(marks, dict) or not callable(method):
            if name in known:
                where = with_place(name, defined_at(method))
                raise PluginError(f"plugin {origin}: {where} lacks the decorator @impasto.hookimpl")
            continue
        if name not in known:
            line = with_place(unknown("hook", name, known), defined_at(method))
            raise PluginError(f"plugin {origin}: {line}")
        if marks.get("wrapper") or marks.get("hookwrapper"):
            where = with_place(name, defined_at(method))
            raise PluginError(f"plugin {origin}: {where} cannot be a wrapper")
        for parameter in inspect.signature(method).parameters.values():
            if parameter.default is not parameter.empty:
                where = with_place(name, defined_at(method))
                raise PluginError(
                    f"plugin {origin}: the argument '{parameter.name}' of {where} has a default;"
                    " pluggy never passes such an argument"
                )


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
