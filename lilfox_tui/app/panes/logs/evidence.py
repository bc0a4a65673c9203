"""Records of logs as evidence of an incident: which ones (the marked, the open one with its neighbours, what the filter
leaves, or the selected one with what stands around it), and the file that is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec import Struct

from lilfox_tui.app.evidence import Selected, Selection
from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.logs.find import neighbours_of
from lilfox_tui.app.panes.logs.rows import headline
from lilfox_tui.app.panes.logs.state import LogsState
from lilfox_tui.app.panes.logs.strip import grouped
from lilfox_tui.i18n import _, clauses, listed, ngettext
from lilfox_tui.logs.filter.model import EVERYTHING
from lilfox_tui.logs.record import LogRecord
from lilfox_tui.logs.source import AtBeginning, AtPlace
from lilfox_tui.logs.window import WindowItem
from lilfox_tui.text import clean, fit

MOST_RECORDS = 1000
MOST_BYTES = 1 << 20
AROUND = 10
"""Records before and after the selected one."""
_NAMES_SHOWN = 3
_MOST_MARKS = 200
_TITLE = 60


class ChosenRecords(Struct, frozen=True):
    """Records, the oldest first. ``how`` says by what they were chosen; ``where`` is the filter they were seen through,
    empty for none. ``lost`` marked ones could not be read again."""

    records: Sequence[LogRecord]
    how: str
    where: str = ""
    lost: int = 0


def evidence_of(choice: ChosenRecords, now: datetime) -> Selected:
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


def _said(choice: ChosenRecords, kept: Sequence[LogRecord], sources: Sequence[str]) -> str:
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


class LogEvidence:
    """Chooses the records that go into an incident, and reads those that are not loaded."""

    def __init__(self, context: PaneContext[LogsState]) -> None:
        self._state = context.state

    def selection(self) -> Selection | None:
        """What is selected; None where nothing is."""
        record = self._state.selected_record
        if record is None and not self._state.marks:
            return None
        title = next(iter(self._state.marks))[0] if record is None else headline(record)
        return Selection(fit(title, _TITLE).rstrip(), self._read_chosen)

    async def _read_chosen(self) -> Selected:
        return evidence_of(await self._chosen(), datetime.now(UTC))

    async def _chosen(self) -> ChosenRecords:
        where = self._where_text()
        if self._state.marks:
            records, lost = await self._marked()
            return ChosenRecords(records, _("marked"), lost=lost)
        record = self._state.selected_record
        if self._state.page is not None and self._state.page.record is not None:
            return ChosenRecords(await self._with_neighbours(self._state.page.record), _("one and its neighbours"))
        if where:
            return ChosenRecords(self._around(MOST_RECORDS), _("those that were loaded"), where)
        return ChosenRecords(self._around(AROUND) if record is not None else (), _("one and what stands around it"))

    def _where_text(self) -> str:
        """The level and the filter that leave records out, as they are written."""
        from lilfox_tui.logs.filter.syntax import to_text

        return to_text(self._state.where)

    def _around(self, most: int) -> list[LogRecord]:
        """So many loaded records before and after where the reader stands."""
        merged, here = self._state.merged, self._state.selected
        if merged is None or here is None:
            return []
        at = merged.index(here.key)
        near: list[WindowItem] = list(merged.shown[max(0, at - most) : at + most + 1])
        return [each.item for each in near if isinstance(each.item, LogRecord)]

    async def _with_neighbours(self, record: LogRecord) -> list[LogRecord]:
        source = self._state.source(record.source)
        if source is None:
            return [record]
        before, after = await neighbours_of(source, record)
        return [*before, record, *after]

    async def _marked(self) -> tuple[list[LogRecord], int]:
        """Those that can still be read, by time, and the number of others."""
        loaded: dict[tuple[str, str], LogRecord] = {}
        for shown in () if self._state.merged is None else self._state.merged.shown:
            if isinstance(shown.item, LogRecord):
                loaded[shown.item.source, shown.item.place] = shown.item
        found: list[LogRecord] = []
        ordered = sorted(self._state.marks.items(), key=lambda mark: (mark[1], mark[0]))
        for mark, _time_us in ordered[:_MOST_MARKS]:
            record = loaded.get(mark) or await self._read_again(*mark)
            if record is not None:
                found.append(record)
        return found, len(ordered) - len(found)

    async def _read_again(self, name: str, place: str) -> LogRecord | None:
        """A record that is not loaded: the one behind the one before it."""
        source = self._state.source(name)
        if source is None:
            return None
        before = await source.page(AtPlace(place), older=True, limit=1, where=EVERYTHING)
        start = AtPlace(before.records[-1].place) if before.records else AtBeginning()
        after = await source.page(start, older=False, limit=1, where=EVERYTHING)
        return next((each for each in after.records if each.place == place), None)
