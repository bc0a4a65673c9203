"""The names of rotated files and their age."""

from __future__ import annotations

import pytest

from lilfox_tui.logs.files.log_file import FileStat
from lilfox_tui.logs.files.log_file_set import LogNames, chain, named_files, patterns


def seen(*paths: str) -> list[FileStat]:
    """Files, each written to after the one before."""
    return [FileStat(path, 1, number, 100, 1000.0 + number, 5.0) for number, path in enumerate(paths)]


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
    found = chain(path, [*reversed(files), *others], rotated=True)
    assert [one.path for one in found] == [one.path for one in files]
    assert [one.path for one in chain(path, files, rotated=False)] == [path]


def test_a_packed_file_beside_its_plain_one_is_left_out() -> None:
    files = seen("/l/app.log.2.gz", "/l/app.log.2", "/l/app.log.1.gz", "/l/app.log")
    assert [one.path for one in chain("/l/app.log", files, rotated=True)] == [
        "/l/app.log.2", "/l/app.log.1.gz", "/l/app.log",
    ]  # fmt: skip


def test_a_log_is_looked_for_by_its_own_name_alone() -> None:
    assert patterns("/l[1]/a?.log", rotated=False) == ["/l[[]1]/a[?].log"]
    assert patterns("/l/app.log", rotated=True) == ["/l/app.log", "/l/app.log[.-]*", "/l/app[-._]*.log*"]


@pytest.mark.parametrize(
    ("log", "files"),
    [
        ("app.log", "app.log app.log.1 app.log.2.gz app.log-20251130 app.log-20251129.gz app.log.2025-11-30"),
        ("app.log", "app-2025-11-30.log app-2025-12-01.log.zst"),
        ("NAME", "NAME NAME.1 NAME.2.gz NAME-20251130 NAME-20251129.gz NAME.2025-11-30"),
        ("app.log", "app.log app-1.log app.2.log"),
        ("app.log", "app.log.3 app.log.4.xz"),
        ("postgresql.log", "postgresql-2025-11-30_000000.log postgresql-2025-12-01_000000.log"),
        ("worker-1.log", "worker-1.log worker-1.log.1 worker-1.log-20251130.gz"),
        ("svc[1]*.log", "svc[1]*.log svc[1]*.log.1"),
    ],
)
def test_rotations_of_a_name_are_one_log(log: str, files: str) -> None:
    names = LogNames()
    paths = [f"/l/{name}" for name in files.split()]
    assert names.learn(reversed(paths)) == [f"/l/{log}"]
    assert {names.log_of(path) for path in paths} == {f"/l/{log}"}
    assert {one.path for one in chain(f"/l/{log}", seen(*paths), rotated=True)} == set(paths)


@pytest.mark.parametrize(
    "files",
    [
        "svc1.log svc2.log svc10.log",
        "worker-1.log worker-2.log worker.3.log",
        "10.0.0.1 10.0.0.2 10.0.0.13",
        "backend.log backend-errors.log backend-daily.log",
        "postgresql-Mon.log postgresql-Tue.log",
        "a.log a.json a.csv",
    ],
)
def test_other_names_are_other_logs(files: str) -> None:
    paths = sorted(f"/l/{name}" for name in files.split())
    assert LogNames().learn(paths) == paths


def test_what_was_told_apart_stays_so() -> None:
    names = LogNames()
    assert names.learn(["/l/worker-1.log", "/l/worker-2.log"]) == ["/l/worker-1.log", "/l/worker-2.log"]
    assert names.learn(["/l/worker.log", "/l/worker-1.log"]) == ["/l/worker-1.log", "/l/worker.log"]
    rotated = LogNames()
    assert rotated.learn(["/l/app.log"]) == ["/l/app.log"]
    assert rotated.learn(["/l/app-1.log"]) == ["/l/app.log"]  # app.log is not there for a moment


def test_the_same_name_in_another_folder_is_another_log() -> None:
    assert LogNames().learn(["/a/app.log", "/b/app.log.1"]) == ["/a/app.log", "/b/app.log"]


def test_files_are_named_by_themselves_and_by_their_path_where_two_are_alike() -> None:
    assert named_files(("/a/x.log", "/b/x.log", "/a/y", "/a/z.log.1"), taken=("y",)) == {
        "x": "/a/x.log",
        "/b/x.log": "/b/x.log",
        "/a/y": "/a/y",
        "z.log.1": "/a/z.log.1",
    }


def test_a_rotation_of_another_file_is_no_source_of_its_own() -> None:
    paths = ("/a/x.log.1", "/a/x.log", "/a/x.log.2.gz", "/a/x-2026-11-24.log", "/b/x.log.1", "/a/x.log")
    assert named_files(paths) == {"x": "/a/x.log", "x.log.1": "/b/x.log.1"}
