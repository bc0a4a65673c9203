"""What the configurations of Alloy and Promtail have in common: the stages with which they read the lines of a log, and
how they send them to Loki. The names of the settings are the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, TypeAlias

from lilfox_tui.cli.exports.formatting import secret_file
from lilfox_tui.cli.exports.log_streams import (
    FORMATS,
    JOB,
    JSON,
    LEVEL_FIELDS,
    METADATA_FIELDS,
    SERVICE_FIELDS,
    SERVICE_OF_FILE,
    TIME_FIELDS,
    LogExport,
    LogStream,
    environment,
    loki_server,
    reach_note,
)
from lilfox_tui.config.model import ApiConfig, Config
from lilfox_tui.config.values import SecretRef
from lilfox_tui.core.i18n import _

Stage: TypeAlias = tuple[str, dict[str, Any]]
"""The kind of a stage and its arguments, under the names that both programs have for them."""
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LOWER = "{{ ToLower .Value }}"
JOURNAL_LABELS = {"__journal__systemd_unit": "unit", "__journal_priority_keyword": "level"}
"""The fields of the journal that become labels."""
_LOKI = "http://127.0.0.1:3100"


def stream_labels(config: Config, host: str, stream: LogStream) -> dict[str, str]:
    """The labels of a stream, which are known before a line is read: few values each, as Loki wants them."""
    labels = {"job": JOB, "host": host, "log": stream.name}
    if env := environment(config):
        labels["env"] = env
    if stream.service:
        labels["service"] = stream.service
    return labels


def stages(stream: LogStream) -> list[Stage]:
    """The stages for the stream's lines; none for lines that are sent as they are."""
    return list(_stages(stream))


def _stages(stream: LogStream) -> Iterator[Stage]:
    labels: list[str] = []
    if stream.many:
        yield "regex", {"expression": SERVICE_OF_FILE, "source": "filename"}
        labels.append("service")
    if not stream.format:
        if labels:
            yield "labels", {"values": dict.fromkeys(labels, "")}
        return
    how = FORMATS[stream.format]
    if how.start:
        yield "multiline", {"firstline": how.start, "max_wait_time": "3s"}
    metadata = list(how.metadata)
    if stream.format in JSON:
        named = {"time": _either(TIME_FIELDS), "level": f"{_either(LEVEL_FIELDS)} || 'unknown'"}
        named |= {name: name for name in METADATA_FIELDS}
        metadata += METADATA_FIELDS
        if not stream.service and not stream.many:
            named["service"] = _either(SERVICE_FIELDS)
            labels.append("service")
        yield "json", {"expressions": named}
    elif stream.format == "logfmt":
        yield "logfmt", {"mapping": {"time": "", "ts": "", "level": "", "lvl": ""}}
        yield "template", {"source": "time", "template": "{{ if .time }}{{ .time }}{{ else }}{{ .ts }}{{ end }}"}
        yield "template", {"source": "level", "template": "{{ if .level }}{{ .level }}{{ else }}{{ .lvl }}{{ end }}"}
    else:
        yield "regex", {"expression": how.expression}
    yield "timestamp", _timestamp(stream)
    if stream.format in JSON or stream.format == "logfmt" or "(?P<level>" in how.expression:
        yield "template", {"source": "level", "template": _LOWER}
        labels.append("level")
    if labels:
        yield "labels", {"values": dict.fromkeys(labels, "")}
    if metadata:
        yield "structured_metadata", {"values": dict.fromkeys(metadata, "")}


def _timestamp(stream: LogStream) -> dict[str, Any]:
    first, *others = FORMATS[stream.format].layouts
    made: dict[str, Any] = {"source": "time", "format": first}
    if others:
        made["fallback_formats"] = others
    return made | {"location": stream.zone, "action_on_failure": "skip"}


def _either(names: tuple[str, ...]) -> str:
    """A JMESPath expression: the first of these fields that a record has."""
    return " || ".join(name if _PLAIN.fullmatch(name) else f'"{name}"' for name in names)


def loki_client(config: Config, export: LogExport, secrets: str) -> tuple[dict[str, Any], list[str]]:
    """The settings for sending to Loki, with the password in a file of the folder ``secrets``; and notes on them."""
    api = loki_server(config) or ApiConfig(url=_LOKI)
    notes = reach_note(config, api, export.host)
    made: dict[str, Any] = {"url": f"{api.url.rstrip('/')}/loki/api/v1/push"}
    for header, value in api.headers.items():
        if header.lower() == "x-scope-orgid" and not isinstance(value, SecretRef):
            made["tenant_id"] = value
        else:
            notes.append(_("{name}: header {header} is not exported; see http_headers", name="loki", header=header))
    if api.user is not None:
        made["basic_auth"] = {"username": api.user}
        if api.password is not None:
            found = secret_file(api.password, secrets, "loki-password")
            notes += [found.note] if found.note else []
            made["basic_auth"]["password_file"] = found.path
    if not api.verify_tls:
        made["tls_config"] = {"insecure_skip_verify": True}
    return made, notes
