"""A real Prometheus on loopback: told series by remote write, exactly as a test has them, and asked by its HTTP API."""

from __future__ import annotations

import http.client
import json
import re
import struct
import subprocess
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.lifetime import ending_with_us
from tests.waiting import wait_for

_LISTENING = re.compile(r'msg="Listening on" address=127\.0\.0\.1:(\d+)')
_SNAPPY_LITERAL = 65_536


class PrometheusServer:
    """Asks and fills one running Prometheus, the process ``pid``. Times are milliseconds UTC; what is written must all
    be within an hour."""

    def __init__(self, port: int, pid: int) -> None:
        self.port, self.pid = port, pid
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def write(self, series: Sequence[tuple[Mapping[str, str], Sequence[int], Sequence[bytes]]]) -> None:
        """Series as labels, times, and values as the eight bytes of a little-endian float (so NaN keep their kind)."""
        body = b"".join(_field(1, _series(*one)) for one in series)
        headers = {"Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "0.1.0"}
        self._ask("POST", "/api/v1/write", _snappy(body), headers)

    def instant(self, query: str, at_ms: int) -> dict[str, Any]:
        """``data`` of the answer, or ``{"error": …}``."""
        params = urllib.parse.urlencode({"query": query, "time": f"{at_ms / 1000:.3f}"})
        answer: dict[str, Any] = json.loads(self._ask("GET", f"/api/v1/query?{params}"))
        return answer["data"] if answer["status"] == "success" else {"error": answer["error"]}

    def over(self, query: str, start_ms: int, end_ms: int, step_ms: int) -> dict[str, Any]:
        """The same of a range query."""
        times = {"start": start_ms, "end": end_ms, "step": step_ms}
        params = urllib.parse.urlencode({"query": query, **{name: f"{ms / 1000:.3f}" for name, ms in times.items()}})
        answer: dict[str, Any] = json.loads(self._ask("GET", f"/api/v1/query_range?{params}"))
        return answer["data"] if answer["status"] == "success" else {"error": answer["error"]}

    def alerts(self) -> list[dict[str, Any]]:
        """Those that are pending or firing."""
        found: list[dict[str, Any]] = json.loads(self._ask("GET", "/api/v1/alerts"))["data"]["alerts"]
        return found

    def parses(self, query: str) -> bool:
        """Whether its parser takes a query."""
        answer = json.loads(self._ask("GET", f"/api/v1/format_query?{urllib.parse.urlencode({'query': query})}"))
        return bool(answer["status"] == "success")

    def _ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        self._connection.request(method, path, body, dict(headers or {}))
        response = self._connection.getresponse()
        content = response.read()
        if response.status not in (200, 204, 400, 422):
            raise AssertionError(f"{path}: {response.status} {content[:300]!r}")
        return content

    def close(self) -> None:
        self._connection.close()


@contextmanager
def prometheus(folder: Path, *arguments: str, settings: str = "global: {}\n") -> Iterator[PrometheusServer]:
    """Prometheus on a port of its own choosing, ``settings`` its prometheus.yml, its data in ``folder``; ended then."""
    config, log = folder / "prometheus.yml", folder / "prometheus.log"
    config.write_text(settings)
    command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
               "--web.listen-address=127.0.0.1:0", "--web.enable-remote-write-receiver", *arguments]  # fmt: skip
    with log.open("wb") as output, subprocess.Popen(ending_with_us(*command), stdout=output, stderr=output) as process:
        server = None
        try:
            wait_for(
                lambda: _LISTENING.search(log.read_text()) or process.poll() is not None, what="Prometheus listens"
            )
            found = _LISTENING.search(log.read_text())
            assert found, log.read_text()
            wait_for(lambda: "Server is ready" in log.read_text(), what="Prometheus is ready")
            server = PrometheusServer(int(found[1]), process.pid)
            yield server
        finally:
            if server is not None:
                server.close()
            process.kill()


def _series(labels: Mapping[str, str], times: Sequence[int], values: Sequence[bytes]) -> bytes:
    pairs = b"".join(
        _field(1, _field(1, name.encode()) + _field(2, value.encode())) for name, value in sorted(labels.items())
    )
    samples = (b"\x09" + value + b"\x10" + _varint(at_ms) for at_ms, value in zip(times, values, strict=True))
    return pairs + b"".join(_field(2, sample) for sample in samples)


def _field(number: int, content: bytes) -> bytes:
    """A field of protobuf that has a length (wire type 2)."""
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def _snappy(content: bytes) -> bytes:
    """Snappy's block format with nothing but literals."""
    chunks = [content[at : at + _SNAPPY_LITERAL] for at in range(0, len(content), _SNAPPY_LITERAL)]
    return _varint(len(content)) + b"".join(b"\xf4" + struct.pack("<H", len(chunk) - 1) + chunk for chunk in chunks)
