"""What a login to PostgreSQL names is looked at before anybody is connected to."""

from __future__ import annotations

from pathlib import Path

import pytest

from lilfox_tui.backends.postgresql.session import DriverSession, Login
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.files import NotTrusted


def session(ca_file: str) -> DriverSession:
    """Of a server where nothing listens."""
    login = Login("127.0.0.1", 1, "postgres", "u", None, "verify-full", ca_file)
    return DriverSession(login, None, timeout_s=5)


@pytest.fixture
def written_by_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where this process is; a file there would not be believed."""
    (folder := tmp_path / "all").mkdir()
    folder.chmod(0o777)
    monkeypatch.chdir(folder)
    return folder


async def test_a_ca_file_that_others_can_write_is_not_believed(tmp_path: Path) -> None:
    (ca := tmp_path / "ca.pem").write_text("")
    ca.chmod(0o666)
    with pytest.raises(NotTrusted, match="others decide"):
        await session(str(ca)).run([])


@pytest.mark.usefixtures("written_by_all")
async def test_the_machines_own_certificates_are_no_file() -> None:
    with pytest.raises(LilFoxError) as refused:
        await session("system").run([])
    assert not isinstance(refused.value, NotTrusted)
