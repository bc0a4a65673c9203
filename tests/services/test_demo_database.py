"""The demo's database: a real PostgreSQL that grows by the traffic, is broken on purpose, backed up and restored by the
real program over the demo's own configuration, and ends with the demo however that ends."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lilfox_tui.config.loader import load
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.demo import stack as stack_module
from lilfox_tui.demo.database import server_programs, statement_statistics
from lilfox_tui.demo.stack import Stack
from tests.services.lilfox_command import started
from tests.waiting import until, wait_for

MESSAGES, USERS = "SELECT count(*) FROM messages", "SELECT count(*), sum(hashtextextended(u::text, 0)) FROM users u"


def ask(stack: Stack, sql: str) -> list[str]:
    """The first row of what psql says to it."""
    programs = server_programs()
    assert programs is not None
    argv = [
        str(programs / "psql"),
        "-X",
        "-q",
        "-t",
        "--csv",
        "-h",
        str(stack.folder / "db"),
        "-U",
        "lilfox",
        "-c",
        sql,
    ]
    done = subprocess.run(argv, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=True)
    return next(csv.reader(done.stdout.decode().splitlines()))


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    async with Stack(port_base=0, rate=40) as running:
        await running.start_database()
        yield running


@pytest.fixture
def config(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(stack.state_dir))
    return stack.write_config("here")


async def run(config: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(started, "--config", str(config), *words)


async def newest(config: Path) -> dict[str, Any]:
    sets: list[dict[str, Any]] = json.loads((await run(config, "backup", "list", "--json")).stdout)
    return sets[0]


async def test_the_traffic_is_kept_in_the_database_and_nothing_listens_on_a_port(stack: Stack) -> None:
    before = int(ask(stack, MESSAGES)[0])
    await until(lambda: int(ask(stack, MESSAGES)[0]) > before + 5, what="messages come")
    assert ask(stack, "SELECT current_setting('listen_addresses') || '.'") == ["."]
    assert int(ask(stack, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'lilfox-backend'")[0]) == 1


async def test_its_sessions_do_what_an_application_does_and_their_statements_are_counted(stack: Stack) -> None:
    ours = "SELECT string_agg(DISTINCT application_name, ' ' ORDER BY application_name) FROM pg_stat_activity"
    ours += " WHERE application_name LIKE 'lilfox-%'"
    await until(
        lambda: ask(stack, ours) == ["lilfox-backend lilfox-report lilfox-web lilfox-worker"],
        what="all sessions work",
    )
    online = "SELECT count(*) FROM presence WHERE status = 'online'"
    await until(lambda: int(ask(stack, online)[0]) > 2, what="users are seen")
    sold = "SELECT count(*) FROM orders WHERE id > 5000 AND state = 'shipped'"
    await until(lambda: int(ask(stack, sold)[0]) > 0, what="orders are taken and shipped")
    programs = server_programs()
    assert programs is not None
    if not statement_statistics(programs):
        pytest.skip("pg_stat_statements is not installed")
    counted = "SELECT count(*), count(*) FILTER (WHERE query LIKE 'UPDATE presence%') FROM pg_stat_statements"
    every, seen = map(int, ask(stack, counted))
    assert seen == 1, "whoever it is"
    assert every > 4
    filled = "SELECT count(*) FROM pg_stat_statements WHERE query LIKE '%generate_series%'"
    assert ask(stack, filled) == ["0"], "filling the tables is none of them"


def test_a_server_is_not_told_to_load_what_it_does_not_have(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    assert not statement_statistics(tmp_path / "bin")
    (tmp_path / "lib/pg_stat_statements.so").touch()
    assert statement_statistics(tmp_path / "bin")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


async def test_the_configuration_is_good_and_only_for_its_owner(config: Path, stack: Stack) -> None:
    loaded = load(config)
    assert loaded.config.backup.plans.keys() == {"lilfox"}
    assert mode(config) == 0o600
    assert not mode(stack.folder) & 0o007
    done = await run(config, "check", "--json")
    assert json.loads(done.stdout)["backends"]["database"]["level"] == "good", done.stdout


async def test_half_of_the_users_are_deleted_and_restored_under_traffic(stack: Stack, config: Path) -> None:
    users = ask(stack, USERS)
    done = await run(config, "backup", "run")
    assert done.returncode == 0, done.stderr
    assert (await newest(config))["status"] == "restored"
    await stack.fault("database", "users")
    assert ask(stack, USERS)[0] == "1000"
    assert stack.faults() == []
    with pytest.raises(LilFoxError, match="does not recover its lost data"):
        await stack.heal("database")
    done = await run(config, "restore", "latest", "--source", "database", "--yes", "--end-sessions")
    assert done.returncode == 0, done.stderr
    assert ask(stack, USERS) == users
    before = int(ask(stack, MESSAGES)[0])
    await until(lambda: int(ask(stack, MESSAGES)[0]) > before, what="the backend writes on")


async def test_a_dropped_table_makes_the_backend_fail_until_it_is_restored(stack: Stack, config: Path) -> None:
    assert (await run(config, "backup", "run")).returncode == 0
    log = stack.log_dir / "lilfox-backend.log"
    await stack.fault("database", "table")
    await until(lambda: 'relation \\"messages\\" does not exist' in log.read_text(), what="the backend says so")
    with pytest.raises(LilFoxError, match="does not exist"):
        await stack.fault("database", "table")
    done = await run(config, "restore", "latest", "--source", "database", "--yes", "--end-sessions")
    assert done.returncode == 0, done.stderr
    assert int(ask(stack, MESSAGES)[0]) >= 20_000


async def test_an_unplugged_disk_fails_the_backup_and_the_sets_are_there_again_with_it(
    stack: Stack, config: Path
) -> None:
    assert (await run(config, "backup", "run")).returncode == 0
    kept = await newest(config)
    await stack.fault("store", "gone")
    assert stack.faults() == [("store", "gone")]
    failed = await run(config, "backup", "run")
    assert failed.returncode == 1
    assert str(stack.folder / "disk") in failed.stderr
    assert not (stack.folder / "disk").exists()
    await stack.heal("store")
    assert await newest(config) == kept


NO_BACKUP_YET = {("backup-rpo", "rpo"), ("backup-drill", "drill")}
ACCEPTED = {
    ("backend-without-rule", "database"),
    ("no-dead-mans-switch", "heartbeat"),
    *(("backup-same-host", f"source {name}") for name in ("database", "settings", "uploads")),
}
CARELESS = {
    ("cors-any-origin", "any"),
    ("cookie-attributes", "session"),
    ("private-cacheable", "/"),
    ("exposed-files", "/.env"),
    ("debug-pages", "debug"),
    ("postgresql-durability", "fsync"),
    ("postgresql-hba-trust", "host all all 0.0.0.0/0 trust"),
    ("postgresql-index-duplicate", "public.messages_of_conversation"),
}
GROUPS = [word for group in ("http", "auth", "postgresql", "backups", "monitoring") for word in ("--only", group)]
Findings = set[tuple[str, str]]


async def audited(config: Path) -> tuple[Findings, Findings]:
    """What is found of the demo, and what of it is accepted. Its host is the machine that the test runs on, which is
    left out."""
    document = json.loads((await run(config, "audit", "--json", *GROUPS)).stdout)
    assert document["not_checked"] == []
    found: Findings = set()
    accepted: Findings = set()
    for each in document["findings"]:
        (found if each["accepted"] is None else accepted).add((each["id"], each["subject"]))
    return found, accepted


async def test_a_careless_set_up_is_found_by_the_audit_until_it_is_mended(stack: Stack, config: Path) -> None:
    assert await audited(config) == (NO_BACKUP_YET, ACCEPTED)
    assert (await run(config, "backup", "run")).returncode == 0
    assert await audited(config) == (set(), ACCEPTED)
    await stack.fault("setup", "careless")
    assert stack.faults() == [("setup", "careless")]
    await stack.fault("gateway", "crash")
    await stack.heal("gateway")  # started again, it is as careless
    assert await audited(config) == (CARELESS, ACCEPTED)
    assert await stack.heal("setup")
    assert not await stack.heal("setup")
    assert await audited(config) == (set(), ACCEPTED)


async def test_without_postgresql_it_says_so_and_backs_up_the_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(stack_module, "server_programs", lambda: None)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    async with Stack(port_base=0) as stack:
        with pytest.raises(LilFoxError, match="not installed"):
            await stack.start_database()
        assert "database" not in stack.targets
        await stack.fault("setup", "careless")
        await stack.heal("setup")
        config = stack.write_config("here")
        assert not load(config).config.backends
        assert (await run(config, "backup", "run")).returncode == 0
        assert {part["kind"] for part in (await newest(config))["parts"]} == {"file", "files"}


def processes_in(folder: Path) -> set[int]:
    """Processes whose words name the folder, or that were started by such a server."""
    found = set()
    for each in Path("/proc").glob("[0-9]*"):
        try:
            if os.fsencode(str(folder)) in (each / "cmdline").read_bytes():
                found.add(int(each.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def servers(stack: Stack) -> set[int]:
    file = stack.folder / "db/data/postmaster.pid"
    return {int(file.read_text().splitlines()[0])} & processes_in(stack.folder)


async def test_the_server_ends_with_its_keeper_though_that_is_killed() -> None:
    async with Stack(port_base=0) as stack:
        await stack.start_database()
        server = servers(stack)
        assert server
        os.kill(stack.pids()["database"], signal.SIGKILL)
        await until(lambda: not server & processes_in(stack.folder), what="the server ends")
    assert not stack.folder.exists()


PARENT = """
import asyncio
from lilfox_tui.demo.stack import Stack
async def main():
    async with Stack(port_base=0) as stack:
        await stack.start_database()
        print(stack.folder, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nothing_is_left_however_it_ends(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
        try:
            assert parent.stdout is not None
            folder = Path(parent.stdout.readline().decode().strip())
            assert (folder / "db/.s.PGSQL.5432").exists()
            assert len(processes_in(folder)) >= 6
            parent.send_signal(number)
        finally:
            parent.wait(60) if parent.poll() is None and number is signal.SIGINT else parent.kill()
    wait_for(lambda: not processes_in(folder), what="all processes end")
    wait_for(partial(_gone, folder), what="the folder goes")


def _gone(folder: Path) -> bool:
    return not folder.exists()


async def test_one_that_is_left_while_it_comes_up_leaves_nothing() -> None:
    async with Stack(port_base=0) as stack:
        starting = asyncio.create_task(stack.start_database())
        await until(lambda: (stack.folder / "db/data").exists(), what="initdb has begun")
        starting.cancel()
    assert not stack.folder.exists()
    wait_for(lambda: not processes_in(stack.folder), what="no process")
