"""The pages of the restore's wizard as rows. Pure: what was chosen and found in, rows out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from lilfox_tui.app.panes.backup.restore_choice import RestoreChoice, SourceChoice
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.app.rendering.glyphs import Glyphs
from lilfox_tui.app.rendering.wrap import cells
from lilfox_tui.backup.labels import lost_text
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import _, ngettext
from lilfox_tui.metrics.model import Level
from lilfox_tui.text import cell_width, clean, fit, fit_middle, human_bytes

if TYPE_CHECKING:
    from lilfox_tui.backup.checks import Check
    from lilfox_tui.backup.plan import BackupRequest
    from lilfox_tui.backup.source import RestoreChange
    from lilfox_tui.jobs.model import Ended

WHAT, WHERE, CHECKS, CONFIRM, RUN, RESULT = range(6)
CHANGES_SHOWN = 400
_CHECK_LEVELS = {"good": Level.GOOD, "warning": Level.DEGRADED, "bad": Level.FAILING}
_CHECK_ROLES = {"good": "good", "warning": "degraded", "bad": "failing"}
_NAME = 18


class Looked(Struct):
    """What a look at a restore found so far, without writing anything."""

    wish: BackupRequest
    where: Mapping[str, str] = {}
    names: Mapping[str, str] = {}
    checks: list[Check] = []
    checked: bool = False
    """All checks were made."""
    changes: Mapping[str, Sequence[RestoreChange]] | None = None
    error: LilFoxError | None = None

    @property
    def ready(self) -> bool:
        """Whether nothing forbids to begin."""
        return self.checked and self.error is None and all(check.state != "bad" for check in self.checks)


class Item(Struct, frozen=True):
    """A line that the keys move to: ``act`` says what space does with it."""

    row: Row
    act: str
    source: str = ""


def step_names() -> tuple[str, ...]:
    """The pages' titles, in their order."""
    return _("What"), _("Where"), _("Checks"), _("Confirm"), _("Run"), _("Result")


def head_row(step: int, set_id: str, width: int, glyphs: Glyphs, below: str) -> Row:
    """Which page this is, among which, and what is ``below`` its lower edge."""
    rest = (Piece(f"  {below}", "muted"),) if below else ()
    names = step_names()
    title = Piece(" " + _("Restore {set}", set=set_id), "title")
    whole = sum(len(name) + 5 for name in names) + len(set_id) + 14
    if width < whole:
        page = Piece(f" {step + 1}/{len(names)} {names[step]}", "strong")
        named: Row = (page, Piece("  "), Piece(set_id, "title"), *rest)
        return named if cells(named) <= width else (page, *rest)
    steps = [
        Piece(f"  {glyphs.chosen if place == step else ' '} {name}", "strong" if place == step else "muted")
        for place, name in enumerate(names)
    ]
    return (title, Piece("  "), *steps, *rest)


# ---- What --------------------------------------------------------------------------------------------------------


def what_items(choice: RestoreChoice, glyphs: Glyphs) -> list[Item]:
    """Each source with whether it is restored, then one table, file or folder of each."""
    items = [Item(_box(choice.whole, _("the whole set"), glyphs), "whole")]
    for each in choice.sources:
        on = not choice.only and each.wanted
        label = (
            Piece(fit(each.name, _NAME), "strong"),
            Piece(f"  {fit(each.kind, 10)}  {human_bytes(each.size_bytes)}"),
        )
        items.append(Item((*_mark(on, glyphs), *label), "source", each.name))
    for each in choice.sources:
        on = choice.only_of == each.name and bool(choice.only)
        one = _("only one table of {source}") if each.is_database else _("only one file or folder of {source}")
        text = one.format(source=each.name)
        items.append(Item((*_mark(on, glyphs), Piece(text), Piece(f"  {choice.only}" if on else "", "accent")), "only",
                          each.name))  # fmt: skip
    return items


def _mark(on: bool, glyphs: Glyphs) -> Row:
    return (Piece("   "), Piece(f"[{glyphs.good if on else ' '}] ", "accent" if on else "muted"))


def _box(on: bool, text: str, glyphs: Glyphs) -> Row:
    return (*_mark(on, glyphs), Piece(text, "strong"))


# ---- Where -------------------------------------------------------------------------------------------------------


def where_items(choice: RestoreChoice, looked: Looked | None) -> list[Item]:
    """Each chosen source with where it goes."""
    items = []
    for each in choice.chosen:
        own = looked.where.get(each.name, "") if looked is not None else ""
        if each.place:
            told = (Piece(each.place, "accent"), Piece("  " + _("another place than its own"), "degraded"))
        elif choice.planless:
            told = (Piece(_place_example(each), "muted"), Piece(""))
        else:
            told = (Piece(own or _("its own place"), "text"), Piece("  " + _("its own"), "muted"))
        items.append(
            Item((Piece("   "), Piece(fit(each.name, _NAME), "strong"), Piece("  "), *told), "place", each.name)
        )
    return items


def _place_example(each: SourceChoice) -> str:
    return "postgresql://USER@HOST/DATABASE" if each.is_database else "/srv/lilfox"


def where_prompt(each: SourceChoice) -> str:
    """What is to be typed."""
    if each.is_database:
        return _("{example}, without a password; empty for its own", example=_place_example(each))
    return _("a folder, from / on; empty for its own")


# ---- Checks ------------------------------------------------------------------------------------------------------


def check_rows(looked: Looked | None, width: int, glyphs: Glyphs, *, all_of_them: bool = False) -> Iterator[Row]:
    """What forbids it first, then what is to be known, each with what to do; what is good in one line, unless
    ``all_of_them`` are wanted."""
    if looked is None:
        return
    about = _widest((str(check.about) for check in looked.checks), max(20, width * 2 // 5))
    good = [check for check in looked.checks if check.state == "good"]
    for check in [check for check in looked.checks if check.state == "bad"]:
        yield from _check(check, about, glyphs)
    for check in [check for check in looked.checks if check.state == "warning"]:
        yield from _check(check, about, glyphs)
    if all_of_them or len(good) == 1:
        for check in good:
            yield from _check(check, about, glyphs)
    elif good:
        passed = (
            ngettext("the one check passed", "all {count} checks passed", len(good))
            if len(good) == len(looked.checks) and looked.checked
            else ngettext("{count} check passed", "{count} checks passed", len(good))
        )
        more = Piece("  " + _("o shows them"), "muted")
        yield (Piece(f"   {glyphs.level(Level.GOOD)} ", "good"), Piece(passed, "good"), more)
    if looked.error is not None:
        yield (Piece(f"   {glyphs.failing} ", "failing"), Piece(str(looked.error), "failing"))
        if str(looked.error.hint):
            yield (Piece(" " * 7), Piece(str(looked.error.hint)))
    elif not looked.checked:
        yield (Piece(f"   {glyphs.unknown} " + _("looking …"), "muted"),)
    elif looked.ready:
        yield BLANK
        yield (Piece("   " + _("Nothing forbids it. Nothing was written yet."), "good"),)
    else:
        yield BLANK
        yield (Piece("   " + _("What is marked forbids it. Nothing was written."), "failing"),)


def _check(check: Check, about: int, glyphs: Glyphs) -> Iterator[Row]:
    role = _CHECK_ROLES[check.state]
    yield (
        Piece(f"   {glyphs.level(_CHECK_LEVELS[check.state])} ", role),
        Piece(fit(fit_middle(str(check.about), about), about), "strong"),
        Piece("  "),
        Piece(str(check.found), role),
    )
    if check.state != "good" and str(check.hint):
        yield (Piece(" " * 7), Piece(str(check.hint)))


def check_items(choice: RestoreChoice, glyphs: Glyphs) -> list[Item]:
    """What somebody may say to be right, although a check asks."""
    if not any(each.is_database for each in choice.chosen):
        return []
    server = _box(choice.other_server, _("it is right that this is another server than the set's"), glyphs)
    sessions = _box(choice.end_sessions, _("sessions in the way may be ended at the swap"), glyphs)
    code = _box(choice.run_code, _("what the dump executes is right"), glyphs)
    return [Item(server, "other-server"), Item(sessions, "end-sessions"), Item(code, "run-code")]


# ---- Confirm -----------------------------------------------------------------------------------------------------


def confirm_rows(choice: RestoreChoice, looked: Looked, glyphs: Glyphs) -> Iterator[Row]:
    """In plain words what will be written, replaced and kept; then what that changes."""
    for each in choice.chosen:
        where = looked.where.get(each.name, each.place)
        if choice.only:
            written = _("{only} of {source} is written into {where}", only=choice.only, source=each.name, where=where)
        else:
            written = _(
                "{source} is restored beside {where}, compared with the backup, and put in its place",
                source=each.name,
                where=where,
            )
        yield (Piece(f" {glyphs.chosen} ", "accent"), Piece(written))
    kept = _("What is there now is kept under a name with _before_ and the date, so that it can be undone: u.")
    yield (Piece("   "), Piece(kept))
    if choice.end_sessions:
        yield (Piece("   "), Piece(_("Sessions that are in the way are ended."), "degraded"))
    if choice.other_server:
        yield (Piece("   "), Piece(_("It goes to another server than the one it comes from."), "degraded"))
    if choice.run_code:
        yield (Piece("   "), Piece(_("What the dump executes is run with the rights of who restores."), "degraded"))
    yield BLANK
    if looked.changes is None:
        yield (Piece("   " + _("counting what would change …"), "muted"),)
        return
    for source, changes in looked.changes.items():
        yield from _changes(source, changes)


def _changes(source: str, changes: Sequence[RestoreChange]) -> Iterator[Row]:
    head = ngettext("{count} change", "{count} changes", len(changes)) if changes else _("nothing changes")
    lost = lost_text(changes)
    yield (Piece(f" {source}", "title"), Piece(f"  {head}", "muted"), Piece(f"  {lost}", "degraded"))
    shown = changes[:CHANGES_SHOWN]
    what, now, then = (_widest((getattr(each, part) for each in shown), 40) for part in ("what", "now", "then"))
    for change in shown:
        yield (
            Piece("   " + fit(fit_middle(change.what, what), what)),
            Piece("  " + fit(change.now, now, right=True), "muted"),
            Piece(" → "),
            Piece(fit(change.then, then), "strong"),
            Piece("  " + _("newer than the backup: would be lost") if change.newer else "", "degraded"),
        )
    if len(changes) > CHANGES_SHOWN:
        yield (Piece("   " + _("and {count} more", count=len(changes) - CHANGES_SHOWN), "muted"),)


def _widest(texts: Iterable[str], most: int) -> int:
    """Cells of the widest of them, ``most`` at most."""
    return min(most, max((cell_width(clean(text)) for text in texts), default=0))


def word_of(choice: RestoreChoice, looked: Looked) -> str:
    """What is typed before: the name of the database that is replaced, else of the folder."""
    first = sorted(choice.chosen, key=lambda each: not each.is_database)
    return next((looked.names[each.name] for each in first if looked.names.get(each.name)), choice.set)


# ---- Result ------------------------------------------------------------------------------------------------------


def result_rows(ended: Ended, set_id: str, glyphs: Glyphs) -> Iterator[Row]:
    """How it ended, what is kept under which name, and how to undo it."""
    good = ended.state == "ok"
    mark, role = (glyphs.good, "good") if good else (glyphs.failing, "failing")
    yield (Piece(f" {mark} ", role), Piece(ended.message, role))
    kept = ended.result.get("kept")
    told = good and isinstance(kept, list) and kept
    if ended.hint and not told:
        yield (Piece("   "), Piece(ended.hint))
    if isinstance(kept, list) and told:
        yield BLANK
        yield (Piece("   " + _("What was there before is kept as:"), "muted"),)
        yield from ((Piece("     "), Piece(str(name), "strong")) for name in kept[:40])
        yield BLANK
        undo = _("Back to it: u in this pane, or lilfox restore --undo {set}", set=set_id)
        yield (Piece("   "), Piece(undo))
    elif not good:
        yield (Piece("   "), Piece(_("o shows everything that the job said.")))
