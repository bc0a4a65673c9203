"""Memory and CPU limits: control groups, version 2 and 1 (Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/).

A host that is a container has the machine's numbers in /proc and limits of its own. Which ones is told by the group of
its process 1: that of a session or a service counts for that alone. The path of process 1 is the container's own where
it sees its namespace or a mount of its group ("/", where the root of a machine has no limit), else the whole path.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from functools import lru_cache

import msgspec

from lilfox_tui.core.i18n import Message
from lilfox_tui.metrics.collector import bad_line, checked, count, read_text
from lilfox_tui.metrics.model import Labels, Sample

HOST, OWN = "host", "own"
"""Whose limit: of all that runs on the host, or of LilFox and what else is in its group (a unit, a slice)."""
_ROOT = "/sys/fs/cgroup"
_OF_FIRST, _OF_US = "/proc/1/cgroup", "/proc/self/cgroup"
_UNLIMITED_FOR_S = 10.0
"""Before a group without a limit is asked again."""
_NONE = 2.0**60
"""Version 1 says so much where there is no limit: the largest number of whole pages."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """This collector has no options."""


def script(options: Options) -> str:
    """Print a line for each limit on process 1, from its own control group up: ``host memory LIMIT USED INACTIVE PATH``
    in bytes, ``host cpu QUOTA PERIOD USED PATH``, quota and period in the same unit, used in microseconds."""
    return r"""
lilfox_idle() {
    idle=0
    while read -r key value; do case $key in "$2") idle=$value ;; esac; done <"$1/memory.stat"
}
lilfox_v2() {
    if [ -r "$1/memory.max" ] && read -r max <"$1/memory.max" && [ "$max" != max ]; then
        read -r used <"$1/memory.current" && lilfox_idle "$1" inactive_file && echo "host memory $max $used $idle $2"
    fi
    if [ -r "$1/cpu.max" ] && read -r max period <"$1/cpu.max" && [ "$max" != max ]; then
        while read -r key used; do
            case $key in usage_usec) echo "host cpu $max $period $used $2"; break ;; esac
        done <"$1/cpu.stat"
    fi
}
lilfox_memory() {
    [ -r "$1/memory.limit_in_bytes" ] && read -r max <"$1/memory.limit_in_bytes" || return
    case $max in 92233720368547*) return ;; esac
    read -r used <"$1/memory.usage_in_bytes" && lilfox_idle "$1" total_inactive_file &&
        echo "host memory $max $used $idle $2"
}
lilfox_cpu() {
    [ -r "$1/cpu.cfs_quota_us" ] && read -r max <"$1/cpu.cfs_quota_us" && [ "$max" != -1 ] || return
    read -r period <"$1/cpu.cfs_period_us" || return
    for file in "$1/cpuacct.usage" "/sys/fs/cgroup/cpuacct/$2/cpuacct.usage"; do
        if [ -r "$file" ] && read -r used <"$file"; then echo "host cpu $max $period ${used%???} $2"; break; fi
    done
}
lilfox_up() {
    at=${3%/init.scope}
    at=${at%/}
    case $at in /..*) at= ;; esac
    [ -d "$2$at" ] || at=
    while "lilfox_$1" "$2$at" "${at:-/}"; [ -n "$at" ]; do at=${at%/*}; done
}
while IFS=: read -r id controllers path; do
    case ,$controllers, in
    ,,) if [ -e /sys/fs/cgroup/cgroup.controllers ]; then lilfox_up v2 /sys/fs/cgroup "$path"
        else lilfox_up v2 /sys/fs/cgroup/unified "$path"; fi ;;
    *,memory,*) lilfox_up memory /sys/fs/cgroup/memory "$path" ;;
    *,cpu,*) lilfox_up cpu /sys/fs/cgroup/cpu "$path" ;;
    esac
done </proc/1/cgroup"""


def read_here(options: Options) -> str | None:
    """Return the lines of ``script`` for this machine, and also LilFox's own limits (``own``)."""
    lines: list[str] = []
    for scope, folder, at, version in _limited(_OF_FIRST, _OF_US, _ROOT, int(time.monotonic() / _UNLIMITED_FOR_S)):
        found = _limits_v2(folder) if version == 2 else _limits_v1(folder, at)
        lines += (f"{scope} {limit} {at}" for limit in found)
    return "\n".join(lines)


@lru_cache(maxsize=1)
def _limited(first: str, own: str, _root: str, _turn: int) -> list[tuple[str, str, str, int]]:
    """Return the groups of processes 1 and LilFox that set a limit, with the scope, path and version of each; looked
    for once a ``_turn``, as most set none and change it hardly ever."""
    found: dict[str, tuple[str, str, str, int]] = {}
    for scope, file in ((HOST, first), (OWN, own)):
        for folder, at, version in _groups(_lines(file)):
            if folder not in found:
                found[folder] = scope, folder, at, version
    return [each for each in found.values() if any(_limits_v2(each[1]) if each[3] == 2 else _limits_v1(*each[1:3]))]


def parse(text: Mapping[str, str], options: Options) -> list[Sample]:
    """Return ``cgroup_memory_limit_bytes``, ``…_used_bytes``, ``cgroup_cpu_limit_cores`` and
    ``cgroup_cpu_seconds_total`` by ``scope``, each of the tightest group: the one with the least memory left, or with
    the fewest cores."""
    found: dict[tuple[str, str], tuple[float, list[Sample]]] = {}
    bad: list[Message] = []
    for line in filter(None, text.get("script", "").split("\n")):
        try:
            scope, what, tightness, samples = _limit(line)
        except ValueError:
            bad.append(bad_line("cgroup", line))
            continue
        if samples and ((scope, what) not in found or tightness < found[scope, what][0]):
            found[scope, what] = tightness, samples
    return checked([sample for _, samples in found.values() for sample in samples], bad)


def _limit(line: str) -> tuple[str, str, float, list[Sample]]:
    """Parse a line into its scope, resource, tightness and samples; no samples if it sets no limit. Raises
    ValueError."""
    scope, what, *words, at = line.split(" ", 5)
    first, second, third = map(count, words)
    labels: Labels = (("cgroup", at), ("scope", scope))
    if scope not in (HOST, OWN) or what not in ("memory", "cpu") or (what == "cpu" and not second):
        raise ValueError(line)
    if what == "memory":
        used = max(0.0, second - third)  # file pages that nobody touched of late are let go first, as the kernel does
        samples = [
            Sample("cgroup_memory_limit_bytes", first, labels),
            Sample("cgroup_memory_used_bytes", used, labels),
        ]
        return scope, what, first - used, samples if first < _NONE else []
    cores = first / second
    samples = [
        Sample("cgroup_cpu_limit_cores", cores, labels),
        Sample("cgroup_cpu_seconds_total", third / 1e6, labels),
    ]
    return scope, what, cores, samples


def _groups(lines: list[str]) -> Iterator[tuple[str, str, int]]:
    """Yield the folders of the groups that /proc/PID/cgroup names and of their ancestors, with their paths in the
    hierarchy and its version."""
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        names = controllers.split(",")
        if not controllers:
            root = _ROOT if os.path.exists(f"{_ROOT}/cgroup.controllers") else f"{_ROOT}/unified"  # noqa: PTH110
        elif "memory" in names or "cpu" in names:
            root = f"{_ROOT}/{'memory' if 'memory' in names else 'cpu'}"
        else:
            continue
        at = path.removesuffix("/init.scope").rstrip("/")
        if at.startswith("/..") or not os.path.isdir(root + at):  # noqa: PTH112 - no pathlib before the first frame
            at = ""
        while True:
            yield root + at, at or "/", 1 if controllers else 2
            if not at:
                break
            at = at.rpartition("/")[0]


def _limits_v2(folder: str) -> Iterator[str]:
    """Yield the limits of one group in the format of ``script``."""
    yield from _memory(folder, "memory.max", "memory.current", "inactive_file")
    quota = "".join(_lines(f"{folder}/cpu.max")[:1])
    if quota and not quota.startswith("max"):
        yield f"cpu {quota} {_field(f'{folder}/cpu.stat', 'usage_usec')}"


def _limits_v1(folder: str, at: str) -> Iterator[str]:
    yield from _memory(folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    quota = "".join(_lines(f"{folder}/cpu.cfs_quota_us")[:1])
    if quota and quota != "-1":
        usage = _lines(f"{folder}/cpuacct.usage") or _lines(f"{_ROOT}/cpuacct/{at}/cpuacct.usage")
        period = "".join(_lines(f"{folder}/cpu.cfs_period_us")[:1])
        yield f"cpu {quota} {period} {''.join(usage[:1])[:-3] or '0'}"


def _memory(folder: str, maximum: str, used: str, idle: str) -> Iterator[str]:
    limit = "".join(_lines(f"{folder}/{maximum}")[:1])
    if limit and limit != "max" and not limit.startswith("92233720368547"):
        yield f"memory {limit} {''.join(_lines(f'{folder}/{used}')[:1])} {_field(f'{folder}/memory.stat', idle)}"


def _field(file: str, name: str) -> str:
    return next((line.partition(" ")[2] for line in _lines(file) if line.startswith(name + " ")), "0")


def _lines(file: str) -> list[str]:
    return read_text(file).splitlines()
