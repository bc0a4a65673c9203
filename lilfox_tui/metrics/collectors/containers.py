"""Containers' use of CPU, memory, disks and network, from their control groups, version 2 and 1.

One find and one awk read all of them (Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst): an engine would
take a request for each. Who they are is told by the engine (``containers/``); here they are ids alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import msgspec

from lilfox_tui.core.i18n import Message
from lilfox_tui.metrics.collector import bad_line, checked, count, decimal
from lilfox_tui.metrics.model import Labels, Sample

EVERY_S = 10.0
"""As cAdvisor does."""
REPEATS = True
_COLUMNS = (
    ("container_cpu_seconds_total", 1e-6),
    ("container_memory_bytes", 1.0),
    ("container_oom_kills_total", 1.0),
    ("container_read_bytes_total", 1.0),
    ("container_written_bytes_total", 1.0),
    ("container_receive_bytes_total", 1.0),
    ("container_transmit_bytes_total", 1.0),
)
"""Series of the words after the id, and what one of the word is."""
_SIGNS = (
    "/run/containers", "/run/docker", "/run/docker.sock", "/run/podman", "/run/libpod", "/run/containerd",
    "/sys/fs/cgroup/docker", "/sys/fs/cgroup/libpod_parent",
)  # fmt: skip
"""One of these is there where an engine has run since the boot."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``most``: so many containers of a host are read at most."""

    most: int = 500


def script(options: Options) -> str:
    """Print the uptime, then a line for each container: the start of its id, CPU time in microseconds, working set in
    bytes, processes killed for lack of memory, bytes read, written, received and sent; ``-`` is unknown."""
    return _SCRIPT.replace("MOST", str(options.most))


def read_here(options: Options) -> str | None:
    """Return an empty text where no engine runs; None where one may: the script is cheaper than to read here."""
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    signs = (*_SIGNS, f"{runtime}/libpod", f"{runtime}/podman", f"{runtime}/docker.sock")
    return None if any(Path(each).exists() for each in signs) else ""


def parse(text: Mapping[str, str], options: Options) -> list[Sample]:
    """Return the numbers of each container (label ``id``), and when they were read."""
    lines = [line for line in text.get("script", "").split("\n") if line]
    samples: list[Sample] = []
    bad: list[Message] = []
    for line in lines:
        words = line.split(" ")
        try:
            if words[0] == "uptime" and len(words) == 2:
                samples.append(Sample("containers_read_uptime_seconds", decimal(words[1])))
                continue
            samples += _container(words)
        except ValueError:
            bad.append(bad_line("containers", line))
    return checked(samples if len(samples) > 1 else [], bad)


def _container(words: list[str]) -> list[Sample]:
    if len(words) != len(_COLUMNS) + 1 or not words[0].isalnum():
        raise ValueError(words[0])
    labels = _labels(words[0])
    return [
        Sample(name, count(word) * unit, labels)
        for (name, unit), word in zip(_COLUMNS, words[1:], strict=True)
        if word != "-"
    ]


@lru_cache(maxsize=4096)
def _labels(name: str) -> Labels:
    return (("id", name),)


_SCRIPT = r"""
root=/sys/fs/cgroup
if [ -e $root/cgroup.controllers ]; then version=2 roots=$root
else version=1 roots="$root/memory $root/cpuacct $root/blkio"; fi
hex='[0-9a-f][0-9a-f][0-9a-f]*'
find $roots -maxdepth 9 -type d \( -name "libpod-$hex" -o -name "docker-$hex.scope" -o -path "*/docker/$hex" \) \
    -print -prune 2>/dev/null | awk -v version=$version -v most=MOST '
function first(file,   line) {
    line = ""; if ((getline line < file) <= 0) line = ""
    close(file); return line
}
function words(file, name,   line, part, found) {
    found = "-"
    while ((getline line < file) > 0) { split(line, part, " "); if (part[1] == name) { found = part[2]; break } }
    close(file); return found
}
function set(memory, idle) { return memory == "" ? "-" : (idle + 0 > memory + 0 ? 0 : sprintf("%.0f", memory - idle)) }
function disks(id, file,   line, part, n, i) {
    reads = writes = 0
    while ((getline line < file) > 0) {
        n = split(line, part, " ")
        if (part[2] == "Read") reads += part[3]
        else if (part[2] == "Write") writes += part[3]
        else for (i = 2; i <= n; i++) {
            if (part[i] ~ /^rbytes=/) reads += substr(part[i], 8)
            if (part[i] ~ /^wbytes=/) writes += substr(part[i], 8)
        }
    }
    close(file); read[id] = sprintf("%.0f", reads); written[id] = sprintf("%.0f", writes)
}
function network(id, pid,   file, line, part, at) {
    if (pid == "" || pid == 0) return
    file = "/proc/" pid "/net/dev"; ins = outs = 0
    while ((getline line < file) > 0) {
        at = index(line, ":")
        if (!at) continue
        name = substr(line, 1, at - 1); gsub(/ /, "", name)
        if (name == "lo") continue
        split(substr(line, at + 1), part, " ")
        ins += part[1]; outs += part[9]
    }
    close(file); received[id] = sprintf("%.0f", ins); sent[id] = sprintf("%.0f", outs)
}
function pid_of(folder,   pid) {
    pid = first(folder "/cgroup.procs")
    return pid == "" ? first(folder "/container/cgroup.procs") : pid
}
{
    folder = $0; id = folder
    sub(/.*\//, "", id); sub(/^(libpod|docker)-/, "", id); sub(/\.scope$/, "", id)
    if (length(id) != 64 || id ~ /[^0-9a-f]/) next
    id = substr(id, 1, 12)
    if (!(id in known)) { if (count == most) next; known[id] = 1; order[count++] = id }
    if (version == 2) {
        cpu[id] = words(folder "/cpu.stat", "usage_usec")
        memory[id] = set(first(folder "/memory.current"), words(folder "/memory.stat", "inactive_file"))
        killed[id] = words(folder "/memory.events", "oom_kill")
        disks(id, folder "/io.stat"); network(id, pid_of(folder))
    } else if (folder ~ /^\/sys\/fs\/cgroup\/memory\//) {
        memory[id] = set(first(folder "/memory.usage_in_bytes"), words(folder "/memory.stat", "total_inactive_file"))
        killed[id] = words(folder "/memory.oom_control", "oom_kill"); network(id, pid_of(folder))
    } else if (folder ~ /^\/sys\/fs\/cgroup\/cpuacct\//) {
        used = first(folder "/cpuacct.usage"); if (used != "") cpu[id] = sprintf("%.0f", used / 1000)
    } else disks(id, folder "/blkio.throttle.io_service_bytes")
}
function shown(value) { return value == "" ? "-" : value }
END {
    if (!count) exit
    getline line < "/proc/uptime"; split(line, part, " "); print "uptime " part[1]
    for (i = 0; i < count; i++) {
        id = order[i]
        print id " " shown(cpu[id]) " " shown(memory[id]) " " shown(killed[id]) " " shown(read[id]) " " \
            shown(written[id]) " " shown(received[id]) " " shown(sent[id])
    }
}'
"""
