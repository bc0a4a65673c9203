"""A stand-in for VictoriaLogs that answers ``/select/logsql/query`` as its HTTP API documents: inclusive start,
exclusive end, the newest with the argument ``limit``, in no order without ``sort``, an object of strings a line.

Of LogsQL it knows ``*``, ``NAME:VALUE``, and the pipes that filter ``_msg`` by a pattern and sort by time."""

from __future__ import annotations

import json
import random
import re
from datetime import UTC, datetime

from tests.services.http_stand_in import Reply, Request, StandIn

_PIPE = re.compile(r'\s*\|\s*(?:filter _msg:~("(?:[^"\\]|\\.)*")|sort by \(_time\) limit (\d+))')


class VictoriaLogsServer(StandIn):
    """``add`` puts an entry in."""

    def __init__(self) -> None:
        super().__init__(self._query)
        self._entries: list[tuple[int, dict[str, str]]] = []
        self._random = random.Random(4)

    def add(self, stamp_ns: int, message: str, **fields: str) -> None:
        """One entry."""
        second, nanoseconds = divmod(stamp_ns, 10**9)
        at = f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09}Z".replace(".000000000Z", "Z")
        stream = {"_stream": '{host="web"}', "_stream_id": "0000"}
        self._entries.append((stamp_ns, {"_time": at, "_msg": message, **stream, **fields}))

    def _query(self, request: Request) -> Reply:
        if request.path != "/select/logsql/query":
            return Reply(400, f"unsupported path requested: {request.path}")
        query, patterns, oldest = request.params["query"], [], None
        while found := _PIPE.search(query):
            patterns += [re.compile(json.loads(found[1]))] if found[1] else []
            oldest = int(found[2]) if found[2] else oldest
            query = query[: found.start()] + query[found.end() :]
        if "|" in query or (":" not in query and query.strip() != "*"):
            return Reply(400, f"cannot parse query [{query}]: unexpected token")
        name, _colon, value = query.strip().partition(":")
        start, end = (_ns(request.params[key]) for key in ("start", "end"))
        picked = [
            (stamp, fields)
            for stamp, fields in self._entries
            if start <= stamp < end
            and (name == "*" or fields.get(name) == value)
            and all(pattern.search(fields["_msg"]) for pattern in patterns)
        ]
        picked.sort(key=lambda each: each[0])
        if oldest is not None:
            picked = picked[:oldest]
        if "limit" in request.params:
            picked = picked[-int(request.params["limit"]) :]
        self._random.shuffle(picked)
        return Reply(200, "".join(f"{json.dumps(fields)}\n" for _stamp, fields in picked),
                     {"Content-Type": "application/stream+json"})  # fmt: skip


def _ns(text: str) -> int:
    whole, _point, rest = text.removesuffix("Z").partition(".")
    return int(datetime.fromisoformat(f"{whole}+00:00").timestamp()) * 10**9 + int(rest.ljust(9, "0") or 0)
