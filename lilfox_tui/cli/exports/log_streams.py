"""What the exports of log stacks have in common: the logs of one host, how their lines are read, where they go."""

from __future__ import annotations

import fnmatch
import platform
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from lilfox_tui.config.model import ApiConfig, Config, LogConfig
from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import _, listed, tr
from lilfox_tui.logs.source import LILFOX_FOLDER, file_log, zone_of
from lilfox_tui.logs.sources.elasticsearch import Options as ElasticsearchLog
from lilfox_tui.logs.sources.file import Options as FileLog
from lilfox_tui.logs.sources.journald import Options as JournalLog
from lilfox_tui.logs.sources.loki import Options as LokiLog

JOB = "lilfox"
"""The label ``job`` of all streams in Loki, the dataset in Elasticsearch: as in the manual."""
RETENTION_DAYS = 30
"""How long the exported Loki and Elasticsearch keep logs: as long as the manual's services keep their daily files."""
COPIES = "*-daily.log"
"""The second file of the manual's services, with the same records as the first."""

# How the lines of the formats are read. The expressions are RE2 and Oniguruma alike, apart from ``(?P<name>…)``.


class LineFormat(NamedTuple):
    """How collectors read the lines of a format. ``expression`` has the groups ``time`` and ``level`` where a line has
    them, and those of ``metadata``. ``layouts`` are Go's reference times, ``joda`` is the same in Logstash's letters;
    ``start`` begins a record of several lines."""

    expression: str = ""
    layouts: tuple[str, ...] = ()
    joda: tuple[str, ...] = ()
    start: str = ""
    metadata: tuple[str, ...] = ()


JSON = ("json_lines", "postgresql_json")
TIME_FIELDS = ("timestamp", "time", "ts", "@timestamp")
LEVEL_FIELDS = ("level", "levelname", "severity", "log.level", "error_severity")
SERVICE_FIELDS = ("service", "service.name", "app")
SERVICE_OF_FILE = r"(?:lilfox-)?(?P<service>[^/]+?)(?:-daily)?\.(?:log|jsonl?)$"
METADATA_FIELDS = ("logger", "request_id", "trace_id")
_DAY = r"\d{4}-\d{2}-\d{2}"
_CLOCK = r"\d{2}:\d{2}:\d{2}"
_ZONE = "ZONE"
"""Where a time has the name of its zone, which Logstash knows as an American one at times (``CST``)."""
FORMATS = {
    "json_lines": LineFormat(
        layouts=("RFC3339Nano", "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05", "Unix"),
        joda=("ISO8601", "yyyy-MM-dd HH:mm:ss,SSS", "yyyy-MM-dd HH:mm:ss.SSS", "yyyy-MM-dd HH:mm:ss", "UNIX"),
    ),
    "postgresql_json": LineFormat(
        layouts=("2006-01-02 15:04:05 -07", "2006-01-02 15:04:05 MST"),
        joda=(f"yyyy-MM-dd HH:mm:ss.SSS {_ZONE}",),
    ),
    "logfmt": LineFormat(
        layouts=("RFC3339Nano", "2006-01-02T15:04:05", "2006-01-02 15:04:05", "Unix"),
        joda=("ISO8601", "yyyy-MM-dd HH:mm:ss", "UNIX"),
    ),
    "access": LineFormat(
        r'^(?P<client>\S+) \S+ \S+ \[(?P<time>[^\]]+)\] "(?P<method>[A-Z]+) (?P<path>\S+)[^"]*" (?P<status>\d{3}) ',
        ("02/Jan/2006:15:04:05 -0700",),
        ("dd/MMM/yyyy:HH:mm:ss Z",),
        metadata=("client", "method", "path", "status"),
    ),
    "console": LineFormat(
        rf"^\[?(?P<time>{_DAY}[ T]{_CLOCK}(?:[.,]\d{{1,9}})?)[^\n]{{0,120}}?"
        r"\b(?P<level>TRACE|DEBUG|INFO|WARN(?:ING)?|ERROR|CRITICAL|FATAL)\b",
        ("2006-01-02 15:04:05", "2006-01-02T15:04:05"),
        ("yyyy-MM-dd HH:mm:ss,SSS", "yyyy-MM-dd HH:mm:ss.SSS", "yyyy-MM-dd HH:mm:ss", "ISO8601"),
        rf"^\[?{_DAY}[ T]{_CLOCK}",
    ),
    "nginx_error": LineFormat(
        rf"^(?P<time>\d{{4}}/\d{{2}}/\d{{2}} {_CLOCK}) \[(?P<level>[a-z]+)\] ",
        ("2006/01/02 15:04:05",),
        ("yyyy/MM/dd HH:mm:ss",),
        rf"^\d{{4}}/\d{{2}}/\d{{2}} {_CLOCK} \[",
    ),
    "postgresql": LineFormat(
        rf"^(?P<time>{_DAY} {_CLOCK}(?:\.\d+)? \S+) [^\n]{{0,300}}?"
        r"\b(?P<level>DEBUG[1-5]?|INFO|NOTICE|WARNING|ERROR|LOG|FATAL|PANIC):  ",
        ("2006-01-02 15:04:05 -07", "2006-01-02 15:04:05 MST"),
        (f"yyyy-MM-dd HH:mm:ss.SSS {_ZONE}", f"yyyy-MM-dd HH:mm:ss {_ZONE}"),
        rf"^{_DAY} {_CLOCK}",
    ),
    "syslog": LineFormat(
        rf"^(?P<time>{_DAY}T\S+|[A-Z][a-z]{{2}} [ \d]\d {_CLOCK}) \S+ (?P<program>[^\s:\[]+)",
        ("RFC3339Nano", "Jan _2 15:04:05"),
        ("ISO8601", "MMM dd HH:mm:ss", "MMM  d HH:mm:ss"),
        metadata=("program",),
    ),
}
_GUESSED = (
    (re.compile(r"\A" + re.escape(LILFOX_FOLDER) + r"/[^/]{1,255}\.log\Z"), "json_lines"),
    (re.compile(r"/(?:nginx|apache2|httpd)/[^/]{0,255}access[^/]{0,255}\Z"), "access"),
    (re.compile(r"/nginx/[^/]{0,255}error[^/]{0,255}\Z"), "nginx_error"),
    (re.compile(r"/postgresql/[^/]{0,255}\.json\Z"), "postgresql_json"),
    (re.compile(r"/postgresql/[^/]{0,255}\.log\Z"), "postgresql"),
    (re.compile(r"\A/var/log/(?:syslog|messages|auth\.log)\Z"), "syslog"),
    (re.compile(r"\.jsonl?\Z"), "json_lines"),
)
"""A file name has at most 255 bytes (``NAME_MAX``)."""


class LogStream(NamedTuple):
    """One file, pattern or part of the journal that a collector follows."""

    name: str
    log: FileLog | JournalLog
    format: str
    """A key of FORMATS; "" where lines are sent as they are."""
    zone: str
    service: str
    """The service of the configuration that writes it; "" if unknown."""
    many: bool = False
    """A pattern: each file is the log of a service of its own."""
    exclude: str = ""
    notes: tuple[str, ...] = ()


class LogExport(NamedTuple):
    """The logs of one host. ``host`` is its name in the configuration, or the name of this machine."""

    host: str
    streams: list[LogStream]
    notes: list[str]


def log_export(config: Config, host: str | None) -> LogExport:
    """The logs that a collector on ``host`` (None: the only host with logs) sends. Raises UsageError for an unknown
    host, and where it is unclear which one is meant."""
    logs: Mapping[str, LogConfig] = config.logs or {JOB: file_log(f"{LILFOX_FOLDER}/*.log", zone="UTC")}
    by_host: dict[str, dict[str, FileLog | JournalLog]] = {}
    for name, log in logs.items():
        if isinstance(log, FileLog | JournalLog):
            by_host.setdefault(_host_name(config, log.host), {})[name] = log
    chosen = _chosen(config, host, list(by_host))
    streams = [_stream(config, name, log) for name, log in by_host.get(chosen, {}).items()]
    notes = [
        _("{name} is not exported: it is the output of a command", name=name)
        for name, log in logs.items()
        if log.kind == "command" and _host_name(config, log.host) == chosen
    ]
    return LogExport(chosen, streams, notes)


def _chosen(config: Config, host: str | None, hosts: list[str]) -> str:
    if host is not None and host not in config.hosts and host not in hosts:
        raise UsageError(tr("{host}: no such host", host=host), tr("one of: {kinds}", kinds=listed(hosts)))
    if host is not None:
        host = _host_name(config, host)
    if host in hosts:
        return str(host)
    if not hosts or host is not None:
        raise UsageError(
            tr("the configuration has no log file and no journal of {host}", host=host)
            if host
            else tr("the configuration has no log file and no journal"),
            tr("add one under logs:, such as path: /var/log/lilfox/*.log"),
        )
    if len(hosts) > 1:
        raise UsageError(
            tr("logs are on several hosts; a collector runs on each of them"),
            tr("choose one with --host: {hosts}", hosts=listed(hosts)),
        )
    return hosts[0]


def _host_name(config: Config, host: str | None) -> str:
    """The host's name; this machine has that of its first section, else the one that it calls itself."""
    if host is not None and not (host in config.hosts and config.hosts[host].local):
        return host
    return next((name for name, each in config.hosts.items() if each.local), platform.node() or "localhost")


def _stream(config: Config, name: str, log: FileLog | JournalLog) -> LogStream:
    path = log.path if isinstance(log, FileLog) else ""
    many = any(char in path for char in "*?[")
    exclude = ""
    notes: list[str] = []
    if many and fnmatch.fnmatchcase(COPIES.replace("*", "x"), PurePosixPath(path).name) and _is_manuals(path):
        exclude = str(PurePosixPath(path).parent / COPIES)
        notes.append(_("{path} are left out: services write each record to both files.", path=exclude))
    given = log.format or next((kind for pattern, kind in _GUESSED if pattern.search(path)), "")
    if isinstance(log, FileLog) and given not in FORMATS:
        notes.append(
            _("{name}: lines of the format {format} are sent as they are.", name=name, format=given)
            if given
            else _("{name}: the format is unknown; lines are sent as they are. Set logs.{name}.format.", name=name)
        )
    zone = zone_of(log.zone or ("UTC" if _is_manuals(path) else ""))
    return LogStream(
        name,
        log,
        given if given in FORMATS and isinstance(log, FileLog) else "",
        zone.key if isinstance(zone, ZoneInfo) else "UTC",
        "" if many else _service(config, name),
        many,
        exclude,
        tuple(notes),
    )


def _is_manuals(path: str) -> bool:
    return path.startswith(f"{LILFOX_FOLDER}/")


def _service(config: Config, name: str) -> str:
    """The service whose name the log has, alone or among its parts: ``web-1.gateway``, ``gateway-access``."""
    found = [each for each in config.services if re.search(rf"(?:^|[._-]){re.escape(each)}(?:$|[._-])", name)]
    return max(found, key=len, default="")


def journal_matches(log: JournalLog) -> list[str]:
    """The part of the journal that LilFox reads, as matches of journalctl."""
    unit = f"{log.unit}.service" if log.unit and "." not in log.unit else log.unit
    wanted = (("_SYSTEMD_UNIT", unit), ("SYSLOG_IDENTIFIER", log.identifier))
    return [f"{key}={value}" for key, value in wanted if value]


def joda_patterns(stream: LogStream) -> list[str]:
    """The patterns of Logstash for the stream's times. Names of its own zone are taken literally, in that zone."""
    zone = ZoneInfo(stream.zone)
    names = [f"'{datetime(2026, month, 1, tzinfo=zone).tzname()}'" for month in (1, 7)]
    found = [pattern.replace(_ZONE, name) for name in (*names, "z") for pattern in FORMATS[stream.format].joda]
    return list(dict.fromkeys(found))


def identifiers(names: Iterable[str]) -> dict[str, str]:
    """A unique identifier (letters, digits, underscores) for each name."""
    made: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9_]", "_", name)
        plain = plain if plain[:1].isalpha() else f"log_{plain}"
        while plain in made.values():
            plain += "_"
        made[name] = plain
    return made


# Where the logs go: the servers that LilFox reads logs from, else the manual's on this machine.


def loki_server(config: Config) -> ApiConfig | None:
    """The Loki of the first source of that kind; None without one."""
    found = next((log for log in config.logs.values() if isinstance(log, LokiLog)), None)
    return None if found is None else server_of(found)


def elasticsearch_server(config: Config) -> ApiConfig | None:
    """The Elasticsearch of the first source of that kind; None without one."""
    found = elasticsearch_log(config)
    return None if found is None else server_of(found)


def elasticsearch_log(config: Config) -> ElasticsearchLog | None:
    """The first source of kind elasticsearch; None without one."""
    return next((log for log in config.logs.values() if isinstance(log, ElasticsearchLog)), None)


def server_of(log: LokiLog | ElasticsearchLog) -> ApiConfig:
    """The server of a source of logs."""
    return ApiConfig(
        url=log.url,
        headers=log.headers,
        user=log.user,
        password=log.password,
        verify_tls=log.verify_tls,
        from_=log.host,
    )


def reach_note(config: Config, api: ApiConfig, host: str) -> list[str]:
    """What to see to where LilFox reaches the server from another host than the collector's."""
    asks = _host_name(config, api.from_)
    if asks == host:
        return []
    return [
        _("LilFox reaches {url} from {other}; it must be reachable from {host}.", url=api.url, other=asks, host=host)
    ]


def environment(config: Config) -> str:
    """The installation's name as a label and a namespace: lower-case letters, digits and underscores."""
    return re.sub(r"[^a-z0-9]+", "_", config.name.lower()).strip("_")


def data_stream(config: Config) -> str:
    """The data stream that Logstash and Filebeat write to."""
    return f"logs-{JOB}-{environment(config) or 'default'}"


def index_note(config: Config) -> list[str]:
    """What to change where LilFox would not read what is written."""
    log, written = elasticsearch_log(config), data_stream(config)
    if log is None or any(fnmatch.fnmatchcase(written, pattern) for pattern in log.index.split(",")):
        return []
    return [
        _("LilFox reads the index {index}; set it to {stream} to read these records.", index=log.index, stream=written)
    ]


def with_port(url: str) -> str:
    """``url`` with its port, as Logstash and Filebeat take 9200 where there is none."""
    parts = urlsplit(url)
    netloc = parts.netloc if parts.port else f"{parts.netloc}:{443 if parts.scheme == 'https' else 80}"
    return f"{parts.scheme}://{netloc}{parts.path.rstrip('/')}"
