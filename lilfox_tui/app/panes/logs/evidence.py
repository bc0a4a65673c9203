"""Records of logs as a file of evidence. Pure: records in, text out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec import Struct

from lilfox_tui.app.evidence import Selected
from lilfox_tui.app.panes.logs.strip import grouped
from lilfox_tui.i18n import _, clauses, listed, ngettext
from lilfox_tui.logs.record import LogRecord
from lilfox_tui.text import clean

MOST_RECORDS = 1000
MOST_BYTES = 1 << 20
_NAMES_SHOWN = 3


class Choice(Struct, frozen=True):
    """Records, the oldest first. ``how`` says by what they were chosen; ``where`` is the filter they were seen through,
    empty for none. ``lost`` marked ones could not be read again."""

    records: Sequence[LogRecord]
    how: str
    where: str = ""
    lost: int = 0


def evidence_of(choice: Choice, now: datetime) -> Selected:
    """The records as they were written, each with its source's name where they are of several; above them how they were
    chosen and what was left out."""
    records = choice.records[-MOST_RECORDS:]
    sources = list(dict.fromkeys(each.source for each in records))
    lines: list[str] = []
    size = 0
    for record in reversed(records):  # the newest are kept where there is not room for all
        written = _written(record, named=len(sources) > 1)
        size += len(written.encode()) + 1
        if lines and size > MOST_BYTES:
            break
        lines.append(written)
    lines.reverse()
    kept = records[len(records) - len(lines) :]
    said = _said(choice, kept, sources)
    head = [said, _("taken at {when} UTC", when=_utc(now))]
    if left_out := len(choice.records) - len(kept):
        head.append(
            ngettext("{shown} older record is left out", "{shown} older records are left out", left_out,
                     shown=grouped(left_out))
        )  # fmt: skip
    if choice.lost:
        head.append(
            ngettext("{count} marked record could not be read again", "{count} marked records could not be read again",
                     choice.lost)
        )  # fmt: skip
    text = "".join(f"# {each}\n" for each in map(clean, head)) + "\n".join(lines) + "\n"
    name = sources[0] if len(sources) == 1 else f"{len(sources)}-logs"
    return Selected(f"log-{name}-{now:%H%M%S}.txt", text.encode("utf-8", "replace"), said)


def _said(choice: Choice, kept: Sequence[LogRecord], sources: Sequence[str]) -> str:
    names = listed(sources[:_NAMES_SHOWN])
    if more := len(sources) - _NAMES_SHOWN:
        names += _(" and {count} more", count=more) if more > 0 else ""
    said = ngettext("{count} record of {names}", "{count} records of {names}", len(kept), names=names)
    times = sorted(each.at for each in kept if each.at is not None)
    if times:
        said = _("{said}, {first} to {last} UTC", said=said, first=_utc(times[0]), last=_utc(times[-1]))
    said = clauses([said, choice.how])
    return _("{said}, filter {filter}", said=said, filter=choice.where) if choice.where else said


def _written(record: LogRecord, *, named: bool) -> str:
    """All its lines, with nothing in them that a terminal would obey."""
    text = "\n".join(map(clean, record.raw.decode("utf-8", "replace").split("\n")))
    if record.size_bytes > len(record.raw):
        text += " " + _("… {count} bytes of it were not read", count=grouped(record.size_bytes - len(record.raw)))
    return f"[{clean(record.source)}] {text}" if named else text


def _utc(at: datetime) -> str:
    at = at.astimezone(UTC)
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03}"
