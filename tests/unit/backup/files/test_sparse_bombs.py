"""Archives that say more than they hold: files of holes without an end, maps that lie, numbers that are none."""

from __future__ import annotations

import io
import random
import tarfile
import time
from contextlib import ExitStack, closing

import pytest

from lilfox_tui.backup.files.tar import MAX_MAP, SafeMembers, TarMember, TarReader
from lilfox_tui.backup.files.tar_filter import ContentDigest, Index, TarFilter
from lilfox_tui.backup.store import BrokenSet

END = bytes(1024)


def sparse(name: str, holds: int, sparse_map: bytes, content: bytes = b"", **said: str) -> bytes:
    """A member as GNU tar writes a sparse file 1.0; ``said`` are further records."""
    body = sparse_map + bytes(-len(sparse_map) % 512) + content
    entry = tarfile.TarInfo(name)
    entry.size = len(body)
    entry.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": name,
        "GNU.sparse.realsize": str(holds),
        **said,
    }
    return entry.tobuf(tarfile.PAX_FORMAT) + body + bytes(-len(body) % 512)


def seen(archive: bytes, step: int = 65536) -> Index:
    with ExitStack() as unless_read:
        index = unless_read.enter_context(closing(Index()))
        sieve = TarFilter(SafeMembers(b"", links_out=False, setuid=False), index=index)
        for at in range(0, len(archive), step):
            sieve.take(archive[at : at + step])
        sieve.finish()
        unless_read.pop_all()
    return index


@pytest.mark.fault("4.30")
def test_a_file_of_holes_costs_nothing_however_large_it_is() -> None:
    begun = time.thread_time()
    index = seen(sparse("a", 2**61, b"1\n%d\n0\n" % 2**61) + END)
    assert next(index.within("archive", b"a")).size == 2**61
    assert time.thread_time() - begun < 1
    index.close()


@pytest.mark.fault("4.30")
def test_more_than_can_be_counted_is_refused_with_a_sentence() -> None:
    bomb = sparse("a", 2**62, b"1\n%d\n0\n" % 2**62)
    with pytest.raises(BrokenSet, match="the archive holds more than"):
        seen(bomb + bomb.replace(b"GNU.sparse.name=a", b"GNU.sparse.name=b") + END)


def pieces(text: bytes, rest: random.Random) -> TarMember:
    """``text`` as a sparse file whose holes are some of its zeros."""
    regions, at = [], 0
    while at < len(text):
        end = min(at + rest.choice([1, 7, 4096, 5000]), len(text))
        if any(text[at:end]) or rest.random() < 0.5:
            regions.append((at, end - at))
        at = end
    return TarMember(
        name=b"a", kind="file", mode=0o600, size=len(text), stored=sum(n for _at, n in regions), sparse_map=b"x",
        regions=tuple(regions),
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(40))
def test_a_content_has_one_digest_however_it_is_stored_and_comes(seed: int) -> None:
    rest = random.Random(seed)
    text = b"".join(rest.choice([bytes(n), rest.randbytes(n)]) for n in rest.choices([1, 100, 4096, 9000], k=6))
    whole = ContentDigest(TarMember(name=b"a", kind="file", mode=0o600, size=len(text), stored=len(text)))
    step = rest.choice([1, 512, 4096, 5000, 100_000])
    for at in range(0, len(text), step):
        whole.update(memoryview(text[at : at + step]))
    member = pieces(text, rest)
    holes = ContentDigest(member)
    holes.update(memoryview(b"".join(text[at : at + length] for at, length in member.regions)))
    other = ContentDigest(TarMember(name=b"a", kind="file", mode=0o600, size=len(text), stored=len(text)))
    other.update(memoryview(text[:-1] + bytes([text[-1] ^ 1])))
    assert whole.digest() == holes.digest() != other.digest()


def test_zeros_at_the_end_and_a_shorter_file_are_not_the_same() -> None:
    digests = set()
    for size in (0, 1, 4095, 4096, 4097, 8192):
        one = ContentDigest(TarMember(name=b"a", kind="file", mode=0o600, size=size, stored=size))
        one.update(memoryview(bytes(size)))
        digests.add(one.digest())
    assert len(digests) == 6


@pytest.mark.fault("4.30")
@pytest.mark.parametrize(
    ("archive", "said"),
    [
        (sparse("a", 2**64, b"1\n0\n0\n"), "a number in an extended header"),
        (sparse("a", 10, b"1\n0\n20\n", bytes(20)), "regions that overlap or exceed the file"),
        (sparse("a", 10, b"2\n0\n5\n0\n5\n", bytes(10)), "regions that overlap or exceed the file"),
        (sparse("a", 10, b"1\n0\n5\n", bytes(4)), "does not match its content"),
        (sparse("a", 10, b"1\n0\n-5\n"), "a number in an extended header"),
        (sparse("a", 10, b"1\n0\n" + b"9" * 5000 + b"\n"), "a number in an extended header"),
        (sparse("a", 10, b"9" * 31 + b"\n0\n0\n"), "a number in an extended header"),
        (sparse("a", 10, b"99999999\n" + b"1\n" * 2_000_000), "a sparse map that cannot be read"),
        (sparse("a", 10, b"7" * 4096), "a sparse map that cannot be read"),
        (sparse("a", 10, b"1\n0\n0\n", size="99999999999999999999999"), "a number in an extended header"),
        (
            sparse("a", 10, b"1\n0\n0\n", b"", **{"GNU.sparse.numblocks": "1", "GNU.sparse.minor": "1"}),
            "a format other than 1.0",
        ),
    ],
)
def test_what_lies_about_its_holes_is_refused_with_a_sentence(archive: bytes, said: str) -> None:
    with pytest.raises(BrokenSet, match=said):
        seen(archive + END)


@pytest.mark.fault("4.30")
def test_a_large_map_is_read_once_though_it_comes_in_small_blocks() -> None:
    """Each block once more from its start would be 2,000 times the work."""
    count = MAX_MAP // 22
    lines = b"".join(b"%09d\n%09d\n" % (at * 1000, 1) for at in range(count))
    archive = sparse("a", count * 1000, b"%d\n" % count + lines, b"x" * count) + END
    begun = time.thread_time()
    index = seen(archive, 2048)
    assert time.thread_time() - begun < 10  # 1 s without another load
    assert next(index.within("archive", b"a")).size == count * 1000
    index.close()


@pytest.mark.parametrize("mtime", ["-99999999999", "99999999999", "9" * 5000, "nan", "1e400"])
def test_a_time_beyond_all_calendars_is_no_exception(mtime: str) -> None:
    entry = tarfile.TarInfo("a")
    entry.pax_headers = {"mtime": mtime}
    index = seen(entry.tobuf(tarfile.PAX_FORMAT) + END)
    assert len(list(index.within("archive", b""))) == 1
    index.close()


@pytest.mark.fault("4.30")
def test_an_archive_of_garbage_is_refused_with_a_sentence_whatever_it_is() -> None:
    rest = random.Random(7)
    whole = sparse("a", 10_000, b"2\n0\n10\n9000\n5\n", b"x" * 15) + END
    with tarfile.open(fileobj=io.BytesIO(whole)) as file:
        assert file.getmembers()[0].size == 10_000
    for _try in range(2000):
        broken = bytearray(whole)
        for _change in range(rest.choice([1, 2, 5])):
            broken[rest.randrange(len(broken) - 1024)] = rest.choice([0, 10, 32, 45, 57, 128, 255])
        reader = TarReader()
        try:
            list(reader.feed(bytes(broken)))
            reader.finish()
        except BrokenSet:
            continue
