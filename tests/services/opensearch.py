"""An OpenSearch-compatible server that others wrote (osmem-server), in memory, started by its own launcher.

It is neither OpenSearch nor Elasticsearch, but its authors read the same documents as ours and understood them on their
own: what both take is less likely to be a mistake of ours.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from osmem_server import OsmemServer


class OpenSearch:
    """An empty cluster at ``url``."""

    def __init__(self, url: str) -> None:
        self.url = url

    def map_times(self, *, pattern: str) -> None:
        """Indices of this pattern hold times to the nanosecond. This server tells the times of a ``date`` field in
        milliseconds, whatever ``numeric_type`` a sort asks for; Elasticsearch and OpenSearch convert them."""
        mappings = {"properties": {"@timestamp": {"type": "date_nanos"}}}
        template = {"index_patterns": [pattern], "template": {"mappings": mappings}}
        self.ask("PUT", "/_index_template/times", json.dumps(template))

    def add(self, documents: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Documents with the names of their indices, visible at once."""
        lines = [json.dumps(part) for index, source in documents for part in ({"index": {"_index": index}}, source)]
        answer = self.ask("POST", "/_bulk?refresh=true", "".join(f"{line}\n" for line in lines))
        assert not answer["errors"], answer

    def ask(self, method: str, path: str, body: str = "") -> Any:
        """The answer to a request, which must be of success."""
        headers = {"Content-Type": "application/x-ndjson" if "_bulk" in path else "application/json"}
        request = urllib.request.Request(f"{self.url}{path}", body.encode() or None, headers, method=method)
        with urllib.request.urlopen(request, timeout=20) as response:
            return json.load(response)


@contextmanager
def opensearch_server() -> Iterator[OsmemServer]:
    """A running server; :func:`empty_cluster` gives each test a cluster of it."""
    with OsmemServer.start(freeze=True, japanese=False) as server:
        try:
            yield server
        finally:
            if server.process.stdout is not None:  # its own close() leaves it open
                server.process.stdout.close()


@contextmanager
def empty_cluster(server: OsmemServer) -> Iterator[OpenSearch]:
    """A cluster on a port of its own, forgotten at the end."""
    with server.clone() as clone:
        yield OpenSearch(clone.url)
