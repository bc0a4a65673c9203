"""A log on a disk that hangs, as NFS may: the other logs of its host are read on."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC
from pathlib import Path

import pytest

from lilfox_tui.core.errors import CommandTimeout
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.open import open_host
from lilfox_tui.logs.files import remote_shell
from lilfox_tui.logs.filter.model import EVERYTHING
from lilfox_tui.logs.source import AtEnd, LogSource, RecordPage, SourceSettings
from lilfox_tui.logs.sources.file import Options, open_source
from tests.services.sshd import sshd_lab
from tests.unit.logs.files.written import console_log
from tests.waiting import unhurried

LOOK_S = 3.0


@pytest.fixture
async def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Host]:
    """Its ``stat`` hangs over the file ``hung.log`` while there is a file ``hangs``."""
    monkeypatch.setattr(remote_shell, "LOOK_S", LOOK_S)
    programs = tmp_path / "programs"
    programs.mkdir()
    stat = programs / "stat"
    stat.write_text(
        "#!/bin/sh\n"
        f'case "$*" in *hung.log*) while [ -e {tmp_path}/hangs ]; do sleep 0.1; done ;; esac\n'
        f'exec {shutil.which("stat")} "$@"\n'
    )
    stat.chmod(0o755)
    with sshd_lab() as lab:
        server = lab.sshd(f'ForceCommand PATH={programs}:$PATH exec sh -c "$SSH_ORIGINAL_COMMAND"')
        made = open_host("web", lab.host(server), lab.ssh())
        yield made
        (tmp_path / "hangs").unlink(missing_ok=True)
        await made.close()


async def newest(source: LogSource) -> RecordPage:
    return await source.page(AtEnd(), older=True, limit=3, where=EVERYTHING)


async def test_a_log_that_hangs_holds_the_others_up_once_and_is_read_when_it_is_back(
    tmp_path: Path, host: Host
) -> None:
    async with AsyncExitStack() as closing:
        sources = []
        for name in ("hung.log", "fine.log"):
            (tmp_path / name).write_bytes(console_log(1, 20))
            sources.append(
                open_source("app", Options(path=str(tmp_path / name), rotated=False), SourceSettings(host, UTC))
            )
            closing.push_async_callback(sources[-1].close)
        hung, fine = sources
        assert len((await newest(hung)).records) == len((await newest(fine)).records) == 3
        (tmp_path / "hangs").touch()
        with pytest.raises(CommandTimeout):
            await newest(hung)
        for _try in range(2):
            hanging = asyncio.create_task(newest(hung))
            begun_s, pages = time.monotonic(), 0
            while not hanging.done():
                await newest(fine)
                pages += 1
            assert pages > 2, "the other log was held up"
            assert time.monotonic() - begun_s < unhurried(2 * LOOK_S)
            with pytest.raises(CommandTimeout):
                await hanging
        (tmp_path / "hangs").unlink()
        assert len((await newest(hung)).records) == 3
        assert len((await newest(fine)).records) == 3
