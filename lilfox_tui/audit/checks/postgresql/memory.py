"""PostgreSQL's memory, judged by that of its host."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lilfox_tui.audit.checks.postgresql.settings import PERFORMANCE, RELOAD, SETTINGS, psql
from lilfox_tui.audit.model import AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix, NotKnown
from lilfox_tui.audit.targets.hosts import HostQuestion, Printed
from lilfox_tui.audit.targets.postgresql import Composed
from lilfox_tui.core.i18n import tr
from lilfox_tui.core.text import human_bytes

_FILES = ("/proc/meminfo", "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""The memory of the machine, and the limit of the container that the server runs in."""
_BY_HOST = HostQuestion(f"cat {_FILES[0]} || exit 1; cat {_FILES[1]} {_FILES[2]} 2>/dev/null; exit 0")
_READ = ", ".join(f"pg_read_file('{file}', 0, 8192, true)" for file in _FILES)
_BY_SERVER = Composed(
    f"""
    SELECT CASE WHEN pg_has_role(current_user, 'pg_read_server_files', 'USAGE')
                 AND has_function_privilege('pg_read_file(text, bigint, bigint, boolean)', 'EXECUTE')
                THEN $q$ SELECT concat_ws(E'\\n', {_READ})
                             AS text $q$
                ELSE 'SELECT NULL AS text' END
    """  # our own names
)
_DATA = """
SELECT sum(pg_database_size(oid)) AS bytes FROM pg_database
 WHERE has_database_privilege(oid, 'CONNECT') OR pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')
"""
DEFAULT_BUFFERS = 128 << 20
ENOUGH_MEMORY = 2 << 30
"""From which the default is less than a sixteenth of the memory."""
DATA_TIMES = 4
"""How many times larger than its cache a database is that a larger cache makes faster."""


def parse_memory(text: str) -> int:
    """The least of the numbers: bytes of memory, and of the limits of a container."""
    total = re.search(r"^MemTotal: +(\d+) kB$", text, re.MULTILINE)
    if total is None:
        raise NotKnown(tr("/proc/meminfo does not say how much memory there is"))
    limits = [int(line) for line in text.splitlines() if line.isdecimal() and int(line)]
    return min([int(total[1]) * 1024, *limits])


def parse_by_server(rows: list[Any]) -> int:
    """The memory that the server can read of; raises NotKnown if the role may not let it."""
    (row,) = rows
    if not row["text"]:
        reason = tr("the memory of the server's host is not known: name that host as host: of this backend")
        raise NotKnown(reason)
    return parse_memory(row["text"])


BY_HOST = Fact("host-memory", _BY_HOST, lambda printed: parse_memory(_text(printed)))
BY_SERVER = Fact("server-memory", _BY_SERVER, parse_by_server)
DATA = Fact("data-size", _DATA, lambda rows: int(rows[0]["bytes"]))


def _text(printed: Printed) -> str:
    return "\n".join(printed.lines())


def available_memory(facts: Facts) -> int:
    """The memory as the server's host says, else as the server reads it."""
    try:
        return facts[BY_HOST]
    except NotKnown:
        return facts[BY_SERVER]


def judge_default(facts: Facts) -> Iterator[AuditFinding]:
    """A shared_buffers of at most its default, where there are much data and memory."""
    buffers = facts[SETTINGS]["shared_buffers"].bytes
    if buffers > DEFAULT_BUFFERS:
        return
    memory, data = available_memory(facts), facts[DATA]
    if memory < ENOUGH_MEMORY or data <= DATA_TIMES * buffers:
        return
    evidence = tr(
        "shared_buffers = {buffers}; memory {memory}, data {data}",
        buffers=human_bytes(buffers), memory=human_bytes(memory), data=human_bytes(data),
    )  # fmt: skip
    step = DEFAULT_BUFFERS >> 20
    better = min(memory // 4, max(2 * DEFAULT_BUFFERS, data + data // 2)) >> 20
    size = f"{max(2, better // step) * step}MB"
    text = tr("Set it to a quarter of the memory, or to what the data need. It requires a restart.")
    fix = Fix(text, commands=(psql(f"ALTER SYSTEM SET shared_buffers = '{size}'"), "systemctl restart postgresql"))
    yield AuditFinding("shared_buffers", evidence, fix)


def judge_overcommit(facts: Facts) -> Iterator[AuditFinding]:
    """A server that may use more than the memory when all connections sort."""
    settings = facts[SETTINGS]
    connections, work = int(settings["max_connections"].value), settings["work_mem"].bytes
    buffers = settings["shared_buffers"].bytes
    most = connections * work + buffers
    memory = available_memory(facts)
    if most <= memory:
        return
    evidence = tr(
        "max_connections {connections} × work_mem {work} + shared_buffers {buffers} = {most}; memory {memory}",
        connections=connections, work=human_bytes(work), buffers=human_bytes(buffers), most=human_bytes(most),
        memory=human_bytes(memory),
    )  # fmt: skip
    room = max(0, memory - buffers)
    if better := room // 2 // connections >> 20:
        text = tr("Lower it. ALTER ROLE … SET work_mem raises it for a role that needs more.")
        fix = Fix(text, commands=(psql(f"ALTER SYSTEM SET work_mem = '{better}MB'", RELOAD),))
    else:
        text = tr(
            "Lower shared_buffers to a quarter of the memory, or put a pooler in front and lower max_connections."
        )
        fix = Fix(text, commands=(psql(f"ALTER SYSTEM SET shared_buffers = '{memory // 4 >> 20}MB'"),))
    yield AuditFinding("work_mem", evidence, fix)


CHECKS = (
    AuditCheck(
        "postgresql-memory-default",
        AuditSeverity.HIGH,
        tr("shared_buffers is left at its default"),
        tr("The default lets PostgreSQL start on any machine; it is too small for a production database."),
        (SETTINGS, BY_HOST, BY_SERVER, DATA),
        judge_default,
        "https://www.postgresql.org/docs/current/runtime-config-resource.html#GUC-SHARED-BUFFERS",
        PERFORMANCE,
    ),
    AuditCheck(
        "postgresql-memory-overcommit",
        AuditSeverity.HIGH,
        tr("PostgreSQL may use more memory than its host has"),
        tr("Each sort or hash of each connection may use work_mem. If all do, the OOM killer ends the server."),
        (SETTINGS, BY_HOST, BY_SERVER),
        judge_overcommit,
        "https://www.postgresql.org/docs/current/runtime-config-resource.html#GUC-WORK-MEM",
        PERFORMANCE,
    ),
)
