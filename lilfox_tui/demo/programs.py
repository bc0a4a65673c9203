"""Whether this machine has PostgreSQL's programs, and as whom its server may run."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path

_DEBIAN = Path("/usr/lib/postgresql")
_NEEDED = ("initdb", "postgres", "psql")
_ACCOUNTS = ("postgres", "nobody")


def server_programs() -> Path | None:
    """The folder of the newest server's programs: Debian's, else the one that PATH finds; None where there is none."""
    debian = [path for path in _DEBIAN.glob("*/bin") if path.parent.name.isdigit()]
    known = sorted(debian, key=lambda path: int(path.parent.name), reverse=True)
    if found := shutil.which("initdb"):
        known.append(Path(found).resolve().parent)
    return next((path for path in known if all(os.access(path / name, os.X_OK) for name in _NEEDED)), None)


def server_account() -> pwd.struct_passwd | None:
    """The account that the server runs as: initdb refuses root. None for this process's own."""
    if os.geteuid() != 0:
        return None
    for name in _ACCOUNTS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None
