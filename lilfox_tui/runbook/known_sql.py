"""psql, and whether SQL only reads: one SELECT, SHOW or TABLE that calls nothing but functions known to read."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lilfox_tui.runbook.known_names import Verdict

_READS = re.compile(r"\s*(?:select|show|table|values)\b", re.IGNORECASE)
_QUOTED = re.compile(r"'(?:[^'\\]|'')*'")
_CALLED = re.compile(r'("?\w+"?)\s*\(')
_ACTS = re.compile(r"\b(?:into|update|insert|delete|copy|call|do|lock|truncate)\b", re.IGNORECASE)
_FUNCTIONS = frozenset(
    {
        "age", "all", "and", "any", "array_agg", "avg", "clock_timestamp", "coalesce", "concat", "count",
        "current_setting", "date_trunc", "exists", "extract", "filter", "format", "generate_series", "greatest", "in",
        "inet_server_addr", "inet_server_port", "least", "left", "length", "lower", "max", "min", "not", "now",
        "nullif", "or", "over", "pg_blocking_pids", "pg_current_wal_lsn", "pg_database_size", "pg_indexes_size",
        "pg_is_in_recovery", "pg_is_wal_replay_paused", "pg_last_wal_receive_lsn", "pg_last_wal_replay_lsn",
        "pg_last_xact_replay_timestamp", "pg_postmaster_start_time", "pg_relation_size", "pg_size_pretty",
        "pg_table_size", "pg_total_relation_size", "pg_wal_lsn_diff", "right", "round", "row_number", "string_agg",
        "substring", "sum", "to_char", "unnest", "upper", "values", "version",
    }
)  # fmt: skip


def only_reads(statement: str) -> bool:
    """False also where it is not known."""
    text = _QUOTED.sub("''", statement).strip().rstrip(";")
    if (
        not _READS.match(text)
        or any(mark in text for mark in (";", "\\", "$", "--", "/*", "'''"))
        or _ACTS.search(text)
    ):
        return False
    return all(name.lower() in _FUNCTIONS for name in _CALLED.findall(text))


def psql(arguments: Sequence[str]) -> Verdict:
    """What a call of psql with these arguments is."""
    words = list(arguments)
    statements: list[str] = []
    while words:
        word = words.pop(0)
        if word in ("-c", "--command"):
            statements += words[:1]
            del words[:1]
        elif word in ("-h", "-p", "-U", "-d", "-v", "-P", "-F", "--host", "--port", "--username", "--dbname"):
            del words[:1]
        elif re.match(r"-c.|--command=", word):
            return "unknown"
        elif word in ("-l", "--list"):
            return "read"
        elif word.startswith("-") and not re.fullmatch(r"-[XAtqwWx]+|-[hpUd]\S+|--(?:csv|no-psqlrc|no-password)", word):
            return "unknown"
    if not statements:
        return "interactive"
    return "read" if all(only_reads(each) for each in statements) else "unknown"
