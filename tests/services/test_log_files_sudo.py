"""Log files that only root may read: read by sudo where the host's configuration allows it, and only then."""

from __future__ import annotations

import gzip
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, aclosing
from datetime import UTC
from pathlib import Path

import pytest

from lilfox_tui.core.errors import AuthRefused, FileRefused
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.open import open_host
from lilfox_tui.logs.filter.model import EVERYTHING, TextMatch
from lilfox_tui.logs.record import LogRecord
from lilfox_tui.logs.source import AtBeginning, AtEnd, AtPlace, LogSource, SourceSettings
from lilfox_tui.logs.sources.file import Options, open_source
from tests.services.accounts import account, set_password, sudoers
from tests.services.sshd import SshdLab, sshd_lab
from tests.unit.logs.files.written import console_log, raws, read_all
from tests.waiting import until

pytestmark = pytest.mark.root


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


@pytest.fixture
def lab(stack: ExitStack) -> SshdLab:
    return stack.enter_context(sshd_lab())


@pytest.fixture
def user(stack: ExitStack, lab: SshdLab) -> str:
    return stack.enter_context(account("/bin/bash"))


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may look into, with a log of which root alone may read any part."""
    made = Path(tempfile.mkdtemp(prefix="lilfox-sudo-"))
    made.chmod(0o755)
    parts = [console_log(part, 200, first=200 * part) for part in range(3)]
    (made / "app.log.2.gz").write_bytes(gzip.compress(parts[0]))
    (made / "app.log.1").write_bytes(parts[1])
    (made / "app.log").write_bytes(parts[2])
    for path in made.iterdir():
        path.chmod(0o600)
    yield made
    shutil.rmtree(made)


def source_on(host: Host, path: Path, *, sudo: bool = True) -> LogSource:
    return open_source("app", Options(path=str(path)), SourceSettings(host, UTC, sudo=sudo))


def closed(folder: Path) -> Path:
    folder.chmod(0o700)
    return folder / "app.log"


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as log:
        log.write(data)


def processes_of(name: str) -> bytes:
    return subprocess.run(["pgrep", "-u", name, "-l"], capture_output=True, check=False).stdout


@pytest.mark.fault("S35")
@pytest.mark.parametrize("where_closed", [lambda folder: folder / "app.log", closed])
async def test_sudo_reads_searches_and_follows_what_root_alone_may(
    lab: SshdLab, user: str, stack: ExitStack, folder: Path, where_closed: Callable[[Path], Path]
) -> None:
    stack.enter_context(sudoers(f"{user} ALL=(ALL) NOPASSWD: ALL"))
    host = open_host("h", lab.host(lab.sshd(), user=user), lab.ssh())
    path = where_closed(folder)
    source = source_on(host, path)
    assert len(await read_all(source, AtBeginning(), EVERYTHING, older=False, limit=150)) == 600
    assert len((await source.page(AtEnd(), older=True, limit=500, where=TextMatch("request"))).records) > 0
    last = (await source.page(AtEnd(), older=True, limit=1, where=EVERYTHING)).records[0]
    append(path, added := console_log(9, 1, first=900))
    async with aclosing(source.follow(AtPlace(last.place), EVERYTHING)) as batches:
        assert [item.raw for item in await anext(batches) if isinstance(item, LogRecord)] == raws(added)
    await source.close()
    await host.close()
    await until(lambda: not processes_of(user), what="nothing to run there any more")


async def test_without_leave_it_is_refused_and_sudo_is_not_tried(
    lab: SshdLab, user: str, stack: ExitStack, folder: Path
) -> None:
    stack.enter_context(sudoers(f"{user} ALL=(ALL) NOPASSWD: ALL"))
    host = open_host("h", lab.host(lab.sshd(), user=user), lab.ssh())
    source = source_on(host, folder / "app.log", sudo=False)
    with pytest.raises(FileRefused, match="is not readable by this account") as caught:
        await source.page(AtEnd(), older=True, limit=5, where=EVERYTHING)
    assert caught.value.no_right
    assert "sudo: true" in str(caught.value.hint)
    await source.close()
    await host.close()


@pytest.mark.fault("S35")
async def test_what_may_be_read_is_read_without_sudo(lab: SshdLab, user: str, folder: Path) -> None:
    subprocess.run(["chmod", "-R", "a+r", str(folder)], check=True)  # noqa: ASYNC221  short
    host = open_host("h", lab.host(lab.sshd(), user=user), lab.ssh())  # sudo would be refused
    source = source_on(host, folder / "app.log")
    page = await source.page(AtEnd(), older=True, limit=5, where=EVERYTHING)
    assert [record.raw for record in page.records] == raws((folder / "app.log").read_bytes())[-5:]
    await source.close()
    await host.close()


async def test_a_password_is_given_to_sudo_and_a_refusal_is_told(
    lab: SshdLab, user: str, stack: ExitStack, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = "Canary-" + secrets.token_hex(8)
    set_password(user, password)
    stack.enter_context(sudoers(f"{user} ALL=(ALL) ALL"))
    monkeypatch.setenv("LILFOX_TEST_SUDO", password)
    host = open_host("h", lab.host(lab.sshd(), user=user, sudo_password="env:LILFOX_TEST_SUDO"), lab.ssh())
    source = source_on(host, folder / "app.log")
    assert len(await read_all(source, AtEnd(), EVERYTHING, older=True, limit=500)) == 600
    await source.close()
    await host.close()

    host = open_host("h", lab.host(lab.sshd(), user=user), lab.ssh())
    source = source_on(host, folder / "app.log")
    with pytest.raises(AuthRefused, match="password is required"):
        await source.page(AtEnd(), older=True, limit=5, where=EVERYTHING)
    await source.close()
    await host.close()
