"""Output of the command line: text, JSON, errors, and questions at a terminal."""

from __future__ import annotations

import os
import shutil
import sys
import termios
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from itertools import zip_longest
from typing import Any, TextIO

from msgspec import Struct

from lilfox_tui.core.crash import write_crash
from lilfox_tui.core.errors import ConfigError, LilFoxError
from lilfox_tui.core.i18n import Message, _, tr
from lilfox_tui.core.text import break_line, cell_width, clean, fit
from lilfox_tui.metrics.model import Level

_SHAPES = {Level.GOOD: "●", Level.UNKNOWN: "○", Level.DEGRADED: "◐", Level.FAILING: "✖"}
_ASCII_SHAPES = {Level.GOOD: "*", Level.UNKNOWN: "o", Level.DEGRADED: "~", Level.FAILING: "x"}
_SGR = {Level.GOOD: "32", Level.UNKNOWN: "2", Level.DEGRADED: "33", Level.FAILING: "31"}

_colour_wanted = True


class Cell(Struct, frozen=True, gc=False):
    """One cell of a table; ``level`` colours it, ``right`` aligns it to the right. ``folds``: it is a sentence in the
    last column, broken between words on a terminal; text to be copied does not fold."""

    text: str
    level: Level | None = None
    right: bool = False
    folds: bool = False


_NOTHING = Cell("")
_LEAST_ROOM = 20
"""Cells of the terminal to the right of the other columns in which a cell is folded."""


def no_colour() -> None:
    """Turns colours off, for ``--no-color``."""
    global _colour_wanted
    _colour_wanted = False


def shape(level: Level) -> Cell:
    """The symbol of a level, as on the screen."""
    return _shapes(sys.stdout.encoding or "ascii")[level]


@cache
def _shapes(encoding: str) -> dict[Level, Cell]:
    shapes = _SHAPES if _holds(encoding, "".join(_SHAPES.values())) else _ASCII_SHAPES
    return {level: Cell(text, level) for level, text in shapes.items()}


def print_line(text: str | Message = "") -> None:
    """Prints one line of untrusted text."""
    _write(sys.stdout, clean(str(text)) + "\n")


def print_cleaned(text: str) -> None:
    """Prints lines that were cleaned before, as they are."""
    _write(sys.stdout, text)


def print_text(text: str) -> None:
    """Prints a whole text line by line, such as a file for other programs. A final newline is optional."""
    for line in text.splitlines():
        print_line(line)


def print_table(rows: Iterable[Sequence[Cell]], stream: TextIO | None = None) -> None:
    """Prints rows in aligned columns, without trailing blanks; to stdout, unless ``stream`` is given."""
    stream = sys.stdout if stream is None else stream
    coloured = is_coloured(stream)
    if stream.isatty():
        rows = _folded([list(row) for row in rows], shutil.get_terminal_size().columns)
    columns = [_in_line(cells, coloured=coloured) for cells in zip_longest(*rows, fillvalue=_NOTHING)]
    _write(stream, "".join(["  ".join(line).rstrip() + "\n" for line in zip(*columns, strict=True)]))


def is_coloured(stream: TextIO) -> bool:
    """Whether levels are shown in colours there."""
    return _colour_wanted and not os.environ.get("NO_COLOR") and stream.isatty()


def row_text(cells: Sequence[Cell], *, coloured: bool) -> str:
    """The line that is printed for a table of this row alone."""
    texts = [_in_colour(clean(cell.text), cell.level) if coloured else clean(cell.text) for cell in cells]
    return "  ".join(texts).rstrip() + "\n"


def _folded(rows: list[list[Cell]], width: int) -> list[list[Cell]]:
    """The rows, in which folded cells take up as many rows as they need."""
    if not any(cell.folds for row in rows for cell in row):
        return rows
    last = max(map(len, rows)) - 1
    widths = [max(cell_width(clean(row[at].text)) for row in rows if at < len(row)) for at in range(last)]
    room = width - sum(each + 2 for each in widths)
    found = []
    for row in rows:
        if room < _LEAST_ROOM or len(row) <= last or not row[last].folds:
            found.append(row)
            continue
        first, rest = break_line(row[last].text, room)
        found.append([*row[:last], Cell(first, row[last].level)])
        while rest:
            first, rest = break_line(rest, room)
            found.append([*[_NOTHING] * last, Cell(first, row[last].level)])
    return found


def _in_line(cells: Sequence[Cell], *, coloured: bool) -> list[str]:
    """A column's texts, padded to one width."""
    texts, widths = _cleaned([cell.text for cell in cells])
    widest = max(widths)
    if coloured:
        texts = [_in_colour(text, cell.level) for cell, text in zip(cells, texts, strict=True)]
    if min(widths) == widest:
        return texts
    return [
        " " * (widest - width) + text if cell.right else text + " " * (widest - width)
        for cell, text, width in zip(cells, texts, widths, strict=True)
    ]


def _in_colour(text: str, level: Level | None) -> str:
    return text if level is None else f"\x1b[{_SGR[level]}m{text}\x1b[m"


def _cleaned(texts: list[str]) -> tuple[list[str], list[int]]:
    """A column's texts, cleaned, with their widths; in one pass if all are printable ASCII."""
    together = "".join(texts)
    if together.isascii() and together.isprintable():
        return texts, list(map(len, texts))
    cleaned = {text: clean(text) for text in set(texts)}
    widths = {text: cell_width(shown) for text, shown in cleaned.items()}
    return [cleaned[text] for text in texts], [widths[text] for text in texts]


def print_json(document: Any, *, lines: bool = False) -> None:
    """Prints one JSON document in ASCII, so that it cannot contain terminal escape sequences; on one line if
    ``lines``."""
    _write(sys.stdout, json_text(document, lines=lines))
    if lines:
        flush()


def json_text(document: Any, *, lines: bool) -> str:
    """The text that :func:`print_json` prints."""
    import json

    return json.dumps(document, indent=None if lines else 2).replace("\x7f", "\\u007f") + "\n"


def print_error(error: LilFoxError) -> None:
    """Prints ``lilfox: what`` and the hint on stderr; for a config, each problem on its own line."""
    if isinstance(error, ConfigError) and error.problems:
        for problem in error.problems:
            warn(problem)
    else:
        for number, line in enumerate(str(error.message).splitlines()):
            warn(f"lilfox: {line}" if number == 0 else f"  {line}")
    if str(error.hint):
        warn("  " + _("hint: {hint}", hint=error.hint))


def warn(text: str | Message) -> None:
    """Prints one line on stderr; ignores failures to write it, as there is no other place to report them."""
    with suppress(OSError, LilFoxError):
        _write(sys.stderr, clean(str(text)) + "\n")


def show_passing(text: str | Message) -> None:
    """Prints a transient line on stderr, which the next one replaces; "" removes it. For a terminal."""
    shown = fit(str(text), shutil.get_terminal_size().columns - 1).rstrip()
    with suppress(OSError, LilFoxError):
        _write(sys.stderr, f"\r{shown}\x1b[K")
        sys.stderr.flush()


def flush() -> None:
    """Flushes the output. Raises BrokenPipeError, or LilFoxError if it cannot be written."""
    with _told(sys.stdout):
        sys.stdout.flush()


def _holds(encoding: str, text: str) -> bool:
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _write(stream: TextIO, text: str) -> None:
    encoding = stream.encoding or "ascii"
    if not _holds(encoding, text):
        text = text.encode(encoding, "replace").decode(encoding)
    with _told(stream):
        stream.write(text)


@contextmanager
def _told(stream: TextIO) -> Iterator[None]:
    """Turns a failed write (such as on a full disk) into LilFoxError, and prevents Python from trying again at exit."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        raise LilFoxError(tr("cannot write the output: {reason}", reason=error.strerror or error)) from None


# From what happened to an exit code: 0 good, 1 a problem or a failure, 2 wrong usage or config, 3 partly done.


INTERRUPTED = 130
"""As a shell has it for SIGINT."""


def exit_code_of(run: Callable[[], int]) -> int:
    """Calls ``run`` and returns the exit code; prints expected errors on stderr."""
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
        where = write_crash(error)
        warn(tr("lilfox: this is a bug in LilFox: {kind}", kind=type(error).__name__))
        if where is not None:
            warn(tr("  the traceback is in {path}", path=where))
        return 1
    return code


# Questions at this terminal. What was typed before one stands there is no answer to it: nobody can have meant it so.
#
# Everything that reads what a person types goes through here.


_LONGEST = 64 << 10


def ask_line(*question: Message | str) -> str | None:
    """Asks a question and returns the typed line; None at the end of input. Blocks."""
    pose(*question)
    return typed_line()


def pose(*question: Message | str) -> None:
    """Prints a question, and discards everything typed before it, complete lines or not."""
    sys.stdout.flush()
    if sys.stdin.isatty():
        with suppress(termios.error):
            termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
    for line in question:
        warn(line)


def typed_line() -> str | None:
    """The next line; None at the end of input. Reads one line only from a terminal, so that :func:`pose` can discard
    what was typed after it."""
    if not sys.stdin.isatty():
        given = sys.stdin.readline()
        return given.rstrip("\n") if given else None
    line = b""
    while not line.endswith(b"\n") and len(line) < _LONGEST:
        block = os.read(sys.stdin.fileno(), 4096)  # a terminal gives one line at most
        if not block:
            break
        line += block
    return line.decode(sys.stdin.encoding or "utf-8", "replace").rstrip("\n") if line else None
