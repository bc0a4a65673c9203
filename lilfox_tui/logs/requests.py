"""Requests as access logs tell of them, whatever server has written the log: the same fields, route and severity."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from lilfox_tui.logs.record import LogEntry, Severity, without_ids

_LONGEST_ROUTE = 2000
STATUS_WORDS: Mapping[Severity, tuple[bytes, ...]] = {
    Severity.INFO: (b" 1", b" 2", b" 3"),
    Severity.WARNING: (b" 4",),
    Severity.ERROR: (b" 5", b" 6", b" 7", b" 8", b" 9"),
}
"""The ``LEVEL_WORDS`` of formats in which a space is before the status."""


@lru_cache(maxsize=4096)
def route_of(path: str) -> str:
    """Return the path without query; ``{id}`` replaces parts that are numbers, UUIDs or long hexadecimal numbers."""
    return without_ids(path[:_LONGEST_ROUTE].partition("?")[0].partition("#")[0])


def path_of(url: str) -> str:
    """Return the path and the query of a URL; what is no URL as it is."""
    _scheme, found, rest = url.partition("://")
    if not found or "/" in _scheme:
        return url
    slash = rest.find("/")
    return rest[slash:] if slash >= 0 else "/"


def parts_of(request: str) -> tuple[str, str, str]:
    """Return method, path and protocol; empty if it is not a request line (``-``, a TLS hello)."""
    parts = request.split(" ")
    if len(parts) < 2:
        return "", "", ""
    return (parts[0], " ".join(parts[1:-1]), parts[-1]) if len(parts) > 2 else (parts[0], parts[1], "")


def severity_of_status(code: int) -> Severity:
    """A status of 500 or above is an error, 400 or above a warning; UNKNOWN for what is no status."""
    if code < 100:
        return Severity.UNKNOWN
    return Severity.ERROR if code >= 500 else Severity.WARNING if code >= 400 else Severity.INFO


def number_in(text: str) -> int | None:
    """Return a number of digits; None for ``-`` and its like."""
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 19 else None


def request_entry(
    request: str,
    status: str,
    *,
    client: str,
    size: str,
    time_us: int | None,
    seconds: float | None = None,
    more: Mapping[str, object] | None = None,
) -> LogEntry:
    """Return the entry of one request: ``request`` is its request line as it was written, or method and URL."""
    method, path, protocol = parts_of(request)
    path = path_of(path)
    code = number_in(status)
    fields: dict[str, object] = {
        "client": client, "method": method, "path": path, "protocol": protocol, "status": code,
        "bytes": number_in(size),
        **({"request_time": seconds} if seconds is not None else {}),
        **(more or {}),
    }  # fmt: skip
    return LogEntry(
        message=request if code is None else f"{request} {status}",
        time_us=time_us,
        severity=severity_of_status(code or 0),
        module=route_of(path),
        response_time_s=seconds,
        fields=fields,
    )
