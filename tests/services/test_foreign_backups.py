"""Backups of the real restic, Borg and pgBackRest: how old, how large, in ``lilfox backup list`` and ``check``, and
never proven."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lilfox_tui.backup.context import BackupContext
from lilfox_tui.backup.plan import plan_named
from lilfox_tui.backup.sets.model import BackupSet, Status
from lilfox_tui.backup.store import StoreError
from lilfox_tui.cli.schemas import schema
from lilfox_tui.config.foreign import foreign_places
from lilfox_tui.config.loader import from_text
from lilfox_tui.core.errors import UsageError
from tests.services.lilfox_command import lilfox
from tests.services.postgres import Postgres
from tests.services.test_cli_check import LOOSE

LATER_S = 20
"""The programs tell when they began; the files are written at the end."""
ENVIRONMENT = {**os.environ, "RESTIC_PASSWORD": "x", "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}


def run(*argv: str | Path, home: Path) -> str:
    done = subprocess.run(
        [str(word) for word in argv],
        env={**ENVIRONMENT, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def config_of(keys: str) -> str:
    return f"hosts: {{here: {{local: true}}}}\n{LOOSE}backup:\n  plans:\n    own: {{kind: foreign, {keys}}}\n"


async def read(keys: str) -> list[BackupSet]:
    """The sets of the plan, as every client reads them."""
    config = from_text(config_of(keys), "config.yaml")
    ((name, place),) = foreign_places(config.backup).items()
    async with BackupContext(config) as context:
        found = await context.sets_in(context.store(name, place))
    assert all(each.plan == "own" and not each.good and not each.complete for each in found)
    return found


def age(folder: Path, days: int) -> None:
    then = (datetime.now(UTC) - timedelta(days=days)).timestamp()
    for each in folder.iterdir():
        os.utime(each, (then, then))


async def test_restic_in_every_list(tmp_path: Path) -> None:
    repository = tmp_path / "a repository"
    restic = ("restic", "-q", "--no-cache", "-r", repository)
    keys = f'tool: restic, path: "{repository}", schedule: "* * * * *", late_after: 2d'
    config = tmp_path / "config.yaml"
    config.write_text(config_of(keys))
    config.chmod(0o600)
    with pytest.raises(StoreError, match="no repository of restic that the account may read"):
        await read(keys)
    run(*restic, "init", home=tmp_path)
    assert await read(keys) == []
    run(*restic, "backup", "/etc/hostname", home=tmp_path)
    age(repository / "snapshots", 3)
    late = lilfox("--config", config, "check", "--json")
    jsonschema.validate(told := json.loads(late.stdout), schema("check"))
    (plan,) = told["backups"]
    assert (late.returncode, plan["level"], plan["late"], plan["newest_status"]) == (1, "failing", True, "foreign")
    assert plan["reasons"] == ["late: due 2 d ago; the newest backup is 3 d old"]
    run(*restic, "backup", "/etc/passwd", home=tmp_path)
    newest, old = await read(keys)
    assert [newest.status, old.status, old.parts] == [Status.FOREIGN, Status.FOREIGN, ()]
    assert newest.size_bytes >= sum(each.stat().st_size for each in repository.rglob("*") if each.is_file())
    snapshots = json.loads(run(*restic, "snapshots", "--json", home=tmp_path))
    assert newest.id == snapshots[-1]["id"][:12]
    begun = datetime.fromisoformat(snapshots[-1]["time"][:19] + "+00:00")
    assert 0 <= (newest.created - begun).total_seconds() <= LATER_S
    code = lilfox("--config", config, "check", "--json")
    (plan,) = json.loads(code.stdout)["backups"]
    assert (code.returncode, plan["level"], plan["late"], plan["newest_good_at"]) == (0, "good", False, None)
    printed = lilfox("--config", config, "backup", "list")
    assert (printed.returncode, printed.stdout.count("not proven by LilFox")) == (0, 2)
    assert not {"verified", "intact", "restore-tested"} & set(printed.stdout.split())
    listed = lilfox("--config", config, "backup", "list", "--json", "--plan", "own")
    jsonschema.validate(told := json.loads(listed.stdout), schema("backup-list"))
    assert [(each["id"], each["status"]) for each in told] == [(newest.id, "foreign"), (old.id, "foreign")]
    asked = f'["env", "RESTIC_PASSWORD=x", "restic", "--no-cache", "-r", "{repository}", "snapshots", "--json"]'
    by_command = await read(f"tool: command, command: {asked}")
    assert [each.id for each in by_command] == [each["id"][:12] for each in reversed(snapshots)]


async def test_borg(tmp_path: Path) -> None:
    repository = tmp_path / "shop.borg"
    run("borg", "init", "-e", "none", repository, home=tmp_path)
    run("borg", "create", f"{repository}::one", "/etc/hostname", home=tmp_path)
    (each,) = await read(f"tool: borg, path: {repository}")
    told = json.loads(run("env", "TZ=UTC", "borg", "list", "--json", repository, home=tmp_path))
    begun = datetime.fromisoformat(told["archives"][0]["time"] + "+00:00")
    assert 0 <= (each.created - begun).total_seconds() <= LATER_S
    assert each.size_bytes > 0
    allowed = "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes"
    argv = ["env", f"HOME={tmp_path}", allowed, "borg", "list", "--json", str(repository)]
    (asked,) = await read(f"tool: command, command: {json.dumps(argv)}")
    assert (asked.id, asked.created) == ("one", begun)


async def test_pgbackrest(tmp_path: Path) -> None:
    with Postgres() as server:
        server.csv("CHECKPOINT")
        server.stop()
        spool = server.folder / "spool"
        places = [f"--{name}-path={spool}/{name}" for name in ("repo1", "log", "lock")]
        words = ["pgbackrest", *places, f"--pg1-path={server.folder}/data", "--stanza=shop", "--no-online"]
        account = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        (server.folder / "data/postmaster.pid").unlink(missing_ok=True)
        run(*account, "mkdir", "-p", *(f"{spool}/{name}" for name in ("repo1", "log", "lock")), home=tmp_path)
        run(*account, *words, "stanza-create", home=tmp_path)
        keys = f"tool: pgbackrest, path: {spool}/repo1"
        assert await read(keys) == []
        options = ("--repo1-retention-full=1", "--type=full", "--compress-level=1")
        run(*account, *words, *options, "backup", home=tmp_path)
        (each,) = await read(f"{keys}, server: shop")
        answer = run(*account, "pgbackrest", *places, "info", "--output=json", home=tmp_path)
        (told,) = json.loads(answer)[0]["backup"]
        assert (each.id, each.created.timestamp()) == (told["label"], told["timestamp"]["stop"])
        assert each.size_bytes == told["info"]["repository"]["delta"]
        (spool / "answer.json").write_text(answer)
        (by_command,) = await read(f'tool: command, command: ["cat", "{spool}/answer.json"]')
        assert (by_command.id, by_command.created, by_command.size_bytes) == (each.id, each.created, each.size_bytes)
        with pytest.raises(StoreError, match="no repository of pgBackRest that the account may read"):
            await read(f"{keys}, server: other")


BARMAN = """backup_label=None
begin_time=2026-11-30 02:00:00.000000+00:00
deduplicated_size=2048
end_time={end}
error={error}
mode=rsync-concurrent
size=4096
status={status}
version=170002
"""


async def test_barman(tmp_path: Path) -> None:
    home = tmp_path / "barman"
    for name, end, status, error in (
        ("main/base/20261128T020000", "2026-11-28 02:10:00.5+00:00", "DONE", "None"),
        ("main/base/20261129T020000", "2026-11-29 03:10:00.5+01:00", "FAILED", "failure copying files"),
        ("main/base/20261130T020000", "None", "STARTED", "None"),
        ("other/base/20261127T020000", "2026-11-27 02:10:00+00:00", "DONE", "None"),
    ):
        (home / name).mkdir(parents=True)
        (home / name / "backup.info").write_text(BARMAN.format(end=end, status=status, error=error))
    (home / "main/meta").mkdir()
    newer = BARMAN.format(end="2026-11-30 02:10:00+00:00", status="DONE", error="None")
    (home / "main/meta/20261130T020000-backup.info").write_text(newer)
    found = await read(f"tool: barman, path: {home}, server: main")
    assert [(each.id, each.status, each.created.isoformat()[:19]) for each in found] == [
        ("20261130T020000", Status.FOREIGN, "2026-11-30T02:10:00"),
        ("20261129T020000", Status.BROKEN, "2026-11-29T02:10:00"),
        ("20261128T020000", Status.FOREIGN, "2026-11-28T02:10:00"),
    ]
    assert (found[0].size_bytes, found[1].reason) == (2048, "Barman: failure copying files")
    assert len(await read(f"tool: barman, path: {home}")) == 4


async def test_a_command() -> None:
    lines = '["printf", "%s\\\\n", "1796100000 1234 nightly of web", "2026-11-30T02:00:00 99"]'
    found = await read(f"tool: command, host: here, command: {lines}")
    assert [(each.id, each.size_bytes) for each in found] == [("nightly of web", 1234), ("20261130_020000", 99)]
    for words, why in (
        ('["false"]', "false failed: exit status 1"),
        ('["echo", "yesterday"]', "the answer of echo is not understood"),
        ('["echo", "{}"]', "the answer of echo is not understood"),
    ):
        with pytest.raises(StoreError, match=why):
            await read(f"tool: command, command: {words}")


def test_nothing_else_can_be_done_with_them() -> None:
    config: Any = from_text(config_of('tool: command, command: ["restic-of-shop"]'), "config.yaml")
    with pytest.raises(UsageError, match="own is a plan of kind foreign: LilFox only watches its backups") as caught:
        plan_named(config.backup, "own")
    assert str(caught.value.hint) == "back up, verify and restore with restic-of-shop"
