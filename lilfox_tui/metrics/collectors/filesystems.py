"""Mounted filesystems: /proc/self/mounts (proc_pid_mounts(5)) lists them, ``df -P`` (POSIX df) reports their usage.

Only those with a disk of their own: not memory, not images that are always full, not the network unless asked for.
Of several mounts of one device (bind mounts, subvolumes) the one with the shortest path counts. The host sends the
lines of mounts that may count, and no other: each container has a mount or two in this list, of 300 bytes and more.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from lilfox_tui.core.i18n import Message
from lilfox_tui.metrics.collector import bad_line, checked, count, missing
from lilfox_tui.metrics.model import Sample

EVERY_S = 10.0
_MOUNTS = "/proc/self/mounts"
_DF, _INODES = "@@df", "@@inodes"
_NETWORK = ("nfs", "cifs", "smb", "ceph", "9p", "afs", "lustre", "beegfs", "glusterfs", "fuse.")
_IMAGES = ("squashfs", "iso9660", "erofs", "autofs", "fuse")
_DISKLESS_SOURCES = ("zfs", "bcachefs")
"""Types whose source is a name and not a path of a device."""
_OCTAL = re.compile(r"\\([0-7]{3})")
_ROW = re.compile(r"(\S++(?: ++\S++)*?) ++(\d++) ++(\d++) ++(-?\d++) ++(?:\d++%|-) ++(/.*)")


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``network`` includes NFS, SMB and the like; each host gets at most 3 s."""

    network: bool = False


class _Mount(NamedTuple):
    device: str
    mountpoint: str
    kind: str
    read_only: bool


def script(options: Options) -> str:
    """Print the mounts that may count, as the kernel lists them, a line ``@@df``, then ``df`` of those that do: blocks
    in KiB, a line ``@@inodes``, inodes; network ones separately, so that a hanging server affects nothing else."""
    network = "|".join(f"{kind}*" for kind in _NETWORK)
    named = "|".join(f"*:{kind}:*" for kind in _DISKLESS_SOURCES)
    lines = [
        "lilfox_df() {",
        "    [ $# = 0 ] && return",
        '    lilfox_limit 3 df -P -k -- "$@"',
        f"    echo '{_INODES}'",
        '    lilfox_limit 3 df -P -i -- "$@"',
        "}",
        "lilfox_mounts() {",
        "    want=$1; set --",
        "    while read -r device mount kind rest; do",
        "        case $kind in",
        f"            {'|'.join(_IMAGES)}) continue ;;",
        f'            {network}) [ "$want" = network ] || continue ;;',
        '            *) [ "$want" = disk ] || continue',
        f"               case $device:$kind:$mount in /*|*:*:/|{named}) ;; *) continue ;; esac ;;",
        "        esac",
        "        case $mount in *\\\\*) mount=$(printf '%b' \"$mount\") ;; esac",
        '        set -- "$@" "$mount"',
        "    done <<LILFOX",
        "$mounts",
        "LILFOX",
        '    lilfox_df "$@"',
        "}",
        f"mounts=$(grep -E '{_may_count(options)}' {_MOUNTS})",
        f"printf '%s\\n%s\\n' \"$mounts\" '{_DF}'",
        "lilfox_mounts disk",
    ]
    return "\n".join([*lines, "lilfox_mounts network"] if options.network else lines)


def _may_count(options: Options) -> str:
    """Return an extended regular expression of the lines of mounts that ``_wanted`` looks at."""
    kinds = [f"{kind} " for kind in _DISKLESS_SOURCES]
    kinds += [kind.replace(".", "[.]") for kind in _NETWORK] if options.network else []
    return f"^/|^[^ ]+ / |^[^ ]+ [^ ]+ ({'|'.join(kinds)})"


def read_here(options: Options) -> str | None:
    """Return the text of ``script``, obtained from statvfs(3). None with ``network``: a hanging server would block this
    process."""
    if options.network:
        return None
    signs = (" / ", *(f" {kind} " for kind in _DISKLESS_SOURCES))
    with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123 - no pathlib before the first frame
        lines = file.read().split("\n")
    listed = [line for line in lines if line.startswith("/") or any(sign in line for sign in signs)]
    blocks, inodes = [], [_INODES]
    for mount in _wanted(listed, options):
        try:
            stat = os.statvfs(mount.mountpoint)
        except OSError:
            continue
        unit, where = stat.f_frsize / 1024, mount.mountpoint.replace("\n", "?")
        sizes = (stat.f_blocks * unit, (stat.f_blocks - stat.f_bfree) * unit, stat.f_bavail * unit)
        blocks.append(f"- {' '.join(str(int(size)) for size in sizes)} - {where}")
        inodes.append(f"- {stat.f_files} {stat.f_files - stat.f_ffree} {stat.f_favail} - {where}")
    return "\n".join([*listed, _DF, *blocks, *inodes])


def parse(text: Mapping[str, str], options: Options) -> list[Sample]:
    """Return ``filesystem_size_bytes``, ``…_used_bytes``, ``…_available_bytes``, ``…_inodes_used_percent`` and
    ``…_read_only`` by device, fstype and mountpoint."""
    mounts, _mark, printed = text.get("script", "").partition(f"\n{_DF}\n")
    if not mounts:
        return checked([], [missing(_MOUNTS)])
    bad: list[Message] = []
    sizes, inodes = _rows(printed, bad)
    samples: list[Sample] = []
    for mount in _wanted(mounts.split("\n"), options):
        where = mount.mountpoint.replace("\n", "?")
        labels = (("device", mount.device), ("fstype", mount.kind), ("mountpoint", where))
        if (blocks := sizes.get(where)) is None or not blocks[0]:
            continue
        names = ("filesystem_size_bytes", "filesystem_used_bytes", "filesystem_available_bytes")
        samples += [Sample(name, value * 1024, labels) for name, value in zip(names, blocks, strict=True)]
        samples.append(Sample("filesystem_read_only", float(mount.read_only), labels))
        if (nodes := inodes.get(where)) is not None and nodes[0]:
            samples.append(Sample("filesystem_inodes_used_percent", min(100.0, 100 * nodes[1] / nodes[0]), labels))
    return checked(samples, bad)


def _rows(output: str, bad: list[Message]) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Return total, used and available by mount point, once for blocks and once for inodes. The last mount at a mount
    point hides earlier ones."""
    sizes: dict[str, list[float]] = {}
    inodes: dict[str, list[float]] = {}
    found = sizes
    for line in output.split("\n"):
        if not line or line.startswith("Filesystem "):
            found = sizes if "1024" in line else found
        elif line == _INODES:
            found = inodes
        elif (match := _ROW.fullmatch(line)) is not None:
            try:
                found[match[5]] = [count(match[2]), count(match[3]), max(0.0, float(match[4][:20]))]
            except ValueError:
                bad.append(bad_line("df", line))
        elif found is sizes:
            bad.append(bad_line("df", line))
    return sizes, inodes


def _wanted(mounts: Iterable[str], options: Options) -> list[_Mount]:
    chosen: dict[str, _Mount] = {}
    for mount in _mounts(mounts):
        network = mount.kind.startswith(_NETWORK)
        if mount.kind in _IMAGES or (network and not options.network):
            continue
        own = mount.device.startswith("/") or mount.kind in _DISKLESS_SOURCES or mount.mountpoint == "/"
        if not (own or network):
            continue
        key = mount.device if mount.device.startswith("/") or network else f"{mount.device} {mount.mountpoint}"
        known = chosen.get(key)
        if known is None or len(mount.mountpoint) < len(known.mountpoint):
            chosen[key] = mount
    return list(chosen.values())


def _mounts(lines: Iterable[str]) -> Iterator[_Mount]:
    for line in lines:
        match line.split(" "):
            case [device, mountpoint, kind, options, *_]:
                yield _Mount(_decoded(device), _decoded(mountpoint), kind, "ro" in options.split(","))


def _decoded(word: str) -> str:
    """Decode space, tab, newline and backslash, which are written as three octal digits (getmntent(3))."""
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), word) if "\\" in word else word
