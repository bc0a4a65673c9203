"""The processes of the host that is looked at: CPU shares from two readings, the busiest first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from lilfox_tui.metrics.model import Process, Sample
from lilfox_tui.told import later, whole

_TICKS_PER_S = 100.0


class ProcessTable:
    """Keeps each process's CPU time by (pid, start time), so that a number given again is another process."""

    def __init__(self) -> None:
        self._cpu: dict[tuple[str, str], float] = {}
        self._uptime: float | None = None

    def update(
        self, samples: Iterable[Sample], uptime_s: float | None, at: datetime, users: Mapping[str, str], top: int
    ) -> tuple[Process, ...]:
        """The ``top`` processes, most CPU first, then most memory. ``users`` maps uid to name."""
        elapsed = None if uptime_s is None or self._uptime is None else uptime_s - self._uptime
        if elapsed is not None and elapsed <= 0:
            elapsed = None
        before, self._cpu, self._uptime = self._cpu, {}, uptime_s
        shares: list[tuple[float, float, float | None, Mapping[str, str]]] = []
        cpu_s = 0.0
        for sample in samples:
            if sample.name == "process_cpu_seconds_total":
                cpu_s = sample.value
                continue
            facts = dict(sample.labels)
            key = (facts["pid"], facts["started"])
            self._cpu[key] = cpu_s
            old = before.get(key)
            share = None if old is None or elapsed is None else max(0.0, 100 * (cpu_s - old) / elapsed)
            shares.append((share or 0.0, sample.value, share, facts))
        shares.sort(key=lambda one: one[:2], reverse=True)
        booted = None if uptime_s is None else later(at, -uptime_s)
        return tuple(_process(facts, share, memory, booted, users) for _, memory, share, facts in shares[:top])


def _process(
    facts: Mapping[str, str], share: float | None, memory: float, booted: datetime | None, users: Mapping[str, str]
) -> Process:
    started = None
    if booted is not None:
        started = later(booted, whole(facts["started"]) / _TICKS_PER_S)
    return Process(
        pid=whole(facts["pid"]),
        user=users.get(facts["uid"], facts["uid"]),
        command=facts["command"],
        state=facts["state"],
        cpu_percent=share,
        resident_bytes=int(memory),
        started_at=started,
        start_ticks=whole(facts["started"]),
    )


def users_of(passwd: bytes) -> dict[str, str]:
    """Names by uid from the text of /etc/passwd (passwd(5)); the first name of a number counts."""
    users: dict[str, str] = {}
    for line in passwd.decode("utf-8", "surrogateescape").split("\n"):
        fields = line.split(":")
        if len(fields) >= 4 and fields[0]:
            users.setdefault(fields[2], fields[0])
    return users
