"""What is pure of backing up folders: names, links, what is written, what tar says."""

from __future__ import annotations

import io
import os
import random
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lilfox_tui.backup.files.archive import (
    FolderSurvey,
    TarOutcome,
    content_checks,
    excluded,
    refuse_incomplete,
    unquoted,
)
from lilfox_tui.backup.files.pieces import top_of
from lilfox_tui.backup.files.staging import before_name
from lilfox_tui.backup.files.tar import END, SafeMembers, TarMember, TarReader, header, leads_out
from lilfox_tui.backup.files.tar_filter import ArchiveSummary, Index, TarFilter, put_below
from lilfox_tui.backup.options import FileTreeOptions
from lilfox_tui.backup.store import BackupError, BrokenSet
from tests.unit.backup.files.test_tar import FORMATS, archive, entries

names = st.binary(min_size=1, max_size=300).filter(lambda name: b"\0" not in name and name.strip(b"/") == name)
members = st.builds(
    TarMember,
    name=names,
    kind=st.sampled_from(["file", "folder", "link", "hard link"]),
    mode=st.integers(0, 0o7777),
    size=st.just(0),
    mtime_ns=st.integers(-(2**50), 2**62),
    uid=st.integers(0, 2**31),
    gid=st.integers(0, 2**31),
    user=st.binary(max_size=60).filter(lambda word: b"\0" not in word),
    group=st.binary(max_size=60).filter(lambda word: b"\0" not in word),
    target=names,
    attributes=st.lists(
        st.tuples(st.sampled_from([b"SCHILY.xattr.user.a", b"SCHILY.acl.access"]), st.binary(min_size=1, max_size=99)),
        max_size=2,
        unique_by=lambda pair: pair[0],
    ).map(lambda pairs: tuple(sorted(pairs))),
)


@settings(max_examples=200, deadline=None)
@given(members)
def test_what_is_written_is_read_again(member: TarMember) -> None:
    from msgspec.structs import replace

    if member.kind not in ("link", "hard link"):
        member = replace(member, target=b"")
    reader = TarReader()
    assert list(reader.feed(header(member) + END)) == [member]
    reader.finish()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(entries, max_size=5), st.sampled_from(FORMATS))
def test_tarfile_reads_what_is_written_as_what_was_read(made: list[dict[str, Any]], form: int) -> None:
    class AsItIs:
        def judged(self, member: TarMember) -> TarMember | None:
            return member if member.kind not in ("device", "pipe") else None

    data = archive(made, form)
    sieve = TarFilter(AsItIs(), rename=lambda member: member)
    written = sieve.take(data) + sieve.finish()

    def read(raw: bytes) -> list[tuple[object, ...]]:
        with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
            found: list[tuple[object, ...]] = []
            for entry in tar.getmembers():
                if entry.isdev():
                    continue
                content = tar.extractfile(entry) if entry.isfile() else None
                target = entry.linkname if entry.issym() or entry.islnk() else ""
                found.append((entry.name.rstrip("/"), entry.isdir(), entry.mode, entry.size, int(entry.mtime), target,
                              content.read() if content else b""))  # fmt: skip
            return found

    assert read(written) == read(data)


def test_content_in_any_pieces_is_passed_on_whole() -> None:
    made = [
        {"name": f"n{n}", "type": tarfile.REGTYPE, "mode": 0o644, "content": os.urandom(n * 97), "mtime": 1, "uid": 0,
         "gid": 0, "uname": "", "linkname": ""}
        for n in range(40)
    ]  # fmt: skip
    data = archive(made, tarfile.PAX_FORMAT)
    index = Index()
    sieve = TarFilter(
        SafeMembers(b"", links_out=False, setuid=False), index=index, rename=lambda member: put_below(member, b"t")
    )
    chance = random.Random(7)
    out, at = bytearray(), 0
    while at < len(data):
        step = chance.randrange(1, 3000)
        out += sieve.take(data[at : at + step])
        at += step
    out += sieve.finish()
    with tarfile.open(fileobj=io.BytesIO(bytes(out))) as tar:
        for fields in made:
            source = tar.extractfile(f"t/{fields['name']}")
            assert source is not None
            assert source.read() == fields["content"]
    assert index.totals("archive").files == 40
    index.close()


@pytest.mark.parametrize(
    ("name", "target", "out"),
    [
        (b"l", b"a", False), (b"a/l", b"../b", False), (b"a/b/l", b"../../c", False), (b"a/l", b"..", False),
        (b"l", b"./a//b/", False), (b"l", b"..a", False), (b"l", b".", False),
        (b"l", b"..", True), (b"l", b"/etc", True), (b"a/l", b"../..", True), (b"a/l", b"./../../b", True),
        (b"l", b"a/../b", True), (b"a/l", b"x/../../..", True),
    ],
)  # fmt: skip
def test_where_links_lead(name: bytes, target: bytes, out: bool) -> None:
    assert leads_out(name, target) is out


@pytest.mark.parametrize(
    ("first", "kind", "target", "top"),
    [
        (b"public/uploads", "folder", b"/srv/app/public/uploads", b"public/uploads"),
        (b"./public/uploads", "folder", b"/srv/app/public/uploads", b"public/uploads"),
        (b"public/uploads/a.png", "file", b"/srv/app/public/uploads", b"public/uploads"),
        (b"uploads", "folder", b"/srv/app/public/uploads", b"uploads"),
        (b"srv/app/public/uploads", "folder", b"/srv/app/public/uploads", b"srv/app/public/uploads"),
        (b"public/uploads", "folder", b"/tmp/elsewhere", b"public/uploads"),
        (b".", "folder", b"/tmp/elsewhere", b""),
        (b"a.png", "file", b"/tmp/elsewhere", b""),
    ],
)
def test_the_folder_that_an_old_archive_was_made_of(first: bytes, kind: Any, target: bytes, top: bytes) -> None:
    assert top_of(TarMember(name=first, kind=kind, mode=0), target) == top


def test_names_that_are_kept_fit_into_a_name() -> None:
    assert before_name("uploads", "20231230_020000") == "uploads_before_20231230_020000"
    long = [before_name("上" * 83 + end, "20231230_020000") for end in ("a", "b")]
    assert all(len(name.encode()) <= 255 and name.endswith("_before_20231230_020000") for name in long)
    assert long[0] != long[1]


@given(st.binary(min_size=1, max_size=40).filter(lambda name: b"\0" not in name and b"/" not in name))
@settings(max_examples=20, deadline=None)
def test_names_that_tar_quotes_are_read_as_they_are(name: bytes) -> None:
    argv = [b"tar", b"-cf/dev/null", b"--quoting-style=escape", b"--no-unquote", b"-C/", b"--", name + b"-not-there"]
    said = subprocess.run(
        argv, capture_output=True, env={"LC_ALL": "C", "PATH": os.environ["PATH"]}, check=False
    ).stderr
    first = said.split(b"\n")[0]
    assert unquoted(first.removeprefix(b"tar: ").removesuffix(b": Cannot stat: No such file or directory")) == (
        name + b"-not-there"
    )


def test_exclusions_are_read_as_tar_reads_them(tmp_path: Path) -> None:
    """What ``excluded`` says of each file, against what GNU tar leaves out."""
    tree = tmp_path / "t"
    paths = ["a.png", "d/a.png", "d/e/b.txt", "cache/x", "d/cache/y", "ab/c", "d/e/f/g.tmp", "[x]"]
    for path in paths:
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text("")
    for glob in ("*.png", "cache", "d/e", "a*", "e/*.tmp", "*", "d/*/g.tmp", "?.png", "[x]", "b.txt", "/d"):
        said = subprocess.run(
            ["tar", "-cvf/dev/null", f"--exclude={glob}", "-C", str(tree), "."], capture_output=True, check=True
        ).stdout.decode()
        kept = {line.removeprefix("./") for line in said.splitlines() if not line.endswith("/")}
        assert {path for path in paths if not excluded(path.encode(), (glob,))} == kept - {""}, glob


def test_a_name_that_is_there_twice_is_found_far_apart() -> None:
    index = Index()
    for n in range(5000):
        index.add("archive", TarMember(name=b"%d" % n, kind="file", mode=0), b"")
    index.add("archive", TarMember(name=b"17", kind="file", mode=0), b"")
    with pytest.raises(BrokenSet, match="a name twice"):
        index.totals("archive")
    index.close()


@pytest.mark.parametrize(
    ("skips", "state", "hint"),
    [
        (False, "bad", "grant read permission, set sudo: true, exclude them, or skip them with skip_unreadable: true"),
        (True, "warning", "they are left out; to back them up, grant read permission or set sudo: true"),
    ],
)
def test_the_hint_for_unreadable_files_suggests_nothing_that_is_set(skips: bool, state: str, hint: str) -> None:
    found = FolderSurvey(2, 10, (b"shut",), ())
    [check] = content_checks("/srv/up", found, FileTreeOptions(kind="files", skip_unreadable=skips))
    assert (check.state, str(check.hint)) == (state, hint)


def test_a_tar_that_may_skip_unreadable_files_fails_for_another_reason() -> None:
    said = TarOutcome(status=2, unreadable=[b"up/shut"], other=["tar: write error"])
    with pytest.raises(BackupError, match=r"files in /up cannot be read \(1\): up/shut"):
        refuse_incomplete(said, "/up")
    with pytest.raises(BackupError, match="tar failed on /up: tar: write error"):
        refuse_incomplete(said, "/up", skip_unreadable=True)


def test_the_bytes_of_the_largest_folders_are_recorded() -> None:
    summary = ArchiveSummary(b"public/uploads")

    def member(name: str, size: int, kind: Any = "file") -> TarMember:
        return TarMember(name=name.encode(), kind=kind, mode=0o644, size=size, mtime_ns=0, uid=0, gid=0)

    summary.judged(member("public/uploads", 0, "folder"))
    for name, size in (("a.png", 5), ("avatars/1.png", 10), ("avatars/old/2.png", 20), ("docs/x", 40)):
        summary.judged(member(f"public/uploads/{name}", size))
    for number in range(40):
        summary.judged(member(f"public/uploads/small-{number}/x", 1))
    folders = summary.detail()["folder_bytes"]
    assert list(folders.items())[:2] == [("docs", 40), ("avatars", 30)]
    assert len(folders) == 20
    assert summary.detail()["bytes"] == 115
