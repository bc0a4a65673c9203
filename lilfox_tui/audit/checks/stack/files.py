"""The configuration files of Loki and of log collectors: state that is lost, old schemas, changes since the export."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import yaml
from msgspec import Struct

from lilfox_tui.audit.model import Absent, AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix, NotKnown
from lilfox_tui.audit.targets.hosts import COLLECTORS, EXPORTED, Printed
from lilfox_tui.core.i18n import Message, listed, ntr, tr

_FILES = r"""
date -u +%Y-%m-%d || exit 1
running=$(cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' | sed -n 's/^--*config\.file=\//\//p' |
    grep -E 'loki|promtail')
for file in /etc/loki/*.yaml /etc/loki/*.yml /etc/promtail/*.yaml /etc/promtail/*.yml /etc/alloy/*.alloy \
    /etc/filebeat/filebeat.yml /etc/logstash/conf.d/*.conf $running
do
    [ -e "$file" ] || continue
    case $seen in *" $file "*) continue ;; esac
    seen="$seen $file "
    [ -r "$file" ] || exit 1
    printf '%s %s\n' "$(wc -c <"$file")" "$file"
    cat "$file" || exit 1
    echo
done
exit 0
"""
_MADE = re.compile(r"lilfox export ([a-z-]+)")
_HEAD = 1000
"""So far into a file stands who made it."""
_COMMENT = re.compile(r"\s*(?:#|//).*")
_NOT_KEPT = frozenset({"__path__", "__path_exclude__", "rule_path"})
"""Keys of paths that hold no state: the logs that are read, and copies of rules that Loki makes at each start."""
_PERIODS = re.compile(r"(?m)^( *)- +(?:from|store|object_store|schema|index):")
_SCHEMAS = tuple(f"v{number}" for number in range(13, 100))
_DAYS_AHEAD = 2


class StackFiles(Struct, frozen=True):
    """The files by their paths, and the host's day in UTC."""

    day: date
    files: dict[str, str]


def parse_files(printed: Printed) -> StackFiles:
    """The day, then for each file the number of its bytes, its path and its text."""
    printed.lines()  # raises what keeps it from being known
    first, _end, rest = printed.text.partition("\n")
    data = rest.encode("utf-8", "surrogateescape")
    files: dict[str, str] = {}
    while data.strip():
        head, _end2, data = data.partition(b"\n")
        size, _space, path = head.decode("utf-8", "surrogateescape").strip().partition(" ")
        if int(size) > len(data):
            raise ValueError(path)
        files[path] = data[: int(size)].decode("utf-8", "surrogateescape")
        data = data[int(size) + 1 :]
    return StackFiles(date.fromisoformat(first), files)


FILES = Fact("log-stack-files", _FILES, parse_files)


def _of_loki(facts: Facts) -> dict[str, Any]:
    """The documents of Loki's and Promtail's files. Raises Absent without one, NotKnown for what is not YAML."""
    found = {}
    for path, text in facts[FILES].files.items():
        if not path.endswith((".yaml", ".yml")) or path.startswith("/etc/filebeat/"):
            continue
        try:
            found[path] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise NotKnown(tr("{file} is not valid YAML", file=path)) from None
    documents = {path: each for path, each in found.items() if isinstance(each, dict)}
    if not documents:
        raise Absent
    return documents


def judge_schema(facts: Facts) -> Iterator[AuditFinding]:
    """The newest period of each Loki: what is written from now on."""
    seen = False
    for path, document in _of_loki(facts).items():
        newest = _newest_period(path, document)
        if newest is None:
            continue
        seen = True
        store, schema = str(newest.get("store")), str(newest.get("schema"))
        if store == "tsdb" and schema in _SCHEMAS:
            continue
        evidence = tr(
            "{file}: the newest period, from {day}, uses the store {store} and the schema {schema}",
            file=path, day=str(newest["from"]), store=store, schema=schema,
        )  # fmt: skip
        yield AuditFinding("schema_config", evidence, _next_period(facts, path, newest, document))
    if not seen:
        raise Absent


def _newest_period(path: str, document: dict[str, Any]) -> dict[str, Any] | None:
    """None for a file that is not Loki's. Raises NotKnown for periods that are none."""
    section = document.get("schema_config")
    if section is None:
        return None
    periods = section.get("configs") if isinstance(section, dict) else None
    readable = isinstance(periods, list) and all(isinstance(each, dict) and "from" in each for each in periods)
    if not periods or not readable:
        raise NotKnown(tr("{file}: schema_config has no periods that can be read", file=path))
    newest: dict[str, Any] = max(periods, key=lambda period: str(period["from"]))
    return newest


def _next_period(facts: Facts, path: str, newest: dict[str, Any], document: dict[str, Any]) -> Fix:
    stack = facts[FILES]
    indent = match[1] if (match := _PERIODS.search(stack.files[path])) else "    "
    lines = (
        f"{indent}- from: {stack.day + timedelta(days=_DAYS_AHEAD)}",
        f"{indent}  store: tsdb",
        f"{indent}  object_store: {newest.get('object_store', 'filesystem')}",
        f"{indent}  schema: v13",
        f"{indent}  index:",
        f"{indent}    prefix: index_",
        f"{indent}    period: 24h",
    )
    text = tr("Append this period to schema_config: configs:, and restart Loki before that day (UTC).")
    common = document.get("common")
    if not isinstance(common, dict) or "path_prefix" not in common:
        text = tr(
            "Append this period to schema_config: configs:, set common: path_prefix, and restart Loki before that day "
            "(UTC)."
        )
    return Fix(text, path, lines)


def judge_retention(facts: Facts) -> Iterator[AuditFinding]:
    """Loki on a disk of its own host, with nothing that deletes old logs."""
    seen = False
    for path, document in _of_loki(facts).items():
        newest = _newest_period(path, document)
        if newest is None or newest.get("object_store") != "filesystem":
            continue
        seen = True
        if _is_on(document, "compactor", "retention_enabled") or _is_on(
            document, "table_manager", "retention_deletes_enabled"
        ):
            continue
        evidence = tr("{file}: neither compactor: retention_enabled nor table_manager deletes old logs", file=path)
        lines = (
            "compactor:",
            "  working_directory: /var/lib/loki/compactor",
            "  retention_enabled: true",
            "  delete_request_store: filesystem",
            "limits_config:",
            "  retention_period: 744h",
        )
        text = tr("Merge these lines into the sections of the same names, and restart Loki: it keeps 31 days then.")
        yield AuditFinding("retention", evidence, Fix(text, path, lines))
    if not seen:
        raise Absent


def _is_on(document: dict[str, Any], section: str, name: str) -> bool:
    """Whether a switch is on, or not written in the file itself (``${…}``)."""
    found = document.get(section)
    value = found.get(name) if isinstance(found, dict) else None
    return value is True or (isinstance(value, str) and "${" in value)


def judge_temporary(facts: Facts) -> Iterator[AuditFinding]:
    """Data of Loki and positions of Promtail below /tmp."""
    for path, document in _of_loki(facts).items():
        paths = sorted(set(_temporary(document)))
        program = "loki" if "schema_config" in document else "promtail"
        places = sorted({"/".join(each.split("/")[:3]) for each in paths})
        if not places:
            continue
        kept = f"/var/lib/{program}"
        commands = [f"mkdir -p {kept}"]
        for place in places:
            target = kept if place.rpartition("/")[2] == program else f"{kept}/{place.split('/')[2]}"
            source, moved = shlex.quote(place), shlex.quote(target)
            folder = f"{source}/. {moved}/" if target == kept else f"{source} {moved}"
            commands.append(f"[ ! -e {source} ] || cp -a {folder}")
            commands.append(f"sed -i {shlex.quote(f's#{place}#{target}#g')} {shlex.quote(path)}")
        yield AuditFinding(
            path,
            tr("{file} keeps {paths}", file=path, paths=listed(paths)),
            Fix(tr("Stop {program}, move its files, and start it again.", program=program), commands=tuple(commands)),
            None if program == "loki" else AuditSeverity.MEDIUM,
        )


def _temporary(node: Any, key: str = "") -> Iterator[str]:
    """The paths below /tmp in a document, or a part of it under ``key``, that keep something."""
    if isinstance(node, dict):
        for name, each in node.items():
            yield from _temporary(each, str(name))
    elif isinstance(node, list):
        for each in node:
            yield from _temporary(each, key)
    elif isinstance(node, str) and node.startswith("/tmp/") and key not in _NOT_KEPT:  # noqa: S108
        yield node


def judge_export(facts: Facts) -> Iterator[AuditFinding]:
    """Files that LilFox made, against what it would make now."""
    made = {}
    for path, text in facts[FILES].files.items():
        if (match := _MADE.search(text[:_HEAD])) and match[1] in COLLECTORS:
            made[path] = match[1]
    if not made:
        raise Absent
    for path, kind in made.items():
        exported = facts[EXPORTED].get(kind)
        there = _meant(facts[FILES].files[path])
        now = [] if exported is None else _meant(exported.text)
        different = [line for line in difflib.ndiff(now, there) if line[:2] in ("- ", "+ ")]
        if different:
            yield AuditFinding(path, _difference(path, kind, exported is None, different), _again(path, kind, facts))


def _difference(path: str, kind: str, nothing: bool, different: list[str]) -> Message:
    if nothing:
        return tr(
            "{file} was made by lilfox export {kind}, but the configuration has no log of this host",
            file=path,
            kind=kind,
        )
    first = next((line for line in different if line.startswith("+ ")), different[0])
    return ntr(
        "{file}: {count} line differs from what LilFox exports now: {line}",
        "{file}: {count} lines differ from what LilFox exports now; the first: {line}",
        len(different),
        file=path,
        line=first.strip(),
    )


def _again(path: str, kind: str, facts: Facts) -> Fix:
    exported = facts[EXPORTED].get(kind)
    if exported is None:
        return Fix(tr("Add the logs to the configuration, or remove the collector from the host."))
    return Fix(
        tr("Export it again to {file}, and restart {program}. Move manual changes into LilFox's configuration first.",
           file=path, program=kind),
        commands=(f"{shlex.join(exported.command)} >{shlex.quote(path.rpartition('/')[2])}",),
    )  # fmt: skip


def _meant(text: str) -> list[str]:
    """The lines that count: no comments, no blank lines."""
    return [line.rstrip() for line in text.splitlines() if line.strip() and not _COMMENT.fullmatch(line)]


CHECKS = (
    AuditCheck(
        "loki-schema",
        AuditSeverity.MEDIUM,
        tr("Loki writes an old schema"),
        tr(
            "boltdb-shipper and schemas before v13 are deprecated: queries are slower, and Loki 3 refuses structured "
            "metadata, such as the request ID, with them."
        ),
        (FILES,),
        judge_schema,
        "https://grafana.com/docs/loki/latest/setup/migrate/migrate-to-tsdb/",
    ),
    AuditCheck(
        "loki-keeps-all",
        AuditSeverity.LOW,
        tr("Loki never deletes old logs"),
        tr("They fill the disk, and then neither Loki nor what else is on it can write."),
        (FILES,),
        judge_retention,
        "https://grafana.com/docs/loki/latest/operations/storage/retention/",
    ),
    AuditCheck(
        "log-state-in-tmp",
        AuditSeverity.HIGH,
        tr("log data or read positions are kept in /tmp"),
        tr("The folder is emptied when the host boots: logs are lost, or sent again."),
        (FILES,),
        judge_temporary,
        "https://grafana.com/docs/loki/latest/configure/storage/",
    ),
    AuditCheck(
        "export-changed",
        AuditSeverity.LOW,
        tr("a collector's settings differ from what LilFox exports"),
        tr("The configuration has changed since the export, or somebody has changed the file: logs may be missing."),
        (FILES, EXPORTED),
        judge_export,
        "https://grafana.com/docs/alloy/latest/configure/linux/",
    ),
)
