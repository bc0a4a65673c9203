"""The document that a word of the command line means: a file, or the id of a runbook that is known."""

from __future__ import annotations

import argparse
from pathlib import Path

from lilfox_tui.cli.output import no_colour, warn
from lilfox_tui.cli.settings import load_settings
from lilfox_tui.config.runbook_model import RunbooksConfig
from lilfox_tui.errors import ConfigError, UsageError
from lilfox_tui.i18n import tr
from lilfox_tui.redact import redact
from lilfox_tui.runbook.library import catalogue
from lilfox_tui.runbook.model import BUNDLED, Document, Problem
from lilfox_tui.runbook.parse.document import read


def runbooks_config(args: argparse.Namespace) -> RunbooksConfig:
    """Where runbooks are, with language and colours applied. A configuration that cannot be used is said, and does not
    stand between a person and a file: those that LilFox brings are there then."""
    try:
        return load_settings(args).config.runbooks
    except ConfigError as error:
        if args.no_color:
            no_colour()
        warn(error.problems[0] if error.problems else str(error))
        return RunbooksConfig()


def document(word: str, config: RunbooksConfig) -> Document:
    """A file, or ``library:NAME.md`` or an id of the catalogue: then with that runbook alone. Raises LilFoxError."""
    from msgspec.structs import replace

    path = Path(word)
    if path.exists() or (path.suffix and not word.startswith(BUNDLED)):
        return read(path)
    for each in catalogue(config):
        if each.path == word:
            return each
        if found := [runbook for runbook in each.runbooks if runbook.id == word]:
            return replace(each, runbooks=tuple(found))
    raise UsageError(tr("{word}: no file, and no runbook of that id", word=word), tr("see: lilfox runbook list"))


def sound_document(word: str, config: RunbooksConfig) -> Document:
    """As :func:`document`; raises LilFoxError also where it has an error, or no runbook: nothing of it is run."""
    from lilfox_tui.runbook.run.persistence import refuse_broken

    found = document(word, config)
    refuse_broken(found)
    return found


def problem_line(path: str, problem: Problem) -> str:
    """``path:line: severity: what [code]``, with nothing secret in it."""
    word = tr("error") if problem.severity == "error" else tr("warning")
    return f"{path}:{problem.line}: {word}: {redact(problem.text)} [{problem.code}]"
