"""What pgBackRest 2.55.1 printed, and what is read from it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lilfox_tui.backup.plan import BackupRequest, RestoreSpec
from lilfox_tui.backup.sets.model import BackupSet, PhysicalBackup, Status
from lilfox_tui.backup.sources.pgbackrest.command import failure
from lilfox_tui.backup.sources.pgbackrest.effects import expected_s, goal_of, next_type, read_time
from lilfox_tui.backup.sources.pgbackrest.info import Archive, following, read_archive, read_info, read_verify
from lilfox_tui.backup.sources.pgbackrest.recovery import RecoveryGoal, end_of_recovery
from lilfox_tui.backup.sources.pgbackrest.repository import sets_of
from lilfox_tui.backup.store import BackupError, StoreError
from lilfox_tui.config.foreign import PgbackrestPlanConfig
from lilfox_tui.config.values import Seconds
from lilfox_tui.core.errors import UsageError
from lilfox_tui.hosts.base import Completed

FULL, INCR = "20261202-204300F", "20261202-204300F_20261202-204307I"
INFO = (
    '[{"archive":[{"database":{"id":1,"repo-key":1},"id":"17-1","max":"000000010000000000000005","min":'
    '"000000010000000000000001"}],"backup":[{"archive":{"start":"000000010000000000000003","stop":'
    '"000000010000000000000003"},"backrest":{"format":5,"version":"2.55.1"},"database":{"id":1,"repo-key":1},"error":'
    'false,"info":{"delta":30778501,"repository":{"delta":2973853,"size":2973853},"size":30778501},"label":'
    '"20261202-204300F","lsn":{"start":"0/3000028","stop":"0/3000120"},"prior":null,"reference":null,"timestamp":'
    '{"start":1796244180,"stop":1796244187},"type":"full"},{"archive":{"start":"000000010000000000000005","stop":'
    '"000000010000000000000005"},"backrest":{"format":5,"version":"2.55.1"},"database":{"id":1,"repo-key":1},"error":'
    'false,"info":{"delta":8036609,"repository":{"delta":232484,"size":2977118},"size":30819460},"label":'
    '"20261202-204300F_20261202-204307I","lsn":{"start":"0/5000028","stop":"0/5000120"},"prior":"20261202-204300F",'
    '"reference":["20261202-204300F"],"timestamp":{"start":1796244187,"stop":1796244189},"type":"incr"}],"cipher":'
    '"none","db":[{"id":1,"repo-key":1,"system-id":7714809998706065456,"version":"17"}],"name":"shop","repo":[{"cipher"'
    ':"none","key":1,"status":{"code":0,"message":"ok"}}],"status":{"code":0,"lock":{"backup":{"held":false}},'
    '"message":"ok"}}]'
)
NO_STANZA = (
    '[{"archive":[],"backup":[],"cipher":"none","db":[],"name":"shop","repo":[{"cipher":"none","key":1,"status":'
    '{"code":1,"message":"missing stanza path"}}],"status":{"code":1,"lock":{"backup":{"held":false}},"message":'
    '"missing stanza path"}}]'
)
ARCHIVED = {
    "0000000100000000": {"type": "path"},
    "17-1/0000000100000000/000000010000000000000003.00000028.backup": {"type": "file", "size": 371, "time": 1796244187},
}
VALID = f"""\
stanza: shop
status: ok
  archiveId: 17-1, total WAL checked: 1, total valid WAL: 1
    missing: 0, checksum invalid: 0, size invalid: 0, other: 0
  backup: {INCR}, status: valid, total files checked: 970, total valid files: 970
    missing: 0, checksum invalid: 0, size invalid: 0, other: 0
"""
FLIPPED = f"""\
stanza: shop
status: error
  backup: {INCR}, status: invalid, total files checked: 970, total valid files: 969
    checksum invalid: 1
"""
NOT_CREATED = b"""\
2026-12-02 20:42:59.966 P00  ERROR: [055]: unable to load info file '/b/backup.info' or '/b/backup.info.copy':
                                    FileMissingError: unable to open missing file '/b/backup.info' for read
                                    HINT: backup.info cannot be opened and is required to perform a backup.
                                    HINT: has a stanza-create been performed?
2026-12-02 20:42:59.969 P00   INFO: backup command end: aborted with exception [055]
"""
CONFIG = PgbackrestPlanConfig(kind="pgbackrest", stanza="shop", diff_every=Seconds(86400))
NOW = datetime(2026, 12, 2, 2, tzinfo=UTC)


def archived(*names: str, at: float = 1796244187) -> bytes:
    """What repo-ls prints of an archive with these segments, each a minute after the one before."""
    files: dict[str, Any] = dict(ARCHIVED)
    for minute, name in enumerate(names):
        path = f"17-1/{name[:16]}/{name}-{'0' * 40}.zst"
        files[path] = {"type": "file", "size": 697, "time": at + 60 * minute}
    return json.dumps(files).encode()


def wal(*numbers: int, timeline: int = 1) -> list[str]:
    return [f"{timeline:08X}{0:08X}{number:08X}" for number in numbers]


def made(days_ago: float, kind: str, *, took_s: float = 100, copied: int = 10**9, **more: Any) -> BackupSet:
    created = NOW - timedelta(days=days_ago)
    finished = created + timedelta(seconds=took_s)
    backup = PhysicalBackup(
        type=kind, finished=finished, copied_bytes=copied, database_bytes=2 * 10**9, wal_stop=wal(3)[0], **more
    )  # fmt: skip
    return BackupSet(id=f"{kind}-{days_ago:g}", created=created, status=Status.INTACT, parts=(), physical=backup)


def test_backups_are_read_newest_first_with_what_they_need() -> None:
    info = read_info(INFO.encode(), "shop")
    incr, full = info.backups
    assert [each.label for each in info.backups] == [INCR, FULL]
    assert (incr.archive, incr.system, incr.repo_bytes, incr.damaged) == ("17-1", 7714809998706065456, 232484, False)
    assert (incr.backup.type, incr.backup.references, incr.backup.copied_bytes) == ("incr", (FULL,), 8036609)
    assert (full.started, full.backup.finished) == tuple(
        datetime(2026, 12, 2, 20, 43, second, tzinfo=UTC) for second in (0, 7)
    )
    assert (full.backup.postgresql, full.backup.references, full.backup.timeline) == ("17", (), 1)
    assert (info.repos, dict(info.troubles)) == ((1,), {})


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1]", "[]", INFO.replace('"stop":1796244187', '"stop":"x"'), INFO.replace(FULL, "../../F"),
     INFO.replace('"db":[{"id":1', '"db":[{"id":2'), INFO.replace("1796244180", str(1 << 62))],
)  # fmt: skip
def test_what_is_not_understood_is_no_list_of_backups(text: str) -> None:
    with pytest.raises(StoreError):
        read_info(text.encode(), "shop")


def test_a_stanza_that_was_never_created_is_a_trouble_and_one_without_a_backup_is_none() -> None:
    assert read_info(NO_STANZA.encode(), "shop").troubles == {1: "missing stanza path"}
    empty = NO_STANZA.replace('"code":1,"message":"missing stanza path"}}]', '"code":2,"message":"no valid backups"}}]')
    assert read_info(empty.encode(), "shop").repos == (1,)


def test_a_backup_reaches_as_far_as_its_wal_has_no_gap() -> None:
    incr, full = read_info(INFO.encode(), "shop").backups
    whole = read_archive(archived(*wal(1, 2, 3, 4, 5)), 16)
    reached = [whole.reach(each) for each in (full, incr)]
    assert [(each.last_wal[-2:], each.gap) for each in reached] == [("05", "")] * 2
    assert reached[0].until == datetime.fromtimestamp(1796244187 + 240, UTC)
    gap = read_archive(archived(*wal(2, 3, 5, 6)), 16)
    assert [(each.last_wal[-2:], each.gap[-2:]) for each in map(gap.reach, (full, incr))] == [("03", "04"), ("06", "")]
    lost = read_archive(archived(*wal(1, 2, 4)), 16).reach(full)
    assert (lost.until, lost.gap) == (None, wal(3)[0])
    assert Archive().reach(full).gap == wal(3)[0]
    other = read_archive(archived(*wal(3), *wal(4, 5, timeline=2)), 16)
    assert (other.reach(full).last_wal[-2:], other.reach(full).gap) == ("03", "")
    assert other.timelines("17-1") == (1, 2)


def test_segments_follow_each_other_over_four_gigabytes_and_in_their_own_size() -> None:
    assert following("0000000100000000000000FF", 16) == "000000010000000100000000"
    assert following("00000001000000000000003F", 64) == "000000010000000100000000"
    over = ("0000000100000000000000FE", "0000000100000000000000FF", "000000010000000100000000")
    (run,) = read_archive(archived(*over), 16).runs["17-1"]
    assert (run.first, run.last) == (over[0], over[2])
    with pytest.raises(StoreError, match="smaller than 64 MiB") as caught:
        read_archive(archived(*over), 64)
    assert "wal_segment_mb" in str(caught.value.hint)


@pytest.mark.parametrize("text", [b"", b"[]", b'{"a": 1}', b'{"a": {"type": "file", "time": "x"}}'])
def test_a_list_of_files_that_is_not_understood_is_no_archive(text: bytes) -> None:
    with pytest.raises(StoreError):
        read_archive(text, 16)


def test_only_a_set_of_which_every_file_is_valid_is_verified() -> None:
    good = read_verify(VALID, INCR)
    assert (good.trouble, good.files, good.segments) == ("", 970, 1)
    assert "status: invalid" in read_verify(FLIPPED, INCR).trouble
    assert "checksum invalid: 1" in read_verify(FLIPPED, INCR).trouble


@pytest.mark.parametrize(
    "text",
    ["", VALID.replace(INCR, FULL), VALID.replace("status: ok", "status: error"), VALID.replace("status: ok\n", ""),
     VALID.replace("valid files: 970", "valid files: 969"), VALID.replace("valid WAL: 1", "valid WAL: 0"),
     VALID.replace("valid, total", "in-progress, total"), VALID + VALID],
)  # fmt: skip
def test_silence_and_what_is_not_understood_prove_nothing(text: str) -> None:
    """pgbackrest verify exits with 0 whatever it finds, and prints nothing of a stanza that does not exist."""
    assert read_verify(text, INCR).trouble


def test_errors_have_pgbackrests_words_and_what_to_do() -> None:
    error = failure("backup", "db-1", "shop", Completed(("pgbackrest",), 55, None, b"", NOT_CREATED))
    assert "pgbackrest backup failed on db-1 with error 55: unable to load info file" in str(error.message)
    assert ("FileMissingError" in str(error.message), "HINT" in str(error.message)) == (True, False)
    assert "stanza-create" in str(error.hint)
    other = b"P00  ERROR: [029]: invalid thing\n            HINT: fix the thing\n"
    assert failure("info", "h", "shop", Completed(("p",), 29, None, b"", other)).hint == "fix the thing"
    assert "not installed" in str(failure("info", "h", "s", Completed(("p",), 127, None, b"", b"p: not found")).message)
    assert "KILL" in str(failure("backup", "h", "s", Completed(("p",), None, "KILL", b"", b"")).message)


def test_the_rule_makes_full_then_differential_then_incremental_backups() -> None:
    assert next_type(CONFIG, [], NOW) == "full"
    assert next_type(CONFIG, [made(7, "full")], NOW + timedelta(seconds=-3)) == "full"  # it began a moment later then
    assert next_type(CONFIG, [made(6, "full")], NOW) == "diff"
    assert next_type(CONFIG, [made(0.3, "diff"), made(6, "full")], NOW) == "incr"
    assert next_type(CONFIG, [made(0.3, "full")], NOW) == "incr"
    broken = made(1, "full")
    assert next_type(CONFIG, [type(broken)(id="b", created=NOW, status=Status.BROKEN, parts=(),
                                           physical=broken.physical)], NOW) == "full"  # fmt: skip


def test_a_duration_is_expected_from_what_was_measured() -> None:
    sets = [
        made(1, "incr", took_s=9),
        made(2, "incr", took_s=30),
        made(3, "full", took_s=100),
        made(9, "full", took_s=50),
    ]
    assert expected_s(sets, "incr") == (30, "incr-2")
    assert expected_s(sets, "full") == (200, "full-3")  # 2 GB at 10 MB/s
    assert expected_s(sets, "diff") is None


def test_a_target_is_a_time_with_an_offset_within_the_archive() -> None:
    assert read_time("2026-12-02 21:15:00+01") == datetime(2026, 12, 2, 20, 15, tzinfo=UTC)
    for wrong in ("2026-12-02 20:15:00", "yesterday", "", "'; rm -rf /"):
        with pytest.raises(UsageError, match="offset from UTC"):
            read_time(wrong)
    older = made(2, "full", until=NOW - timedelta(hours=1), last_wal=wal(9)[0], gap=wal(10)[0])
    newer = made(1, "full", until=NOW - timedelta(hours=1), last_wal=wal(9)[0], gap=wal(10)[0])

    def goal(at: datetime) -> Any:
        return goal_of([newer, older], BackupRequest(restore=RestoreSpec(target=at.isoformat())))

    assert goal(NOW - timedelta(hours=2)).found is newer
    assert goal(NOW - timedelta(hours=30)).found is older
    with pytest.raises(UsageError, match=f"WAL segment {wal(10)[0]} is missing"):
        goal(NOW)
    with pytest.raises(UsageError, match="no set was complete") as caught:
        goal(NOW - timedelta(days=3))
    assert "2026-11-30 02:01:40+00:00 to 2026-12-02 01:00:00+00:00 (timeline 1)" in str(caught.value.hint)
    with pytest.raises(UsageError, match="missing"):
        goal_of([newer], BackupRequest(set=newer.id, restore=RestoreSpec(target=NOW.isoformat())))


def test_a_set_is_broken_without_those_that_it_needs_or_without_its_wal() -> None:
    incr, full = read_info(INFO.encode(), "shop").backups
    whole = {1: read_archive(archived(*wal(3, 4, 5)), 16)}
    assert [each.status for each in sets_of([incr, full], whole, {}, "p")] == [Status.UNVERIFIED] * 2
    (alone,) = sets_of([incr], whole, {}, "p")
    assert (alone.status, str(alone.reason)) == (Status.BROKEN, f"{FULL}, which it needs, is not in the repository")
    lost = sets_of([incr, full], {1: read_archive(archived(*wal(5)), 16)}, {}, "p")
    assert [(each.status, str(each.reason)[-60:]) for each in lost] == [
        (Status.BROKEN, f"is broken: WAL segment {wal(3)[0]}, which it needs, is not in the archive"[-60:]),
        (Status.BROKEN, f"WAL segment {wal(3)[0]}, which it needs, is not in the archive"[-60:]),
    ]


def test_a_server_that_opened_for_another_reason_is_not_recovered_to_a_time() -> None:
    found = made(1, "full")
    assert found.physical is not None
    goal = RecoveryGoal(found, found.physical, NOW)
    opened = "LOG:  consistent recovery state reached at 0/3000120\nLOG:  database system is ready"
    with pytest.raises(BackupError, match="does not say that recovery reached 2026-12-02"):
        end_of_recovery(opened, goal)
    stopped = "LOG:  recovery stopping before commit of transaction 750, time 2026-12-02 02:00:01+00\n"
    assert "; recovery stopping before" in end_of_recovery(f"{opened}\n{stopped}", goal)
    assert end_of_recovery(opened, RecoveryGoal(found, found.physical)).startswith("consistent recovery state")
