"""The checks of databases and caches on real servers: found, mended by their own fixes, and gone."""

from __future__ import annotations

import os
import subprocess

import pytest

from lilfox_tui.audit.catalogue import chosen, kind_of
from lilfox_tui.audit.model import AuditFinding, Fix, Report
from lilfox_tui.audit.run import Audit, targets_of
from lilfox_tui.backends.kinds import postgresql, redis
from lilfox_tui.config.model import Config
from lilfox_tui.config.values import SecretRef
from tests.services.postgres import SUPERUSER, Postgres
from tests.services.redis_server import PASSWORD, RedisServer


async def audited(options: postgresql.Options | redis.Options, *checks: str) -> Report:
    config = Config(backends={"db": options})
    return await Audit(config, timeout_s=60).run(chosen(checks), targets_of(config))


def found_by(report: Report) -> dict[str, AuditFinding]:
    return {each.finding.subject: each.finding for each in report.found}


def run(fix: Fix, server: Postgres) -> None:
    """The commands of a fix, as somebody on the server's host runs them."""
    place = {"PGHOST": str(server.folder), "PGPORT": str(server.port), "PGUSER": SUPERUSER}
    for command in fix.commands:
        subprocess.run(["sh", "-ec", command], env={**os.environ, **place}, cwd="/", check=True, capture_output=True)


@pytest.mark.provokes("postgresql-durability")
@pytest.mark.parametrize("version", [15, 17])
async def test_settings_that_lose_committed_data(version: int) -> None:
    with Postgres("full_page_writes = off\n", version=version) as server:
        options = postgresql.Options(port=server.port, user=SUPERUSER)
        found = found_by(await audited(options, "postgresql-durability"))
        assert {subject: str(each.evidence) for subject, each in found.items()} == {
            "fsync": "fsync = off (configuration file)",
            "full_page_writes": "full_page_writes = off (configuration file)",
        }
        for finding in found.values():
            run(finding.fix, server)
        after = await audited(options, "postgresql-durability")
        assert (after.found, after.not_checked) == ((), ())


BEYOND = ("--bind", "0.0.0.0", "--protected-mode", "no")
PASSWORDLESS = ("--requirepass", "")


@pytest.mark.provokes("redis-no-password")
@pytest.mark.parametrize(
    ("options", "found"),
    [
        ((*BEYOND, *PASSWORDLESS), ["default"]),
        (BEYOND, []),
        (("--bind", "127.0.0.1", "--protected-mode", "no", *PASSWORDLESS), []),
        (("--bind", "0.0.0.0", "--protected-mode", "yes", *PASSWORDLESS), []),
    ],
)
async def test_a_redis_without_a_password(
    options: tuple[str, ...], found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LILFOX_TEST_REDIS", PASSWORD)
    with RedisServer(*options) as server:
        password = None if "--requirepass" in options else SecretRef("env:LILFOX_TEST_REDIS")
        report = await audited(redis.Options(port=server.port, password=password), "redis-no-password")
    assert (list(found_by(report)), list(report.not_checked)) == (found, [])


async def test_a_server_that_is_gone_or_refuses_is_not_checked() -> None:
    with RedisServer() as server:  # which asks for a password
        report = await audited(redis.Options(port=server.port), "redis")
    assert {each.check.id for each in report.not_checked} == {each.id for each in chosen(["redis"])}
    assert report.found == ()
    gone = await audited(postgresql.Options(port=server.port), "postgresql")
    assert {each.check.id for each in gone.not_checked} == {
        each.id for each in chosen(["postgresql"]) if kind_of(each) == "postgresql"
    }
