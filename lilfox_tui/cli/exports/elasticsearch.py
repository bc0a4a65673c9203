"""The exports for Elasticsearch (8.0 or later) and Kibana: index template, lifecycle policy, data view.

https://www.elastic.co/docs/manage-data/data-store/data-streams"""

from __future__ import annotations

import json
from typing import Any

from lilfox_tui.cli.exports.log_streams import JOB, RETENTION_DAYS, data_stream
from lilfox_tui.config.model import Config

POLICY = "lilfox"
_PRIORITY = 500
"""Above that of Elasticsearch's own template for ``logs-*-*``, which is 100."""


def index_template(config: Config, host: str | None) -> str:  # noqa: ARG001  as the exports of collectors
    """The body of ``PUT _index_template/lilfox``: the fields that the exported Logstash and Filebeat write."""
    keyword = {"type": "keyword", "ignore_above": 1024}
    fields: dict[str, Any] = {
        "@timestamp": {"type": "date"},
        "message": {"type": "text"},
        "tags": keyword,
        "host": _of(name=keyword),
        "service": _of(name=keyword),
        "labels": _of(env=keyword),
        "log": _of(level=keyword, logger=keyword, file=_of(path=keyword)),
        "source": _of(address=keyword),
        "url": _of(path=keyword),
        "http": _of(request=_of(method=keyword), response=_of(status_code={"type": "short"})),
        "app": _of(request_id=keyword, trace_id=keyword, response_time={"type": "double"}),
    }
    template = {
        "index_patterns": [f"logs-{JOB}-*"],
        "data_stream": {},
        "priority": _PRIORITY,
        "template": {
            "settings": {
                "index.lifecycle.name": POLICY,
                "index.auto_expand_replicas": "0-1",
                "index.mapping.ignore_malformed": True,
            },
            "mappings": {
                "dynamic_templates": [
                    {"faults": {"match_mapping_type": "string", "path_match": "app.exc*", "mapping": {"type": "text"}}},
                    {"strings": {"match_mapping_type": "string", "mapping": keyword}},
                ],
                "properties": fields,
            },
        },
        "_meta": {"description": f"Logs of LilFox's configuration, such as {data_stream(config)}"},
    }
    return _json(template)


def lifecycle_policy(config: Config, host: str | None) -> str:  # noqa: ARG001  as the exports of collectors
    """The body of ``PUT _ilm/policy/lilfox``: an index a day, as the manual's, deleted in time."""
    rollover = {"max_age": "1d", "max_primary_shard_size": "50gb"}
    delete = {"min_age": f"{RETENTION_DAYS}d", "actions": {"delete": {}}}
    return _json({"policy": {"phases": {"hot": {"actions": {"rollover": rollover}}, "delete": delete}}})


def kibana_data_view(config: Config, host: str | None) -> str:  # noqa: ARG001  as the exports of collectors
    """A saved object as Kibana imports it (NDJSON): the data view of the exported logs."""
    view = {
        "type": "index-pattern",
        "id": "lilfox-logs",
        "attributes": {"title": f"logs-{JOB}-*", "name": "LilFox", "timeFieldName": "@timestamp"},
        "references": [],
    }
    return json.dumps(view) + "\n"


def _of(**fields: Any) -> dict[str, Any]:
    return {"properties": fields}


def _json(document: Any) -> str:
    return json.dumps(document, indent=2) + "\n"
