from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest

from lilfox_tui.backup.selection import choose
from lilfox_tui.backup.sets.model import BackupSet, FoundPart, Status
from lilfox_tui.core.errors import UsageError
from tests.unit.backup.made_sets import a_set

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2023, 12, 31, 9, tzinfo=UTC)


def nightly(day: int, *, second: int = 0, status: str = "intact") -> BackupSet:
    created = datetime(2023, 12, day, 1, 0, second, tzinfo=UTC)  # 02:00 in Berlin
    return msgspec.structs.replace(a_set(created, name=f"lilfox_202312{day}_0200{second:02d}"), status=status)


SETS = [nightly(28), nightly(29), nightly(30, second=1), nightly(31)]


def chosen(words: str, sets: list[BackupSet] = SETS, plan: str = "") -> str:
    return choose(words, sets, now=NOW, zone=BERLIN, plan=plan).id


def refused(words: str, sets: list[BackupSet] = SETS) -> tuple[str, str]:
    with pytest.raises(UsageError) as caught:
        chosen(words, sets)
    return str(caught.value.message), str(caught.value.hint)


@pytest.mark.parametrize(
    "words",
    [
        "lilfox_20231230_020001",
        "LILFOX_20231230_020001",
        " lilfox_20231230_020001 ",
        "20231230_020001",
        "20231230",
        "2023-12-30",
        "2023-12-30T02:00",
        "2023-12-30 02:00:01",
        "2023-12-30t01:00:01z",
        "2023-12-30T01:00Z",
        "2023-12-30T02:00+01:00",
        "yesterday",
        "yesterday 02:00",
        "Yesterday  2:00:01",
        "昨天",
        "昨天 02:00",
        "昨天02:00",
    ],
)
def test_a_set_is_found_by_name_and_by_date(words: str) -> None:
    assert chosen(words) == "lilfox_20231230_020001"


@pytest.mark.parametrize(
    ("words", "day"), [("latest", 31), ("最新", 31), ("today 02:00", 31), ("今天", 31), ("前天", 29)]
)
def test_other_words(words: str, day: int) -> None:
    assert chosen(words) == f"lilfox_202312{day}_020000"


def test_where_nothing_is_the_nearest_are_offered() -> None:
    message, hint = refused("yesterday 14:00")
    assert message == "no set was started at “yesterday 14:00”"
    assert hint == (
        "the nearest are lilfox_20231230_020001 (2023-12-30 02:00:01) and lilfox_20231231_020000 (2023-12-31 02:00:00)"
    )
    assert refused("20231230_020000")[1].startswith("the nearest are lilfox_20231229_020000")
    assert refused("2020-01-01")[1] == "the nearest is lilfox_20231228_020000 (2023-12-28 02:00:00)"
    assert refused("2030-01-01")[1] == "the nearest is lilfox_20231231_020000 (2023-12-31 02:00:00)"
    assert refused("yesterday", [])[1] == "the store has no sets"


def test_several_are_named() -> None:
    twice = [*SETS, a_set(SETS[2].created, name="other_20231230_020001")]
    message, hint = refused("20231230_020001", twice)
    assert message == "“20231230_020001” matches 2 sets"
    assert "lilfox_20231230_020001" in hint
    assert "other_20231230_020001" in hint
    assert chosen("20231230_020001", [*SETS, msgspec.structs.replace(twice[-1], plan="other")], "other").startswith(
        "other"
    )


@pytest.mark.parametrize(
    "words", ["", "lilfix", "2023-02-30", "20239999_999999", "yesterday 25:00", "2023-12-30T02", "-x", "\x1b[2J"]
)
def test_what_is_no_set_and_no_time_is_refused_with_what_would_be(words: str) -> None:
    message, hint = refused(words)
    assert message.startswith("no set is named “")
    assert "\x1b" not in message
    assert hint == "for example: lilfox_20231231_020000, 20231231_020000, latest or yesterday 02:00"


def test_a_slip_of_the_pen_is_guessed() -> None:
    assert refused("lilfox_20231230_02001")[1] == "did you mean lilfox_20231230_020001?"


def test_latest_is_never_broken_nor_of_the_future() -> None:
    sets = [*SETS, a_set(datetime(2099, 1, 1, tzinfo=UTC)), nightly(31, second=30, status="broken")]
    assert chosen("latest", sets) == "lilfox_20231231_020000"
    assert chosen("lilfox_20231231_020030", sets) == "lilfox_20231231_020030"
    message, hint = refused("latest", [nightly(30, status="broken")])
    assert message.startswith("no set can be restored; lilfox_20231230_020000 (2023-12-30 02:00:00 ✖) is broken")
    assert hint == "list all sets: lilfox backup list"


def test_latest_is_rather_a_night_than_a_dump_for_rollback() -> None:
    part = FoundPart(
        name="rollback/db_v2.sql", source="database", source_kind="postgresql", kind="postgresql-plain", size_bytes=999
    )
    rollback = BackupSet(id="db_v2", created=NOW, status=Status.UNVERIFIED, parts=(part,), old=True)
    assert chosen("latest", [*SETS, rollback]) == "lilfox_20231231_020000"
    assert chosen("latest", [rollback]) == chosen("db_v2", [*SETS, rollback]) == "db_v2"


def test_in_an_hour_that_comes_twice_both_are_meant() -> None:
    first = a_set(datetime(2026, 10, 25, 0, 30, tzinfo=UTC), name="a_20261025_023000")
    second = a_set(first.created + timedelta(hours=1), name="a_20261025_023000-2")
    assert refused("2026-10-25 02:30", [first, second])[0] == "“2026-10-25 02:30” matches 2 sets"
    assert chosen("2026-10-25T01:30Z", [first, second]) == second.id


def test_by_its_tag_the_newest_set_is_found_that_is_not_broken() -> None:
    sets = [
        a_set(NOW - timedelta(days=4), tag="1.4.0"),
        a_set(NOW - timedelta(days=3), tag="1.4.0"),
        a_set(NOW - timedelta(days=2), "broken", tag="1.4.0"),
        a_set(NOW - timedelta(days=1), "broken", tag="2.0"),
        a_set(NOW - timedelta(days=1), tag="latest", plan="other"),
    ]
    assert chosen("tag:1.4.0", sets) == "lilfox_20231228_090000"
    assert chosen("tag:latest", sets) == "other_20231230_090000"
    assert refused("tag:2.0", sets)[0] == "every set with the tag “2.0” is broken or not trusted"
    assert refused("tag:1.4", sets) == ("no set has the tag “1.4”", "existing tags: latest, 1.4.0")
    with pytest.raises(UsageError, match="no set has the tag"):
        chosen("tag:latest", sets, plan="lilfox")
    assert refused("tag:x\x1b[31m", sets)[0] == "no set has the tag “x␛[31m”"


@pytest.mark.fault("4.36")
@pytest.mark.parametrize("words", ["latest", "newest", "最新", "tag:1.4.0"])
def test_a_partial_set_is_meant_by_no_word_unless_that_was_said(words: str) -> None:
    whole = a_set(datetime(2023, 12, 29, tzinfo=UTC), tag="1.4.0")
    partial = a_set(datetime(2023, 12, 30, tzinfo=UTC), "partial", tag="1.4.0")
    assert chosen(words, [partial, whole]) == whole.id
    assert choose(words, [partial, whole], now=NOW, zone=BERLIN, partial=True).id == partial.id
    said, hint = refused(words, [partial])
    assert "is complete" in said
    assert partial.id in said
    assert "--partial" in hint
    assert chosen(partial.id, [partial, whole]) == partial.id, "who names it means it"


@pytest.mark.fault("S14")
@pytest.mark.parametrize("words", ["latest", "tag:1.4.0"])
def test_a_set_that_is_not_trusted_is_never_meant(words: str) -> None:
    sets = [a_set(datetime(2023, 12, 30, tzinfo=UTC), "untrusted", tag="1.4.0")]
    refused(words, sets)
    with pytest.raises(UsageError):
        choose(words, sets, now=NOW, zone=BERLIN, partial=True)
