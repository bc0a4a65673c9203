"""What is found on a host without a configuration: the real script, over files as distributions lay them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from lilfox_tui.config.loader import from_text
from lilfox_tui.config.model import HostConfig
from lilfox_tui.core.errors import HostError, UsageError
from lilfox_tui.hosts.base import Completed, Host
from lilfox_tui.hosts.fake import FakeHost
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.hosts.open import open_host
from lilfox_tui.logs import source
from lilfox_tui.logs.filter.model import EVERYTHING
from lilfox_tui.logs.source import AtBeginning, find_logs, open_logs, zone_of
from lilfox_tui.logs.sources import file, journald
from lilfox_tui.runbook.run.gate import let_argv_through
from tests.services.sshd import sshd_lab

NAMES = ("lilfox-backend.log", "lilfox-backend-daily.log", "nightly-daily.log", "odd name;$(id).log", "two\nlines.log")


@pytest.fixture
async def here() -> AsyncIterator[Host]:
    made = LocalHost("here", HostConfig(local=True))
    yield made
    await made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "logs"
    made.mkdir()
    for name in NAMES:
        (made / name).write_text("x\n")
    (made / "directory.log").mkdir()
    (made / "other.txt").write_text("x\n")
    return made


def of_folder(found: dict[str, object], folder: Path) -> dict[str, str]:
    return {
        name: log.path
        for name, log in found.items()
        if isinstance(log, file.Options) and log.path.startswith(str(folder))
    }


async def test_each_service_is_a_source_and_the_daily_copy_is_none(here: Host, folder: Path) -> None:
    found = await find_logs(here, None, folder=str(folder))
    assert of_folder(dict(found), folder) == {
        "backend": f"{folder}/lilfox-backend.log",
        "nightly-daily": f"{folder}/nightly-daily.log",
        "odd-name-id": f"{folder}/odd name;$(id).log",
    }
    assert {log.zone for log in found.values() if getattr(log, "path", "").startswith(str(folder))} == {"UTC"}
    assert {log.host for log in found.values()} <= {None}


async def test_a_host_over_ssh_is_looked_at_in_the_same_way(folder: Path) -> None:
    with sshd_lab() as lab:
        lab.sshd()
        host = open_host("there", lab.host(lab.servers[0]), lab.ssh())
        try:
            found = await find_logs(host, "there", folder=str(folder))
        finally:
            await host.close()
    assert set(of_folder(dict(found), folder)) == {"there.backend", "there.nightly-daily", "there.odd-name-id"}
    assert {log.host for log in found.values()} == {"there"}


async def test_what_distributions_write_has_its_names() -> None:
    paths = ["/var/log/nginx/access.log", "/var/log/nginx/error.log", "/var/log/postgresql/postgresql-17-main.log",
             "/var/log/apache2/access.log"]  # fmt: skip
    host = FakeHost(answers={source._SCRIPT: "".join(f"file {path}\n" for path in paths).encode() + b"journald\n"})
    found = await find_logs(host, None)
    assert list(found) == ["nginx-access", "nginx-error", "postgresql-17-main", "apache2-access", "journal"]
    assert isinstance(found["journal"], journald.Options)
    assert found["journal"].kind == "journald"


async def test_nothing_there_is_nothing_and_a_host_that_is_down_an_error() -> None:
    host = FakeHost(answers={source._SCRIPT: b""})
    assert await find_logs(host, None) == {}
    host.go_down(HostError("fake", "down"))
    with pytest.raises(HostError):
        await find_logs(host, None)


async def test_the_journal_is_found_where_it_can_be_read(here: Host, folder: Path) -> None:
    """Beside a real shell: a journalctl in PATH that has an entry, and one that has none."""
    for says, expected in (("echo entry", True), (":", False)):
        tools = folder.parent / f"tools-{expected}"
        tools.mkdir()
        (tools / "journalctl").write_text(f"#!/bin/sh\n{says}\n")
        (tools / "journalctl").chmod(0o755)
        script = f"PATH={tools}:$PATH\n{source._SCRIPT}"
        done: Completed = await here.run_script(script, [str(folder)])
        assert (b"journald\n" in done.stdout) is expected


async def test_sources_of_the_configuration_are_opened_on_their_hosts(here: Host, folder: Path) -> None:
    (folder / "app.log").write_text('{"timestamp": "2026-01-02T12:00:00", "level": "INFO", "message": "noon"}\n')
    config = from_text(
        f"""
        hosts: {{web: {{sudo: true}}}}
        logs:
          app: {{path: {folder}/app.log, zone: Asia/Shanghai, format: json_lines}}
          journal: {{kind: journald, host: web}}
        """,
        "c.yaml",
    )
    asked: list[str | None] = []

    def host_of(name: str | None) -> Host:
        asked.append(name)
        return here if name is None else FakeHost(name)

    app, journal = open_logs(config, config.logs, host_of, let_argv_through)
    try:
        assert asked == [None, "web"]
        assert (app.name, journal.name) == ("app", "journal")
        page = await app.page(AtBeginning(), older=False, limit=10, where=EVERYTHING)
        assert [str(record.at) for record in page.records] == ["2026-01-02 04:00:00+00:00"]
        assert isinstance(journal, journald.JournaldSource)
        assert journal._setting.sudo is True
    finally:
        await app.close()
        await journal.close()


def test_a_zone_is_named_or_this_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    assert zone_of("Europe/Berlin") == ZoneInfo("Europe/Berlin")
    monkeypatch.setenv("TZ", ":America/New_York")
    assert zone_of("") == ZoneInfo("America/New_York")
    monkeypatch.setenv("TZ", "nonsense")
    now = datetime.now().astimezone()
    assert now.astimezone(zone_of("")).utcoffset() == now.utcoffset()


def test_an_unknown_kind_is_named(here: Host) -> None:
    config = from_text("", "c.yaml")
    with pytest.raises(UsageError, match="syslogd: no such kind"):
        open_logs(config, {"a": file.Options(kind="syslogd", path="/x")}, lambda _name: here, let_argv_through)
