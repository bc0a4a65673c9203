"""What a source of a backup set contains, as the set itself records it: tables with their rows, files with their bytes
and largest folders. Pure: sets in, rows out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from lilfox_tui.app.rendering.columns import wrapped
from lilfox_tui.app.rendering.draw import Piece, Row
from lilfox_tui.core.i18n import _, clauses, listed, ngettext
from lilfox_tui.core.text import cell_width, clean, fit, human_bytes

if TYPE_CHECKING:
    from lilfox_tui.backup.sets.model import FoundPart

_NAME = 40
"""Cells of the longest name of a table or folder."""


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
    for said in [part.said for part in parts if part.said is not None]:
        tables |= said.tables
        detail = said.detail
        for name in ("size_bytes", "files", "folders", "bytes"):
            if isinstance(value := detail.get(name), int):
                found[name] = found.get(name, 0) + value
        if isinstance(sizes := detail.get("folder_bytes"), Mapping):
            folder_bytes |= {str(name): size for name, size in sizes.items() if isinstance(size, int)}
    return SourceContents(
        tables, found.get("size_bytes"), found.get("files"), found.get("folders"), found.get("bytes"), folder_bytes
    )


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


def source_rows(source: str, contents: SourceContents, most: int, width: int) -> list[Row]:
    """The contents of a source in full, in at most ``most`` rows: the largest tables or folders."""
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
    if contents.folders:
        told.append(ngettext("in {count} folder", "in {count} folders", contents.folders))
    rows = wrapped([(Piece(f"   {source}  ", "title"), Piece(clauses(told)))], width)
    tables = sorted(contents.tables.items(), key=lambda each: -(each[1] or 0))
    counts = [
        (name, _("rows not counted") if n is None else ngettext("{rows} row", "{rows} rows", n, rows=f"{n:,}"))
        for name, n in tables
    ]
    counts += [(f"{name}/", human_bytes(size)) for name, size in _largest(contents.folder_bytes)]
    return [*rows, *_table(counts, max(0, most - len(rows)))]


def _largest(folders: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(folders.items(), key=lambda each: -each[1])


def _table(counts: Sequence[tuple[str, str]], most: int) -> list[Row]:
    """Names with their counts, and how many have no room."""
    shown = counts if len(counts) <= most else counts[: max(0, most - 1)]
    name = min(_NAME, max((cell_width(clean(each)) for each, _count in shown), default=0))
    count = max((cell_width(text) for _name, text in shown), default=0)
    rows: list[Row] = [
        (Piece("     " + fit(each, name)), Piece("  " + fit(text, count, right=True), "muted")) for each, text in shown
    ]
    if len(shown) < len(counts) and most:
        rows.append((Piece("     " + _("and {count} more", count=len(counts) - len(shown)), "muted"),))
    return rows
