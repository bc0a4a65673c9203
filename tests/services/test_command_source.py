"""Programs and pipes as sources, with real processes: what they say is kept, what is lost is told."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import UTC
from functools import partial
from pathlib import Path

import pytest

from lilfox_tui.config.model import Config, HostConfig
from lilfox_tui.core.aio import Unavailable
from lilfox_tui.core.errors import HostError, NotAllowed, UsageError
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.hosts.open import open_host
from lilfox_tui.logs import stream_source
from lilfox_tui.logs.filter.model import EVERYTHING
from lilfox_tui.logs.record import LogRecord
from lilfox_tui.logs.source import AtBeginning, AtEnd, RecordPage, SourceNotice, SourceSettings
from lilfox_tui.logs.sources import stdin
from lilfox_tui.logs.sources.command import Options, open_source
from lilfox_tui.logs.sources.stdin import blocks_of
from lilfox_tui.logs.stream_source import StreamOrigin, StreamSource
from lilfox_tui.runbook.run.gate import let_argv_through
from tests.services.sshd import sshd_lab
from tests.waiting import until

Opened = Callable[..., StreamSource]


@pytest.fixture
async def opened(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Opened]:
    """Opens commands of this machine and closes them at the end."""
    monkeypatch.setattr(stream_source, "RETRY_S", (0.02,))
    host = LocalHost("here", HostConfig(local=True))
    made: list[StreamSource] = []

    def of(*argv: str, follow: bool = False, form: str = "") -> StreamSource:
        made.append(open_source("it", Options(argv=argv, follow=follow), _setting(host, form)))
        return made[-1]

    yield of
    for source in made:
        await source.close()
    await host.close()


def _setting(host: Host, form: str = "") -> SourceSettings:
    return SourceSettings(host=host, zone=UTC, format=form, refuse=partial(let_argv_through, Config(), None))


async def newest(source: StreamSource, limit: int = 100_000) -> RecordPage:
    return await source.page(AtEnd(), older=True, limit=limit, where=EVERYTHING)


def raws(page: RecordPage) -> list[bytes]:
    return [record.raw for record in page.records]


async def test_what_a_command_prints_is_read_once_and_stays(opened: Opened, tmp_path: Path) -> None:
    source = opened("sh", "-c", f"echo started >>{tmp_path}/runs; echo one; echo two; printf half")
    for _time in range(3):
        assert raws(await newest(source)) == [b"one", b"two", b"half"]
    assert (tmp_path / "runs").read_text() == "started\n"


async def test_a_traceback_is_one_record(opened: Opened) -> None:
    first = "2026-01-02 03:04:05,123 - app - ERROR - it broke"
    last = "2026-01-02 03:04:06,123 - app - INFO - well again"
    trace = "Traceback (most recent call last):\\n  File x\\nValueError: no"
    source = opened("printf", f"{first}\\n{trace}\\n{last}\\n")
    page = await newest(source)
    assert [record.entry.message for record in page.records][1] == "well again"
    fault = page.records[0].entry.fault
    assert fault is not None
    assert fault.type == "ValueError"


async def test_a_burst_is_counted_to_the_last_line(opened: Opened) -> None:
    source = opened("seq", "300000")
    await newest(source, 1)
    await until(lambda: source.status.value is not None and source.status.value.records == 300_000, what="all of it")
    assert raws(await newest(source, 2)) == [b"299999", b"300000"]


async def test_an_unknown_program_is_an_error(opened: Opened) -> None:
    source = opened("no-such-program-here")
    with pytest.raises(HostError, match=r"no-such-program-here ended with 127 on here"):
        await newest(source)
    assert isinstance(source.status.state, Unavailable)


async def test_what_was_said_before_a_failure_is_shown_and_the_failure_is_told(opened: Opened) -> None:
    source = opened("sh", "-c", "echo said; echo broken >&2; exit 3")
    assert raws(await newest(source)) == [b"said"]
    async with aclosing(source.follow(AtBeginning(), EVERYTHING)) as batches:
        got = await anext(batches)
    assert isinstance(got[0], LogRecord)
    assert isinstance(got[1], SourceNotice)
    assert str(got[1].text).endswith("sh ended with 3 on here: broken")


async def test_a_command_that_goes_on_is_started_again_and_that_is_said(opened: Opened) -> None:
    source = opened("sh", "-c", "echo turn; exit 4", follow=True)
    got: list[LogRecord | SourceNotice] = []
    async with aclosing(source.follow(AtBeginning(), EVERYTHING)) as batches:
        async for batch in batches:
            got += batch
            if len(got) >= 6:
                break
    assert [type(item) for item in got[:6]] == [LogRecord, SourceNotice] * 3
    assert "is restarting" in str(got[1].text)  # type: ignore[union-attr]


async def test_the_first_page_waits_for_a_program_that_is_slow_to_begin(opened: Opened) -> None:
    source = opened("sh", "-c", "sleep 0.6; echo one; exec sleep 1000")
    assert raws(await newest(source)) == [b"one"]


async def test_closing_ends_the_program(opened: Opened, tmp_path: Path) -> None:
    source = opened("sh", "-c", f"echo $$ >{tmp_path}/pid; echo up; exec sleep 1000", follow=True)
    assert raws(await newest(source)) == [b"up"]
    pid = int((tmp_path / "pid").read_text())
    await source.close()
    await until(lambda: not Path(f"/proc/{pid}").exists(), what="it has ended")


async def test_it_runs_on_a_host() -> None:
    with sshd_lab() as lab:
        lab.sshd()
        host = open_host("there", lab.host(lab.servers[0]), lab.ssh())
        argv = ("sh", "-c", 'echo "$SSH_CONNECTION"; echo "$1"', "sh", "a 'b")
        source = open_source("it", Options(argv=argv, follow=False), _setting(host))
        try:
            await newest(source)
            await until(lambda: source.status.value is not None and source.status.value.records == 2, what="both lines")
            first, second = raws(await newest(source))
        finally:
            await source.close()
            await host.close()
    assert first.startswith(b"127.")
    assert second == b"a 'b"


async def test_what_falls_out_of_memory_is_told_to_who_follows() -> None:
    reading, writing = os.pipe()
    host = LocalHost("here", HostConfig(local=True))
    origin = StreamOrigin("-", lambda: blocks_of(reading))
    source = StreamSource("it", origin, SourceSettings(host=host, zone=UTC, format="plain"), keep_bytes=7000)
    try:
        os.write(writing, b"first\n")
        got: list[LogRecord | SourceNotice] = []
        async with aclosing(source.follow(AtBeginning(), EVERYTHING)) as batches:
            got += await anext(batches)
            os.write(writing, b"".join(b"line %04d\n" % number for number in range(1000)))
            await until(lambda: source.status.value is not None and source.status.value.missed > 900)
            got += await anext(batches)
        missed = source.status.value.missed if source.status.value else 0
        assert isinstance(got[1], SourceNotice)
        assert str(got[1].text) == f"{missed - 1} records were dropped from memory before they were shown"
        assert isinstance(got[2], LogRecord)
        assert got[2].raw == b"line %04d" % (missed - 1)
        assert (await newest(source, 1)).records[0].raw in (b"line 0999", b"line 0998")
    finally:
        await source.close()
        os.close(reading)
        os.close(writing)


async def test_a_terminal_is_not_read() -> None:
    master, slave = os.openpty()
    host = LocalHost("here", HostConfig(local=True))
    source = stdin.open_source("-", stdin.Options(descriptor=slave), SourceSettings(host=host, zone=UTC))
    try:
        with pytest.raises(UsageError, match="standard input is the terminal"):
            await newest(source)
    finally:
        await source.close()
        os.close(master)
        os.close(slave)


async def test_a_fault_of_our_own_ends_the_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    host = LocalHost("here", HostConfig(local=True))
    source = stdin.open_source(
        "-", stdin.Options(descriptor=reading), SourceSettings(host=host, zone=UTC, format="plain")
    )
    try:
        os.write(writing, b"one\n")
        assert raws(await newest(source)) == [b"one"]
        monkeypatch.setattr(source._kept, "add", None)
        async with aclosing(source.follow(AtEnd(), EVERYTHING)) as batches:
            pending = asyncio.ensure_future(anext(batches))
            os.write(writing, b"two\n")
            with pytest.raises(TypeError):
                await asyncio.wait_for(pending, 60)
    finally:
        await source.close()
        os.close(reading)
        os.close(writing)


async def test_a_pipe_is_read_slowly_and_its_flags_stay(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    before = os.get_blocking(reading)
    async with aclosing(blocks_of(reading)) as blocks:
        pending = asyncio.ensure_future(anext(blocks))
        os.write(writing, b"x\n")
        assert await pending == b"x\n"
        waiting = asyncio.ensure_future(anext(blocks))
        done, _ = await asyncio.wait([waiting], timeout=0.05)
        assert not done
        waiting.cancel()
        await asyncio.wait([waiting])
    os.close(writing)
    assert os.get_blocking(reading) is before
    os.close(reading)
    (tmp_path / "file").write_bytes(b"y" * 100_000)
    with (tmp_path / "file").open("rb") as opened_file:
        async with aclosing(blocks_of(opened_file.fileno())) as blocks:
            assert sum([len(block) async for block in blocks]) == 100_000


@pytest.mark.fault("4.8")
@pytest.mark.parametrize(
    "config", [Config(read_only=True), Config(hosts={"h": HostConfig(local=True, protected=True)})]
)
async def test_where_nothing_may_be_changed_a_command_is_run_if_it_is_known_to_read(
    config: Config, tmp_path: Path
) -> None:
    """A command of the configuration goes through the same gate as one of a runbook."""
    host = LocalHost("h", HostConfig(local=True))
    setting = SourceSettings(host=host, zone=UTC, format="plain", refuse=partial(let_argv_through, config, "h"))
    for argv in (("touch", str(tmp_path / "made")), ("sh", "-c", f"touch {tmp_path}/made"), ("cat", "/etc/hostname")):
        source = open_source("it", Options(argv=argv, follow=False), setting)
        if argv[0] == "cat":
            assert len(raws(await newest(source))) == 1
        else:
            with pytest.raises(NotAllowed, match=f"{argv[0]} is not known to be read-only"):
                await newest(source)
        await source.close()
    await host.close()
    assert not (tmp_path / "made").exists()
