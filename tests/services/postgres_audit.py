"""Audits of private PostgreSQL servers, and what somebody does who follows the fixes."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterable
from typing import Any

import psycopg

from lilfox_tui.audit.catalogue import chosen
from lilfox_tui.audit.model import AuditFinding, Fix, Report
from lilfox_tui.audit.run import Audit, targets_of
from lilfox_tui.backends.kinds.postgresql import Options
from lilfox_tui.config.model import Config, HostConfig
from tests.services.postgres import _ACCOUNT, SUPERUSER, Postgres
from tests.waiting import wait_for

VERSIONS = [15, 17]


def connect(server: Postgres, **more: Any) -> psycopg.Connection:
    """A session of an application, as the superuser."""
    words: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": server.port,
        "user": SUPERUSER,
        "dbname": "postgres",
        "sslmode": "disable",
    }
    return psycopg.connect(**words | more)


async def audited(server: Postgres, *checks: str, **options: Any) -> Report:
    """The report of these checks, asked over TCP as the superuser unless ``options`` say otherwise; the host ``here``
    is this machine."""
    settings = {"port": server.port, "user": SUPERUSER, **options}
    config = Config(backends={"db": Options(**settings)}, hosts={"here": HostConfig(local=True)})
    return await Audit(config, timeout_s=60).run(chosen(checks), targets_of(config))


def found_by(report: Report) -> dict[str, AuditFinding]:
    """The findings by their subjects; everything could be checked."""
    assert report.not_checked == (), unknown(report)
    return {each.finding.subject: each.finding for each in report.found}


def severities(report: Report) -> dict[str, str]:
    """The severity of each finding, by its subject."""
    return {each.finding.subject: each.severity.name.lower() for each in report.found}


def unknown(report: Report) -> dict[str, str]:
    """Why checks could not be made."""
    return {each.check.id: str(each.reason) for each in report.not_checked}


def mend(fixes: Iterable[Fix], server: Postgres, typed: str = "") -> None:
    """Runs the commands as the server's user on its host, who types ``typed`` where he is asked."""
    for command in (command for fix in fixes for command in fix.commands):
        if command == "systemctl restart postgresql":
            server.stop()
            server.start()
        else:
            _run(command, server, typed)


def _run(command: str, server: Postgres, typed: str) -> None:
    place = {"PGHOST": str(server.folder), "PGPORT": str(server.port), "PGUSER": SUPERUSER, "PGDATABASE": "postgres"}
    before = server.log.read_bytes().count(b"received SIGHUP")
    done = subprocess.run(
        ["sh", "-ec", command], env={**os.environ, **place}, cwd="/", input=typed.encode(), check=False,
        capture_output=True, start_new_session=True, **_ACCOUNT,
    )  # fmt: skip
    assert done.returncode == 0, f"{shlex.quote(command)}: {done.stderr.decode()}"
    if "pg_reload_conf" in command:
        wait_for(lambda: server.log.read_bytes().count(b"received SIGHUP") > before, what="PostgreSQL reads its files")


async def is_mended(server: Postgres, *checks: str, **options: Any) -> None:
    """These checks now find nothing, and each was made."""
    after = await audited(server, *checks, **options)
    found = found_by(after)
    assert found == {}, found
    assert {each.check.id for each in after.passed} == set(checks)
