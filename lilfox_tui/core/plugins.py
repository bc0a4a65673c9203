"""Plug-ins: each is one file in a package; the file's name is the kind."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import ModuleType
from typing import Any, cast

from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import listed, tr

COLLECTORS = "lilfox_tui.metrics.collectors"
LOG_SOURCES = "lilfox_tui.logs.sources"
LOG_FORMATS = "lilfox_tui.logs.formats"
NOTIFIERS = "lilfox_tui.alerts.notifiers"
BACKENDS = "lilfox_tui.backends.kinds"


@cache
def kinds(package: str) -> tuple[str, ...]:
    """The kinds in ``package`` (a dotted name), sorted; files starting with ``_`` and folders are not kinds. Cached,
    because each page of records looks up its format."""
    module = importlib.import_module(package)
    found = (m.name for m in pkgutil.iter_modules(module.__path__) if not m.name.startswith("_") and not m.ispkg)
    return tuple(sorted(found))


def load(package: str, kind: str) -> ModuleType:
    """Imports the module of ``kind``; raises UsageError naming the existing kinds."""
    known = kinds(package)
    if kind not in known:
        raise UsageError(
            tr("{kind}: no such kind in {package}", kind=kind, package=package.rpartition(".")[2]),
            tr("one of: {kinds}", kinds=listed(known)),
        )
    return importlib.import_module(f"{package}.{kind}")


def options_of(package: str, kind: str) -> type[Any]:
    """The Options of ``kind``: from the package's table ``OPTIONS`` if it has one (the configuration is read before the
    first frame, and importing all kinds takes long), else from the kind's own module. Raises UsageError like
    :func:`load`."""
    table = getattr(importlib.import_module(package), "OPTIONS", None)
    if table is not None and kind in table:
        return cast("type[Any]", table[kind])
    return cast("type[Any]", load(package, kind).Options)
