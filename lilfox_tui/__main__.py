"""The ``lilfox`` program: starts the app if there is no sub-command, else the command line. The only module that
imports both."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from lilfox_tui import __version__

if TYPE_CHECKING:
    from lilfox_tui.audit.targets.hosts import ExportedFile
    from lilfox_tui.config.model import Config


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``argv`` (default: the arguments of this process) and return the exit code."""
    _open_closed_streams()
    words = sys.argv[1:] if argv is None else list(argv)
    if words == ["--version"]:  # scripts ask for it often: nothing is imported for it
        sys.stdout.write(f"lilfox {__version__}\n")
        return 0
    gc.disable()  # imports make hardly any garbage; to look for it costs a tenth of the way to the first frame
    from lilfox_tui.cli.output import exit_code_of

    if not words:  # nothing to parse: argparse and the help of all options cost a fiftieth of that way
        from lilfox_tui.app.start import run_without_arguments

        return exit_code_of(lambda: run_without_arguments(_exported))
    from lilfox_tui.cli.main import parse, run_command

    args = parse(words)
    if args.command is None or (args.command == "demo" and not args.no_ui):
        from lilfox_tui.app.start import run, run_demo

        return exit_code_of(lambda: run_demo(args) if args.command else run(args, _exported))
    gc.freeze()  # what is there now stays: no look for garbage goes through it again
    gc.enable()
    return exit_code_of(lambda: run_command(args))


def _exported(config: Config, host: str) -> Mapping[str, ExportedFile]:
    """What ``lilfox export`` would make for the collectors of a host, for the audit of the app, which does not know the
    command line. Imported once the audit runs."""
    files: Mapping[str, ExportedFile] = import_module("lilfox_tui.cli.exports.log_stack").exported_files(config, host)
    return files


def _open_closed_streams() -> None:
    """Opens /dev/null for each standard stream that the caller closed (``>&-``), so that no file opened later gets its
    descriptor."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))  # noqa: PTH123, SIM115


if __name__ == "__main__":
    sys.exit(main())
