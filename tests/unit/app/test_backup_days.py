"""The days of a plan's sets: one mark a day, that of its best set; and what a set contains."""

from __future__ import annotations

import re
from datetime import UTC, timedelta, timezone
from typing import Literal

import msgspec
import pytest
from msgspec import Raw
from msgspec.structs import replace

from lilfox_tui.app.panes.backup.rows import (
    BackupStyle,
    day_sizes,
    day_times,
    days_legend,
    days_row,
    set_heading,
    set_row,
    set_widths,
    size_changes,
)
from lilfox_tui.app.panes.backup.set_page import contents_rows, set_page, set_summary
from lilfox_tui.app.rendering.columns import cells
from lilfox_tui.app.rendering.draw import UNICODE, Row
from lilfox_tui.backup.sets.model import BackupSet
from lilfox_tui.core.i18n import set_language
from lilfox_tui.core.text import cell_width, human_bytes
from tests.app.backups_made import NOW, healthy, made_set, nights, old_set

STYLE = BackupStyle(80, UNICODE, NOW, NOW.tzinfo or UTC)  # 03:12 UTC
DAY = timedelta(days=1)


def marks(row: Row) -> str:
    return "".join(piece.text for piece in row[1:])


def test_each_day_has_the_mark_of_its_best_set() -> None:
    sets = [
        made_set(timedelta(hours=1), "broken"),
        made_set(timedelta(hours=2), "restored"),
        made_set(1 * DAY, "intact"),
        made_set(3 * DAY, "broken"),
        made_set(4 * DAY, "unverified"),
        made_set(29 * DAY, "restored"),
        made_set(30 * DAY, "restored"),
    ]
    assert marks(days_row(sets, STYLE, 80)) == "●" + "·" * 24 + "○✖·◐●"


def test_the_size_of_a_day_is_that_of_its_largest_set() -> None:
    small = replace(made_set(timedelta(hours=2), "intact"), parts=())
    sizes = day_sizes([small, made_set(timedelta(hours=1), "broken"), made_set(29 * DAY, "intact")], STYLE)
    whole = float(made_set(DAY, "intact").size_bytes)
    assert sizes == [whole, *[None] * 28, whole]


def test_the_time_of_a_day_is_that_of_its_longest_run() -> None:
    long = made_set(timedelta(hours=2), "intact")
    assert long.manifest is not None
    long = replace(long, manifest=replace(long.manifest, finished=long.created + timedelta(minutes=9)))
    unknown = old_set(3 * DAY)
    times = day_times([made_set(timedelta(hours=1), "intact"), long, unknown, made_set(29 * DAY, "intact")], STYLE)
    assert times == [94.0, *[None] * 28, 540.0]


def test_days_are_those_of_the_shown_time_zone() -> None:
    of_yesterday = [made_set(timedelta(hours=4), "restored")]
    assert marks(days_row(of_yesterday, STYLE, 80))[-2:] == "●·"
    assert marks(days_row(of_yesterday, replace(STYLE, zone=timezone(timedelta(hours=8))), 80))[-2:] == "·●"


def test_without_sets_or_room_there_are_no_days() -> None:
    one = [made_set(DAY, "intact")]
    assert days_row([], STYLE, 80) == ()
    assert days_row([made_set(40 * DAY, "intact")], STYLE, 80) == ()
    width = cells(days_row(one, STYLE, 80))
    assert days_row(one, STYLE, width)
    assert cells(days_row(one, STYLE, width - 1)) == width - 1, "one day fewer"
    assert marks(days_row(one, STYLE, width - 23)) == "·····◐·", "a week"
    assert days_row(one, STYLE, width - 24) == ()
    set_language("zh_CN")
    try:
        assert cells(days_row(one, STYLE, 80)) <= width + 2
    finally:
        set_language("en")


def test_what_a_set_contains_is_wrapped_between_its_sources_where_there_is_room() -> None:
    set_language("en")
    whole = made_set(DAY, "intact")
    parts = [replace(whole.parts[-1], source=f"source-{number}") for number in range(5)]
    found = replace(whole, parts=tuple(parts))
    style = replace(STYLE, width=50)
    rows = contents_rows(found, style, 3)
    texts = ["".join(piece.text for piece in row) for row in rows]
    assert texts == [
        " source-0  1.7G  ·  source-1  1.7G",
        " source-2  1.7G  ·  source-3  1.7G",
        " source-4  1.7G",
    ]
    last = "".join(piece.text for piece in contents_rows(found, style, 2)[-1])
    assert last == " source-2  1.7G  ·  source-3  1.7G  ·  source-4  1.7G", "the end is cut as it is drawn"
    assert set_summary(found, style)[0] == contents_rows(found, style, 1)[0]
    assert cells(contents_rows(replace(found, parts=()), style, 2)[0]) == 1


def test_the_legend_names_the_signs_that_there_are() -> None:
    text = "".join(piece.text for row in days_legend(nights(4), STYLE) for piece in row)
    assert " ".join(text.split()) == "● restore-tested ◐ checksums verified ○ not verified · no set"


def test_the_page_of_a_set_begins_with_its_proof_and_ends_with_details_in_words() -> None:
    found = nights(1)[0]
    detail = {"dumped_by": "17.5", "server_version_num": 170005, "standby": False, "size_bytes": 13_000_000}
    said = found.parts[0].said
    assert said is not None
    told = replace(said, detail_json=Raw(msgspec.json.encode(detail)))
    found = replace(found, parts=(replace(found.parts[0], said=told), *found.parts[1:]))
    rows = ["".join(piece.text for piece in row) for row in set_page(found, healthy().plans["lilfox", "disk"], STYLE)]
    text = "\n".join(rows)
    assert rows[0].split()[0] == "proof"
    assert "then removed" in text
    assert "a scratch folder beside /srv/lilfox/public/uploads" in " ".join(text.split())
    details = text.partition("Details")[2]
    for word in ("dumped by 17.5", "server version 17.5", "from a standby no", "server 12M", "SHA-256"):
        assert word in details, details
    for word in ("sha256", "server_version_num", "False", "size_bytes"):
        assert word not in text
    assert "SHA-256" not in text.partition("Details")[0]


def test_each_source_and_the_size_of_each_file_are_told_once_on_the_page_of_a_set() -> None:
    found = nights(1)[0]
    view = healthy().plans["lilfox", "disk"]
    rows = [text(row) for row in set_page(replace(found, proof=None), view, replace(STYLE, width=120))]
    for source in dict.fromkeys(part.source for part in found.parts):
        titled = [row for row in rows if re.match(rf"   {source}( |$)", row)]
        assert len(titled) == 1, source
    for part in found.parts:
        told = [row for row in rows if part.name in row]
        size = human_bytes(part.size_bytes)
        assert sum(bool(re.search(rf"{re.escape(part.name)} +{re.escape(size)}  ", row)) for row in told) == 1
        assert rows.index(told[0]) < next(at for at, row in enumerate(rows) if row.startswith("   started ")), (
            "below it"
        )
        assert not any(re.search(rf"{part.source}  {part.source_kind}\b", row) for row in rows)


@pytest.mark.parametrize("width", [40, 52, 77, 78, 120])
def test_a_digest_is_whole_at_any_width(width: int) -> None:
    """Who compares it by hand needs all of it."""
    found = nights(1)[0]
    digest = "0123456789abcdef" * 4
    found = replace(found, parts=(replace(found.parts[0], sha256=digest),))
    page = set_page(found, healthy().plans["lilfox", "disk"], replace(STYLE, width=width))
    rows = ["".join(piece.text for piece in row) for row in page]
    first = next(at for at, row in enumerate(rows) if "SHA-256" in row)
    assert "".join(row.strip() for row in rows[first : first + 3]).removeprefix("SHA-256 ").startswith(digest)
    assert cell_width(rows[first]) < width


def test_a_size_is_compared_with_the_set_before_that_has_the_same_sources() -> None:
    def sized(days: int, size: int, status: Literal["intact", "broken"] = "intact") -> BackupSet:
        found = made_set(days * DAY, status)
        return replace(found, parts=(replace(found.parts[0], size_bytes=size),))

    alone = made_set(2 * DAY, "intact", missing={"database": "refused"})
    sets = (sized(1, 150), alone, sized(3, 1, "broken"), sized(4, 100), sized(5, 100), sized(6, 5), sized(7, 10))
    changes = {found.id: size_changes(sets).get(found.id) for found in sets}
    assert list(changes.values()) == [0.5, None, None, 0.0, 19.0, -0.5, None]
    widths, style = set_widths(sets, 100), replace(STYLE, width=100)
    told = [
        "".join(piece.text for piece in set_row(found, style, widths, change)).split()[4]
        for found, change in zip(sets, changes.values(), strict=True)
    ]
    assert told == ["+50%", "-", "-", "=", "x20", "-50%", "-"]


def test_a_reason_that_is_cut_in_any_case_leaves_room_for_the_size_and_its_change() -> None:
    bad = made_set(DAY, "broken", reason="uploads_20260328_020000.tar.zst: 17 bytes are missing at its end")
    for width in (60, 70, 80):
        columns = text(set_heading(replace(STYLE, width=width), set_widths((bad,), width)))
        assert "size  change  proof" in columns
    whole = made_set(DAY, "broken", reason="one is missing")
    line = text(set_row(whole, replace(STYLE, width=60), set_widths((whole,), 60)))
    assert "one is missing" in line, "a reason with room is whole"


def test_a_legend_without_room_on_one_line_has_two() -> None:
    lines = days_legend(nights(4), replace(STYLE, width=49))
    assert [text(line).strip() for line in lines] == [
        "● restore-tested  ◐ checksums verified", "○ not verified  · no set",
    ]  # fmt: skip
    assert len(days_legend(nights(4), STYLE)) == 1


def test_a_reason_that_is_cut_does_not_cut_the_proofs_of_other_sets() -> None:
    bad = made_set(DAY, "broken", reason="uploads_20260328_020000.tar.zst: 17 bytes are missing at its end")
    partial = made_set(2 * DAY, "intact", missing={"uploads": "no such folder"})
    widths, style = set_widths((bad, partial), 49), replace(STYLE, width=49)
    assert "partial: uploads missing" in text(set_row(partial, style, widths))
    assert cells(set_row(bad, style, widths)) == 49, "it has what is left"


def test_why_a_set_is_broken_is_told_once_on_its_page() -> None:
    bad = made_set(DAY, "broken", reason="17 bytes are missing")
    view = next(iter(healthy().plans.values()))
    told = "\n".join(text(row) for row in set_page(bad, view, STYLE))
    assert told.count("17 bytes are missing") == 1
    other = replace(bad, reason="its manifest is inconsistent")
    assert "its manifest is inconsistent" in "\n".join(text(row) for row in set_page(other, view, STYLE))


def test_a_restore_test_says_what_it_could_not_compare() -> None:
    view = next(iter(healthy().plans.values()))

    def told(found: BackupSet) -> str:
        return "\n".join(text(row) for row in set_page(found, view, STYLE))

    found = made_set(DAY, "restored", took_s=41.0)
    assert "not compared  the rows of 1 table: the set does not record them" in told(found)
    assert "not compared" not in told(made_set(DAY, "intact")), "that compares no rows"
    uploads = replace(found, parts=tuple(part for part in found.parts if part.source == "uploads"))
    assert "not compared" not in told(uploads)


def test_a_page_tells_the_restore_test_apart_from_the_last_read() -> None:
    view = next(iter(healthy().plans.values()))

    def told(found: BackupSet) -> str:
        return "\n".join(text(row) for row in set_page(found, view, replace(STYLE, width=200)))

    found = made_set(DAY, "restored", took_s=41.0)
    assert found.proof is not None
    assert "restore-tested on 2026-03-28 03:15: restored to scratch locations in 41 s" in told(found)
    assert "last read" not in told(found)
    read = replace(found, proof=replace(found.proof, at=NOW))
    assert told(found).splitlines()[0] == told(read).splitlines()[0]
    assert "last read     on 2026-03-29 03:12: checksums verified" in told(read)
    older = replace(found, proof=replace(found.proof, at=NOW, tested=None))
    assert "restore-tested on 2026-03-29 03:12 or before: restored to scratch locations in 41 s" in told(older)
    assert "last read" not in told(older)


def text(row: Row) -> str:
    return "".join(piece.text for piece in row)
