"""Lints a runbook file: finds whatever does not do what it seems to do. docs/runbooks.md lists the codes.

Parsing has found what is broken (``Document.problems``); each file here looks for hazards of one kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lilfox_tui.runbook.lint import runbook_checks, script_checks
from lilfox_tui.runbook.lint import script_checks as operation_checks
from lilfox_tui.runbook.lint.script_checks import FenceSource
from lilfox_tui.runbook.model import Document, Problem

_OF_A_FENCE: tuple[Callable[[FenceSource], Iterator[Problem]], ...] = (
    operation_checks.check_backup,
    script_checks.check_python,
    operation_checks.check_release,
    script_checks.check_script,
    script_checks.check_secrets,
)


def lint(document: Document) -> list[Problem]:
    """Return all problems of a file by line, including parse problems and those of fences outside runbooks."""
    found = set(document.problems)
    sources = [FenceSource(fence) for fence in document.fences]
    for source in sources:
        for check in _OF_A_FENCE:
            found.update(check(source))
    found.update(runbook_checks.check_file(sources))
    for runbook in document.runbooks:
        found.update(runbook_checks.check_steps(runbook, document.declared))
    return sorted(found)
