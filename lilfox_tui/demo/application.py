"""The stand-in application's own files, and the configuration that watches and backs up all of the demo."""

from __future__ import annotations

import json
import random
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lilfox_tui.config.model import ServiceConfig
from lilfox_tui.demo.stack_control import COMMAND
from lilfox_tui.i18n import language

PLAN = "lilfox"
DATABASE_FOLDER = "db"
"""Short: the server's socket is in it (unix(7))."""
DISK = "disk"
"""Stands for the disk that backups are on."""
_RUNBOOKS = Path(__file__).parent / "runbooks"
_UPLOADS, _SEED = 40, 7
_SIZES = (2_000, 60_000)


def make_application(folder: Path) -> None:
    """Makes ``app/`` (``.env``, ``config/``, ``public/uploads/``) and the disk for backups in ``folder``."""
    uploads, config = folder / "app/public/uploads", folder / "app/config"
    uploads.mkdir(parents=True)
    config.mkdir()
    sizes = random.Random(_SEED)  # noqa: S311 -- the size of made-up pictures
    for number in range(_UPLOADS):
        picture = uploads / f"{number:03}.jpg"
        picture.write_bytes(b"\xff\xd8\xff\xe0" + sizes.randbytes(sizes.randrange(*_SIZES)))
    env = folder / "app/.env"
    env.touch(mode=0o600)
    env.write_text(f"APP_ENV=demo\nSECRET_KEY={secrets.token_hex(16)}\n")
    (config / "logging.yaml").write_text("level: info\nformat: json\n")
    (config / "limits.yaml").write_text("requests_per_minute: 600\nupload_bytes: 10485760\n")
    (folder / DISK / "backup").mkdir(parents=True, mode=0o700)


def write_config(
    folder: Path, services: Mapping[str, ServiceConfig], logs: Mapping[str, Path], *, host: str, database: bool
) -> Path:
    """Writes ``config.yaml`` (as JSON, which is YAML) into ``folder``. ``host`` names this machine."""
    sources: dict[str, Any] = {
        "uploads": {"kind": "files", "path": f"{folder}/app/public/uploads", "root": f"{folder}/app"},
        "settings": {"kind": "config", "root": f"{folder}/app"},
    }
    document: dict[str, Any] = {
        "name": "demo",
        "hosts": {host: {"local": True}},
        "services": {
            name: {"url": each.url, "every": "2s", "timeout": "2s", "metrics_every": "2s"}
            for name, each in services.items()
        },
        "logs": {name: {"kind": "file", "path": str(path), "zone": "UTC"} for name, path in logs.items()},
        "rules": [str(Path(__file__).parent / "rules.yml")],
        "runbooks": {"folders": [str(_write_runbook(folder, next(iter(logs.values())).parent))]},
    }
    if database:
        socket = f"{folder}/{DATABASE_FOLDER}"
        sources = {"database": {"kind": "postgresql", "url": f"postgresql://lilfox@/lilfox?host={socket}"}, **sources}
        document["backends"] = {
            "database": {
                "kind": "postgresql", "host": host, "by": "psql", "socket": socket, "user": "lilfox",
                "database": "lilfox", "every": "2s",
            }
        }  # fmt: skip
    document["backup"] = {
        "stores": {DISK: {"kind": "local", "path": f"{folder}/{DISK}/backup"}},
        "plans": {
            PLAN: {
                "sources": sources, "store": DISK, "schedule": "0 2 * * *",
                "keep": {"last": 3, "daily": 7, "weekly": 4}, "drill": True,
            }
        },
    }  # fmt: skip
    file = folder / "config.yaml"
    file.touch(mode=0o600)
    file.write_text(json.dumps(document, indent=2, ensure_ascii=False))
    return file


def _write_runbook(folder: Path, logs: Path) -> Path:
    """The folder with the demo's own runbook, in the language in force."""
    runbooks = folder / "runbooks"
    runbooks.mkdir(exist_ok=True)
    text = (_RUNBOOKS / ("zh.md" if language().startswith("zh") else "en.md")).read_text("utf-8")
    text = text.replace("@STACK@", str(folder / COMMAND)).replace("@LOGS@", str(logs))
    (runbooks / "demo-service.md").write_text(text, "utf-8")
    return runbooks
