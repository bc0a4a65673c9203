"""The thousand hostile values where no runbook is: as arguments of commands on hosts, as what operations act on, as
names of databases, and in all that people write of an incident. None makes a canary, and each arrives."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from lilfox_tui.config.model import Config, HostConfig, SshConfig
from lilfox_tui.core.errors import LilFoxError, UsageError
from lilfox_tui.hosts import detached
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.detached import DetachedOutput, DetachedState
from lilfox_tui.hosts.open import open_host
from lilfox_tui.incident import incidents
from lilfox_tui.incident.export import export_markdown, handover_text, verify
from lilfox_tui.incident.model import Called, Decided, JobEnded, Noted
from lilfox_tui.operations.addresses import ban_operation, unban_operation
from lilfox_tui.operations.model import unit_operation
from lilfox_tui.runbook.run.gate import resolve
from tests.services.postgres import SUPERUSER, Postgres
from tests.services.postgres_looks import of_version, opened
from tests.services.sshd import SshdLab, sshd_lab
from tests.services.test_end_sessions import make
from tests.unit.jobs.running import jobs
from tests.unit.runbook.run.test_hostile_values import CANARY, SEEDS, VALUES

__all__ = ["jobs"]
pytestmark = [pytest.mark.fault("S6", "S7"), pytest.mark.usefixtures("jobs")]
SHOW = ["printf", "%s\\0"]
MORE = [*VALUES, "a\nb", "'\n; touch canary\n'", ""]


@pytest.fixture(scope="module")
def lab() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        made.sshd()
        yield made


@pytest.fixture(params=["local", "ssh"])
async def host(
    request: pytest.FixtureRequest, lab: SshdLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Host]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    local = request.param == "local"
    made = open_host("web1", HostConfig(local=True) if local else lab.host(lab.servers[0]),
                     SshConfig() if local else lab.ssh())  # fmt: skip
    yield made
    await made.close()
    for place in (tmp_path, lab.servers[0].folder, Path("/"), Path.cwd()):
        assert not (place / CANARY).exists(), place


@pytest.mark.parametrize("sudo", [False, pytest.param(True, marks=pytest.mark.root)])
async def test_a_thousand_values_arrive_as_arguments(host: Host, sudo: bool) -> None:
    done = await host.run([*SHOW, *MORE], sudo=sudo, limit_bytes=1 << 20)
    assert done.stdout.decode().split("\0")[:-1] == MORE
    done = await host.run_script('printf "%s\\0" "$@"', MORE, sudo=sudo, limit_bytes=1 << 20)
    assert done.stdout.decode().split("\0")[:-1] == MORE
    async with aclosing(host.stream([*SHOW, *MORE], sudo=sudo)) as blocks:
        assert b"".join([block async for block in blocks]).decode().split("\0")[:-1] == MORE


async def test_they_arrive_where_a_command_outlives_the_link(host: Host) -> None:
    """As arguments, in the environment, as the label that the host keeps."""
    env = {f"LF_{number}": value for number, value in enumerate(SEEDS)}
    words = " ".join(f'"$LF_{number}"' for number in range(len(SEEDS)))
    for job, argv, sent in (
        ("argv", [*SHOW, *MORE], MORE),
        ("env", ["sh", "-c", f"printf '%s\\0' {words}"], list(SEEDS)),
    ):
        await detached.start(host, job, argv, env=env, label=SEEDS[0])
        said, end = b"", None
        async with aclosing(detached.follow(host, job)) as news:
            async for each in news:
                if isinstance(each, DetachedOutput):
                    said += each.data
                else:
                    end = each
        assert isinstance(end, DetachedState)
        assert (end.exit_status, said.decode().split("\0")[:-1]) == (0, sent)
    looks = await asyncio.gather(*(
        detached.start(host, f"l{number}", ["true"], label=value) for number, value in enumerate(SEEDS[:40])
    ))  # fmt: skip
    assert all(isinstance(look, DetachedState) or look for look in looks)
    told = {look.id: look.label for look in await detached.listing(host)}
    assert [told[f"l{number}"] for number in range(40)] == list(SEEDS[:40])


def test_what_operations_act_on_is_an_argument_or_refused() -> None:
    taken = 0
    for value in MORE:
        for make_one in (ban_operation, unban_operation):
            try:
                operation = (
                    ban_operation("web-1", value, 60, sudo=True) if make_one is ban_operation
                    else unban_operation("web-1", value, sudo=True)
                )  # fmt: skip
            except UsageError:
                continue
            assert value == "203.0.113.7", value
            assert operation.subject == value
        try:
            stop = unit_operation("stop", "web-1", value, sudo=True)
        except UsageError:
            continue
        taken += 1
        assert stop.argv == ("systemctl", "stop", "--", value)
        assert not value.startswith("-")
        assert not set(value) & set(" \n'\"`$()&|;<>*?#~!{}[]"), value
    assert taken > 5


def test_no_value_means_a_host_that_it_does_not_name() -> None:
    config = Config(hosts={"web-1": HostConfig(address="192.0.2.1"), "db-1": HostConfig(address="192.0.2.2")})
    for value in MORE:
        try:
            meant = resolve(config, value)
        except LilFoxError:
            continue
        assert any(sign in value for sign in "*?[") or value.strip(", ") in ("", "web-1"), (value, meant)


NAMES = [
    '"; touch canary; "', "$(touch canary)", "`touch canary`", "host=127.0.0.2", "-x", "a'b\\",
    "'; DROP DATABASE x; --", "postgresql://evil@127.0.0.2/x", "a b", "用户\u202e", "\\! touch canary",
]  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with of_version(15) as running:
        yield running


@pytest.mark.fault("S8")
@pytest.mark.parametrize("name", NAMES)
async def test_a_session_of_a_database_of_any_name_is_ended(
    server: Postgres, lab: SshdLab, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is of the database and of its role, and the backend is asked through it: by the driver, and by psql on
    an SSH host."""
    monkeypatch.chdir(tmp_path)
    made = incidents.open_incident(name, cause=name)
    quoted = '"' + name.replace('"', '""') + '"'
    for statement in (f"CREATE DATABASE {quoted}", f"CREATE ROLE {quoted} LOGIN"):
        server.csv(statement)
    there = {"host": str(server.folder), "port": server.port, "user": name, "dbname": name}
    host = {"address": lab.servers[0].address, "port": lab.servers[0].port, "user": getpass.getuser(),
            "identity": str(lab.client_key)}  # fmt: skip
    by_ssh = {
        "hosts": {"db-1": host}, "ssh": {"config_files": [], "known_hosts": [str(lab.known_hosts)]},
        "backend": {"database": name, "host": "db-1", "by": "psql", "socket": str(server.folder), "run_as": SUPERUSER},
    }  # fmt: skip
    for way in ({"backend": {"database": name}}, by_ssh):
        with psycopg.connect(**there) as connection:  # type: ignore[arg-type]
            (session,) = [each for each in await opened(server).sessions() if each.pid == connection.info.backend_pid]
            assert (session.database, session.role) == (name, name)
            done = make(tmp_path, server, session, "terminate", **way)
            assert done.state == "ok", (done.message, done.hint)
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
    assert [each.what for each in incidents.entries(made.id) if isinstance(each.what, JobEnded)]
    assert verify(made.id).problems == ()
    assert not [place for place in (tmp_path, lab.servers[0].folder) if CANARY in str(list(place.rglob("*")))]


def test_all_that_people_write_of_an_incident_is_text(
    tmp_path: Path, own_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = incidents.open_incident(SEEDS[0], cause=SEEDS[1])
    for value in MORE[:-1]:
        incidents.append(made.id, Noted(text=value))
    for value in SEEDS:
        incidents.append(made.id, Decided(text=value))
        incidents.append(made.id, Called(contact=value, outcome=value))
        incidents.keep_evidence(made.id, value, value.encode(), value)
    written = [each.what.text for each in incidents.entries(made.id) if isinstance(each.what, Noted)]
    assert written == MORE[:-1]
    incidents.close(incidents.chosen(made.id), SEEDS[2])
    assert export_markdown(made.id, "en")
    assert list(handover_text(incidents.read_incident(incidents.chosen(made.id)), incidents.entries(made.id),
                              datetime.now(UTC)))  # fmt: skip
    assert verify(made.id).problems == ()
    assert {each.parent.name for each in own_folders.rglob("*") if each.is_file() and "INC-1" in each.parts} <= {
        "INC-1", "evidence",
    }, "no name leads elsewhere"  # fmt: skip
    assert not [*tmp_path.rglob(CANARY)]
    assert all(each.parent.name == "evidence" and each.read_bytes() for each in own_folders.rglob(CANARY)), "its name"
