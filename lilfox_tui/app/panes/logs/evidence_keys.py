"""Which records of the Logs pane go into an incident: the marked ones, the open one with its neighbours, what the
filter leaves, or the selected one with what stands around it."""

from __future__ import annotations

from datetime import UTC, datetime

from lilfox_tui.app.evidence import Selected, Selection
from lilfox_tui.app.evidence_actions import EvidenceKeys
from lilfox_tui.app.panes.logs.detail_keys import NEIGHBOURS
from lilfox_tui.app.panes.logs.evidence import MOST_RECORDS, Choice, evidence_of
from lilfox_tui.app.panes.logs.find_keys import LogFindKeys
from lilfox_tui.app.panes.logs.rows import headline
from lilfox_tui.i18n import _
from lilfox_tui.logs.filter.model import EVERYTHING
from lilfox_tui.logs.record import LogRecord
from lilfox_tui.logs.source import AtBeginning, AtPlace, LogSource
from lilfox_tui.logs.window import WindowItem
from lilfox_tui.text import fit

AROUND = 10
"""Records before and after the selected one."""
_MOST_MARKS = 200
_TITLE = 60


class LogEvidenceKeys(EvidenceKeys, LogFindKeys):
    """What is selected, as evidence."""

    def evidence(self) -> Selection | None:
        record = self.selected_record
        if record is None and not self.marks:
            return None
        title = next(iter(self.marks))[0] if record is None else headline(record)
        return Selection(fit(title, _TITLE).rstrip(), self._read_chosen)

    async def _read_chosen(self) -> Selected:
        return evidence_of(await self._chosen(), datetime.now(UTC))

    async def _chosen(self) -> Choice:
        where = self._where_text()
        if self.marks:
            records, lost = await self._marked()
            return Choice(records, _("marked"), lost=lost)
        record = self.selected_record
        if self.detail is not None and isinstance(self.detail.item, LogRecord):
            return Choice(await self._with_neighbours(self.detail.item), _("one and its neighbours"))
        if where:
            return Choice(self._around(MOST_RECORDS), _("those that were loaded"), where)
        return Choice(self._around(AROUND) if record is not None else (), _("one and what stands around it"))

    def _where_text(self) -> str:
        """The level and the filter that leave records out, as they are written."""
        from lilfox_tui.logs.filter.syntax import to_text

        return to_text(self.where)

    def _around(self, most: int) -> list[LogRecord]:
        """So many loaded records before and after where the reader stands."""
        merged, here = self.merged, self.selected
        if merged is None or here is None:
            return []
        at = merged.index(here.key)
        near: list[WindowItem] = list(merged.shown[max(0, at - most) : at + most + 1])
        return [each.item for each in near if isinstance(each.item, LogRecord)]

    async def _with_neighbours(self, record: LogRecord) -> list[LogRecord]:
        source = self._source(record.source)
        if source is None:
            return [record]
        place = AtPlace(record.place)
        before = await source.page(place, older=True, limit=NEIGHBOURS, where=EVERYTHING)
        after = await source.page(place, older=False, limit=NEIGHBOURS, where=EVERYTHING)
        return [*before.records, record, *after.records]

    async def _marked(self) -> tuple[list[LogRecord], int]:
        """Those that can still be read, by time, and the number of others."""
        loaded: dict[tuple[str, str], LogRecord] = {}
        for shown in () if self.merged is None else self.merged.shown:
            if isinstance(shown.item, LogRecord):
                loaded[shown.item.source, shown.item.place] = shown.item
        found: list[LogRecord] = []
        ordered = sorted(self.marks.items(), key=lambda mark: (mark[1], mark[0]))
        for mark, _time_us in ordered[:_MOST_MARKS]:
            record = loaded.get(mark) or await self._read_again(*mark)
            if record is not None:
                found.append(record)
        return found, len(ordered) - len(found)

    async def _read_again(self, name: str, place: str) -> LogRecord | None:
        """A record that is not loaded: the one behind the one before it."""
        source = self._source(name)
        if source is None:
            return None
        before = await source.page(AtPlace(place), older=True, limit=1, where=EVERYTHING)
        start = AtPlace(before.records[-1].place) if before.records else AtBeginning()
        after = await source.page(start, older=False, limit=1, where=EVERYTHING)
        return next((each for each in after.records if each.place == place), None)

    def _source(self, name: str) -> LogSource | None:
        return next((each for each in self.sources if each.name == name), None)
