"""The restore wizard's state: the open page, its choices, and the check results. No screen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.app.rows.jobs import JobLog
from lilfox_tui.backup.sets.model import is_count
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, listed, ngettext, tr
from lilfox_tui.core.text import human_bytes
from lilfox_tui.monitor.model import PlanView

if TYPE_CHECKING:
    from lilfox_tui.backup.checks import Check
    from lilfox_tui.backup.plan import BackupRequest, RestoreSpec
    from lilfox_tui.backup.sets.model import BackupSet, FoundPart
    from lilfox_tui.backup.source import RestoreChange

WHAT, WHERE, CHECKS, CONFIRM, RUN, RESULT = range(6)
"""The pages, in their order."""
NOTHING = -1
"""No row is highlighted."""
Toggle = Literal["whole", "source", "other-server", "end-sessions", "run-code", "no-read-back"]
"""What is on or off."""
_PLACES = {"postgresql": "database", "files": "files", "config": "app"}
"""Kind of a source → the word of a command that says where it goes to without a plan."""
_FILE_KINDS = frozenset({"files", "file"})
"""Kinds of the parts that hold files: an archive, and one file alone."""
_OF_FILES = frozenset({"files", "folders", "bytes"})
"""What is counted of them."""


class SourceContents(Struct, frozen=True):
    """What a set records of one of its sources; None and empty for what it does not record."""

    tables: Mapping[str, int | None] = {}
    """Table → its rows; None where they were not counted."""
    server_bytes: int | None = None
    """Of the database on its server's disk."""
    files: int | None = None
    folders: int | None = None
    bytes: int | None = None
    """Of the files, unpacked."""
    folder_bytes: Mapping[str, int] = {}
    """Its largest folders."""
    beside: int = 0
    """Of the files, those that are stored alone and lie in none of the folders."""

    @property
    def is_known(self) -> bool:
        """Whether the set records anything."""
        return bool(self.tables) or self.files is not None


def contents_of(parts: Iterable[FoundPart]) -> SourceContents:
    """Return what the manifest records of these parts, which are all of one source. A manifest may contain anything:
    what has another shape is left out."""
    tables: dict[str, int | None] = {}
    folder_bytes: dict[str, int] = {}
    found: dict[str, int] = {}
    unknown: set[str] = set()
    beside = 0
    for part in parts:
        if (said := part.said) is None:
            unknown |= _OF_FILES if part.kind in _FILE_KINDS else set()
            continue
        tables |= said.tables
        detail = said.detail
        if part.kind == "file":
            beside += 1
            detail |= {"files": 1, "folders": 0, "bytes": said.raw_bytes}
        for name in ("size_bytes", *_OF_FILES):
            if is_count(value := detail.get(name)):
                found[name] = found.get(name, 0) + value
            elif part.kind in _FILE_KINDS:
                unknown.add(name)  # the sum of the other parts would be too small
        if isinstance(sizes := detail.get("folder_bytes"), Mapping):
            folder_bytes |= {str(name): size for name, size in sizes.items() if is_count(size)}
    files, folders, size = (None if name in unknown else found.get(name) for name in ("files", "folders", "bytes"))
    return SourceContents(tables, found.get("size_bytes"), files, folders, size, folder_bytes, beside)


def contents_text(contents: SourceContents) -> str:
    """The contents in a few words: ``3 tables, 89,414 rows``; ``40 files, 1.1 MB``; empty where nothing is recorded."""
    told = []
    if contents.tables:
        told.append(ngettext("{count} table", "{count} tables", len(contents.tables)))
        counted = [rows for rows in contents.tables.values() if rows is not None]
        if counted:
            told.append(ngettext("{rows} row", "{rows} rows", sum(counted), rows=f"{sum(counted):,}"))
    if contents.files is not None:
        told.append(ngettext("{files} file", "{files} files", contents.files, files=f"{contents.files:,}"))
        if contents.bytes is not None:
            told.append(human_bytes(contents.bytes))
    return listed(told)


class RecordedTable(Struct, frozen=True):
    """A table that the set records, with its rows; None for rows that were not counted."""

    source: str
    name: str
    rows: int | None


class SourceChoice(Struct):
    """One source of the set: whether it is restored, and where to (empty: to its original place)."""

    name: str
    kind: str
    size_bytes: int
    wanted: bool = True
    place: str = ""
    contents: SourceContents = SourceContents()

    @property
    def is_database(self) -> bool:
        """Whether the source is a database, with tables; otherwise it has files."""
        return self.kind == "postgresql"


class RestoreChoice(Struct):
    """What is restored, and where to. The pages change it; ``request()`` turns it into a request."""

    set: str
    status: str
    base: BackupRequest
    """About the set; its ``restore`` has what does not depend on which sources are chosen."""
    sources: list[SourceChoice]
    tables: Sequence[RecordedTable] = ()
    """All tables of its databases, by name; empty if the set does not record them."""
    planless: bool = False
    """No plan says where the parts go: each needs a place."""
    only_of: str = ""
    """The source of which one table, file or folder is restored; the whole when empty."""
    began: datetime | None = None
    """When the set was begun (aware UTC)."""
    tested_s: float | None = None
    """How long restoring took in the last restore test of the set."""
    rto_s: float | None = None
    """The same of the newest set of the plan that was tested."""

    @classmethod
    def of(cls, found: BackupSet, view: PlanView, request: BackupRequest) -> RestoreChoice:
        """Everything in a set, restored to where it came from."""
        sources: dict[str, SourceChoice] = {}
        for part in found.parts:
            choice = sources.setdefault(part.source, SourceChoice(part.source, part.source_kind, 0))
            choice.size_bytes += part.size_bytes
        for choice in sources.values():
            choice.contents = contents_of(part for part in found.parts if part.source == choice.name)
        tables = [
            RecordedTable(part.source, name, rows)
            for part in found.parts
            if part.said is not None
            for name, rows in part.said.tables.items()
        ]
        tables.sort(key=lambda table: (table.name, table.source))
        tested = found.proof.took_s if found.proof is not None and found.status == "restored" else None
        return cls(
            found.id, found.status, request, list(sources.values()), tables, planless=view.config is None,
            began=found.created, tested_s=tested, rto_s=view.rto_s,
        )  # fmt: skip

    @property
    def spec(self) -> RestoreSpec:
        """The restore options of ``base``."""
        return self.base.restore

    def _change(self, **fields: Any) -> None:
        self.base = replace(self.base, restore=replace(self.spec, **fields))

    def tables_of(self, source: str = "") -> Sequence[RecordedTable]:
        """The recorded tables of a source, or of all."""
        return [table for table in self.tables if source in ("", table.source)]

    @property
    def chosen(self) -> list[SourceChoice]:
        """The sources to restore."""
        if self.spec.only:
            return [each for each in self.sources if each.name == self.only_of]
        return [each for each in self.sources if each.wanted]

    @property
    def whole(self) -> bool:
        """Whether the whole set is restored."""
        return not self.spec.only and all(each.wanted for each in self.sources)

    def keep_only(self, source: str, only: str) -> None:
        """Restricts the restore to one table, file or folder of one source; an empty one lifts the restriction."""
        self.only_of = source if only else ""
        self._change(only=only)

    def source(self, name: str) -> SourceChoice:
        """The source of that name."""
        return next(each for each in self.sources if each.name == name)

    def toggle(self, what: Toggle, source: str = "") -> None:
        """Toggles an option, or whether a ``source`` is restored; the whole set can only be turned on. Where one table
        or file was chosen, a source is turned on instead."""
        if what == "whole":
            self.keep_only("", "")
            for each in self.sources:
                each.wanted = True
        elif what == "source":
            self.source(source).wanted = not self.takes(source)
            self.keep_only("", "")
        elif what == "other-server":
            self._change(other_server=not self.spec.other_server)
        elif what == "end-sessions":
            self._change(end_sessions=not self.spec.end_sessions)
        elif what == "run-code":
            self._change(run_code=not self.spec.run_code)
        else:
            self._change(read_back=not self.spec.read_back)

    def takes(self, source: str) -> bool:
        """Whether a source is restored as a whole."""
        return not self.spec.only and self.source(source).wanted

    def allows(self, what: str) -> bool:
        """Whether an option is on that allows what a check would block."""
        spec = self.spec
        on = {
            "other-server": spec.other_server,
            "end-sessions": spec.end_sessions,
            "run-code": spec.run_code,
            "no-read-back": not spec.read_back,
        }
        return on.get(what, False)

    def why_not_what(self) -> Message | None:
        """Why the chosen parts cannot be restored."""
        return None if self.chosen else tr("nothing chosen: press space to choose")

    def why_not_where(self) -> Message | None:
        """Why the chosen parts cannot be restored to the chosen place."""
        for each in self.chosen:
            if self.planless and not each.place:
                return tr("{source}: no plan defines its target; press space to enter one", source=each.name)
            if each.place and not each.is_database and not each.place.startswith("/"):
                return tr("{source}: {place} is not an absolute path", source=each.name, place=each.place)
        kinds = [each.kind for each in self.chosen]
        if self.planless and len(set(kinds)) < len(kinds):
            return tr("without a plan, select at most one source of each kind")
        return None

    def request(self) -> BackupRequest:
        """Return the choices as a backup request."""
        sources = () if self.whole else tuple(each.name for each in self.chosen)
        if not self.planless:
            places = {each.name: each.place for each in self.chosen if each.place}
            return replace(self.base, restore=replace(self.spec, sources=sources, places=places))
        arguments = self.base.plan_arguments
        for each in self.chosen:
            word = _PLACES.get(each.kind, "")
            if word and each.place:
                arguments = replace(arguments, **{word: (each.place,) if word == "files" else each.place})
        return replace(self.base, plan_arguments=arguments, restore=replace(self.spec, sources=sources))


class Looked(Struct):
    """The results of a restore's checks so far. The checks write nothing."""

    request: BackupRequest
    where: Mapping[str, str] = {}
    names: Mapping[str, str] = {}
    checks: list[Check] = []
    checked: bool = False
    """All checks were made."""
    checked_at: datetime | None = None
    """When the newest check was made, in the zone of the display."""
    changes: Mapping[str, Sequence[RestoreChange]] | None = None
    counted_at: datetime | None = None
    """When it began to be found out what would change."""
    uncounted: LilFoxError | None = None
    """Why it is not known what a restore that a check blocks would change."""
    error: LilFoxError | None = None

    @property
    def ready(self) -> bool:
        """Whether all checks have run and none of them forbids the restore."""
        return self.checked and self.error is None and all(check.state != "bad" for check in self.checks)

    @property
    def all_good(self) -> bool:
        """Whether all checks have run, and none failed or warns."""
        return self.ready and all(check.state == "good" for check in self.checks)


class WizardState(Protocol):
    """What the frame of a wizard's pages needs of its state."""

    step: int
    at: int
    """The highlighted line of those that the keys move to."""
    moved: bool
    """The highlight was moved on this page: it is kept in sight."""
    log: JobLog | None
    """Of the job, once it runs."""
    starting: bool
    """The job was begun: it is not begun twice."""

    @property
    def set_id(self) -> str:
        """What is restored."""
        ...

    @property
    def word(self) -> str:
        """The word to type before the job begins."""
        ...

    def may_run(self, typed: str) -> bool:
        """Return whether the job may begin after this word was typed."""
        ...

    @property
    def failed(self) -> bool:
        """Whether the restore has ended and did not work."""
        ...


def take_end(state: WizardState) -> bool:
    """Open the result page if the job has ended; return whether it did."""
    if state.step != RUN or state.log is None or state.log.ended is None:
        return False
    state.step = RESULT
    return True


class RestoreState:
    """The wizard's state. Nothing is written before ``may_run`` accepts the typed word."""

    def __init__(self, choice: RestoreChoice, undo_command: str = "") -> None:
        self.choice = choice
        self.undo_command = undo_command
        """What undoes the restore on the command line; empty if no other terminal can."""
        self.step = WHAT
        self.looked: Looked | None = None
        self.log: JobLog | None = None
        """Of the job, once it runs."""
        self.starting = False
        """The job was begun: it is not begun twice."""
        self.all_checks = False
        """Also those that are good are shown one by one."""
        self.goes_on = False
        """The next page was asked for while the checks ran: it opens if all of them pass."""
        self.at = 0
        """The highlighted line of those that the keys move to."""
        self.moved = False
        """The highlight was moved on this page: it is kept in sight."""
        self._options: Sequence[str] = ()
        """Those of the checks page when it was drawn last."""

    def open(self, step: int) -> None:
        """Opens a page and highlights its first line. On the checks page, a line is highlighted once they are made, and
        ``space`` must be pressed twice, so that one key press too many allows nothing."""
        self.step, self.moved, self.goes_on = step, False, False
        self.at = NOTHING if step == CHECKS else 0

    @property
    def set_id(self) -> str:
        """The set that is restored."""
        return self.choice.set

    @property
    def is_looked_at(self) -> bool:
        """Whether the results belong to the current choices."""
        return self.looked is not None and self.looked.request == self.choice.request()

    @property
    def wants_look(self) -> bool:
        """Whether the page shows check results and there are none for the current choices."""
        return CHECKS <= self.step < RUN and not self.is_looked_at

    def why_no_next(self) -> Message | None:
        """Why the next page cannot be opened."""
        if self.step == WHAT:
            return self.choice.why_not_what()
        if self.step == WHERE:
            return self.choice.why_not_where()
        if self.step != CHECKS or (self.looked is not None and self.looked.ready):
            return None
        if self.looked is not None and self.is_blocked:
            asked = any(check.allowed_by for check in self.looked.checks if check.state == "bad")
            if asked and not self.choice.allows(self._option):
                return tr("blocked by the failed checks; R rechecks, space allows the selected option")
            return tr("blocked by the failed checks; R rechecks")
        return tr("still checking; the next page opens when all checks have passed")

    @property
    def is_blocked(self) -> bool:
        """Whether the checks have ended and do not let the restore go on."""
        looked = self.looked
        if self.step != CHECKS or looked is None or looked.ready:
            return False
        return looked.checked or looked.error is not None

    @property
    def opens_confirm(self) -> bool:
        """Whether the next page, which was asked for while the checks ran, opens now: no check warns."""
        looked = self.looked
        return self.goes_on and self.step == CHECKS and looked is not None and self.is_ready and looked.all_good

    @property
    def word(self) -> str:
        """The word to type before the restore begins: the name of the replaced database, else of the replaced folder,
        else the set's id."""
        names = {} if self.looked is None else self.looked.names
        first = sorted(self.choice.chosen, key=lambda each: not each.is_database)
        return next((names[each.name] for each in first if names.get(each.name)), self.choice.set)

    @property
    def undoable(self) -> bool:
        """Whether the restore is in place and its previous data is retained."""
        ended = self.log.ended if self.step == RESULT and self.log is not None else None
        return ended is not None and ended.state == "ok" and bool(ended.result.get("kept"))

    @property
    def failed(self) -> bool:
        """Whether the restore has ended and did not work."""
        ended = self.log.ended if self.step == RESULT and self.log is not None else None
        return ended is not None and ended.state != "ok"

    @property
    def is_ready(self) -> bool:
        """Whether the current choices were checked and no check forbids them."""
        return self.looked is not None and self.looked.ready and self.is_looked_at

    def may_run(self, typed: str) -> bool:
        """Return whether the restore may begin after this word was typed."""
        return self.is_ready and typed == self.word and not self.starting

    def highlight_what_allows(self, options: Sequence[str]) -> None:
        """Highlights the option that allows what the first failed check forbids, unless the highlight was moved; once
        all checks are made the first option, if none allows that."""
        if self.step == CHECKS and not self.moved and self.at == NOTHING and self.looked is not None:
            wanted = (check.allowed_by for check in self.looked.checks if check.state == "bad")
            first = 0 if options and self.looked.checked else NOTHING
            self.at = next((options.index(each) for each in wanted if each in options), first)

    def keep_highlight(self, options: Sequence[str]) -> None:
        """Keeps the highlight of the checks page on its option where others come or go; where it has gone, ``space``
        must be pressed twice again."""
        before, self._options = self._options, options if self.step == CHECKS else ()
        if self.step == CHECKS and before and before != options and 0 <= self.at < len(before):
            held = before[self.at] in options
            self.at, self.moved = (options.index(before[self.at]), self.moved) if held else (NOTHING, False)

    @property
    def _option(self) -> str:
        """The highlighted option of the checks page; empty for none."""
        return self._options[self.at] if 0 <= self.at < len(self._options) else ""

    def take_choice(self) -> bool:
        """Return whether ``space`` chooses the highlighted line; on the checks page, the first press only highlights
        it."""
        if self.step != CHECKS or (self.moved and self.at != NOTHING):
            return True
        self.at, self.moved = max(0, self.at), True
        return False

    def move(self, step: int, count: int, *, more_below: bool) -> bool:
        """Moves the highlight among ``count`` lines. Returns False if the key must scroll the rows above the lines
        instead: the checks page must first be read to its end (``more_below``), and above its first line are the
        checks."""
        if not count:
            return False
        if self.step == CHECKS and ((not self.moved and more_below) or (self.at <= 0 and step < 0)):
            self.moved = False
            return False
        self.at, self.moved = max(0, min(count - 1, self.at + step)), True
        return True
