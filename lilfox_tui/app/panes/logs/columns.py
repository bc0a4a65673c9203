"""Columns of the Logs pane that show values of fields beside the messages: which ones, how wide, and their cells."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from lilfox_tui.app.rendering.draw import Piece, Row
from lilfox_tui.core import paths
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.files import open_regular, replace_file
from lilfox_tui.core.i18n import _, tr
from lilfox_tui.core.text import cell_width, clean, fit, human_duration
from lilfox_tui.logs.filter.model import field_values, text_of
from lilfox_tui.logs.record import LogRecord

TRACE_FIELDS = ("request_id", "req_id", "requestId", "trace_id", "traceId", "correlation_id")
"""Names under which a request is followed over services."""
TRACE_SHOWN = 8
REQUEST: Final = "request"
"""The column of the request's id, whatever its field is called."""
AUTOMATIC = ("status", "response_time", REQUEST)
"""The columns of a format for which none were chosen, where its records have such values."""
OFFERED = 40
"""Fields to choose from, at most."""
_NUMBERS = ("status", "response_time")
_ELSEWHERE = frozenset(
    ("level", "severity", "logger", "message", "msg", "time", "timestamp", "ts", "@timestamp", "exception")
)
"""Fields that are in other columns, or too long for one."""
_WIDEST = 24
_LEAST_SCREEN = 100
"""Cells of the list from which there is room for columns."""
_SHARE = 0.45
"""Of the list's width that columns take at most."""
_MOST_CHOICES = 200
_FILE_BYTES = 1 << 20
_CUT = 200
"""Characters of a value that are looked at."""


class ValueColumn(Struct, frozen=True):
    """A column of values. ``name`` is that of a field, as in filters, or ``REQUEST``."""

    name: str
    width: int

    @property
    def title(self) -> str:
        """The column's heading."""
        return title_of(self.name)


def title_of(name: str) -> str:
    """The heading of the column of that field."""
    titles: dict[str, Callable[[], str]] = {
        "status": lambda: _("status"),
        "response_time": lambda: _("took"),
        REQUEST: lambda: _("request"),
    }
    return titles[name]() if name in titles else name.rpartition(".")[2]


def trace_of(record: LogRecord) -> tuple[str, str] | None:
    """The field that identifies this request in all sources, and its value."""
    for name in TRACE_FIELDS:
        value = record.entry.fields.get(name)
        if isinstance(value, str | int) and value != "":
            return name, text_of(value)
    return None


def value_piece(record: LogRecord, name: str) -> Piece:
    """The value of a record in that column, in full; empty text if it has none."""
    if name == REQUEST:
        found = trace_of(record)
        return Piece("" if found is None else clean(found[1][:TRACE_SHOWN]), "muted")
    if name == "response_time":
        seconds = record.entry.response_time_s
        return Piece("" if seconds is None else human_duration(seconds))
    values = field_values(record, name)
    if not values:
        return Piece("")
    if name == "status":
        return Piece(clean(text_of(values[0])[:_CUT]), _role_of_status(values[0]))
    return Piece(clean(text_of(values[0])[:_CUT]).strip())


def _role_of_status(value: object) -> str:
    """The colour of an HTTP status; of other statuses that of plain text."""
    code = str(value)
    if len(code) != 3 or not code.isdecimal():
        return "text"
    return {"2": "good", "4": "degraded", "5": "failing"}.get(code[0], "text")


def widths_of(records: Iterable[LogRecord], names: Sequence[str]) -> dict[str, int]:
    """The cells of the widest value of each column; columns without any value are missing."""
    widths: dict[str, int] = {}
    for record in records:
        for name in names:
            if text := value_piece(record, name).text:
                widths[name] = max(widths.get(name, 0), cell_width(text))
    return widths


def fitted(names: Sequence[str], widths: Mapping[str, int], width: int) -> tuple[ValueColumn, ...]:
    """The columns that have values and room in a list of ``width`` cells; the first ones stay."""
    if width < _LEAST_SCREEN:
        return ()
    room = int(width * _SHARE)
    columns: list[ValueColumn] = []
    for name in names:
        if name in widths:
            size = max(min(widths[name], _WIDEST), min(cell_width(title_of(name)), _WIDEST))
            if (room := room - size - 2) < 0:
                break
            columns.append(ValueColumn(name, size))
    return tuple(columns)


def value_cells(record: LogRecord, columns: Sequence[ValueColumn]) -> Row:
    """The values of one record, each preceded by two blanks."""
    pieces: list[Piece] = []
    for column in columns:
        piece = value_piece(record, column.name)
        right = piece.text[:1].isdigit() and column.name != REQUEST
        pieces += [Piece("  "), Piece(fit(piece.text, column.width, right=right), piece.role)]
    return tuple(pieces)


def heading_cells(columns: Sequence[ValueColumn]) -> str:
    """The headings of the columns, above their values."""
    return "".join("  " + fit(each.title, each.width, right=each.name in _NUMBERS) for each in columns)


def fields_in(records: Iterable[LogRecord]) -> list[str]:
    """The names of fields that can be shown as columns, those of most records first; nested ones with dots."""
    seen = Counter(name for record in records for name in names_of(record.entry.fields))
    others = sorted(seen.keys() - _ELSEWHERE - set(AUTOMATIC), key=lambda name: (-seen[name], name))
    return [*AUTOMATIC, *others][:OFFERED]


def names_of(fields: Mapping[str, object], above: str = "") -> Iterator[str]:
    """The names of the fields that have a value, as filters write them; no deeper than one level, as names get too long
    for a column."""
    for name, value in fields.items():
        if isinstance(value, Mapping):
            if not above:
                yield from names_of(value, f"{name}.")
        elif value is not None and value != "":
            yield f"{above}{name}"


class ChosenColumns:
    """The columns that were chosen for each format, kept in a file of the state folder."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._chosen: dict[str, list[str]] = _load(path)

    def of(self, formats: str) -> tuple[str, ...]:
        """The columns for that format, or for those formats."""
        return tuple(self._chosen.get(formats, AUTOMATIC))

    def are_chosen(self, formats: str) -> bool:
        """Whether the columns for that format were chosen."""
        return formats in self._chosen

    def toggle(self, formats: str, name: str) -> None:
        """Shows or hides a column, and keeps the choice. Raises LilFoxError if it cannot be kept; it holds until the
        console ends all the same."""
        names = list(self.of(formats))
        if name in names:
            names.remove(name)
        else:
            names.append(name)
        self._chosen.pop(formats, None)
        self._chosen[formats] = names
        while len(self._chosen) > _MOST_CHOICES:
            del self._chosen[next(iter(self._chosen))]
        if self._path is None:
            return
        try:
            replace_file(self._path, msgspec.json.encode(self._chosen))
        except OSError as error:
            raise LilFoxError(
                tr("{path}: cannot save the columns: {reason}", path=self._path, reason=error.strerror or error)
            ) from None


def chosen_file() -> Path | None:
    """The file of the chosen columns; None without a state folder."""
    try:
        return paths.state_dir() / "log-columns.json"
    except (OSError, RuntimeError):
        return None


def _load(path: Path | None) -> dict[str, list[str]]:
    if path is None:
        return {}
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            return msgspec.json.decode(file.read(_FILE_BYTES), type=dict[str, list[str]])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return {}
