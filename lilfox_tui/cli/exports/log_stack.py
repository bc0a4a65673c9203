"""The exports for log stacks by their kinds, and what they are for one host now."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lilfox_tui.audit.targets.hosts import ExportedFile
from lilfox_tui.cli.exports.alloy import alloy_config
from lilfox_tui.cli.exports.elasticsearch import index_template, kibana_data_view, lifecycle_policy
from lilfox_tui.cli.exports.filebeat import filebeat_yml
from lilfox_tui.cli.exports.logstash import logstash_conf
from lilfox_tui.cli.exports.loki import loki_yml
from lilfox_tui.cli.exports.promtail import promtail_yml
from lilfox_tui.config.model import Config
from lilfox_tui.core.errors import UsageError

LOG_STACK: Mapping[str, Callable[[Config, str | None], str]] = {
    "alloy": alloy_config,
    "promtail": promtail_yml,
    "loki": loki_yml,
    "logstash": logstash_conf,
    "filebeat": filebeat_yml,
    "elasticsearch-template": index_template,
    "elasticsearch-ilm": lifecycle_policy,
    "kibana": kibana_data_view,
}
_ON_HOSTS = ("alloy", "promtail", "loki", "logstash", "filebeat")


def exported_files(config: Config, host: str) -> dict[str, ExportedFile]:
    """What would be exported for the host, of each kind that stands in a file there; kinds that have nothing for it are
    left out."""
    found: dict[str, ExportedFile] = {}
    for kind in _ON_HOSTS:
        where = () if kind == "loki" else ("--host", host)
        try:
            found[kind] = ExportedFile(("lilfox", "export", kind, *where), LOG_STACK[kind](config, host))
        except UsageError:
            continue
    return found
