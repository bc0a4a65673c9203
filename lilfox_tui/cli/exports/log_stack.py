"""The exports for log stacks by their kinds, and what they are for one host now."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lilfox_tui.audit.targets.hosts import COLLECTORS, ExportedFile
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


def exported_files(config: Config, host: str) -> dict[str, ExportedFile]:
    """What would be exported for the collectors of the host; nothing where it has no logs."""
    found: dict[str, ExportedFile] = {}
    for kind in COLLECTORS:
        try:
            found[kind] = ExportedFile(("lilfox", "export", kind, "--host", host), LOG_STACK[kind](config, host))
        except UsageError:
            continue
    return found
