"""Queries to a running monitor: what arrives is what was asked for, and nothing that is odd is believed."""

from __future__ import annotations

import asyncio
import math
import os
import socket
import stat
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.monitor import query_socket
from lilfox_tui.monitor.query_socket import (
    LOCK,
    PROTOCOL,
    SOCKET,
    NoMonitor,
    QueryReply,
    QueryRequest,
    QueryServer,
    _packed,
    _reply,
    _value,
    ask_monitor,
)
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.query import EmbeddedEngine
from lilfox_tui.promql.value import Line, Matrix, Value, Vector
from lilfox_tui.scrape.labels import LabelList, LabelSet
from lilfox_tui.scrape.store import SeriesStore

NOW_MS = 1_800_000_000_000
NOW = QueryRequest("up", NOW_MS)


def stored() -> SeriesStore:
    store = SeriesStore(keep_s=3600, limit_bytes=1_000_000)
    labels = LabelList([LabelSet.of({"__name__": "up", "job": name}) for name in ("a", "b\n\x1b[31m")])
    for number in range(4):
        store.target("t").append(NOW_MS - 15_000 * (3 - number), labels, np.array([number, math.nan]))
    return store


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[QueryServer]:
    store = stored()
    engine = EmbeddedEngine(store)
    server = QueryServer(lambda: engine, lambda: store.oldest_ms)
    async with server.serving(folder) as serves:
        assert serves
        yield server


async def test_a_running_monitor_answers_with_its_series(tmp_path: Path) -> None:
    async with served(tmp_path):
        found = await ask_monitor(tmp_path, NOW)
        assert isinstance(found.value, Vector)
        assert [one.get("job") for one in found.value.labels] == ["a", "b\n\x1b[31m"]
        assert found.value.values[0] == 3
        assert math.isnan(found.value.values[1])
        assert found.pid == os.getpid()
        assert found.oldest is not None
        assert round(found.oldest.timestamp() * 1000) == NOW_MS - 45_000
        line = (await ask_monitor(tmp_path, QueryRequest('up{job="a"}', NOW_MS, NOW_MS - 30_000, 15_000))).value
        assert isinstance(line, Matrix)
        assert line.lines[0].values.tolist() == [1, 2, 3]
        assert (await ask_monitor(tmp_path, QueryRequest("1 + 1", NOW_MS))).value == 2
        assert (await ask_monitor(tmp_path, QueryRequest('"a"', NOW_MS))).value == "a"
        with pytest.raises(QueryError) as error:
            await ask_monitor(tmp_path, QueryRequest("sum(up", NOW_MS))
        assert "sum(up" in str(error.value)
    assert not (tmp_path / SOCKET).exists()
    with pytest.raises(NoMonitor) as gone:
        await ask_monitor(tmp_path, NOW)
    assert gone.value.silent


async def test_only_its_user_can_reach_it(tmp_path: Path) -> None:
    async with served(tmp_path):
        found = (tmp_path / SOCKET).stat()
        assert stat.S_IMODE(found.st_mode) == 0o600
        assert stat.S_IMODE((tmp_path / LOCK).stat().st_mode) == 0o600
        (tmp_path / SOCKET).chmod(0o666)
        with pytest.raises(NoMonitor, match="it is not a socket that only this user can access"):
            await ask_monitor(tmp_path, NOW)
    (tmp_path / SOCKET).write_text("a file")
    with pytest.raises(NoMonitor, match="it is not a socket that only this user can access"):
        await ask_monitor(tmp_path, NOW)


@pytest.mark.parametrize("other", [1, 2])
async def test_another_user_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: int) -> None:
    """Neither by who asks nor by who is asked."""
    real = query_socket._is_allowed
    found: list[bool] = []

    def is_allowed(peer: socket.socket) -> bool:
        found.append(real(peer))
        return len(found) != other

    async with served(tmp_path):
        monkeypatch.setattr(query_socket, "_is_allowed", is_allowed)
        with pytest.raises(NoMonitor):
            await ask_monitor(tmp_path, NOW)
    assert all(found)
    assert len(found) >= other


async def test_a_second_monitor_leaves_the_first_one_its_socket(tmp_path: Path) -> None:
    async with served(tmp_path):
        async with QueryServer(lambda: None, lambda: None).serving(tmp_path) as serves:
            assert not serves
        assert isinstance((await ask_monitor(tmp_path, NOW)).value, Vector)


async def test_what_a_killed_one_has_left_is_replaced(tmp_path: Path) -> None:
    left = await asyncio.start_unix_server(lambda _reader, _writer: None, str(tmp_path / SOCKET))
    (tmp_path / SOCKET).chmod(0o600)
    left.close()  # Python leaves the file as kill -9 does
    with pytest.raises(NoMonitor) as error:
        await ask_monitor(tmp_path, NOW)
    assert error.value.silent
    async with served(tmp_path):
        assert isinstance((await ask_monitor(tmp_path, NOW)).value, Vector)


async def test_a_long_path_is_no_hindrance(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 90) / ("y" * 90)
    folder.mkdir(parents=True)
    async with served(folder):
        assert isinstance((await ask_monitor(folder, NOW)).value, Vector)


async def test_without_an_engine_it_says_so(tmp_path: Path) -> None:
    async with QueryServer(lambda: None, lambda: None).serving(tmp_path):
        with pytest.raises(NoMonitor, match="it has no series yet") as error:
            await ask_monitor(tmp_path, NOW)
        assert not error.value.silent


async def test_an_answer_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_socket, "ANSWER_BYTES", 500)
    async with served(tmp_path):
        with pytest.raises(QueryError, match="query fewer series"):
            await ask_monitor(tmp_path, QueryRequest("up", NOW_MS, NOW_MS - 45_000, 1000))


HELLO = b'{"lilfox":"0.9.9","protocol":%d,"pid":1,"since_ms":0}\n'


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (HELLO % (PROTOCOL + 1), r"of another version \(0.9.9"),
        (b'{"protocol": []}\n', r"of another version \(\?"),
        (b"HTTP/1.1 200 OK\n", "did not send an answer"),
        (b"[1]\n", "did not send an answer"),
        (b"", "cannot be asked"),
        (b"x" * (query_socket.REQUEST_BYTES + 10), "cannot be asked"),
        (HELLO % PROTOCOL, "cannot be asked"),
        (HELLO % PROTOCOL + b"\xff\xff\xff\xff", "did not send an answer"),
        (HELLO % PROTOCOL + b"\0\0\0\4abcd", "did not send an answer"),
        (HELLO % PROTOCOL + b"\0\0\0\4ab", "cannot be asked"),
    ],
)
async def test_what_is_no_answer_is_named_and_never_believed(tmp_path: Path, sent: bytes, says: str) -> None:
    async def odd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        if sent.startswith(HELLO % PROTOCOL):
            await reader.readline()
        writer.close()

    async with await asyncio.start_unix_server(odd, str(tmp_path / SOCKET)):
        (tmp_path / SOCKET).chmod(0o600)
        with pytest.raises(NoMonitor, match=says) as error:
            await ask_monitor(tmp_path, NOW)
        assert not error.value.silent


@pytest.mark.parametrize("line", [b"\n", b"{}\n", b'{"text": 1, "end_ms": "x"}\n', b"GET / HTTP/1.1\r\n"])
async def test_what_is_no_request_is_refused(tmp_path: Path, line: bytes) -> None:
    async with served(tmp_path):
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / SOCKET))
        await reader.readuntil(b"\n")
        writer.write(line)
        size = int.from_bytes(await reader.readexactly(4), "big")
        reply = msgspec.msgpack.decode(await reader.readexactly(size), type=QueryReply)
        writer.close()
        assert reply.error == "the request cannot be read"


TEXT = st.text(max_size=5)
LABELS = st.dictionaries(TEXT, TEXT.filter(bool), max_size=3).map(LabelSet.of)
NUMBER = st.floats(allow_nan=True)


@given(
    st.one_of(
        st.lists(st.tuples(LABELS, NUMBER), max_size=5).map(
            lambda found: Vector(LabelList([one for one, _ in found]), np.array([value for _, value in found], float))
        ),
        st.lists(st.tuples(LABELS, st.lists(st.tuples(st.integers(0, 2**53), NUMBER), max_size=4)), max_size=4).map(
            lambda found: Matrix(
                [
                    Line(one, np.array([at for at, _ in line], np.int64), np.array([value for _, value in line], float))
                    for one, line in found
                ]
            )
        ),
        NUMBER,
        TEXT,
    )
)
def test_every_value_arrives_as_it_is(value: Value) -> None:
    reply = msgspec.msgpack.decode(_packed(_reply(value, None)), type=QueryReply)
    assert bits(_value(reply)) == bits(value)


def bits(value: Value) -> object:
    match value:
        case Vector():
            return [each.pairs for each in value.labels], value.values.tobytes()
        case Matrix():
            return [(line.labels.pairs, line.times.tobytes(), line.values.tobytes()) for line in value.lines]
        case str():
            return value
        case _:
            return struct.pack("<d", value)


@given(st.builds(
    QueryReply, st.sampled_from(["vector", "matrix", "scalar", "string", ""]),
    st.lists(st.just((("a", "b"),)), max_size=3).map(tuple), st.lists(st.integers(-2, 3), max_size=3).map(tuple),
    st.binary(max_size=24), st.binary(max_size=24),
))  # fmt: skip
def test_a_reply_that_does_not_fit_together_is_refused(reply: QueryReply) -> None:
    try:
        value = _value(reply)
    except msgspec.ValidationError:
        return
    if isinstance(value, Matrix):
        assert sum(len(line.values) for line in value.lines) * 8 == len(reply.numbers) == len(reply.times)
