"""Packing and unpacking: the same bytes come back, and what is damaged in any way never passes for whole."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import os
import random
import subprocess
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import pyrage
import pytest
import xxhash
import zstandard

from lilfox_tui.backup.packing import PartCount, packed, unpacked
from lilfox_tui.backup.sets.model import Packing
from lilfox_tui.backup.store import BrokenSet, NotReady
from tests.waiting import turn, until

KEY = pyrage.x25519.Identity.generate()
IDENTITY, RECIPIENT = str(KEY), str(KEY.to_public())
WAYS: list[tuple[Packing, bool]] = [
    ("zstd", False), ("gzip", False), ("none", False), ("zstd", True), ("gzip", True), ("none", True)
]  # fmt: skip


async def of(data: bytes, size: int = 100_000) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def pack(data: bytes, packing: Packing, encrypted: bool) -> tuple[bytes, PartCount]:
    counted = PartCount()
    async with aclosing(packed(of(data), packing, [RECIPIENT] if encrypted else [], counted)) as blocks:
        return b"".join([block async for block in blocks]), counted


async def unpack(
    stored: bytes, packing: Packing, identity: str | None, limit: int | None = None, size: int = 70_000
) -> tuple[bytes, PartCount]:
    counted = PartCount()
    async with aclosing(unpacked(of(stored, size), packing, identity, counted, limit_bytes=limit)) as blocks:
        return b"".join([block async for block in blocks]), counted


def mixed(size: int) -> bytes:
    half = os.urandom(size // 2)
    return half + (b"a line of text that is much like the others\n" * (size // 44 + 1))[: size - len(half)]


@pytest.mark.parametrize(("packing", "encrypted"), WAYS)
@pytest.mark.parametrize("size", [0, 1, 100_001, 3 * 1024 * 1024 + 5])
async def test_the_same_bytes_come_back_with_the_same_digests(packing: Packing, encrypted: bool, size: int) -> None:
    data = mixed(size)
    stored, counted = await pack(data, packing, encrypted)
    assert counted.raw_bytes == size
    assert counted.raw_digest == ("xxh128", xxhash.xxh3_128(data).hexdigest())
    assert counted.size_bytes == len(stored)
    assert counted.sha256 == hashlib.sha256(stored).hexdigest()
    back, seen = await unpack(stored, packing, IDENTITY if encrypted else None, size)
    assert back == data
    assert seen == counted


async def test_the_tools_of_every_system_read_it() -> None:
    data = mixed(2_000_000)
    for packing, tool in (("zstd", ["zstd", "-dc"]), ("gzip", ["gzip", "-dc"])):
        stored, _ = await pack(data, packing, False)  # type: ignore[arg-type]
        done = await asyncio.to_thread(subprocess.run, tool, input=stored, capture_output=True, check=True)
        assert done.stdout == data
    stored, _ = await pack(data, "zstd", False)
    assert zstandard.get_frame_parameters(stored).has_checksum
    stored, _ = await pack(data, "none", True)
    assert stored.startswith(b"age-encryption.org/v1\n")
    assert pyrage.decrypt(stored, [KEY]) == data


@pytest.mark.parametrize(("packing", "encrypted"), WAYS)
async def test_a_flipped_byte_anywhere_never_gives_the_same_digests(packing: Packing, encrypted: bool) -> None:
    data = mixed(300_000)
    stored, counted = await pack(data, packing, encrypted)
    chance = random.Random(26)
    for at in chance.sample(range(len(stored)), 40):
        changed = bytearray(stored)
        changed[at] ^= 1 << chance.randrange(8)
        try:
            _, seen = await unpack(bytes(changed), packing, IDENTITY if encrypted else None, counted.raw_bytes)
        except (BrokenSet, NotReady):
            continue  # NotReady: a byte of the header, which says for whom it is
        assert seen.sha256 != counted.sha256


@pytest.mark.parametrize("packing", ["zstd", "gzip"])
async def test_a_flipped_byte_of_compressed_data_is_found_by_the_format_itself(packing: Packing) -> None:
    data = mixed(300_000)
    stored, _ = await pack(data, packing, False)
    changed = bytearray(stored)
    changed[len(stored) // 2] ^= 0x10
    with pytest.raises(BrokenSet, match=packing):
        await unpack(bytes(changed), packing, None)


async def test_gzip_ends_once_and_at_its_end() -> None:
    whole = gzip.compress(b"first" * 1000)
    for changed, reason in (
        (whole[:-1], "truncated"),
        (whole[:15], "truncated"),
        (whole + gzip.compress(b"second"), "data after its end"),
        (whole + b"garbage", "data after its end"),
        (whole + b"\0" * 512, "data after its end"),
        (b"", "is empty"),
        (b"<html>502</html>", "cannot be decoded"),
    ):
        for size in (1, 7, 1_000_000):
            with pytest.raises(BrokenSet, match=reason):
                await unpack(changed, "gzip", None, size=size)


async def test_age_ends_once_and_at_its_end() -> None:
    stored, _ = await pack(mixed(200_000), "none", True)
    for changed in (stored[:-1], stored[: len(stored) // 2], stored + b"x", stored[:50], b""):
        with pytest.raises(BrokenSet):
            await unpack(changed, "none", IDENTITY)


async def test_another_key_is_not_a_broken_set() -> None:
    stored, _ = await pack(b"secret" * 1000, "zstd", True)
    with pytest.raises(NotReady, match="for another key"):
        await unpack(stored, "zstd", str(pyrage.x25519.Identity.generate()))
    with pytest.raises(NotReady, match="is not a valid age secret key") as caught:
        await unpack(stored, "zstd", "hunter2")
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"
    with pytest.raises(NotReady, match="recipient"):
        async with aclosing(packed(of(b"x"), "zstd", ["age1nonsense"], PartCount())) as blocks:
            [block async for block in blocks]


async def test_a_frame_that_wants_much_memory_is_refused() -> None:
    wide = zstandard.ZstdCompressionParameters(window_log=27, enable_ldm=True)
    stored = zstandard.ZstdCompressor(compression_params=wide).compressobj()
    frame = stored.compress(os.urandom(1024)) + stored.flush()
    with pytest.raises(BrokenSet, match="memory"):
        await unpack(frame, "zstd", None)


async def test_what_the_source_raises_comes_through_all_layers() -> None:
    async def failing() -> AsyncIterator[bytes]:
        yield b"x" * 100_000
        raise ZeroDivisionError("the source")

    for packing, encrypted in WAYS:
        with pytest.raises(ZeroDivisionError, match="the source"):
            async with aclosing(packed(failing(), packing, [RECIPIENT] if encrypted else [], PartCount())) as blocks:
                [block async for block in blocks]


@pytest.mark.parametrize(("packing", "encrypted"), WAYS)
async def test_it_can_be_left_at_any_time_and_leaves_its_source(packing: Packing, encrypted: bool) -> None:
    left = False

    async def endless() -> AsyncGenerator[bytes, None]:
        nonlocal left
        try:
            while True:
                yield os.urandom(100_000)
                await turn()
        finally:
            left = True

    async with (
        aclosing(endless()) as source,
        aclosing(packed(source, packing, [RECIPIENT] if encrypted else [], PartCount())) as blocks,
    ):
        assert await anext(blocks)
    assert left


async def test_a_slow_consumer_stops_the_source() -> None:
    given = 0

    async def counting() -> AsyncIterator[bytes]:
        nonlocal given
        while True:
            given += 1024 * 1024
            yield os.urandom(1024 * 1024)

    async with aclosing(packed(counting(), "zstd", [], PartCount())) as blocks:
        await anext(blocks)
        await until(lambda: given >= 3 * 1024 * 1024)
        before = given
        with pytest.raises(AssertionError):
            await until(lambda: given > before + 5 * 1024 * 1024, timeout_s=0.5)


async def test_cancelling_while_the_source_is_waited_for_ends_at_once() -> None:
    async def silent() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.Event().wait()

    async def work() -> None:
        async with aclosing(packed(silent(), "zstd", [RECIPIENT], PartCount())) as blocks:
            async for _ in blocks:
                pass

    task = asyncio.create_task(work())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await asyncio.shield(task)
    task.cancel()
    async with asyncio.timeout(60):
        await asyncio.wait([task])
    assert task.cancelled()
