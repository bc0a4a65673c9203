"""Which client programs fit a server."""

from __future__ import annotations

import pytest

from lilfox_tui.backup.postgresql.connect import ClientPrograms, HostClients
from lilfox_tui.backup.postgresql.custom import read_head
from lilfox_tui.backup.sources.postgresql import stem_of
from lilfox_tui.backup.store import BackupError, BrokenSet

CLIENTS = HostClients(
    host="db-1",
    programs=(
        ClientPrograms((18, 6), "/18"),
        ClientPrograms((17, 12), "/17"),
        ClientPrograms((17, 3), "/old17"),
        ClientPrograms((15, 20), "/15"),
    ),
)


@pytest.mark.parametrize(("major", "folder"), [(15, "/15"), (16, "/17"), (17, "/17"), (18, "/18"), (12, "/15")])
def test_the_servers_own_major_is_taken_else_the_nearest_newer(major: int, folder: str) -> None:
    assert CLIENTS.for_server(major).folder == folder


def test_a_server_newer_than_all_of_them_is_refused() -> None:
    with pytest.raises(BackupError, match=r"up to PostgreSQL 18\.6, but the server is 19"):
        CLIENTS.for_server(19)


def test_names_of_parts_are_harmless_and_differ_where_the_databases_do() -> None:
    names = [
        "lilfox",
        "a b",
        "a_b",
        "a;b",
        "-x",
        "_x",
        "..",
        ".hidden",
        "用户",
        "x" * 63,
        "é" * 31,
        "../../etc",
        "A",
        "a",
    ]
    stems = [stem_of(name) for name in names]
    assert len(set(stems)) == len(names)
    assert stems[0] == "lilfox"
    assert all(stem[0] not in "-." and "/" not in stem and stem.isascii() and len(stem) < 80 for stem in stems)


@pytest.mark.parametrize(
    "data",
    [b"", b"PGDMP", b"PGDMP\x01\x0f\x00\x04\x08\x01", b"PGDMP\x01\x0f\x00\x04\x08\x03" + bytes(200), b"x" * 100,
     b"PGDMP\x01\x0f\x00\xff\x08\x01" + bytes(200), b"PGDMP\x01\x0f\x00\x04\x08\x01" + b"\xff" * 300],
)  # fmt: skip
def test_what_is_no_archive_is_broken_and_nothing_worse(data: bytes) -> None:
    with pytest.raises(BrokenSet):
        read_head(data)
