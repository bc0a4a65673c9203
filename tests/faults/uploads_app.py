"""An application with uploads, and archives of them as somebody could have made them."""

from __future__ import annotations

import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lilfox_tui.backup.options import FilesOptions
from lilfox_tui.config.model import HostConfig, SshConfig
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.open import open_host

Made = tuple[str, dict[str, Any]]
TOP: Made = ("public/uploads", {"type": tarfile.DIRTYPE, "mode": 0o755})
U = "public/uploads"


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    found = open_host("h", HostConfig(local=True), SshConfig())
    yield found
    await found.close()


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """An application with an upload, and beside it what nobody may touch."""
    uploads = tmp_path / "app" / "public" / "uploads"
    uploads.mkdir(parents=True)
    (uploads / "kept.txt").write_text("kept")
    canary = tmp_path / "canary"
    canary.mkdir()
    (canary / "victim").write_text("untouched")
    (canary / "victim").chmod(0o640)
    return tmp_path / "app"


def options(app: Path, **changes: Any) -> FilesOptions:
    return FilesOptions(**({"path": str(app / "public/uploads"), "root": str(app)} | changes))


def file(name: str, content: bytes = b"evil", **fields: Any) -> Made:
    return name, {"content": content} | fields


def link(name: str, target: str) -> Made:
    return name, {"type": tarfile.SYMTYPE, "linkname": target}


def hard(name: str, target: str) -> Made:
    return name, {"type": tarfile.LNKTYPE, "linkname": target}


def folder(name: str) -> Made:
    return name, {"type": tarfile.DIRTYPE, "mode": 0o755}


def special(name: str, kind: bytes) -> Made:
    return name, {"type": kind, "devmajor": 1, "devminor": 3}
