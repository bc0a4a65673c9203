"""The command line, run inside the process that is measured."""

from __future__ import annotations

from lilfox_tui.cli.main import parse, run_command
from tests.bench.on_terminal import CannotMeasure


def run_lilfox(*words: str, codes: tuple[int, ...] = (0,)) -> None:
    """Runs ``lilfox WORDS``; raises CannotMeasure for another exit code than one of ``codes``."""
    code = run_command(parse(words))
    if code not in codes:
        raise CannotMeasure(f"lilfox {' '.join(words)}: exit {code}")
