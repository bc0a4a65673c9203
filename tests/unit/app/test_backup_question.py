"""The question before a backup run: what it does, how long it takes, and what retention removes."""

from __future__ import annotations

from datetime import UTC, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lilfox_tui.app.panes.backup.rows import BackupStyle, fact_row, finding_rows, plan_detail
from lilfox_tui.app.panes.backup.set_page import (
    backup_question,
    drill_time_row,
    plan_contents,
    source_place,
    wrapped_facts,
)
from lilfox_tui.app.panes.metrics.problems import plan_detail as home_detail
from lilfox_tui.app.panes.metrics.problems import plan_rows
from lilfox_tui.app.rendering.columns import cells
from lilfox_tui.app.rendering.draw import UNICODE, Piece, Row
from lilfox_tui.backup.options import ConfigOptions, FilesOptions, PostgresqlOptions
from lilfox_tui.backup.sets.model import BackupSet
from lilfox_tui.config.model import KeepConfig
from lilfox_tui.core.aio import Unavailable
from lilfox_tui.core.errors import HostUnreachable
from lilfox_tui.core.i18n import tr
from lilfox_tui.core.text import cell_width, human_bytes
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import PlanView
from tests.app.audit_made import PASSWORDS, finding, result
from tests.app.backups_made import MIB, NOW, PLAN, healthy, job, made_set, plan


def asked(view: PlanView) -> list[str]:
    return ["".join(piece.text for piece in row).strip() for row in backup_question(view, NOW, UTC)]


def one(view: PlanView, label: str) -> str:
    return next(row for row in asked(view) if row.startswith(label))


def test_it_lists_the_sources_the_stores_and_what_follows() -> None:
    view = next(iter(healthy().plans.values()))
    config = replace(PLAN, copies=("nas",), drill=True)
    text = "\n".join(asked(replace(view, config=config)))
    for told in (f"database  last time {human_bytes(412 * MIB)}, 3 tables, 89,414 rows", "uploads  last time",
                 "/backup, nas", "reads the set back and verifies it, restores it into a scratch location",
                 "as the last set"):  # fmt: skip
        assert told in text


def test_the_time_is_that_of_the_last_runs() -> None:
    sets = [made_set(timedelta(days=each), "intact") for each in (1, 2, 3)]
    assert one(plan("lilfox", tuple(sets)), "takes").endswith("as the last 3 runs")
    for number, minutes in enumerate((1, 9, 3)):
        found = sets[number]
        assert found.manifest is not None
        manifest = replace(found.manifest, finished=found.manifest.created + timedelta(minutes=minutes))
        sets[number] = replace(found, manifest=manifest)
    told = one(plan("lilfox", tuple(sets)), "takes")
    assert "about 3 min" in told
    assert told.endswith("as the last 3 runs: 1 min to 9 min")


def test_a_time_that_is_not_known_says_why() -> None:
    def told(view: PlanView, label: str = "takes") -> str:
        return one(view, label).split(": ", 1)[1]

    none = plan("lilfox", ())
    failed = replace(none, last=replace(job(), state="failed", ended=NOW))
    assert told(none) == "no run has succeeded yet"
    assert told(failed) == "no run has succeeded yet", "one has finished all the same"
    gone = replace(none, last=replace(job(), state="ok", ended=NOW))
    unreadable = plan("lilfox", (replace(made_set(timedelta(days=1), "intact"), manifest=None),))
    assert told(gone) == told(unreadable) == "no set tells it"
    unread = replace(none, sets=None)
    assert told(unread) == told(unread, "removes") == "the sets have not been read"


def test_the_free_room_of_the_store_is_told_and_red_where_it_is_too_small() -> None:
    view = plan("lilfox", (made_set(timedelta(days=1), "intact"),))
    assert "free" not in one(view, "to")
    for free, role in ((80 * 1024 * MIB, "muted"), (100 * MIB, "failing")):
        rows = backup_question(replace(view, free_bytes=free), NOW, UTC)
        [told] = [piece for row in rows for piece in row if " free" in piece.text]
        assert (told.text, told.role) == (f"  {human_bytes(free)} free at 03:12", role)


def test_a_drill_tells_how_long_the_newest_one_took() -> None:
    def told(view: PlanView) -> str:
        return "".join(piece.text for piece in drill_time_row(view)).strip()

    tested = [made_set(timedelta(days=days), "restored", took_s=took) for days, took in ((3, 41.0), (1, 52.0))]
    assert told(plan("lilfox", tuple(tested))) == f"took        52 s  in the last restore test, of {tested[1].id}"
    assert "no set is restore-tested" in told(plan("lilfox", (made_set(timedelta(days=1), "intact"),)))


def test_the_sets_that_retention_would_remove_are_named() -> None:
    sets = tuple(made_set(timedelta(days=each), "intact") for each in range(1, 10))
    view = plan("lilfox", sets)  # it keeps the last seven
    rows = asked(view)
    at = next(place for place, row in enumerate(rows) if row.startswith("removes"))
    assert rows[at].startswith("removes     3 sets, ")
    assert rows[at + 1 :] == [each.id for each in sets[-3:]]
    many = replace(view, config=replace(PLAN, keep=KeepConfig(last=1)))
    assert asked(many)[-1] == "6 more"
    none = replace(view, config=replace(PLAN, keep=None))
    assert one(none, "removes").endswith("nothing: the plan has no retention policy")
    all_of_them = replace(view, config=replace(PLAN, keep=KeepConfig(last=99)))
    assert one(all_of_them, "removes").endswith("nothing: retention keeps all sets")
    bad = plan("lilfox", (made_set(timedelta(days=1), "broken"),))
    assert one(bad, "removes").endswith("nothing: there is no good set yet")


def test_below_a_title_with_its_name_a_plan_is_not_named_again() -> None:
    view = next(iter(healthy().plans.values()))
    style = BackupStyle(100, UNICODE, NOW, UTC)
    text = ["".join(piece.text for piece in plan_detail(view, (), style, named=named)[0]) for named in (True, False)]
    assert text[0] == " ● lilfox  a restore loses the last 1 h 12 min; its restore test took 41 s"
    assert text[1] == " ● a restore loses the last 1 h 12 min; its restore test took 41 s"


@given(st.integers(1, 120), st.integers(30, 200))
def test_a_store_is_cut_only_where_a_line_is_too_short_for_it(long: int, width: int) -> None:
    """What else is known goes below it, each fact in one piece; no line is too wide."""
    sets = (made_set(timedelta(days=1), "intact", plan="shop"),
            made_set(timedelta(days=3), "restored", plan="shop", took_s=41.0))  # fmt: skip
    place = "/" + "x" * long
    view = plan("shop", sets, where=place, free_bytes=80 * 1024 * MIB)
    view = replace(view, config=replace(PLAN, schedule="0 2 * * *"))
    rows = plan_detail(view, (), BackupStyle(width, UNICODE, NOW, UTC), named=False)
    lines = ["".join(piece.text for piece in row) for row in rows]
    first = next(at for at, line in enumerate(lines) if line.startswith("   /"))
    assert (place in lines[first]) is (3 + len(place) < width)
    if width >= 50:
        assert any("(0 2 * * *)" in line for line in lines[first:])
        assert all(cell_width(line) < width for line in lines[first:])


STYLE = BackupStyle(100, UNICODE, NOW, UTC)


def test_free_room_says_when_it_was_asked_for() -> None:
    sets = (made_set(timedelta(hours=1), "intact"),)
    for age, told in ((timedelta(seconds=59), "78G free at 03:11 "), (timedelta(minutes=4), "78G free 4 min ago ")):
        view = plan("lilfox", sets, free_bytes=78 * 1024 * MIB, read_at=NOW - age)
        assert told in "".join(piece.text for piece in plan_detail(view, (), STYLE)[-1])
        assert any(told in f"{row} " for row in asked(view))


def test_an_outage_has_one_beginning_and_what_is_known_says_its_age() -> None:
    gone = Unavailable(HostUnreachable("nas-1", tr("no route")), NOW - timedelta(seconds=70))
    view = plan("lilfox", (made_set(timedelta(hours=1), "intact"),), level=Level.FAILING, outage=gone,
                since=NOW - timedelta(hours=5), read_at=NOW - timedelta(minutes=2))  # fmt: skip
    assert "unreadable for 1 min, last read 2 min ago" in told_of(view)[0]
    [home, *_more] = home_detail(view, NOW, UNICODE)
    assert "for 1 min" in "".join(piece.text for piece in home), "and not since it was late"
    facts = ["".join(piece.text for piece in row) for row in plan_rows(view, NOW, 60)]
    assert facts[-1].split() == ["last", "read", "2", "min", "ago"]


def told_of(view: PlanView) -> list[str]:
    rows = plan_detail(view, (), BackupStyle(120, UNICODE, NOW, UTC), named=False)
    return ["".join(piece.text for piece in row).strip() for row in rows]


def test_a_plan_says_what_a_restore_of_its_newest_good_set_loses_and_whether_one_was_tried() -> None:
    day = timedelta(days=1)
    tested = told_of(plan("lilfox", (made_set(day, "restored", took_s=41.0),)))
    assert tested[0] == "● a restore loses the last 1 d; its restore test took 41 s"
    assert "restore test 23 h 57 min ago" in tested[1]
    assert "41 s" not in tested[1], "it is told once"
    read = told_of(plan("lilfox", (made_set(day, "intact"), made_set(3 * day, "restored", took_s=41.0))))
    assert read[0] == "● a restore loses the last 1 d; the set is not restore-tested"
    assert "restore test 2 d 23 h ago: 41 s" in read[1], "of an older set"
    old = made_set(3 * day, "restored", took_s=41.0)
    assert old.proof is not None
    read = told_of(plan("lilfox", (replace(old, proof=replace(old.proof, at=NOW)),)))
    assert "restore test 2 d 23 h ago" in read[1], "and not when it was read last"
    read = told_of(plan("lilfox", (replace(old, proof=replace(old.proof, at=NOW, tested=None)),)))
    assert "restore test up to 2 d 23 h ago" in read[1], "nobody knows when"
    assert "a restore loses" not in told_of(plan("lilfox", (made_set(day, "broken"),)))[0], "nothing can be restored"


def test_findings_say_how_old_they_are_and_outdated_ones_are_left_out() -> None:
    """The audit ran two minutes ago: what was backed up or restored for a test since then, it does not know."""
    ids = ("backup-rpo", "backup-drill", "backup-rto", "backup-same-host")
    audit = result(*(finding(each, "high", "lilfox", kind="plan") for each in ids))
    before, hour = timedelta(minutes=10), timedelta(hours=1)

    def told(*sets: BackupSet) -> tuple[str, list[str]]:
        rows = finding_rows(audit, plan("lilfox", sets), BackupStyle(120, UNICODE, NOW, UTC))
        lines = ["".join(piece.text for piece in row).strip() for row in rows]
        [age] = [line[line.index("audit 2 min ago") :] for line in lines if "audit 2 min ago" in line]
        age, _title, _text = age.partition("  ")  # a title may be cut, the age not
        return age, [line.split()[2] for line in lines if line.startswith("✖")]

    assert told(made_set(before, "intact")) == ("audit 2 min ago", list(ids))
    made = made_set(timedelta(minutes=3), "intact")  # it was finished 86 s ago
    assert told(made) == ("audit 2 min ago: 1 finding is older than the newest set or restore test", list(ids[1:]))
    broken = made_set(timedelta(minutes=3), "broken")
    assert told(broken, made_set(before, "intact")) == ("audit 2 min ago", list(ids)), "it is no backup to rely on"
    old = made_set(hour, "restored", took_s=41.0)
    assert old.proof is not None
    read = replace(old, proof=replace(old.proof, at=NOW))
    assert told(read) == ("audit 2 min ago", list(ids)), "a read is no restore test"
    tested = replace(old, proof=replace(old.proof, at=NOW, tested=NOW))
    assert told(tested) == (
        "audit 2 min ago: 2 findings are older than the newest set or restore test", [ids[0], ids[3]],
    )  # fmt: skip
    drill = result(finding("backup-drill", "high", "lilfox", kind="plan"))
    [row] = finding_rows(drill, plan("lilfox", (tested,)), STYLE)
    assert "".join(piece.text for piece in row).startswith("   audit 2 min ago: 1 finding is older than")
    assert not finding_rows(result(PASSWORDS), plan("lilfox", (old,)), STYLE), "it is about a host"


def test_a_plan_that_is_ill_also_says_what_a_restore_loses() -> None:
    day = timedelta(days=1)
    sets = (made_set(day, "intact", missing={"database": "refused"}), made_set(2 * day, "intact"))
    reasons = (tr("the newest set is partial: {sources} could not be backed up", sources="database"),)
    rows = told_of(plan("lilfox", sets, level=Level.DEGRADED, reasons=reasons))
    assert rows[0].endswith("the newest set is partial: database could not be backed up")
    assert rows[1] == "a restore loses the last 2 d; the set is not restore-tested"
    assert rows[2].startswith("/backup")


SOURCES = {
    "database": PostgresqlOptions(url="postgresql://lilfox@localhost/lilfox", host="db-1", globals=False),
    "uploads": FilesOptions(path="/srv/lilfox/public/uploads", exclude=("*.tmp", "cache/"), skip_unreadable=True),
    "settings": ConfigOptions(root="/srv/lilfox", host="web-1"),
}


def test_what_a_plan_backs_up_leaves_out_and_keeps_is_that_of_the_configuration() -> None:
    config = replace(PLAN, sources=SOURCES, keep=KeepConfig(daily=7, weekly=4), copies=("nas",), drill=True)
    text = ["".join(piece.text for piece in row).strip() for row in plan_contents(config)]
    assert text == [
        "backs up    database  lilfox on db-1  without roles and tablespaces",
        "uploads   /srv/lilfox/public/uploads  without *.tmp, cache/, unreadable files",
        "settings  web-1:/srv/lilfox: .env, config",
        "keeps       7 daily, 4 weekly; copies: nas; drill after each run",
    ]
    bare = plan_contents(replace(PLAN, sources={"database": PostgresqlOptions()}, keep=None))
    assert ["".join(piece.text for piece in row).strip() for row in bare] == [
        "backs up    database",
        "keeps       every set: no retention policy; no drill after a run",
    ]
    assert "lilfox on db-1" in "\n".join(asked(plan("lilfox", (), config=config)))


@pytest.mark.parametrize(
    ("options", "place"),
    [
        (PostgresqlOptions(url="/run/postgresql", databases=("shop",)), "shop on /run/postgresql"),
        (PostgresqlOptions(url="/run/postgresql", databases=("shop",), host="db-1"), "shop on db-1"),
        (PostgresqlOptions(url="/run/postgresql", host="db-1"), "db-1"),
        (PostgresqlOptions(url="postgresql:///?host=/run/pg&dbname=shop"), "shop on /run/pg"),
        (PostgresqlOptions(url="postgresql://u@db-2/my%20shop", host="web-1"), "my shop on web-1: db-2"),
    ],
)
def test_the_place_of_databases_is_their_server_or_the_folder_of_its_socket(
    options: PostgresqlOptions, place: str
) -> None:
    assert source_place(options) == place


def test_a_partial_set_does_not_tell_how_large_the_next_one_is() -> None:
    day = timedelta(days=1)
    partial = made_set(day, "intact", missing={"database": "refused"})
    partial = replace(partial, parts=tuple(part for part in partial.parts if part.source == "uploads"))
    whole = made_set(2 * day, "intact")
    view = plan("lilfox", (partial, whole))
    assert one(view, "size") == f"size        about {human_bytes(whole.size_bytes)}  as the last complete set"
    assert "database  last time" in "\n".join(asked(view))
    assert one(plan("lilfox", (partial,)), "size").endswith("as the last set")


def wrapped_text(rows: list[Row], width: int) -> list[str]:
    lines = wrapped_facts(rows, width)
    assert all(cells(row) <= width for row in lines)
    return ["".join(piece.text for piece in row) for row in lines]


def test_the_values_of_facts_stay_in_their_column() -> None:
    assert wrapped_text(plan_contents(replace(PLAN, sources=SOURCES)), 44) == [
        "  backs up    database  lilfox on db-1",
        " " * 14 + "without roles and tablespaces",
        " " * 14 + "uploads ",
        " " * 14 + "/srv/lilfox/public/uploads",
        " " * 14 + "without *.tmp, cache/,",
        " " * 14 + "unreadable files",
        " " * 14 + "settings  web-1:/srv/lilfox:",
        " " * 14 + ".env, config",
        "  keeps       the last 7; no drill after a",
        " " * 14 + "run",
    ]


def test_a_path_without_room_is_parted_and_only_one_of_many_lines_is_cut_in_its_middle() -> None:
    path = fact_row("to", "/a/very/long/way/to/the/backups/of/the/shop", "strong")
    assert wrapped_text([(*path, Piece("  78G here"))], 44) == [
        "  to          /a/very/long/way/to/the/",
        " " * 14 + "backups/of/the/shop  78G here",
    ]
    assert wrapped_text([(*fact_row("", "uploads"), Piece("  /a/very/long/way/of/the/shop/uploads"))], 40) == [
        " " * 14 + "uploads",
        " " * 14 + "/a/very/long/way/of/the/",
        " " * 14 + "shop/uploads",
    ]
    assert wrapped_text([(*fact_row("", "uploads"), Piece("  /a" + "/very/long/way" * 5))], 40) == [
        " " * 14 + "uploads",
        " " * 14 + "/a/very/…way/very/long/way",
    ]
    chinese = "读回备份集并校验，恢复到临时位置并比较（演练）"
    lines = wrapped_text([fact_row("之后", chinese)], 40)
    assert (
        "".join(line[lines[0].index("读") :] if number == 0 else line.strip() for number, line in enumerate(lines))
        == chinese
    )
    for width in range(16, 60):
        wrapped_text(plan_contents(replace(PLAN, sources=SOURCES)), max(22, width))
