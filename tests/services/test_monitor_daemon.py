"""``lilfox monitor`` as a real process: reports, its own metrics, heartbeat, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import jsonschema
import pytest

from lilfox_tui.cli.schemas import schema
from lilfox_tui.core.i18n import Message
from lilfox_tui.monitor.daemon import ReportFile
from tests.services.lilfox_command import lilfox, running
from tests.waiting import unhurried, wait_for

TOKEN = "s3cr3t-path"


@contextlib.contextmanager
def heartbeat_listener(status: int) -> Iterator[tuple[int, list[str]]]:
    """An HTTP server that writes down what is asked of it."""
    calls: list[str] = []

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            calls.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class has it so
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1], calls
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def config_with(folder: Path, text: str) -> Path:
    file = folder / "config.yaml"
    file.write_text("refresh: 500ms\nhosts: {here: {local: true}}\n" + text)
    file.chmod(0o600)
    return file


def reports(file: Path) -> list[dict[str, dict[str, object]]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_it_reports_serves_and_beats_until_it_is_told_to_end(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "monitor.log"
    with heartbeat_listener(200) as (port, calls):
        config = config_with(
            tmp_path,
            "services: {dead: {url: 'http://127.0.0.1:1'}}\n"
            f"monitor: {{heartbeat_url: 'http://127.0.0.1:{port}/{TOKEN}', heartbeat_every: 1s}}\n",
        )
        argv: list[str | Path] = [
            "--config",
            config,
            "monitor",
            "--interval",
            "1s",
            "--output",
            log,
            "--listen",
            "127.0.0.1:0",
        ]
        with running(argv, tmp_path / "lilfox") as process:
            wait_for(lambda: len(reports(log)) >= 3 and len(calls) >= 2, what="three reports, two beats")
            said = (tmp_path / "lilfox.err").read_text()
            address = re.search(r"http://\S+/metrics", said)
            assert address is not None
            with urllib.request.urlopen(address[0], timeout=60) as answer:
                text = answer.read()
            checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
            started = time.monotonic()
            process.send_signal(signal.SIGTERM)
            code = process.wait(timeout=60)
            took_s = time.monotonic() - started
            most_s = unhurried(2)
    assert (code, checked.returncode, checked.stderr) == (0, 0, b"")
    assert took_s < most_s
    assert b'lilfox_host_up{host="here"} 1' in text
    assert b'lilfox_service_up{service="dead"} 0' in text
    assert b'lilfox_memory_total_bytes{host="here"}' in text
    assert calls[0] == f"/{TOKEN}"
    _check_reports(reports(log))
    assert reports(tmp_path / "lilfox.out") == reports(log)
    assert log.stat().st_mode & 0o777 == 0o640 & ~_umask()
    assert TOKEN not in said


def _umask() -> int:
    return int(re.findall(r"Umask:\s+(\d+)", Path("/proc/self/status").read_text())[0], 8)


def _check_reports(documents: list[dict[str, dict[str, object]]]) -> None:
    """The manual's keys are there, and each line is what the schema says."""
    for document in documents:
        jsonschema.validate(document, schema("check"))
        assert {"timestamp", "services", "system"} <= document.keys()
        assert {"cpu_percent", "memory", "disk", "network"} == document["system"].keys()
        assert document["services"]["dead"]["status"] == "error"  # type: ignore[index]
        assert document["system"]["cpu_percent"] is not None


def test_a_heartbeat_that_fails_is_told_once_and_without_its_address(tmp_path: Path) -> None:
    with heartbeat_listener(500) as (port, calls):
        text = f"monitor: {{heartbeat_url: 'http://127.0.0.1:{port}/{TOKEN}', heartbeat_every: 500ms}}\n"
        config = config_with(tmp_path, text)
        argv: list[str | Path] = ["--config", config, "monitor", "--quiet", "--output", tmp_path / "m.log"]
        with running(argv, tmp_path / "lilfox"):
            wait_for(lambda: len(calls) >= 3, what="three calls")
    said = (tmp_path / "lilfox.err").read_text()
    assert said.count("the heartbeat to 127.0.0.1 failed: HTTP 500") == 1
    assert TOKEN not in said


@pytest.mark.parametrize("listen", ["nonsense", "127.0.0.1", "192.0.2.1:9464"])
def test_an_address_that_cannot_be_had_exits_2(tmp_path: Path, listen: str) -> None:
    done = lilfox("--config", config_with(tmp_path, ""), "monitor", "--listen", listen, "--output", tmp_path / "m.log")
    assert done.returncode == 2
    assert listen in done.stderr


def test_lines_follow_a_rotated_file_and_trouble_is_told_once(tmp_path: Path) -> None:
    told: list[Message] = []
    file = tmp_path / "logs" / "m.log"
    log = ReportFile(file, told.append)
    log.append("1")
    file.rename(tmp_path / "logs" / "m.log.1")
    log.append("2")
    assert (file.read_text(), (tmp_path / "logs" / "m.log.1").read_text()) == ("2\n", "1\n")
    file.unlink()
    file.mkdir()
    log.append("3")
    log.append("4")
    assert [str(message) for message in told] == [f"cannot write {file}: Is a directory; trying again with each report"]
    file.rmdir()
    log.append("5")
    assert str(told[-1]) == f"{file} is writable again"
    assert file.read_text() == "5\n"


def test_a_full_disk_leaves_no_half_line() -> None:
    told: list[Message] = []
    ReportFile(Path("/dev/full"), told.append).append("x")
    assert "No space left on device" in str(told[0])


async def test_whoever_speaks_no_http_disturbs_nobody() -> None:
    from lilfox_tui.monitor.daemon import serve_metrics

    async def ask(head: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(address, port)
        writer.write(head)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        return answer

    async with serve_metrics("127.0.0.1:0", lambda: "x 1\n") as (address, port):
        assert await ask(b"\x16\x03\x01" * 10000) == b""
        assert await ask(b"") == b""
        assert (await ask(b"POST /metrics HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 405 ")
        assert (await ask(b"GET /nothing HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 404 ")
        assert (await ask(b"GET /health HTTP/1.1\r\n\r\n")).endswith(b'{"status": "ok"}\n')
        assert (await ask(b"HEAD /metrics HTTP/1.1\r\n\r\n")).endswith(b"close\r\n\r\n")
        assert (await ask(b"GET /metrics HTTP/1.1\r\n\r\n")).endswith(b"\r\n\r\nx 1\n")
