"""The files of a database's URL decide who is believed: others must not write them."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import psycopg.conninfo
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lilfox_tui.backup.postgresql.connect import (
    Connection,
    HostClients,
    callers_password,
    conninfo,
    open_server_access,
    read_url,
    url_of,
)
from lilfox_tui.config.model import HostConfig
from lilfox_tui.core.errors import LilFoxError, UsageError
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
        with pytest.raises(NotTrusted, match="because others can change it"):
            await stack.enter_async_context(open_server_access(HERE, connection, clients=clients))
        await stack.enter_async_context(open_server_access(FakeHost("db-1"), connection, clients=clients))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:///",
        "postgresql://db-1/x",
        "postgresql://ann@[::1]:5433/x",
        "postgresql://a%40b@db-1/x?sslmode=verify-full&sslrootcert=/etc/ca.pem",
        "postgresql://lilfox@/lilfox?host=/tmp/demo/db",
        "postgresql://ann@:5433/x?host=/run/a%20b",
        "/run/postgresql",
    ],
)
@pytest.mark.parametrize("name", ["other", "one of / two?", "数据 #%"])
def test_the_url_of_another_database_leads_to_the_same_server(url: str, name: str) -> None:
    connection = read_url(url)
    assert read_url(url_of(connection, name)) == replace(connection, database=name)


@pytest.mark.usefixtures("written_by_all")
async def test_the_machines_own_certificates_are_no_file() -> None:
    connection = read_url("postgresql://db-1/x?sslmode=verify-full&sslrootcert=system")
    async with open_server_access(HERE, connection, clients=HostClients(host="here", programs=())) as access:
        assert "system" in access.conninfo()


# URLs, connection strings and password files of databases.


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://app@db-1:5433/lilfox", Connection(address="db-1", port=5433, user="app", database="lilfox")),
        ("postgres://db-1/lilfox", Connection(address="db-1", database="lilfox")),
        ("postgresql://", Connection()),
        ("postgresql:///x", Connection(database="x")),
        ("postgresql://[::1]:5433/x", Connection(address="::1", port=5433, database="x")),
        ("postgresql://%2Frun%2FPg/x", Connection(address="/run/Pg", database="x")),
        ("postgresql:///x?host=/run/pg&port=5433", Connection(address="/run/pg", port=5433, database="x")),
        ("postgresql://a%40b@h/d%2Fe", Connection(address="h", user="a@b", database="d/e")),
        ("postgresql://h/x?sslmode=require", Connection(address="h", database="x", parameters={"sslmode": "require"})),
        ("/run/postgresql/", Connection(address="/run/postgresql")),
    ],
)  # fmt: skip
def test_urls_are_read_as_libpq_reads_them(url: str, expected: Connection) -> None:
    assert read_url(url) == expected


@pytest.mark.parametrize(
    "url",
    ["", "lilfox", "http://h/x", "postgresql:h", "postgresql://h:99999/x", "postgresql://h:x/x", "postgresql://a,b/x",
     "postgresql://h/x?host=a,b", "postgresql://h/x?service=y", "postgresql://h/x?options=-c%20a=b", "postgresql://h/x#y",
     "postgresql://h/x?port=0", "/run\0/x"],
)  # fmt: skip
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        read_url(url)


@pytest.mark.parametrize(
    "url", ["postgresql://app:s3cret@h/x", "postgresql://h/x?password=s3cret", "postgresql://:s3cret@h"]
)
def test_a_password_in_the_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_url(url)
    assert "s3cret" not in str(caught.value) + str(caught.value.hint)
    assert "password:" in str(caught.value.hint)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_any_name_of_a_database_is_one_value_of_the_connection_string(name: str) -> None:
    connection = Connection(address="/run/x", port=5433, user=name)
    said = conninfo(connection, name, passfile="/tmp/p", settings={"search_path": "a b"})
    parsed = psycopg.conninfo.conninfo_to_dict(said)
    assert parsed["dbname"] == name
    assert parsed["user"] == name
    assert parsed["host"] == "/run/x"
    assert parsed["options"] == "-c search_path=a\\ b"


@pytest.fixture
def passfile(tmp_path: Path) -> Path:
    file = tmp_path / "pgpass"
    lines = ("# a comment", "no line of five", "other:*:*:*:wrong", "h:5432:d:u:r\\:i\\\\g:ht", "*:*:*:last:any")
    file.write_text("\n".join((*lines, "localhost:*:*:*:socket\n")))
    file.chmod(0o600)
    return file


@pytest.mark.parametrize(
    ("connection", "expected"),
    [
        (Connection(address="h", database="d", user="u"), "r:i\\g:ht"),
        (Connection(address="h", database="e", user="u"), None),
        (Connection(address="anything", port=1, database="e", user="last"), "any"),
        (Connection(database="e", user="u"), "socket"),
    ],
)
def test_the_line_of_the_password_file_that_fits_is_taken(
    passfile: Path, connection: Connection, expected: str | None
) -> None:
    assert callers_password(connection, {"PGPASSFILE": str(passfile)}) == expected


def test_pgpassword_goes_over_the_file_and_nothing_is_nothing(passfile: Path) -> None:
    assert callers_password(Connection(), {"PGPASSWORD": "x", "PGPASSFILE": str(passfile)}) == "x"
    assert callers_password(Connection(), {}) is None


def test_a_password_file_that_cannot_be_used_is_an_error(passfile: Path, tmp_path: Path) -> None:
    passfile.chmod(0o640)
    for path in (passfile, tmp_path, tmp_path / "none"):
        with pytest.raises(LilFoxError, match=str(path)):
            callers_password(Connection(), {"PGPASSFILE": str(path)})
