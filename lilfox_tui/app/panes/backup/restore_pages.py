"""The pages of the restore wizard as rows. Pure: the choices and check results in, rows out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote

from msgspec import Struct

from lilfox_tui.app.dialogs.messages import key_rows
from lilfox_tui.app.dialogs.prompt import Choice
from lilfox_tui.app.panes.backup.restore_checks import (
    check_rows,
    loss_rows,
    option_texts,
    outlook_rows,
    prospect_rows,
    what_is_restored,
    widest,
)
from lilfox_tui.app.panes.backup.restore_state import (
    CHECKS,
    CONFIRM,
    RESULT,
    RUN,
    WHAT,
    WHERE,
    Looked,
    RecordedTable,
    RestoreChoice,
    RestoreState,
    SourceChoice,
    SourceContents,
    Toggle,
    WizardState,
    contents_text,
)
from lilfox_tui.app.rendering.columns import cells, wrapped
from lilfox_tui.app.rendering.draw import BLANK, Glyphs, Piece, Row
from lilfox_tui.app.rendering.panels import (
    PanelArea,
    PanelScreen,
    ScreenPanel,
    bordered,
    draw_panels,
    highlighted,
    in_sight,
    row_hits,
)
from lilfox_tui.app.rows.jobs import JobLog, event_rows, progress_rows
from lilfox_tui.app.widgets import more_below
from lilfox_tui.core.i18n import _, clauses, listed, ngettext
from lilfox_tui.core.text import cell_width, fit, fit_middle, human_bytes, human_duration

if TYPE_CHECKING:
    from lilfox_tui.backup.source import RestoreChange
    from lilfox_tui.jobs.model import Ended


CHANGES_SHOWN = 400
ORIGINAL, TYPED = "original", "typed"
"""Choices of a place that are no address."""
_NAME_MOST = 40
"""Cells of the longest name of a table or folder."""
_ROOMY = 16
"""Rows from which on there is room for what is known of the set."""
_EXAMPLES = {True: "postgresql://USER@HOST/DATABASE", False: "/srv/lilfox"}
"""Places of a database and of files."""
_NAME, _KIND = 18, 10
"""Cells of the longest name, and of the longest kind, of a source."""


class PageStyle(Struct, frozen=True):
    """The size and style of the pages. Times are shown in ``zone``."""

    width: int
    height: int
    glyphs: Glyphs
    zone: tzinfo


class WizardItem(Struct, frozen=True):
    """A selectable line: ``act`` is what space does on it; some lines ask for text."""

    row: Row
    act: Toggle | Literal["only", "place"]
    source: str = ""


def step_names() -> tuple[str, ...]:
    """The titles of the steps, in order; the result belongs to the last one."""
    return _("What"), _("Where"), _("Checks"), _("Confirm"), _("Run")


def steps_row(step: int, glyphs: Glyphs, *, failed: bool = False) -> Row:
    """Return the steps, those that are done and the open one marked; ``failed`` tells that the run did not work."""
    names = step_names()
    steps: list[Piece] = [Piece(" ")]
    for place, name in enumerate(names):
        if place:
            steps.append(Piece(f" {glyphs.separator} ", "muted"))
        if place == step:
            steps.append(Piece(f"{glyphs.chosen} {name}", "title"))
        else:
            bad = failed and name is names[-1]
            mark, role = (glyphs.failing, "failing") if bad else (glyphs.done, "good")
            steps.append(Piece(f"{mark} {name}", role) if place < step else Piece(name, "muted"))
    return tuple(steps)


def restore_title(set_id: str) -> str:
    """The title of the wizard."""
    return _("Restore {set}", set=set_id)


def head_row(step: int, set_id: str, width: int, glyphs: Glyphs, below: str, *, failed: bool = False) -> Row:
    """Return the first row where there are no borders: the steps and the title; ``below`` tells how many rows are
    hidden. Where they have no room, the open step alone with its number."""
    rest = (Piece(f"  {below}", "muted"),) if below else ()
    names, steps = step_names(), steps_row(step, glyphs, failed=failed)
    title = Piece("   " + restore_title(set_id), "strong")
    at = min(step, len(names) - 1)
    page = Piece(f" {at + 1}/{len(names)} {names[at]}", "title")
    whole: list[Row] = [(*steps, title, *rest), (*steps, *rest), (page, Piece("  "), Piece(set_id, "strong"), *rest)]
    return next((row for row in whole if cells(row) <= width), (page, *rest))


class WizardPage:
    """The open page in its panel: which of its rows are in sight, and which line a click selects."""

    def __init__(self) -> None:
        self.rows: Sequence[Row] = ()
        """All of them, also those that are out of sight."""
        self.top = 0
        """The first row in sight; the next drawing keeps it within the page."""
        self._area = PanelArea(0, 0, 0, 0)
        self._is_boxed = False
        self._screen: PanelScreen[str, int] = PanelScreen()

    def take_room(self, width: int, height: int, *, slow_link: bool) -> None:
        """Sets the size; without borders, the same cells are inside an area that begins outside of the screen."""
        self._is_boxed = bordered(width, height, slow_link=slow_link)
        self._area = PanelArea(0, 0, width, height) if self._is_boxed else PanelArea(-1, -1, width + 2, height + 2)

    @property
    def width(self) -> int:
        """Cells of a row."""
        return self._area.inner_width

    @property
    def room(self) -> int:
        """Rows in sight, below that of the steps."""
        return max(1, self._area.inner_height - 1)

    @property
    def below(self) -> int:
        """Rows past the lower edge."""
        return max(0, len(self.rows) - self.top - self.room)

    @property
    def hidden_failed(self) -> int | None:
        """The row of the first failed check if it is out of sight. It begins with a mark, unlike the verdict."""
        marked = (at for at, row in enumerate(self.rows) if len(row) > 1 and row[0].role == "failing")
        at = next(marked, None)
        return None if at is None or self.top <= at < self.top + self.room else at

    def item_at(self, x: int, y: int) -> int | None:
        """The selectable line at those cells."""
        hit = self._screen.at(x, y)
        return None if hit is None or hit.row < 0 else hit.row

    def draw(
        self,
        rows: Sequence[Row],
        items: Sequence[WizardItem],
        below: Sequence[Row],
        state: WizardState,
        glyphs: Glyphs,
        *,
        follow: bool,
    ) -> Sequence[Row]:
        """The panel with the rows, the selectable lines below them, and what stands ``below`` these; ``follow`` keeps
        the highlighted one in sight, on the page of the checks once it was moved. A run is shown at its end."""
        selected = len(rows) + state.at if items and state.at >= 0 else None
        follows = follow and bool(items) and (state.moved or state.step != CHECKS)
        self.rows = [*rows, *(item.row for item in items), *below]
        top = len(self.rows) if state.step == RUN else self.top
        top = self.top = in_sight(top, len(self.rows), self.room, selected if follows else None)
        shown = [*self.rows[top : top + self.room]]
        if selected is not None and 0 <= selected - top < len(shown):
            shown[selected - top] = highlighted(shown[selected - top], self.width)
        last = min(top - len(rows) + len(shown), len(items))
        hits = row_hits(self._area, 1, "page", range(top - len(rows), last))
        self._screen = PanelScreen(self._framed(shown, state, glyphs), hits)
        return self._screen.rows

    def _framed(self, shown: Sequence[Row], state: WizardState, glyphs: Glyphs) -> list[Row]:
        below = more_below(self.below) if state.step in (WHAT, CHECKS, CONFIRM, RESULT) else ""
        set_id, area = state.set_id, self._area
        if not self._is_boxed:
            return [head_row(state.step, set_id, self.width, glyphs, below, failed=state.failed), *shown]
        rows = [steps_row(state.step, glyphs, failed=state.failed), *shown]
        panel = ScreenPanel(area, (Piece(restore_title(set_id), "title"),), rows, more=below)
        return draw_panels([panel], area.width, area.height, glyphs)


def page_rows(state: RestoreState, style: PageStyle) -> list[Row]:
    """The rows of the open page above its selectable lines."""
    questions = {
        WHAT: _("What to restore?"),
        WHERE: _("Where to?"),
        CHECKS: _("Can it be restored? These checks write nothing."),
        CONFIRM: _("Restore now?"),
    }
    checks = state.step == CHECKS and state.looked is not None and (state.looked.checked or state.looked.error)
    question = None if checks else questions.get(state.step)  # their result answers it
    rows: list[Row] = [] if question is None else [(Piece(" " + question, "strong"),), BLANK]
    if state.step == WHAT and style.height >= _ROOMY:
        untouched = Piece("  " + _("nothing changes before the last step"), "muted")
        rows[:1] = [(*rows[0], untouched), what_is_restored(state.choice, style.zone)]
    if state.step == WHERE and style.height >= _ROOMY and not state.choice.planless:
        told = _("By default it replaces what the set was taken from. The replaced data is retained: u puts it back.")
        rows[1:1] = wrapped([(Piece(" "), Piece(told, "muted"))], style.width)
    if state.step == CHECKS:
        rows += check_rows(state.looked, style.width, style.glyphs, all_of_them=state.all_checks)
        rows.append(BLANK)
        if (looked := state.looked) is not None and (looked.ready or looked.changes is not None or looked.uncounted):
            rows += loss_rows(looked, style.glyphs)
    elif state.step == CONFIRM and state.looked is not None:
        known = (*rows[0], Piece("  "), *what_is_restored(state.choice, style.zone)[1:])
        rows[:1] = [known if cells(known) <= style.width else rows[0]]
        rows += confirm_rows(state.choice, state.looked, style.glyphs)
    elif state.step == RUN:
        rows += run_rows(state.log, style)
    elif state.step == RESULT and state.log is not None and state.log.ended is not None:
        rows += result_rows(state.log.ended, state.undo_command, style.glyphs)
        if state.log.ended.state == "ok" and state.choice.began is not None:
            began = f"{state.choice.began.astimezone(style.zone):%Y-%m-%d %H:%M:%S %Z}"
            rows += [BLANK, (Piece("   " + _("The restored data is that of {time}.", time=began)),)]
        if (took := state.log.took_s) is not None:
            rows += [BLANK, (Piece("   " + _("The job took {time}.", time=human_duration(took)), "muted"),)]
    return rows


def page_items(state: RestoreState, glyphs: Glyphs) -> list[WizardItem]:
    """The selectable lines of the open page."""
    if state.step == WHAT:
        return what_items(state.choice, glyphs)
    if state.step == WHERE:
        return where_items(state.choice, state.looked)
    if state.step != CHECKS:
        return []
    items, looked = check_items(state.choice, glyphs), state.looked
    if state.all_checks or looked is None:
        return items
    asked = {check.allowed_by for check in looked.checks} if looked.checked else set()
    return [each for each in items if each.act in asked or state.choice.allows(each.act)]


def page_keys(
    step: int, width: int, *, asks: bool, undoes: bool = False, tables: bool = False, enter: str = "", space: str = "",
    more: bool = False,
) -> list[Row]:  # fmt: skip
    """The keys of a page and what they do. ``asks``: a line of text is being typed; ``undoes``: the restore can be
    undone; ``tables``: the tables of the set are known; ``enter``, ``space``: what they do on the first page and that
    of the checks, empty for nothing; ``more``: rows are hidden below."""
    enters, spaces = ((("enter", enter),) if enter else ()), ((("space", space),) if space else ())
    keys: dict[int, tuple[tuple[str, str], ...]] = {
        WHAT: (*enters, *((("/", _("one table")),) if tables else ()), *spaces, ("esc", _("cancel"))),
        WHERE: (("space", _("other location")), ("enter", _("next page")), ("esc", _("back"))),
        CHECKS: (
            *enters,
            *spaces,
            ("R", _("recheck")),
            ("o", _("all checks")),
            ("esc", _("back")),
        ),
        CONFIRM: (
            ("enter", _("restore (type the name first)")),
            *((("pgdn", _("more")),) if more else ()),
            ("esc", _("back")),
        ),
        RUN: (("esc", _("close: the job keeps running")),),
        RESULT: (("enter", _("close")), *((("u", _("undo")),) if undoes else ())),
    }
    shown = (("enter", _("accept")), ("esc", _("go back"))) if asks and step != CONFIRM else keys[step]
    return key_rows(shown, width)


# ---- What --------------------------------------------------------------------------------------------------------


def what_items(choice: RestoreChoice, glyphs: Glyphs) -> list[WizardItem]:
    """Return the lines of the What page: the whole set, each source, and for each source one table, file or folder in
    it."""
    count = ngettext("{count} source", "{count} sources", len(choice.sources))
    whole = (*_box(choice.whole, _("the whole set"), glyphs), Piece(f"  {count}", "muted"))
    items = [WizardItem(whole, "whole")]
    name, kind = (
        widest((each.name for each in choice.sources), _NAME),
        widest((each.kind for each in choice.sources), _KIND),
    )
    for each in choice.sources:
        on = choice.takes(each.name)
        label = (
            Piece(fit(each.name, name), "strong"),
            Piece(f"  {fit(each.kind, kind)}  {human_bytes(each.size_bytes)}"),
            Piece(f"  {contents_text(each.contents)}", "muted"),
        )
        items.append(WizardItem((*_mark(on, glyphs, below=True), *label), "source", each.name))
    for each in choice.sources:
        on = choice.only_of == each.name and bool(choice.spec.only)
        one = _("only one table of {source}") if each.is_database else _("only one file or folder of {source}")
        text = one.format(source=each.name)
        row = (*_mark(on, glyphs), Piece(text), *((Piece(f"  {choice.spec.only}", "accent"),) if on else ()))
        items.append(WizardItem(row, "only", each.name))
    return items


def rows_below(state: RestoreState, style: PageStyle, above: int) -> list[Row]:
    """The rows below the selectable lines: what the restore will do, and on the first page what the highlighted sources
    contain, before one is chosen; where there is room for all of it, what would change. ``above`` rows stand above the
    lines."""
    if state.step not in (WHAT, WHERE, CHECKS):
        return []
    items = page_items(state, style.glyphs)
    changes = (state.looked.changes if state.looked is not None and state.is_looked_at else None) or {}
    known: list[Row] = []
    if style.height >= _ROOMY and state.step != CHECKS:
        told = outlook_rows if state.step == WHAT else prospect_rows
        known = wrapped([BLANK, *told(state, style.glyphs)], style.width - 1)
    left = style.height - len(items) - above - len(known)
    if state.step != WHAT:
        at = None if state.looked is None else state.looked.counted_at
        changed = [row for source, found in changes.items() for row in _changes(source, found, at)]
        gap = [BLANK] if known or items else []
        return [*known, *gap, *changed] if changed and len(changed) < left else known
    name = items[min(max(0, state.at), len(items) - 1)].source
    sources = [each for each in state.choice.sources if name in ("", each.name)]
    rows: list[Row] = []
    for later, each in zip(reversed(range(len(sources))), sources, strict=True):
        most = max(2, left - len(rows) - 2 * later)
        found = changes.get(each.name, ())
        rows += [BLANK, *source_rows(each.name, each.contents, most, style.width - 1, found)]
    return [*known, *rows]


def source_rows(
    source: str, contents: SourceContents, most: int, width: int, changes: Sequence[RestoreChange] = ()
) -> list[Row]:
    """The contents of a source in full, in at most ``most`` rows: the largest tables or folders, each with what a
    restore would change of it as far as that is known."""
    if not contents.is_known:
        unknown = _("{source}: the set does not record what it contains", source=source)
        return wrapped([(Piece("   "), Piece(unknown, "muted"))], width)
    told = [contents_text(contents)]
    if contents.server_bytes is not None:
        told.append(_("{bytes} on its server", bytes=human_bytes(contents.server_bytes)))
    if uncounted := sum(rows is None for rows in contents.tables.values()):
        told.append(
            ngettext("rows of {count} table were not counted", "rows of {count} tables were not counted", uncounted)
        )
    if contents.folders and contents.beside:
        told.append(ngettext("{count} folder", "{count} folders", contents.folders))
    elif contents.folders:
        told.append(ngettext("in {count} folder", "in {count} folders", contents.folders))
    rows = wrapped([(Piece(f"   {source}  ", "title"), Piece(clauses(told)))], width)
    tables = sorted(contents.tables.items(), key=lambda each: -(each[1] or 0))
    counts = [
        (name, _("rows not counted") if n is None else ngettext("{rows} row", "{rows} rows", n, rows=f"{n:,}"))
        for name, n in tables
    ]
    counts += [(f"{name}/", human_bytes(size)) for name, size in _largest(contents.folder_bytes)]
    now = {change.what: change for change in changes}
    return [*rows, *_table(counts, max(0, most - len(rows)), now)]


def _largest(folders: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(folders.items(), key=lambda each: -each[1])


def _table(counts: Sequence[tuple[str, str]], most: int, now: Mapping[str, RestoreChange]) -> list[Row]:
    """Names with their counts and how they are ``now``, and how many have no room."""
    shown = counts if len(counts) <= most else counts[: max(0, most - 1)]
    name = widest((each for each, _count in shown), _NAME_MOST)
    count = max((cell_width(text) for _name, text in shown), default=0)
    rows: list[Row] = [
        (Piece("     " + fit(each, name)), Piece("  " + fit(text, count, right=True), "muted"), *_now(now.get(each)))
        for each, text in shown
    ]
    if len(shown) < len(counts) and most:
        rows.append((Piece("     " + _("and {count} more", count=len(counts) - len(shown)), "muted"),))
    return rows


def _now(change: RestoreChange | None) -> Row:
    if change is None or not change.now:
        return ()
    loss = _loss_of(change)
    return (Piece("  " + _("now {rows}", rows=change.now)), Piece(f"  {loss}" if loss else "", "degraded"))


def _mark(on: bool, glyphs: Glyphs, *, below: bool = False) -> Row:
    return (Piece("     " if below else "   "), Piece(f"[{glyphs.good if on else ' '}] ", "accent" if on else "muted"))


def _box(on: bool, text: str, glyphs: Glyphs) -> Row:
    return (*_mark(on, glyphs), Piece(text, "strong"))


def table_choices(tables: Sequence[RecordedTable]) -> list[Choice]:
    """The tables to choose from, each with its rows; with its source where there are several."""
    several = len({table.source for table in tables}) > 1
    width = widest((table.name for table in tables), 48)
    choices = []
    for at, table in enumerate(tables):
        rows = _("rows not counted") if table.rows is None else ngettext("{count} row", "{count} rows", table.rows)
        row: Row = (Piece(fit(table.name, width), "strong"), Piece("  " + fit(rows, 16, right=True), "muted"))
        source = (Piece(f"  {table.source}", "muted"),) if several else ()
        choices.append(Choice(str(at), (*row, *source), f"{table.name} {table.source if several else ''}"))
    return choices


# ---- Where -------------------------------------------------------------------------------------------------------


def where_items(choice: RestoreChoice, looked: Looked | None) -> list[WizardItem]:
    """Each chosen source and where it is restored to."""
    items = []
    name = widest((each.name for each in choice.chosen), _NAME)
    for each in choice.chosen:
        own = looked.where.get(each.name, "") if looked is not None else ""
        only = choice.spec.only
        if each.place:
            told = (Piece(each.place, "accent"), Piece("  " + _("not the original location"), "degraded"))
        elif choice.planless:
            told = (Piece(_EXAMPLES[each.is_database], "muted"), Piece(""))
        else:
            place = own or _("original location")
            text = (
                _("replaces {what} in {where}", what=only, where=place) if only else _("replaces {where}", where=place)
            )
            told = (Piece(text, "degraded"), Piece("  " + _("original"), "muted"))
        items.append(
            WizardItem((Piece("   "), Piece(fit(each.name, name), "strong"), Piece("  "), *told), "place", each.name)
        )
    return items


def place_choices(own: str, urls: Sequence[str]) -> list[Choice]:
    """Where a database can be restored to: the original location, one of ``urls``, or an address to type."""
    original = _("original")
    first: Row = (Piece(own or _("original location"), "strong"), Piece("  " + original, "muted"))
    names = [unquote(url.partition("?")[0].rpartition("/")[2]) for url in urls]
    width = widest(names, 48)
    known = [
        Choice(url, (Piece(fit(name, width), "strong"), Piece(f"  {url}", "muted")), f"{name} {url}")
        for name, url in zip(names, urls, strict=True)
    ]
    typed = _("another address")
    return [Choice(ORIGINAL, first, f"{own} {original}"), *known, Choice(TYPED, (Piece(typed),), typed)]


def only_prompt(each: SourceChoice) -> str:
    """The prompt for a table, file or folder."""
    return (
        _("a table in it, such as public.users") if each.is_database else _("a file or folder in it, such as avatars/")
    )


def where_prompt(each: SourceChoice) -> str:
    """The prompt for the place to restore to."""
    if each.is_database:
        return _("{example}, without a password; empty for the original", example=_EXAMPLES[each.is_database])
    return _("an absolute folder path; empty for the original")


# ---- Checks ------------------------------------------------------------------------------------------------------


def check_items(choice: RestoreChoice, glyphs: Glyphs) -> list[WizardItem]:
    """Return the lines that allow what a check would otherwise block."""
    if not any(each.is_database for each in choice.chosen):
        return []
    spec, texts = choice.spec, option_texts()
    return [
        WizardItem(_box(spec.other_server, texts["other-server"], glyphs), "other-server"),
        WizardItem(_box(spec.end_sessions, texts["end-sessions"], glyphs), "end-sessions"),
        WizardItem(_box(spec.run_code, texts["run-code"], glyphs), "run-code"),
        WizardItem(_box(not spec.read_back, texts["no-read-back"], glyphs), "no-read-back"),
    ]


# ---- Confirm -----------------------------------------------------------------------------------------------------


def confirm_rows(choice: RestoreChoice, looked: Looked, glyphs: Glyphs) -> Iterator[Row]:
    """The rows of the Confirm page: what will be left out, then what will be written, replaced and kept, and what
    changes in each source."""
    yield from loss_rows(looked, glyphs)
    for each in choice.chosen:
        where = looked.where.get(each.name, each.place)
        if choice.spec.only:
            written = _(
                "{only} of {source} is written into {where}", only=choice.spec.only, source=each.name, where=where
            )
        else:
            written = _(
                "{source} is restored next to {where}, compared with the backup, then swapped in",
                source=each.name,
                where=where,
            )
        yield (Piece(f" {glyphs.chosen} ", "accent"), Piece(written))
    kept = _(
        "The current data is retained under a name that contains _before_ and the date; press u later to undo "
        "the restore."
    )
    yield (Piece("   "), Piece(kept))
    if choice.spec.end_sessions:
        blocking = [session for check in looked.checks for session in check.sessions]
        names = listed(dict.fromkeys(each.application or f"pid {each.pid}" for each in blocking))
        told = _("Blocking sessions are terminated.")
        if blocking:
            told = _("Blocking sessions are terminated, now {count}: {names}", count=len(blocking), names=names)
        yield (Piece("   "), Piece(told, "degraded"))
    if choice.spec.other_server:
        yield (Piece("   "), Piece(_("The target is not the server that the set was taken from."), "degraded"))
    if choice.spec.run_code:
        yield (Piece("   "), Piece(_("Code in the dump runs with the privileges of the restoring user."), "degraded"))
    if not choice.spec.read_back:
        yield (Piece("   "), Piece(_("Large tables are compared while they are loaded, not read back.")))
    yield BLANK
    for source, changes in (looked.changes or {}).items():
        yield from _changes(source, changes, looked.counted_at)


def _changes(source: str, changes: Sequence[RestoreChange], at: datetime | None) -> Iterator[Row]:
    """What would change in a source, as found ``at`` a time."""
    head = ngettext("{count} change", "{count} changes", len(changes)) if changes else _("no differences found")
    before = _("now") if at is None else _("as of {time}", time=f"{at:%H:%M:%S}")
    columns = "  " + _("{before} → after the restore", before=before) if changes else ""
    yield (Piece(f" {source}", "title"), Piece(f"  {head}{columns}", "muted"))
    shown = changes[:CHANGES_SHOWN]
    what, now, then = (widest((getattr(each, part) for each in shown), 40) for part in ("what", "now", "then"))
    for change in shown:
        yield (
            Piece("   " + fit(fit_middle(change.what, what), what)),
            Piece("  " + fit(change.now, now, right=True), "muted"),
            Piece(" → "),
            Piece(fit(change.then, then), "strong"),
            Piece(f"  {_loss_of(change)}", "degraded"),
        )
    if len(changes) > CHANGES_SHOWN:
        yield (Piece("   " + _("and {count} more", count=len(changes) - CHANGES_SHOWN), "muted"),)


def _loss_of(change: RestoreChange) -> str:
    if change.newer:
        return _("newer than the backup: not restored")
    return _("newer data not counted") if change.uncounted else ""


# ---- Run ---------------------------------------------------------------------------------------------------------


def run_rows(log: JobLog | None, style: PageStyle) -> list[Row]:
    """The progress of each part, then the latest output of the job."""
    if log is None:
        return [(Piece("   " + _("starting …"), "muted"),)]
    bars = progress_rows(log.progress, max(1, style.height // 2), style.width, style.glyphs)
    newest = list(log.events)[-style.height :]
    said = [row for event in newest for row in event_rows(event, style.zone, style.glyphs)]
    gap = [BLANK] if bars else []
    return [*bars, *gap, *said[-max(1, style.height - len(bars) - 2) :]]


# ---- Result ------------------------------------------------------------------------------------------------------


def result_rows(ended: Ended, command: str, glyphs: Glyphs) -> Iterator[Row]:
    """The result, the retained items by name, and how to undo the restore: by a key, or by ``command`` if it is not
    empty."""
    good = ended.state == "ok"
    mark, role = (glyphs.good, "good") if good else (glyphs.failing, "failing")
    yield (Piece(f" {mark} ", role), Piece(ended.message, role))
    kept = ended.result.get("kept")
    told = good and isinstance(kept, list) and kept
    if ended.hint and not told:
        yield (Piece("   "), Piece(ended.hint))
    if isinstance(kept, list) and told:
        yield BLANK
        yield (Piece("   " + _("The previous data is retained as:"), "muted"),)
        yield from ((Piece("     "), Piece(str(name), "strong")) for name in kept[:40])
        yield BLANK
        undo = _("To undo: press u, or run {command}", command=command) if command else _("To undo: press u.")
        yield (Piece("   "), Piece(undo))
    elif not good:
        yield (Piece("   "), Piece(_("l shows the full output of the job.")))
