"""What a source of a set contains, as far as its manifest records it."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from lilfox_tui.app.panes.backup.restore_pages import source_rows
from lilfox_tui.app.panes.backup.restore_state import SourceContents, contents_of, contents_text
from lilfox_tui.backup.sets.model import FoundPart
from lilfox_tui.core.text import human_bytes
from tests.app.backups_made import MIB, found_part, made_set


def texts(source: str, contents: SourceContents, most: int) -> list[str]:
    return ["".join(piece.text for piece in row).rstrip() for row in source_rows(source, contents, most, 70)]


def test_tables_are_counted_with_their_rows_and_the_largest_come_first() -> None:
    parts = made_set(timedelta(hours=1), "intact").parts
    found = contents_of(part for part in parts if part.source == "database")
    assert contents_text(found) == "3 tables, 89,414 rows"
    assert texts("database", found, 9) == [
        "   database  3 tables, 89,414 rows; rows of 1 table were not counted",
        "     public.orders         88,210 rows",
        "     public.users           1,204 rows",
        "     public.sessions  rows not counted",
    ]
    assert texts("database", found, 3)[1:] == ["     public.orders  88,210 rows", "     and 2 more"]


def test_files_are_counted_with_their_bytes_and_the_largest_folders() -> None:
    part = found_part("u.tar.zst", "uploads", "files", MIB, files=40, folders=3, bytes=5 * MIB,
                      folder_bytes={"docs": MIB, "avatars": 3 * MIB, "odd": "x"})  # fmt: skip
    found = contents_of([part])
    assert contents_text(found) == f"40 files, {human_bytes(5 * MIB)}"
    assert texts("uploads", found, 9) == [
        f"   uploads  40 files, {human_bytes(5 * MIB)}; in 3 folders",
        f"     avatars/  {human_bytes(3 * MIB)}",
        f"     docs/     {human_bytes(MIB)}",
    ]


def settings(**archive: object) -> list[FoundPart]:
    """The parts of a source of the configuration: one file beside a folder of two."""
    env = found_part("env_1", "settings", "file", 19)
    return [env, found_part("config_1.tar.zst", "settings", "files", 400, **archive)]


def test_a_file_beside_the_folder_is_counted_and_not_in_it() -> None:
    parts = settings(files=2, folders=1, bytes=73)
    found = contents_of(parts)
    assert contents_text(found) == "3 files, 130B"
    assert texts("settings", found, 9) == ["   settings  3 files, 130B; 1 folder"]
    alone = contents_of(parts[:1])
    assert contents_text(alone) == "1 file, 57B"
    assert texts("settings", alone, 9) == ["   settings  1 file, 57B"]


def test_no_count_is_told_of_a_source_of_which_a_part_is_not_counted() -> None:
    assert contents_text(contents_of(settings())) == ""
    assert contents_text(contents_of(settings(files=2))) == "3 files"
    env, archive = settings(files=2, folders=1, bytes=73)
    assert contents_text(contents_of([replace(env, said=None), archive])) == ""


def test_what_is_not_recorded_is_told_as_such() -> None:
    found = contents_of([found_part("u.tar.zst", "uploads", "files", MIB, files="many", folder_bytes=[1])])
    assert not found.is_known
    assert contents_text(found) == ""
    assert texts("uploads", found, 9) == ["   uploads: the set does not record what it contains"]


def test_counts_that_no_set_can_have_are_left_out() -> None:
    """Bars are drawn of them: a sum of 1 beside 10¹⁸ rows would be a bar without end."""
    tables = {"orders": {"rows": 10**18}, "less": {"rows": 1 - 10**18}}
    part = found_part("d.dump", "database", "postgresql-custom", MIB, content={"tables": tables}, size_bytes=-1,
                      folder_bytes={"docs": -1, "all": 10**400, "rest": 1})  # fmt: skip
    found = contents_of([part])
    assert found.tables == {"orders": 10**18, "less": None}
    assert found.server_bytes is None
    assert found.folder_bytes == {"rest": 1}
