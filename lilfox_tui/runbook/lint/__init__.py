"""What can be said of a file that can be read: that it does not do what it seems to. docs/runbooks.md lists the codes.

Reading has found what is broken (``Document.problems``); each file here looks for hazards of one kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lilfox_tui.runbook.lint import (
    backup_checks,
    file_checks,
    python_checks,
    release_checks,
    script_checks,
    secret_checks,
    step_checks,
)
from lilfox_tui.runbook.lint.source import Source
from lilfox_tui.runbook.model import Document, Problem

_OF_A_FENCE: tuple[Callable[[Source], Iterator[Problem]], ...] = (
    backup_checks.check,
    python_checks.check,
    release_checks.check,
    script_checks.check,
    secret_checks.check,
)


def lint(document: Document) -> list[Problem]:
    """All problems of a file by line, those of reading it too; also of fences that are in no runbook."""
    found = set(document.problems)
    sources = [Source(fence) for fence in document.fences]
    for source in sources:
        for check in _OF_A_FENCE:
            found.update(check(source))
    found.update(file_checks.check(sources))
    for runbook in document.runbooks:
        found.update(step_checks.check(runbook, document.declared))
    return sorted(found)
