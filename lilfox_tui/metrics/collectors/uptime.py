"""The host's uptime, boot ID and kernel: /proc/uptime (proc_uptime(5)), the boot's random ID (random(4)) and
/proc/sys/kernel/osrelease."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from lilfox_tui.core.i18n import Message
from lilfox_tui.metrics.collector import bad_line, checked, decimal, missing
from lilfox_tui.metrics.model import Sample

_UPTIME = "/proc/uptime"
_OSRELEASE = "/proc/sys/kernel/osrelease"
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
FILES: tuple[str, ...] = (_UPTIME, _OSRELEASE, _BOOT_ID)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """This collector has no options."""


def parse(text: Mapping[str, str], options: Options) -> list[Sample]:
    """Return ``uptime_seconds``, ``host_info`` (1, its label ``kernel`` is the release) and ``boot_info`` (1,
    ``boot_id``)."""
    samples: list[Sample] = []
    bad: list[Message] = []
    release = text.get(_OSRELEASE, "").strip()
    if release:
        samples.append(Sample("host_info", 1.0, (("kernel", release),)))
    boot = text.get(_BOOT_ID, "").strip()
    if _UUID.fullmatch(boot):
        samples.append(Sample("boot_info", 1.0, (("boot_id", boot),)))
    elif boot:
        bad.append(bad_line(_BOOT_ID, boot))
    uptime = text.get(_UPTIME, "").strip()
    if not uptime:
        return checked(samples, [missing(_UPTIME), *bad])
    try:
        seconds = decimal(uptime.split()[0])
    except ValueError:
        return checked(samples, [bad_line(_UPTIME, uptime), *bad])
    if seconds < 0:
        return checked(samples, [bad_line(_UPTIME, uptime), *bad])
    return checked([*samples, Sample("uptime_seconds", seconds)], bad)
