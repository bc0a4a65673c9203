"""Plug-ins: one file each in a package; the file's name is the kind."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import listed, tr

COLLECTORS = "lilfox_tui.metrics.collectors"
LOG_SOURCES = "lilfox_tui.logs.sources"
LOG_FORMATS = "lilfox_tui.logs.formats"
NOTIFIERS = "lilfox_tui.alerts.notifiers"
BACKENDS = "lilfox_tui.backends.kinds"


@cache
def kinds(package: str) -> tuple[str, ...]:
    """The kinds that ``package`` (a dotted name) holds, sorted; files starting with ``_`` are not kinds.
    Looked up once: a format is asked for with each page."""
    module = importlib.import_module(package)
    return tuple(sorted(m.name for m in pkgutil.iter_modules(module.__path__) if not m.name.startswith("_")))


def load(package: str, kind: str) -> ModuleType:
    """The module of ``kind``; raises UsageError naming the kinds that exist."""
    known = kinds(package)
    if kind not in known:
        raise UsageError(
            tr("{kind}: no such kind in {package}", kind=kind, package=package.rpartition(".")[2]),
            tr("one of: {kinds}", kinds=listed(known)),
        )
    return importlib.import_module(f"{package}.{kind}")


def rest_in(module: str) -> Callable[[str], Any]:
    """The ``__getattr__`` of a plug-in file that has its ``Options`` alone: what else is asked of it is in ``module``,
    which is imported then. Configurations are read before the first frame, and need no more than Options."""

    def rest(name: str) -> Any:
        if name.startswith("_"):  # the import system asks every module for such
            raise AttributeError(name)
        return getattr(importlib.import_module(module), name)

    return rest
