"""All checks, found by the names of their files."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from functools import cache

from lilfox_tui.audit import checks
from lilfox_tui.audit.model import AuditCheck
from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import listed, tr

_TARGETS = {
    "postgresql": "postgresql",
    "redis": "redis",
    "backups": "plan",
    "code": "source",
    "http": "service",
    "auth": "service",
    "monitoring": "configuration",
    "kubernetes": "kubernetes",
}
"""The kind of target of the groups whose checks are not made on hosts."""


@cache
def groups() -> dict[str, tuple[AuditCheck, ...]]:
    """The checks of each group, sorted by their files' names."""
    return {group.name: _checks(f"{checks.__name__}.{group.name}") for group in pkgutil.iter_modules(checks.__path__)}


def _checks(package: str) -> tuple[AuditCheck, ...]:
    folder = importlib.import_module(package)
    files = [importlib.import_module(f"{package}.{file.name}") for file in pkgutil.iter_modules(folder.__path__)]
    return tuple(check for file in files for check in file.CHECKS)


def group_of(check: AuditCheck) -> str:
    """The name of the group that ``check`` belongs to."""
    return next(name for name, members in groups().items() if check in members)


def target_kind(group: str) -> str:
    """The kind of target that the checks of a group are made on: ``host``, ``service``, ``plan``, ``source``,
    ``configuration``, ``kubernetes``, or the kind of a backend."""
    return _TARGETS.get(group, "host")


def kind_of(check: AuditCheck) -> str:
    """The kind of target that a check is made on."""
    return check.target or target_kind(group_of(check))


def tags() -> dict[str, tuple[AuditCheck, ...]]:
    """The checks of each tag."""
    every = [check for members in groups().values() for check in members]
    names = sorted({tag for check in every for tag in check.tags})
    return {name: tuple(check for check in every if name in check.tags) for name in names}


def chosen(only: Sequence[str]) -> tuple[AuditCheck, ...]:
    """The checks of the groups, with the tags and with the ids in ``only``; all if it is empty. Raises UsageError for
    another word."""
    named = tags() | groups()
    every = {check.id: check for members in groups().values() for check in members}
    if not only:
        return tuple(every.values())
    found: dict[str, AuditCheck] = {}
    for word in only:
        if word in named:
            found |= {check.id: check for check in named[word]}
        elif word in every:
            found[word] = every[word]
        else:
            raise UsageError(
                tr("{word}: no such check or group", word=word),
                tr("groups: {names}; lilfox audit list lists the checks", names=listed(named)),
            )
    return tuple(found.values())
