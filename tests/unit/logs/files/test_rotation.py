"""The names of rotated files and their age."""

from __future__ import annotations

import pytest

from lilfox_tui.logs.files.disk import Seen
from lilfox_tui.logs.files.rotation import chain, patterns


def seen(*paths: str) -> list[Seen]:
    """Files, each written to after the one before."""
    return [Seen(path, 1, number, 100, 1000.0 + number, 5.0) for number, path in enumerate(paths)]


@pytest.mark.parametrize(
    ("path", "by_age"),
    [
        ("/l/app.log", ["app.log.10", "app.log.2.gz", "app.log.1", "app.log"]),
        ("/l/app.log", ["app.log-20261123.gz", "app.log-20261124", "app.log"]),
        ("/l/app.log", ["app.log.2026-11-23", "app.log.2026-11-24", "app.log"]),
        ("/l/app.log", ["app-2026-11-23.log.zst", "app-2026-11-24.log", "app.log"]),
        ("/l/app.log", ["app.log-2026112408", "app.log-2026112409", "app.log"]),
        ("/l/app.log", ["app.log-1764000000.xz", "app.log-1764086400", "app.log"]),
        ("/l/syslog", ["syslog.3.bz2", "syslog.1", "syslog"]),
        ("/l/we[i]rd*.log", ["we[i]rd*.log.1", "we[i]rd*.log"]),
    ],
)
def test_files_are_the_logs_oldest_first(path: str, by_age: list[str]) -> None:
    files = seen(*(f"/l/{name}" for name in by_age))
    others = seen(
        "/l/app.log.bak", "/l/app.logger", "/l/app-errors.log", "/l/app.log.swp", "/l/apps.log", "/l/app2.log"
    )
    if "*" in path:
        assert [one.path for one in chain(path, files, rotated=True)] == [one.path for one in files]
        return
    found = chain(path, [*reversed(files), *others], rotated=True)
    assert [one.path for one in found] == [one.path for one in files]
    assert [one.path for one in chain(path, files, rotated=False)] == [path]


def test_a_packed_file_beside_its_plain_one_is_left_out() -> None:
    files = seen("/l/app.log.2.gz", "/l/app.log.2", "/l/app.log.1.gz", "/l/app.log")
    assert [one.path for one in chain("/l/app.log", files, rotated=True)] == [
        "/l/app.log.2", "/l/app.log.1.gz", "/l/app.log",
    ]  # fmt: skip


def test_a_pattern_is_by_time_of_writing() -> None:
    files = seen("/l/b.log", "/l/a.log", "/l/c.log")
    assert [one.path for one in chain("/l/*.log", files, rotated=True)] == ["/l/b.log", "/l/a.log", "/l/c.log"]
    assert patterns("/l/*.log", rotated=True) == ["/l/*.log"]
