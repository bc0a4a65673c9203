"""The files of a database's URL decide who is believed: others must not write them."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from lilfox_tui.backup.postgresql.connect import HostClients, open_server_access, read_url
from lilfox_tui.config.model import HostConfig
from lilfox_tui.core.files import NotTrusted
from lilfox_tui.hosts.fake import FakeHost
from lilfox_tui.hosts.local import LocalHost

HERE = LocalHost("here", HostConfig(local=True))


@pytest.fixture
def written_by_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where this process is; a file there would not be believed."""
    (folder := tmp_path / "all").mkdir()
    folder.chmod(0o777)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(autouse=True)
def no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has one."""
    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.delenv("PGPASSFILE", raising=False)


@pytest.mark.parametrize("name", ["sslrootcert", "sslcert", "sslkey", "sslcrl"])
async def test_a_file_that_others_can_write_is_refused_before_anything_is_asked(tmp_path: Path, name: str) -> None:
    (file := tmp_path / "a.pem").write_text("")
    connection = read_url(f"postgresql://db-1/x?sslmode=verify-full&{name}={file}")
    clients = HostClients(host="here", programs=())
    async with AsyncExitStack() as stack:
        file.chmod(0o600)
        await stack.enter_async_context(open_server_access(HERE, connection, clients=clients))
        file.chmod(0o666)
        with pytest.raises(NotTrusted, match="others decide"):
            await stack.enter_async_context(open_server_access(HERE, connection, clients=clients))
        await stack.enter_async_context(open_server_access(FakeHost("db-1"), connection, clients=clients))


@pytest.mark.usefixtures("written_by_all")
async def test_the_machines_own_certificates_are_no_file() -> None:
    connection = read_url("postgresql://db-1/x?sslmode=verify-full&sslrootcert=system")
    async with open_server_access(HERE, connection, clients=HostClients(host="here", programs=())) as access:
        assert "system" in access.conninfo()
