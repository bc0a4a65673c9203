"""From what happened to an exit code: 0 good, 1 a problem or a failure, 2 wrong usage or config, 3 partly done."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from lilfox_tui.cli.output import flush, print_error, warn
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import tr

INTERRUPTED = 130
"""As a shell has it for SIGINT."""


def exit_code_of(run: Callable[[], int]) -> int:
    """Calls ``run``; what it raises is told on stderr and becomes the exit code."""
    try:
        code = run()
        flush()
    except LilFoxError as error:
        print_error(error)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # whoever read is gone: nothing may be written again, not even at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        from lilfox_tui.crash import write_crash

        where = write_crash(error)
        warn(tr("lilfox: this is a fault of LilFox: {kind}", kind=type(error).__name__))
        if where is not None:
            warn(tr("  the traceback is in {path}", path=where))
        return 1
    return code
