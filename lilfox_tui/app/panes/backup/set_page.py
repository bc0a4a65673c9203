"""The page of a backup set, and what is said where no backups are configured. Pure: sets in, rows out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from lilfox_tui.app.panes.backup.restore_state import contents_of, contents_text
from lilfox_tui.app.panes.backup.rows import SET_ROLES, BackupStyle
from lilfox_tui.app.rendering.columns import wrapped
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.backup.checks import labelled, proof_text, signature_text
from lilfox_tui.core.i18n import _, ngettext
from lilfox_tui.core.text import cell_width, clean, fit, human_age, human_bytes, human_duration
from lilfox_tui.monitor.model import SET_LEVELS, PlanView

if TYPE_CHECKING:
    from lilfox_tui.backup.sets.model import BackupSet, FoundPart

_LABEL = 12
_MOST_TABLES = 200
_BAR, _INDENTED = 10, 6
"""Cells of the bar of a share, and before the name of a table."""
_WIDE = 78
"""Cells from which a digest is shown whole."""
_DIGEST = 16
_TWO_NUMBERS = 100_000
"""From this ``server_version_num`` a version of PostgreSQL has two numbers."""
_SIGNATURES = {"none": "muted", "good": "good", "other": "degraded", "forged": "failing"}


def set_page(found: BackupSet, view: PlanView, style: BackupStyle) -> list[Row]:
    """Everything known about a set from its store alone, below its title: what it is and what has been proven of it,
    its parts, and at the end what only a comparison by hand needs. Long lines are wrapped."""
    rows: list[Row] = [*_proof(found, style), *_missing(found), *_contents(found, style), BLANK]
    rows += _about(found, view, style)
    rows += [BLANK, _section(_("FILES IN THE STORE"), len(found.parts))]
    for part in found.parts:
        rows += _part(part)
    if found.manifest is not None and found.manifest.notes:
        rows += [BLANK, _section(_("NOTES"), len(found.manifest.notes))]
        rows += [(Piece("   "), Piece(note, "degraded")) for note in found.manifest.notes]
    details = [row for part in found.parts for row in _details(part, style)]
    if found.proof is not None and found.proof.level == "restored" and found.proof.where:
        details = [(Piece("   "), Piece(_("tested in: {where}", where=found.proof.where), "muted")), *details]
    if details:
        rows += [BLANK, (Piece(" " + _("DETAILS"), "title"),), *details]
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


def _field(label: str, text: str, role: str = "text") -> Row:
    return (Piece("   " + fit(label, _LABEL) + "  ", "muted"), Piece(text, role))


def _section(text: str, count: int) -> Row:
    return (Piece(" " + text, "title"), Piece(f"  {count}", "muted"))


def _about(found: BackupSet, view: PlanView, style: BackupStyle) -> Iterator[Row]:
    yield _field(_("started"), found.created.astimezone(style.zone).strftime("%Y-%m-%d %H:%M:%S %Z"))
    yield _field(_("store"), view.where or view.store)
    yield _field(_("size"), human_bytes(found.size_bytes))
    if found.manifest is not None and found.manifest.tag:
        yield _field(_("tag"), _("{tag}: retention keeps it; restore it with tag:{tag}", tag=found.manifest.tag))
    if found.reason and not found.missing:  # what is missing has a line of its own
        yield _field(_("why"), str(found.reason), SET_ROLES[found.status])
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
    if proof is None:
        yield _field(
            _("proof"), _("not verified yet: V reads the whole set, D restores it into a scratch location"), "muted"
        )
        return
    at = proof.at.astimezone(style.zone).strftime("%Y-%m-%d %H:%M")
    if proof.level == "restored":
        took = human_duration(proof.took_s)
        text = _(
            "restore-tested on {at}: restored to scratch locations in {time}, compared with the backup, then removed",
            at=at,
            time=took,
        )
    elif proof.level == "intact":
        text = _("checksums verified on {at}: fully read; digests, trailers and content are correct", at=at)
    else:
        text = _("found broken on {at}: {reason}", at=at, reason=proof.reason)
    yield _field(_("proof"), text, SET_ROLES.get(proof.level, "text"))


def _missing(found: BackupSet) -> Iterator[Row]:
    for source, reason in (found.manifest.missing if found.manifest is not None else {}).items():
        yield _field(_("missing"), labelled(source, reason), "failing")


def _part(part: FoundPart) -> Iterator[Row]:
    said = part.said
    pieces = [Piece("   "), Piece(part.name, "strong"), Piece(f"  {human_bytes(part.size_bytes)}")]
    if said is not None:
        raw = _("{bytes} unpacked", bytes=human_bytes(said.raw_bytes))
        pieces.append(Piece(f"  {raw}", "muted"))
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
    yield (Piece("   "), Piece(part.name, "text"))
    stored = [part.source, part.source_kind, part.kind, *([] if said is None else [said.packing])]
    yield (Piece("      "), Piece("  ".join(stored), "muted"))
    if part.sha256:
        shown = part.sha256 if style.width >= _WIDE else part.sha256[:_DIGEST] + "…"
        yield (Piece("      "), Piece(f"SHA-256 {shown}", "muted"))
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
    """The tables with their rows and the largest folders with their bytes, as the set records them, each with a bar of
    its part of what is counted of its source."""
    for source in dict.fromkeys(part.source for part in found.parts):
        contents = contents_of(part for part in found.parts if part.source == source)
        counts: list[tuple[str, str, float | None]] = [
            (name, _rows_text(rows), rows)
            for name, rows in sorted(contents.tables.items(), key=lambda each: -(each[1] or 0))
        ]
        counts += [
            (f"{name}/", human_bytes(size), size)
            for name, size in sorted(contents.folder_bytes.items(), key=lambda each: -each[1])
        ]
        size = human_bytes(sum(part.size_bytes for part in found.parts if part.source == source))
        told = "  ".join(filter(None, (size, contents_text(contents))))
        yield BLANK
        yield (Piece(f"   {source}", "title"), Piece(f"  {told}", "muted"))
        if not counts:
            continue
        whole = sum(number or 0 for _name, _text, number in counts)
        yield from _counts(counts[:_MOST_TABLES], whole, style)
        if len(counts) > _MOST_TABLES:
            yield (Piece("     " + _("and {count} more", count=len(counts) - _MOST_TABLES), "muted"),)


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
