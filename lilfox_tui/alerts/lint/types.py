"""The types of metrics: what their targets or a Prometheus say, else what is sure of well-known exporters and of names.

A name alone tells little: of 42 comparisons of a ``…_total`` in public rules 24 were of gauges.
"""

from __future__ import annotations

import re
from typing import Literal

from lilfox_tui.alerts.lint.known import Known

Type = Literal["counter", "gauge", ""]
_GAUGES = re.compile(
    r"""node_memory_\w+_bytes | node_load(?:1|5|15) | node_filesystem_(?:avail|free|size)_bytes
    | node_filesystem_files(?:_free)? | node_hwmon_temp_celsius | node_boot_time_seconds | node_procs_running
    | process_(?:resident|virtual)_memory_bytes | process_(?:open|max)_fds | process_start_time_seconds
    | go_goroutines | go_threads | go_memstats_(?:heap|stack|mspan|mcache)_\w+_bytes
    | container_memory_(?:usage|working_set|rss|cache|swap)(?:_bytes)? | container_fs_(?:usage|limit)_bytes
    | kube_(?:node|pod|deployment|statefulset|daemonset|job|horizontalpodautoscaler)_(?:status|spec)_(?!\w*_total)\w+
    | redis_(?:memory_(?:used|max)_bytes|connected_(?:clients|slaves)) | pg_stat_activity_count | pg_database_size_bytes
    | mysql_global_status_threads_(?:connected|running) | up | \w+_up | probe_success | probe_ssl_\w+_expiry""",
    re.VERBOSE,
)
"""Of node_exporter, cAdvisor, kube-state-metrics, those of Redis, PostgreSQL and MySQL, and clients' libraries."""
_EVENT = re.compile(
    r"errors?|fail(?:ed|ures?)|faults?|evict(?:ed|ions?)|drop(?:ped|s)?|reject(?:ed|ions?)|abort(?:ed|s)?|retr(?:y|ies)"
    r"|timeouts?|panics?|exceptions?|crash(?:es)?|restarts?|changes|discard(?:ed|s)?|kills?|oom|[a-z]*(?:Failed|failed)\w*"
)
"""What is counted each time it happens."""
_STATE = re.compile(
    r"pending|queued?|unapplied|unhealthy|offline|online|(?:in)?active|current|open|running|waiting|capacity|mem(?:ory)?"
)
_THING = re.compile(
    r"nodes?|disks?|drives?|jobs?|pods?|targets?|rules?|groups?|members?|replicas?|instances?|shards?|backups?|tables?"
)
"""Of which several may be in a state now: ``failed_nodes_total``, but not ``backup_failures_total``."""


def type_of(name: str, known: Known | None) -> Type:
    """``counter`` or ``gauge`` where that is sure, else nothing."""
    told = known.type_of(name) if known is not None else ""
    if told in ("counter", "gauge"):
        return "counter" if told == "counter" else "gauge"
    if told and told not in ("unknown", "untyped"):
        return ""
    if _GAUGES.fullmatch(name):
        return "gauge"
    *words, last = name.split("_")
    if last != "total" or not words or any(map(_STATE.fullmatch, words)):
        return ""
    if _EVENT.fullmatch(words[-1]):
        return "counter"
    return "counter" if any(map(_EVENT.fullmatch, words)) and not any(map(_THING.fullmatch, words)) else ""
