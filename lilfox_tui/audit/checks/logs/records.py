"""What the newest lines of application logs lack: JSON, times with an offset, request ids."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, timedelta, timezone

from msgspec import Struct

from lilfox_tui.audit.model import Absent, AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix, NotKnown
from lilfox_tui.audit.targets.hosts import Printed
from lilfox_tui.core.i18n import Message, listed, ntr, tr
from lilfox_tui.logs.record import METHODS, LogEntry, load_format, recognise, split_records, status_span

_BYTES = 8000
_NEWEST = rf"""
echo newest
IFS='
'
for file in $LILFOX_LOGS; do
    [ -f "$file" ] && find -L "$file" -maxdepth 0 -mtime -8 -print
done | sort -u | grep -vE '\.(gz|xz|zst|bz2|old|[0-9]+)$' | head -n 25 | while IFS= read -r file; do
    [ -r "$file" ] || {{ printf 'unreadable %s\n' "$file"; continue; }}
    printf 'log %s\n' "$file"
    tail -c 65536 -- "$file" | tail -n 60 | cut -c 1-2000 | tail -c {_BYTES} | tr '\0' ' ' | sed 's/^/>/'
done
exit 0
"""
LINES_AT_LEAST = 5
_OF_PROGRAMS = re.compile(
    r"nginx|apache|httpd|caddy|haproxy|traefik|varnish|squid|postgres|pgbouncer|pgbackrest|redis|valkey|mysql|mariadb|"
    r"mongo|memcached|rabbitmq|kafka|zookeeper|elasticsearch|opensearch|kibana|logstash|filebeat|loki|promtail|alloy|"
    r"grafana|prometheus|alertmanager|fail2ban|letsencrypt|certbot|cloud-init|unattended-upgrades|supervisor|dpkg|apt/|"
    r"alternatives|syslog|messages|auth\.log|kern\.log|daemon\.log|mail\.|cron|ufw|audit/|samba|cups|exim|postfix|"
    r"docker|containerd|kube|etcd|jenkins|gitlab|access[._]",
    re.IGNORECASE,
)
"""Of paths: the logs of programs that are not the application's own, and whose format others have decided."""
_STRUCTURED, _READABLE = ("json_lines", "logfmt"), ("console", "rails")
_DATE = re.compile(r"\d{4}-?\d\d-?\d\d")
_OTHER_ZONE = timezone(timedelta(hours=1))
_ID_NAMES = ("requestid", "reqid", "traceid", "correlationid", "transactionid", "spanid", "traceparent")
_ID = re.compile(
    r"\b(?:x[-_])?(?:request|req|trace|correlation|span)[-_ ]?id\b|\b[0-9a-f]{16,}\b|\b[0-9a-f]{8}-[0-9a-f]{4}-",
    re.IGNORECASE,
)
_REQUEST = re.compile(rf"\b(?:{METHODS}) /")
_FORMATTER = """\
import json, logging
from datetime import datetime, timezone

class JSONFormatter(logging.Formatter):
    def format(self, record):
        fields = {
            "timestamp": datetime.fromtimestamp(record.created, timezone.utc).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": getattr(record, "request_id", None),
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields)"""


class NewestLines(Struct, frozen=True):
    """A log and its newest lines; none where it cannot be read."""

    path: str
    lines: tuple[str, ...] | None

    @property
    def subject(self) -> str:
        """The path, whatever the day in its name."""
        return _DATE.sub("*", self.path)


def parse_newest(printed: Printed) -> list[NewestLines]:
    """The logs that are the application's own. A first line that may have been cut is left out."""
    _heading, *lines = printed.lines()
    found: dict[str, list[str] | None] = {}
    path = ""
    for line in lines:
        if line.startswith(("log ", "unreadable ")):
            word, _blank, path = line.partition(" ")
            found[path] = [] if word == "log" else None
        elif line.startswith(">") and (known := found.get(path)) is not None:
            known.append(line[1:])
    return [
        NewestLines(path, None if each is None else tuple(each[sum(map(len, each)) >= _BYTES - 2 * len(each) :]))
        for path, each in found.items()
        if not _OF_PROGRAMS.search(path)
    ]


NEWEST = Fact("newest-lines", _NEWEST, parse_newest)


def judge(facts: Facts) -> Iterator[AuditFinding]:
    """Logs of applications that cannot be searched by field, ordered by time, or followed by request."""
    logs = {each.subject: each for each in facts[NEWEST]}  # of several days, the last
    if not logs:
        raise Absent
    unread = ""
    for subject, each in sorted(logs.items()):
        if each.lines is None:
            unread = each.path
            continue
        if lacks := _lacks(each.lines):
            evidence = ntr(
                "{path}: the newest line has {lacks}",
                "{path}: the newest {count} lines have {lacks}",
                len(each.lines),
                path=each.path,
                lacks=listed(map(str, lacks)),
            )
            text = tr(
                "Log one JSON object a line, with the time in UTC and the id of the request. In Python, give this "
                "formatter to the handlers, and the id as extra={example}.",
                example='{"request_id": …}',
            )
            yield AuditFinding(subject, evidence, Fix(text, lines=tuple(_FORMATTER.splitlines())))
    if unread:
        raise NotKnown(tr("{path} cannot be read: set sudo: true for this host, or log in as root", path=unread))


def _lacks(lines: Sequence[str]) -> list[Message]:
    block = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
    kind = recognise(block)
    inside = {*kind.split("+")}  # also of what a container's runtime has wrapped
    if inside.isdisjoint((*_STRUCTURED, *_READABLE)):
        return []
    form = load_format(kind)
    raws = [raw for _place, raw in split_records(block, form)]
    pairs = [(form.parse(raw, UTC), form.parse(raw, _OTHER_ZONE)) for raw in raws]
    known = [(one, other) for one, other in pairs if one is not None and other is not None]
    if len(known) < LINES_AT_LEAST or len(known) * 5 < len(raws) * 4:
        return []
    found = []
    if inside.isdisjoint(_STRUCTURED):
        found.append(tr("no JSON"))
    timed = [(one.time_us, other.time_us) for one, other in known]
    if all(one is None for one, _other in timed):
        found.append(tr("no times"))
    elif all(one != other for one, other in timed if one is not None):
        found.append(tr("times without an offset"))
    requests = [one for one, _other in known if _of_request(one)]
    if len(requests) >= LINES_AT_LEAST and not any(_has_id(one) for one, _other in known):
        found.append(tr("no request id"))
    return found


def _of_request(entry: LogEntry) -> bool:
    return bool(_REQUEST.search(entry.message)) or status_span(entry.message[:2000]) is not None or _names(entry)


def _names(entry: LogEntry) -> bool:
    names = {name.lower() for name in _flat(entry.fields)}
    return "method" in names and bool(names & {"path", "url", "route", "uri"})


def _has_id(entry: LogEntry) -> bool:
    fields = _flat(entry.fields)
    named = any(name.endswith(_ID_NAMES) and value not in (None, "", "-") for name, value in fields.items())
    return named or _ID.search(entry.message) is not None


def _flat(fields: Mapping[str, object], before: str = "") -> dict[str, object]:
    """The fields by their names in lower case without punctuation, one level of nested ones with the outer name."""
    found: dict[str, object] = {}
    for name, value in fields.items():
        plain = re.sub(r"[^a-z]", "", name.lower())
        if isinstance(value, Mapping) and not before:
            found |= _flat(value, plain)
        found[before + plain] = value
    return found


CHECKS = (
    AuditCheck(
        "log-not-structured",
        AuditSeverity.LOW,
        tr("the lines of an application's log lack what searches need"),
        tr("Fields need JSON, the order of lines of several hosts needs offsets, and a request is followed by its id."),
        (NEWEST,),
        judge,
        "https://cheatsheetseries.owasp.org/cheatsheets/Logging_Cheat_Sheet.html#event-attributes",
    ),
)
