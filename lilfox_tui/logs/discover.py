"""Which logs a host has, for those that the configuration names none of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from msgspec.structs import replace

from lilfox_tui import plugins
from lilfox_tui.config.model import LogConfig
from lilfox_tui.hosts.base import Host
from lilfox_tui.plugins import LOG_SOURCES

LILFOX_FOLDER = "/var/log/lilfox"
"""Where the manual's services write, one file each, in JSON with naive UTC times."""
_WAIT_S = 15.0
_SCRIPT = r"""
shown=0
for file in "$1"/*.log /var/log/nginx/access.log /var/log/nginx/error.log /var/log/apache2/access.log \
    /var/log/apache2/error.log /var/log/postgresql/*.log /var/log/postgresql/*.json /var/log/postgresql/*.csv
do
    [ "$shown" -lt 40 ] && [ -f "$file" ] && [ -r "$file" ] || continue
    case $file in *'
'*) continue ;; esac
    printf 'file %s\n' "$file"
    shown=$((shown + 1))
done
if command -v journalctl >/dev/null 2>&1 && [ -n "$(journalctl --quiet --lines=1 --output=cat 2>/dev/null)" ]; then
    echo journald
else
    for file in /var/log/syslog /var/log/messages; do
        [ -f "$file" ] && [ -r "$file" ] && printf 'file %s\n' "$file"
    done
fi
exit 0
"""


async def find_logs(host: Host, host_name: str | None, *, folder: str = LILFOX_FOLDER) -> dict[str, LogConfig]:
    """What can be read on ``host`` (``host_name`` in the configuration, None: this machine), by name: the services'
    logs of ``folder``, nginx, Apache, PostgreSQL and the journal. Raises HostError."""
    done = await host.run_script(_SCRIPT, [folder], timeout_s=_WAIT_S)
    found: dict[str, LogConfig] = {}
    lines = done.stdout.decode("utf-8", "surrogateescape").splitlines()
    paths = [line.removeprefix("file ") for line in lines if line.startswith("file /")]
    for path in paths:
        if not _is_copy(path, paths):
            zone = "UTC" if path.startswith(f"{folder}/") else ""
            found[_free_name(_name_of(path), found)] = file_log(path, zone=zone)
    if "journald" in lines:
        found["journal"] = _options("journald")
    if host_name is None:
        return found
    return {f"{host_name}.{name}": replace(log, host=host_name) for name, log in found.items()}


def file_log(path: str, *, zone: str = "") -> LogConfig:
    """A source that is a file of this machine with its rotated siblings."""
    return _options("file", path=path, zone=zone)


def _options(kind: str, **keys: object) -> LogConfig:
    made = plugins.load(LOG_SOURCES, kind).Options(**keys)
    assert isinstance(made, LogConfig)
    return made


def _is_copy(path: str, paths: list[str]) -> bool:
    """The manual's services write each record into NAME.log and into NAME-daily.log."""
    return path.endswith("-daily.log") and path.removesuffix("-daily.log") + ".log" in paths


def _name_of(path: str) -> str:
    """``backend`` of ``/var/log/lilfox/lilfox-backend.log``, ``nginx-access`` of ``/var/log/nginx/access.log``."""
    file = PurePosixPath(path)
    stem = file.stem.removeprefix("lilfox-")
    name = f"{file.parent.name}-{stem}" if file.parent.name in ("nginx", "apache2") else stem
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("._-")[:60] or "log"


def _free_name(name: str, taken: Mapping[str, object]) -> str:
    return next(one for one in (name, *(f"{name}-{number}" for number in range(2, 100))) if one not in taken)
