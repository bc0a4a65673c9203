"""A backup set as text and as a page, what a plan backs up and its next run does, and what is said where no backups are
configured. Pure: sets in, rows out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from msgspec.structs import replace

from lilfox_tui.app.panes.backup.engine_rows import engine_facts, engine_proof
from lilfox_tui.app.panes.backup.restore_state import contents_of, contents_text
from lilfox_tui.app.panes.backup.rows import SET_ROLES, BackupStyle, fact_row, last_test, newest_good, took_s
from lilfox_tui.app.panes.backup.state import newest_of
from lilfox_tui.app.rendering.columns import cells, wrapped
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.app.rows.job_words import free_text
from lilfox_tui.backup.checks import labelled, proof_text, signature_text
from lilfox_tui.backup.sets.retention import judge
from lilfox_tui.core.i18n import _, clauses, listed, ngettext
from lilfox_tui.core.text import (
    CUT,
    break_line,
    cell_width,
    clean,
    fit,
    fit_middle,
    human_age,
    human_bytes,
    human_duration,
)
from lilfox_tui.monitor.model import SET_LEVELS, PlanView

if TYPE_CHECKING:
    from lilfox_tui.backup.sets.model import BackupSet, FoundPart, Proof
    from lilfox_tui.backup.sets.retention import RetentionVerdict
    from lilfox_tui.config.model import PlanConfig

_LABEL = 12
_MOST_TABLES = 200
_BAR, _INDENTED = 10, 6
"""Cells of the bar of a share, and before the name of a table."""
_DIGEST = 16
"""Cells of a line of a digest at least."""
_TWO_NUMBERS = 100_000
"""From this ``server_version_num`` a version of PostgreSQL has two numbers."""
_SIGNATURES = {"none": "muted", "good": "good", "other": "degraded", "forged": "failing"}


def set_page(found: BackupSet, view: PlanView, style: BackupStyle) -> list[Row]:
    """Everything known about a set from its store alone, below its title: what it is and what has been proven of it,
    each source with its files, and at the end what only a comparison by hand needs. Long lines are wrapped."""
    rows: list[Row] = [*_proof(found, style), *_missing(found), *_contents(found, style), BLANK]
    rows += _about(found, view, style)
    if found.manifest is not None and found.manifest.notes:
        rows += [BLANK, _section(_("Notes"), len(found.manifest.notes))]
        rows += [(Piece("   "), Piece(note, "degraded")) for note in found.manifest.notes]
    details = [row for part in found.parts for row in _details(part, style)]
    if found.proof is not None and found.proof.level == "restored" and found.proof.where:
        details = [(Piece("   "), Piece(_("tested in: {where}", where=found.proof.where), "muted")), *details]
    if details:
        rows += [BLANK, (Piece(" " + _("Details"), "title"),), *details]
    return wrapped(rows, style.width - 1)


def set_title(found: BackupSet, style: BackupStyle) -> Row:
    """A set's name, what has been proven of it, and its age."""
    age = human_age((style.now - found.created).total_seconds())
    role = SET_ROLES[found.status]
    return (
        Piece(f"{style.glyphs.level(SET_LEVELS[found.status])} ", role),
        Piece(found.id, "title"),
        Piece(f"  {proof_text(found.status, found.missing)}", role),
        Piece("  " + _("{age} old", age=age), "muted"),
    )


def contents_rows(found: BackupSet, style: BackupStyle, most: int) -> list[Row]:
    """What a set contains and its sizes, in at most ``most`` lines that end between sources; the last one has all that
    is left."""
    separator = f"  {style.glyphs.separator}  "
    lines: list[str] = []
    for each in (_of_source(found, source) for source in dict.fromkeys(part.source for part in found.parts)):
        longer = f"{lines[-1]}{separator}{each}" if lines else each
        if lines and (len(lines) == most or cell_width(longer) <= style.width - 2):
            lines[-1] = longer
        else:
            lines.append(each)
    return [(Piece(" "), Piece(line)) for line in lines or [""]]


def set_summary(found: BackupSet, style: BackupStyle) -> list[Row]:
    """What a set contains and its sizes, and why it is not good or what has proven it; in two lines."""
    begun = found.created.astimezone(style.zone).strftime("%Y-%m-%d %H:%M:%S")
    told = str(found.reason) or _("started {time}", time=begun)
    if found.status == "foreign":
        told = _("finished {time}", time=begun)
    role = SET_ROLES[found.status] if found.reason else "muted"
    return [*contents_rows(found, style, 1), (Piece(" "), Piece(told, role))]


def _of_source(found: BackupSet, source: str) -> str:
    """``database  643 kB  12 tables``."""
    parts = [part for part in found.parts if part.source == source]
    size = human_bytes(sum(part.size_bytes for part in parts))
    return "  ".join(filter(None, (source, size, contents_text(contents_of(parts)))))


def set_detail(found: BackupSet, style: BackupStyle) -> list[Row]:
    """A set as text: when it was started, its state, and its contents."""
    begun = found.created.astimezone(style.zone).strftime("%Y-%m-%d %H:%M:%S")
    text = proof_text(found.status, found.missing)
    if found.reason and not found.missing:
        text = labelled(text, found.reason)
    head = (Piece(f" {found.id}", "strong"), Piece(f"  {begun}  ", "muted"))
    first, rest = break_line(text, max(20, style.width - cells(head)))
    holds = listed(dict.fromkeys(part.source for part in found.parts))
    below = (Piece("   "), Piece(rest or holds, SET_ROLES[found.status] if rest else "muted"))
    return [(*head, Piece(first, SET_ROLES[found.status])), below]


def _field(label: str, text: str, role: str = "text") -> Row:
    return (Piece("   " + fit(label, _LABEL) + "  ", "muted"), Piece(text, role))


def _section(text: str, count: int) -> Row:
    return (Piece(" " + text, "title"), Piece(f"  {count}", "muted"))


def _about(found: BackupSet, view: PlanView, style: BackupStyle) -> Iterator[Row]:
    when_told = _("finished") if view.foreign is not None else _("started")
    yield _field(when_told, found.created.astimezone(style.zone).strftime("%Y-%m-%d %H:%M:%S %Z"))
    yield _field(_("store"), view.where or view.store)
    yield _field(_("size"), human_bytes(found.size_bytes) if found.parts else _("not known"))
    if found.manifest is not None and found.manifest.tag:
        yield _field(_("tag"), _("{tag}: retention keeps it; restore it with tag:{tag}", tag=found.manifest.tag))
    is_told = found.missing or (found.proof is not None and str(found.reason) == found.proof.reason)
    if found.reason and not is_told:  # by a line of its own, or by the proof
        yield _field(_("why"), str(found.reason), SET_ROLES[found.status])
    if (facts := engine_facts(found, style.zone)) is not None:
        yield from (_field(*each) for each in facts)
        return
    manifest = found.manifest
    if manifest is None:
        told = _("created by the ops manual's scripts: no manifest lists its contents")
        if found.old:
            yield _field(_("created by"), told)
        if found.spread_s:
            apart = human_duration(found.spread_s)
            yield _field(_("dates"), _("the dates in its part names are {time} apart", time=apart), "degraded")
        return
    took = human_duration((manifest.finished - manifest.created).total_seconds())
    yield _field(_("created by"), _("{tool} on {host}, plan {plan}, job {job}", tool=manifest.tool, host=manifest.host,
                                 plan=manifest.plan, job=manifest.run))  # fmt: skip
    yield _field(_("took"), took)
    yield _field(_("signature"), signature_text(found.signature), _SIGNATURES[found.signature])


def _proof(found: BackupSet, style: BackupStyle) -> Iterator[Row]:
    proof = found.proof
    if found.status == "foreign":
        yield _field(_("proof"), _("none by LilFox: check and restore it with the program that made it"), "muted")
        return
    if proof is None:
        yield _field(
            _("proof"), _("not verified yet: V reads the whole set, D restores it into a scratch location"), "muted"
        )
        return
    at = proof.at.astimezone(style.zone).strftime("%Y-%m-%d %H:%M")
    if proof.level != "broken" and (told := engine_proof(found, proof, style)):
        text = told
    elif proof.level == "restored":
        text = _restore_test(proof, at, style)
    elif proof.level == "intact":
        text = _("checksums verified on {at}: fully read; digests, trailers and content are correct", at=at)
    else:
        text = _("found broken on {at}: {reason}", at=at, reason=proof.reason)
    yield _field(_("proof"), text, SET_ROLES.get(proof.level, "text"))
    if proof.level == "restored" and proof.tested is not None and proof.tested < proof.at:
        yield _field(_("last read"), _("on {at}: checksums verified", at=at))
    if proof.level == "restored" and (uncounted := _uncounted(found)):
        told = ngettext(
            "the rows of {count} table: the set does not record them",
            "the rows of {count} tables: the set does not record them",
            uncounted,
        )
        yield _field(_("not compared"), told, "degraded")


def _restore_test(proof: Proof, read_at: str, style: BackupStyle) -> str:
    """When a set was restored for a test. An older version did not tell that from when it was read last."""
    took = human_duration(proof.took_s)
    if proof.tested is None:
        return _(
            "restore-tested on {at} or before: restored to scratch locations in {time}, compared with the backup, "
            "then removed",
            at=read_at,
            time=took,
        )
    return _(
        "restore-tested on {at}: restored to scratch locations in {time}, compared with the backup, then removed",
        at=f"{proof.tested.astimezone(style.zone):%Y-%m-%d %H:%M}",
        time=took,
    )


def _uncounted(found: BackupSet) -> int:
    """Tables of a set whose rows were not counted, so that a restore of them is compared with nothing."""
    sources = dict.fromkeys(part.source for part in found.parts)
    contents = (contents_of(part for part in found.parts if part.source == source) for source in sources)
    return sum(rows is None for each in contents for rows in each.tables.values())


def _missing(found: BackupSet) -> Iterator[Row]:
    for source, reason in (found.manifest.missing if found.manifest is not None else {}).items():
        yield _field(_("missing"), labelled(source, reason), "failing")


def _files(parts: Sequence[FoundPart]) -> Iterator[Row]:
    """The files of a source in the store, and what is wrong with each."""
    name = max(cell_width(part.name) for part in parts)
    size = max(cell_width(human_bytes(part.size_bytes)) for part in parts)
    for part in parts:
        said = part.said
        pieces = [
            Piece("     " + fit(part.name, name), "muted"),
            Piece(f"  {fit(human_bytes(part.size_bytes), size, right=True)}"),
        ]
        if said is not None:
            pieces.append(Piece("  " + _("{bytes} unpacked", bytes=human_bytes(said.raw_bytes)), "muted"))
            if said.encrypted:
                pieces.append(Piece("  age", "accent"))
        yield tuple(pieces)
        if part.trouble:
            yield (Piece("      "), Piece(str(part.trouble), "failing"))


def _details(part: FoundPart, style: BackupStyle) -> Iterator[Row]:
    """How a part is stored, its digest, and the plain values that the source recorded about it. A manifest may contain
    anything: only values of the expected shape are shown."""
    said = part.said
    if said is None and not part.sha256:
        return
    packing = "" if said is None or said.packing == "none" else said.packing
    yield (Piece("   "), Piece(part.name, "text"), Piece("  " + "  ".join(filter(None, (part.kind, packing))), "muted"))
    if part.sha256:
        head = "      SHA-256 "
        room = max(_DIGEST, style.width - 1 - len(head))
        for at in range(0, len(part.sha256), room):  # whole, for who compares it by hand
            yield (Piece(" " * len(head) if at else head, "muted"), Piece(part.sha256[at : at + room], "muted"))
    plain = [] if said is None else [_named(key, value) for key, value in said.detail.items()]
    if shown := f" {style.glyphs.separator} ".join(filter(None, plain)):
        yield (Piece("      "), Piece(shown, "muted"))


def _named(key: str, value: object) -> str:
    """A recorded value with its name, in words; empty for one that is not plain."""
    if not isinstance(value, str | int | float) or value == "" or key == "newest_ns":
        return ""
    names = {
        "bytes": _("content"),
        "collate": _("collation"),
        "ctype": _("character type"),
        "dumped_by": _("dumped by"),
        "passwords": _("passwords of roles"),
        "server_version_num": _("server version"),
        "setuid": _("files with setuid or setgid"),
        "size_bytes": _("size on the server"),
        "standby": _("from a standby"),
        "system_identifier": _("system identifier"),
        "top": _("folder"),
        "with_attributes": _("files with attributes"),
    }
    name = names.get(key, key.replace("_", " "))
    if isinstance(value, bool):
        value = _("yes") if value else _("no")
    elif key in ("bytes", "size_bytes"):
        value = human_bytes(float(value)) if isinstance(value, int | float) else value
    elif key == "server_version_num" and isinstance(value, int):
        value = f"{value // 10000}.{value % 10000}" if value >= _TWO_NUMBERS else str(value)
    return f"{name} {value}"


def _contents(found: BackupSet, style: BackupStyle) -> Iterator[Row]:
    """Each source: its tables with their rows and its largest folders with their bytes, as the set records them, each
    with a bar of its part of what is counted; and its files in the store, of one of which the size is that of all."""
    for source in dict.fromkeys(part.source for part in found.parts):
        parts = [part for part in found.parts if part.source == source]
        contents = contents_of(parts)
        counts: list[tuple[str, str, float | None]] = [
            (name, _rows_text(rows), rows)
            for name, rows in sorted(contents.tables.items(), key=lambda each: -(each[1] or 0))
        ]
        counts += [
            (f"{name}/", human_bytes(size), size)
            for name, size in sorted(contents.folder_bytes.items(), key=lambda each: -each[1])
        ]
        size = human_bytes(sum(part.size_bytes for part in parts)) if len(parts) > 1 else ""
        told = "  ".join(filter(None, (size, contents_text(contents))))
        yield BLANK
        yield (Piece(f"   {source}", "title"), Piece(f"  {told}", "muted"))
        if counts:
            whole = sum(number or 0 for _name, _text, number in counts)
            yield from _counts(counts[:_MOST_TABLES], whole, style)
        if len(counts) > _MOST_TABLES:
            yield (Piece("     " + _("and {count} more", count=len(counts) - _MOST_TABLES), "muted"),)
        yield from _files(parts)


def _rows_text(rows: int | None) -> str:
    if rows is None:
        return _("rows not counted")
    return ngettext("{rows} row", "{rows} rows", rows, rows=f"{rows:,}")


def _counts(counts: Sequence[tuple[str, str, float | None]], whole: float, style: BackupStyle) -> Iterator[Row]:
    name = min(40, max(cell_width(clean(name)) for name, _text, _number in counts))
    count = max(cell_width(text) for _name, text, _number in counts)
    glyphs, barred = style.glyphs, style.width >= _INDENTED + name + 2 + count + 2 + _BAR
    for each, text, number in counts:
        bar: Row = ()
        if barred and whole and number is not None:
            full = round(number / whole * _BAR)
            bar = (Piece("  " + glyphs.full * full, "chart"), Piece(glyphs.empty * (_BAR - full), "rule"))
        yield (Piece("     " + fit(each, name)), Piece("  " + fit(text, count, right=True), "muted"), *bar)


def nothing_configured(style: BackupStyle, *, looked: bool) -> tuple[Row, list[Row]]:
    """The title and rows of what to do when the configuration has no backups. ``looked``: whether the usual places were
    searched."""
    examples = (
        "lilfox backup run --database postgresql:///lilfox --files /srv/lilfox/public/uploads --store /backup",
        "lilfox backup list --store /backup",
    )
    rows: list[Row] = [
        (Piece(" "), Piece(_("Back up without a configuration, and list the sets:"))),
        *((Piece("   "), Piece(each, "accent")) for each in examples),
        BLANK,
        (Piece(" "), Piece(_("Or configure what to back up, where to and when:"))),
        *(
            (Piece("   "), Piece(each, "accent"))
            for each in (
                "backup:",
                "  stores: {disk: {path: /backup}}",
                "  plans:",
                "    lilfox:",
                "      sources:",
                "        database: {kind: postgresql, url: postgresql:///lilfox}",
                "        uploads: {kind: files, path: /srv/lilfox/public/uploads}",
                "      store: disk",
                '      schedule: "0 2 * * *"',
                "      keep: {daily: 7, weekly: 4}",
            )
        ),
    ]
    if looked:
        rows += [
            BLANK,
            (
                Piece(" "),
                Piece(_("No sets from the ops manual's scripts were found in /backup on this machine."), "muted"),
            ),
        ]
    return (Piece(_("No backups are configured. What to do next:"), "title"),), wrapped(rows, style.width - 1)


# ---- the question before a run -----------------------------------------------------------------------------------


_RUNS_TOLD, _REMOVED_TOLD = 5, 3
"""Runs whose times are looked at, and sets that are named."""


_LEAST_VALUE = 8
"""Cells of the value of a fact at least."""
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


def source_place(options: object) -> str:
    """Where a source is read, as the configuration has it: the databases and their server, or the folder."""
    host = getattr(options, "host", None)
    if isinstance(url := getattr(options, "url", None), str):
        parts = urlsplit(url)
        said, path = dict(parse_qsl(parts.query)), unquote(parts.path)
        server = said.get("host") or parts.hostname or ("" if parts.scheme else path)  # the folder of a socket
        own = said.get("dbname") or (path[1:] if parts.scheme else "")
        names = listed(getattr(options, "databases", ()) or (own,))
        if host and (server in ("", host, *_THIS_MACHINE) or server.startswith("/")):
            server = host
        elif host:
            server = f"{host}: {server}"
        return _("{database} on {server}", database=names, server=server) if names and server else names or server
    root = getattr(options, "path", None) or getattr(options, "root", None) or ""
    inside = listed(filter(None, (getattr(options, "env", ""), getattr(options, "folder", ""))))
    return labelled(f"{host}:{root}" if host else root, inside) if inside else f"{host}:{root}" if host else root


def _left_out(options: object) -> Row:
    """What the configuration leaves out of a source."""
    left = [*getattr(options, "exclude", ())]
    left += [_("unreadable files")] if getattr(options, "skip_unreadable", False) else []
    left += [] if getattr(options, "globals", True) else [_("roles and tablespaces")]
    return (Piece("  " + _("without {what}", what=listed(left)), "degraded"),) if left else ()


def plan_contents(config: PlanConfig) -> list[Row]:
    """What a plan backs up and from where, what it leaves out, and what it keeps of it."""
    rows: list[Row] = []
    width = max(map(cell_width, config.sources), default=0)
    for number, (name, options) in enumerate(config.sources.items()):
        row = fact_row(_("backs up") if number == 0 else "", fit(name, width), "text")
        rows.append((*row, Piece(f"  {source_place(options)}", "muted"), *_left_out(options)))
    kept = [_retention(config)]
    kept += [_("copies: {stores}", stores=listed(config.copies))] if config.copies else []
    kept.append(_("drill after each run") if config.drill else _("no drill after a run"))
    rows.append(fact_row(_("keeps"), clauses(kept), "text"))
    return rows


def _retention(config: PlanConfig) -> str:
    """Which sets the retention of a plan keeps."""
    keep = config.keep
    if keep is None:
        return _("every set: no retention policy")
    counted = (
        (keep.last, _("the last {count}")),
        (keep.daily, _("{count} daily")),
        (keep.weekly, _("{count} weekly")),
        (keep.monthly, _("{count} monthly")),
        (keep.days, _("all of {count} days")),
    )
    return listed(text.format(count=count) for count, text in counted if count)


def wrapped_facts(rows: Sequence[Row], width: int) -> list[Row]:
    """Facts, each value wrapped in its own column."""
    found: list[Row] = []
    for label, *value in rows:
        below = Piece(" " * cells((label,)))
        lines = _value_lines(value, max(_LEAST_VALUE, width - cells((label,))))
        found += [(below if number else label, *line) for number, line in enumerate(lines)]
    return found


def _value_lines(value: Sequence[Piece], room: int) -> list[list[Piece]]:
    lines: list[list[Piece]] = [[]]
    for piece in value:
        rest = _paths_fitted(clean(piece.text), room)
        while rest:
            left = room - cells(lines[-1])
            word = rest.lstrip(" ").partition(" ")[0]
            is_one = word.replace(CUT, "").isascii()
            is_whole = cell_width(rest) <= left
            first, rest = (rest, "") if is_whole else break_line(rest, left)
            if lines[-1] and not is_whole and (not first.strip() or (is_one and word not in first)):
                first, rest = "", (first + rest).lstrip(" ") if first else rest.lstrip(" ")
            if first:
                lines[-1].append(Piece(first, piece.role))
            if rest:
                lines.append([])
    return lines


def _paths_fitted(text: str, room: int) -> str:
    """``text``, its paths of more than ``room`` cells parted behind a slash; longer than two lines they are cut in
    their middle."""
    return " ".join(
        _path_fitted(word, room) if "/" in word and word.isascii() and len(word) > room else word
        for word in text.split(" ")
    )


def _path_fitted(path: str, room: int) -> str:
    end = path.rfind("/", 1, room) + 1
    return f"{path[:end]} {path[end:]}" if end and len(path) - end <= room else fit_middle(path, room)


_REMOVED_LISTED = 12
"""Sets that are listed at most, of all stores together."""


def prune_question(verdicts: Mapping[str, Sequence[RetentionVerdict]]) -> list[Row]:
    """Which sets go from each store and why, and which ones only an object lock keeps; then how much they hold."""
    rows: list[Row] = []
    most = _REMOVED_LISTED // len(verdicts)
    for where, judged in verdicts.items():
        going = [verdict for verdict in judged if verdict.goes]
        of_store = [*map(_going_row, going[:most])]
        if len(going) > most:
            of_store.append((Piece("  " + _("and {count} more", count=len(going) - most), "muted"),))
        of_store += [(Piece(f"  {verdict.stays}", "muted"),) for verdict in judged if verdict.locked][:most]
        rows += [(Piece(f"  {where}"),), *of_store] if of_store and len(verdicts) > 1 else of_store
    every = [verdict for judged in verdicts.values() for verdict in judged]
    sizes = [verdict.set.size_bytes for verdict in every if verdict.goes]
    kept = ngettext("{count} set is kept.", "{count} sets are kept.", len(every) - len(sizes))
    held = _("Together they hold {bytes}.", bytes=human_bytes(sum(sizes)))
    return [*rows, BLANK, (Piece("  "), Piece(held, "strong"), Piece(f" {kept}"))]


def _going_row(verdict: RetentionVerdict) -> Row:
    size = fit(human_bytes(verdict.set.size_bytes), 5, right=True)
    return (Piece(f"  {verdict.set.id}", "strong"), Piece(f"  {size}"), Piece(f"  {verdict.why}", "muted"))


def backup_question(view: PlanView, now: datetime, zone: tzinfo, *, contents: bool = True) -> list[Row]:
    """What a run of the plan will do, as far as its last sets tell: its sources and, with ``contents``, what they had,
    where the set goes, how long that took, what follows, and which sets retention would remove. A partial set does not
    tell how large a whole one will be."""
    config = view.own_config
    assert config is not None
    rows = [fact_row(_("plan"), view.name)]
    last_made, newest = newest_of(view), newest_good(view)
    newest = newest or last_made
    for number, source in enumerate(config.sources):
        parts = [] if newest is None or not contents else [part for part in newest.parts if part.source == source]
        size = human_bytes(sum(part.size_bytes for part in parts)) if parts else ""
        told = listed(filter(None, (size, contents_text(contents_of(parts)))))
        last = (Piece("  " + _("last time {what}", what=told), "muted"),) if told else ()
        rows.append((*fact_row(_("sources") if number == 0 else "", source), *last))
        if place := source_place(config.sources[source]):
            where = (Piece("  " + place, "muted"), *_left_out(config.sources[source]))
            rows[-1:] = [(*rows[-1], *where)] if not last else [rows[-1], (*fact_row("", ""), *where)]
    stores = listed((view.where or view.store, *config.copies))
    rows.append((*fact_row(_("to"), stores), *_free(view, newest, now, zone)))
    if newest is not None:
        about = fact_row(_("size"), _("about {bytes}", bytes=human_bytes(newest.size_bytes)))
        told = _("as the last set") if newest is last_made else _("as the last complete set")
        rows.append((*about, Piece(f"  {told}", "muted")))
    rows.append(_duration_row(view))
    then = [_("reads the set back and verifies it")]
    then += [_("restores it into a scratch location and compares (drill)")] if config.drill else []
    rows.append(fact_row(_("then"), listed(then), "text"))
    if config.keep is not None:
        rows.append(fact_row(_("keeps"), _retention(config), "text"))
    return [*rows, *_retention_rows(view, now, zone)]


def _free(view: PlanView, newest: BackupSet | None, now: datetime, zone: tzinfo) -> Row:
    """The free room on the store's disk; in red if not even a set like the newest one has room."""
    if view.free_bytes is None:
        return ()
    small = newest is not None and newest.size_bytes > view.free_bytes
    return (Piece(f"  {free_text(view, now, zone)}", "failing" if small else "muted"),)


def _duration_row(view: PlanView) -> Row:
    """How long the last runs took to make their sets."""
    known = (took for took in map(took_s, view.sets or ()) if took is not None)
    took = sorted(islice(known, _RUNS_TOLD))
    if not took:
        return fact_row(_("takes"), _("not known: {reason}", reason=_why_no_duration(view)), "muted")
    about = _("about {time} to write it", time=human_duration(took[len(took) // 2]))
    told = ngettext("as the last run", "as the last {count} runs", len(took))
    if took[0] != took[-1]:
        told = _("{runs}: {least} to {most}", runs=told, least=human_duration(took[0]), most=human_duration(took[-1]))
    return (*fact_row(_("takes"), about), Piece(f"  {told}", "muted"))


def _why_no_duration(view: PlanView) -> str:
    """Why no set tells how long a run takes. A run that failed has finished, too: it made no set."""
    if view.sets is None:
        return _("the sets have not been read")
    worked = view.last is not None and view.last.state in ("ok", "partly")
    return _("no set tells it") if view.sets or worked else _("no run has succeeded yet")


def drill_time_row(view: PlanView) -> Row:
    """How long the last restore test of the plan took."""
    tested = last_test(view)
    if tested is None or tested.proof is None or tested.proof.took_s is None:
        return fact_row(_("takes"), _("not known: no set is restore-tested"), "muted")
    told = "  " + _("in the last restore test, of {set}", set=tested.id)
    return (*fact_row(_("took"), human_duration(tested.proof.took_s)), Piece(told, "muted"))


def _retention_rows(view: PlanView, now: datetime, zone: tzinfo) -> list[Row]:
    """Which sets retention removes once there is a new good one; computed with such a set."""
    config = view.own_config
    if config is None or config.keep is None:
        return [fact_row(_("removes"), _("nothing: the plan has no retention policy"), "text")]
    if view.sets is None:
        return [fact_row(_("removes"), _("not known: {reason}", reason=_("the sets have not been read")), "muted")]
    own = [found for found in view.sets if found.plan == view.name]
    good = next((found for found in own if found.good), None)
    if good is None:
        return [fact_row(_("removes"), _("nothing: there is no good set yet"), "text")]
    new = replace(good, id="", created=now, manifest=None)
    going = [each.set for each in judge([new, *own], config.keep, now=now, zone=zone, just_made=new.id) if each.goes]
    if not going:
        return [fact_row(_("removes"), _("nothing: retention keeps all sets"), "text")]
    names = [found.id for found in going[:_REMOVED_TOLD]]
    if len(going) > _REMOVED_TOLD:
        names.append(_("{count} more", count=len(going) - _REMOVED_TOLD))
    count = ngettext("{count} set", "{count} sets", len(going))
    freed = human_bytes(sum(found.size_bytes for found in going))
    head = _("{count}, {bytes}, if the new set is good", count=count, bytes=freed)
    return [fact_row(_("removes"), head, "degraded"), *(fact_row("", name, "text") for name in names)]
