"""A collector module and its options as one value, with the contract's defaults filled in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

from msgspec import Struct

from lilfox_tui import plugins
from lilfox_tui.metrics.model import Sample

PACKAGE = "lilfox_tui.metrics.collectors"


class Collector(Struct, frozen=True):
    """One kind with its options; the fields are the contract of ``metrics/collectors/__init__.py``."""

    kind: str
    files: tuple[str, ...]
    script: str
    every_s: float
    when_focused: bool
    parse: Callable[[Mapping[str, str]], list[Sample]]
    read_here: Callable[[], str | None]
    options: Any


def load_collectors(options: Mapping[str, Any]) -> tuple[Collector, ...]:
    """Every kind that is not switched off. ``options`` maps a kind to its Options or False; others have defaults."""
    kinds = (kind for kind in plugins.kinds(PACKAGE) if options.get(kind) is not False)
    return tuple(_collector(kind, plugins.load(PACKAGE, kind), options.get(kind)) for kind in kinds)


def _collector(kind: str, module: ModuleType, chosen: Any) -> Collector:
    options = module.Options() if chosen is None else chosen
    files: Sequence[str] = getattr(module, "FILES", ())
    script = getattr(module, "script", None)
    here = getattr(module, "read_here", None)
    return Collector(
        kind=kind,
        files=tuple(files),
        script="" if script is None else script(options),
        every_s=getattr(module, "EVERY_S", 0.0),
        when_focused=getattr(module, "WHEN_FOCUSED", False),
        parse=lambda text: module.parse(text, options),
        read_here=(lambda: None) if here is None else (lambda: here(options)),
        options=options,
    )
