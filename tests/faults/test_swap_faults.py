"""Putting a restored database in place when something is wrong: FAULTS section 1, 42 to 50 and 62."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import msgspec
import psycopg
import pytest

from lilfox_tui.backup.options import PostgresqlOptions
from lilfox_tui.backup.source import Swap
from lilfox_tui.backup.sources import postgresql
from lilfox_tui.backup.store import BackupError
from lilfox_tui.core.errors import HostError
from tests.faults.restored_shop import ROWS, SUM, failing, other, rows, server, shop
from tests.services.database_sets import (
    bad,
    databases,
    dumped,
    options_for,
    restored,
    target,
    without_others,
)
from tests.services.postgres import SUPERUSER, Postgres
from tests.services.postgres_backups import fresh, holding, local, no_session_is_left, pids_of, script
from tests.waiting import wait_for

__all__ = ["other", "server", "shop"]


async def test_42_sessions_in_the_way_are_named_and_ended_only_when_told(
    server: Postgres, shop: PostgresqlOptions
) -> None:
    kept = await dumped(shop)
    with holding(server, "SET LOCAL work_mem = '1MB'", "shop") as pid:
        checks = await target(shop, kept.task()).checks()
        [said] = bad(checks)
        assert f"pid {pid} ({SUPERUSER}, psql, local, idle in transaction" in said
        assert "--end-sessions" in said
        [listed] = [check for check in checks if check.sessions]
        assert [(each.pid, each.application, each.state) for each in listed.sessions] == [
            (pid, "psql", "idle in transaction")
        ]
        assert "pid" not in str(listed.brief), "they are listed beside it"
    into = target(shop, kept.task())
    await into.stage(lambda _done: None)
    with (
        untouched_name(server),
        holding(server, "SET LOCAL work_mem = '1MB'", "shop") as pid,
        pytest.raises(BackupError, match=f"shop is in use: pid {pid}"),
    ):
        await into.swap()
    await into.discard()
    assert databases(server) == ["shop"]

    with holding(server, "SET LOCAL work_mem = '1MB'", "shop") as pid:
        [said] = bad(await target(shop, kept.task(end_sessions=True)).checks(), "warning")
        assert f"pid {pid}" in said
        await restored(shop, kept.task(end_sessions=True))
        assert server.csv(f"SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}") == [["0"]]
    assert len(databases(server)) == 2


async def test_who_has_ended_sessions_already_is_not_told_to(
    server: Postgres, shop: PostgresqlOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a role that may not terminate them."""
    kept = await dumped(shop)
    monkeypatch.setattr("lilfox_tui.backup.postgresql.swap._END", "SELECT :'ended' AS ended")
    into = target(shop, kept.task(end_sessions=True))
    await into.stage(lambda _done: None)
    with (
        untouched_name(server),
        holding(server, "SET LOCAL work_mem = '1MB'", "shop") as pid,
        pytest.raises(BackupError, match=f"shop is in use: pid {pid}") as refused,
    ):
        await into.swap()
    await into.discard()
    assert "--end-sessions" not in str(refused.value.hint)
    assert "reconnect at once" in str(refused.value.hint)


@contextmanager
def untouched_name(server: Postgres) -> Iterator[None]:
    """The database called ``shop`` is the same one, and takes connections."""
    asked = "SELECT oid, datallowconn FROM pg_database WHERE datname = 'shop'"
    before = server.csv(asked)
    yield
    assert server.csv(asked) == before


async def test_42_a_prepared_transaction_in_the_way_is_told(shop: PostgresqlOptions) -> None:
    with Postgres("max_prepared_transactions = 5\n", version=17) as server:
        fresh(server, ROWS, "shop")
        options = options_for(server)
        kept = await dumped(options)
        script(server, "BEGIN; INSERT INTO users VALUES (0, ''); PREPARE TRANSACTION 'waits'", "shop")
        [said] = bad(await target(options, kept.task()).checks())
        assert "1 prepared transaction prevents renaming it" in said


@pytest.mark.parametrize("name", ["postgres", "template1", "template0"])
async def test_43_the_servers_own_databases_are_no_target(server: Postgres, shop: PostgresqlOptions, name: str) -> None:
    kept = await dumped(shop)
    [said] = bad(await target(options_for(server, name), kept.task()).checks())
    assert f"database {name}: it is a system database" in said
    server.csv("ALTER DATABASE shop IS_TEMPLATE true")
    [said] = bad(await target(shop, kept.task()).checks())
    assert "it is a template database" in said


async def test_44_another_server_than_the_sets_is_refused_unless_told(
    server: Postgres, shop: PostgresqlOptions, other: Postgres
) -> None:
    kept = await dumped(shop)
    options = options_for(other)
    [said] = bad(await target(options, kept.task()).checks())
    for running in (server, other):
        [[identifier]] = running.csv("SELECT system_identifier FROM pg_control_system()")
        assert identifier in said
    assert "--other-server" in said
    assert bad(await target(options, kept.task(other_server=True)).checks()) == []
    assert bad(await target(options, kept.task(scratch=True)).checks()) == []


async def test_45_too_little_room_is_told_before(server: Postgres, shop: PostgresqlOptions) -> None:
    kept = (await dumped(shop)).saying(size_bytes=1 << 50)
    [said] = bad(await target(shop, kept.task()).checks())
    assert "1.0P needed" in said


@pytest.fixture
def small_disk() -> Iterator[Postgres]:
    """A server of its own, whose database ``shop`` fits once and not twice on its disk."""
    if os.geteuid() != 0:
        pytest.skip("only root mounts a small disk")
    space = Path(tempfile.mkdtemp(prefix="lilfox-small-"))
    uid = pwd.getpwnam(SUPERUSER).pw_uid
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=30m,uid={uid},mode=0700", "small", space], check=True)
    try:
        with Postgres(version=17) as running:
            running.csv(f"CREATE TABLESPACE small LOCATION '{space}'")
            running.csv("CREATE DATABASE shop TABLESPACE small")
            script(running, rows(40_000), "shop")
            running.csv("CHECKPOINT")  # what is in place has its room on the disk
            yield running
    finally:
        subprocess.run(["umount", space], check=True)
        space.rmdir()


async def test_45_a_full_disk_is_told_before_and_in_the_middle_restores_nothing(small_disk: Postgres) -> None:
    options = options_for(small_disk)
    kept = await dumped(options)
    [said] = bad(await target(options, kept.task()).checks())
    assert "room on the server's disk" in said
    assert "No space left on device" in await failing(small_disk, options, kept)


@contextmanager
def restoring(
    server: Postgres, only: str = "", crash_at: str = "", large: Sequence[str] = ()
) -> Iterator[subprocess.Popen[str]]:
    """The process of its own, killed at the end."""
    argv = [sys.executable, "-m", "tests.services.restoring_process", options_for(server).url, only, *large]
    environment = {**os.environ, **({"LILFOX_CRASH_AT": crash_at} if crash_at else {})}
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=Path(__file__).parents[2]
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def heard(process: subprocess.Popen[str], *, let_on: bool = True) -> str:
    """The next line that the process says; it is then let on."""
    assert process.stdin is not None
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if let_on and line:
        process.stdin.write("\n")
        process.stdin.flush()
    return line


def archives_left() -> list[str]:
    """Folders in which restores of this server's port keep archives; other tests' may come and go."""
    return [name for name in os.listdir("/var/tmp") if name.startswith("lilfox-restore-")]


@pytest.mark.parametrize("large", [(), ("20000",)], ids=["small", "large"])
@pytest.mark.parametrize("at", ["half", "staged"])
async def test_46_a_killed_restore_touches_nothing_and_is_listed_and_taken_away(
    server: Postgres, shop: PostgresqlOptions, at: str, large: Sequence[str]
) -> None:
    before = server.csv(SUM, database="shop")
    with restoring(server, large=large) as process:
        assert heard(process) == "dumped"
        assert heard(process, let_on=at != "half") == "half"
        if at == "staged":
            assert heard(process, let_on=False).startswith("{")
        process.kill()
    wait_for(lambda: pids_of("pg_restore", server) == [], what="pg_restore has ended")
    no_session_is_left(server)
    wait_for(lambda: archives_left() == [], what="the archive on the host is gone")
    assert server.csv(SUM, database="shop") == before
    [left] = [name for name in databases(server) if name != "shop"]
    kept = await dumped(shop)
    [told] = bad(await target(shop, kept.task()).checks(), "warning")
    assert f"database {left}: left by an unfinished restore of shop" in told
    assert "It is dropped when this restore begins." in told
    [told] = bad(await target(options_for(server, "new"), kept.task()).checks(), "warning")
    assert f'DROP DATABASE "{left}"' in told
    into = await restored(shop, kept.task())
    assert databases(server) == ["shop", into.swap_plan().before]


async def test_46_a_server_that_dies_in_the_middle_keeps_what_was_there(
    server: Postgres, shop: PostgresqlOptions
) -> None:
    kept = await dumped(shop)
    before = server.csv(SUM, database="shop")
    stopped: list[int] = []

    def stop(done: int) -> None:
        if not stopped:
            stopped.append(done)
            server.stop()

    into = target(shop, kept.task(jobs=1))
    try:
        with pytest.raises((BackupError, HostError)):
            await into.stage(stop)
        with pytest.raises((BackupError, HostError)):
            await into.discard()
    finally:
        server.start()
    assert server.csv(SUM, database="shop") == before
    await restored(shop, kept.task())
    assert len(databases(server)) == 2, "what the crash left is gone"


@pytest.mark.parametrize("only", ["", "users"], ids=["database", "table"])
@pytest.mark.parametrize(("crash_at", "settled"), [("swap-first", "undone"), ("swap-second", "finished")])
async def test_47_a_crash_between_the_renames_leaves_all_of_them_or_none(
    server: Postgres, shop: PostgresqlOptions, only: str, crash_at: str, settled: str
) -> None:
    before = server.csv(SUM, database="shop")
    with restoring(server, only, crash_at) as process:
        assert heard(process) == "dumped"
        script(server, "DELETE FROM users WHERE id > 10", "shop")
        assert heard(process) == "half"
        plan = msgspec.json.decode(heard(process), type=Swap)
        assert process.wait(60) == -9
    no_session_is_left(server)
    assert await postgresql.settle(plan, local()) == settled
    if settled == "undone":
        await postgresql.undo(plan, local())  # as it is done for all parts when one of them was not finished
        assert server.csv(SUM, database="shop")[0][0] == "10"
        assert databases(server) == ["shop"]
    else:
        assert server.csv(SUM, database="shop") == before
        await postgresql.undo(plan, local())
        assert server.csv(SUM, database="shop")[0][0] == "10"


async def test_48_a_writer_that_reconnects_is_kept_out_for_less_than_a_second(
    server: Postgres, shop: PostgresqlOptions
) -> None:
    kept = await dumped(shop)
    url = f"postgresql://{SUPERUSER}@127.0.0.1:{server.port}/shop"
    ended, written = threading.Event(), list[float]()

    def write() -> None:
        number = 1000000
        while not ended.is_set():
            try:
                with psycopg.connect(url, autocommit=True) as session:
                    while not ended.is_set():
                        session.execute("INSERT INTO users VALUES (%s, 'written')", [number])
                        number += 1
                        written.append(time.monotonic())
            except psycopg.Error:
                continue

    writer = threading.Thread(target=write)
    writer.start()
    try:
        into = target(shop, kept.task(end_sessions=True))
        await into.stage(lambda _done: None)
        assert (await into.compare()).differences == ()
        await into.swap()
        at = len(written)
        wait_for(lambda: len(written) > at + 10, what="the writer goes on in the restored database")
    finally:
        ended.set()
        writer.join(20)
        await into.discard()
    assert max(later - earlier for earlier, later in pairwise(written)) < 1.0
    count = "SELECT count(*) FROM users WHERE id >= 1000000"
    in_both = [int(server.csv(count, database=name)[0][0]) for name in ("shop", into.swap_plan().before)]
    assert sum(in_both) == len(written), "what was written is in one of both"
    assert all(in_both)


async def test_49_a_standby_or_a_read_only_server_is_told_before(server: Postgres, shop: PostgresqlOptions) -> None:
    kept = await dumped(shop)
    version = int(server.csv("SHOW server_version")[0][0].split(".")[0])
    with Postgres(version=version, standby_of=server) as standby:
        said = bad(await target(options_for(standby), kept.task()).checks())
        assert any("it is a standby and cannot be written to" in each for each in said), said
    server.csv("ALTER ROLE creator SET default_transaction_read_only = on")
    try:
        said = bad(await target(options_for(server, "new", user="creator"), kept.task()).checks())
        assert any("default_transaction_read_only is on" in each for each in said), said
    finally:
        server.csv("ALTER ROLE creator RESET default_transaction_read_only")


@pytest.mark.parametrize("manual", [False, True], ids=["archive", "script"])
async def test_50_timeouts_of_role_and_database_end_nothing(
    server: Postgres, shop: PostgresqlOptions, manual: bool
) -> None:
    kept = await dumped(shop, manual=manual)
    # In one session: it keeps what it began with, the next one has no time for anything.
    names = ("statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout")
    try:
        script(server, "; ".join(f"ALTER ROLE {SUPERUSER} SET {name} = '1ms'" for name in names), "postgres")
        await restored(shop, kept.task())
    finally:
        unlimited = "dbname=postgres options='-c statement_timeout=0'"  # a SET has no time either, on a busy machine
        script(server, f"ALTER ROLE {SUPERUSER} RESET ALL", unlimited)


@pytest.mark.parametrize(
    "name", ["lil fox", "a;b", "-x", '"q"', "q'", "n" * 63, "数据库" * 7, "two\nlines", "host=evil", "a\\b"]
)
async def test_62_a_database_of_any_name_is_restored_and_undone(server: Postgres, name: str) -> None:
    without_others(server)
    quoted = name.replace('"', '""')
    server.csv(f'CREATE DATABASE "{quoted}"')
    server.csv("CREATE TABLE t AS SELECT 1 AS x", database=f"dbname='{_escaped(name)}'")
    options = options_for(server, name)
    kept = await dumped(options)
    server.csv("UPDATE t SET x = 2", database=f"dbname='{_escaped(name)}'")
    into = await restored(options, kept.task())
    plan = into.swap_plan()
    assert server.csv("SELECT x FROM t", database=f"dbname='{_escaped(name)}'") == [["1"]]
    assert all(len(each.encode()) <= 63 for each in (plan.staged, plan.before))
    await postgresql.undo(plan, local())
    assert server.csv("SELECT x FROM t", database=f"dbname='{_escaped(name)}'") == [["2"]]
    without_others(server)


def _escaped(name: str) -> str:
    return name.replace("\\", "\\\\").replace("'", "\\'")


async def test_two_restores_into_one_database_meet(server: Postgres, shop: PostgresqlOptions) -> None:
    kept = await dumped(shop)
    first, second = target(shop, kept.task()), target(shop, kept.task())
    await first.stage(lambda _done: None)
    with pytest.raises(BackupError, match="another restore into shop is running: server pid"):
        await second.stage(lambda _done: None)
    await second.discard()
    assert any("another restore into shop is running" in each for each in bad(await second.checks()))
    assert (await first.compare()).differences == ()
    await first.discard()
    assert databases(server) == ["shop"]
