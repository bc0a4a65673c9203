"""What a host or a service says reaches the terminal as text, never as a sequence that it acts on."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.terminal.console import Console
from tests.terminal.test_manners import ALLOWED, first_screen

HOSTILE = "\x1b]52;c;cHduZWQ=\x07\x1b[2J\x1bP1$r\x1b\\\x9b31m\u202eevil\u200b[@click=app.quit]boo[/boo]"


class Liar(BaseHTTPRequestHandler):
    """Answers 503 with a body full of sequences."""

    def do_GET(self) -> None:
        body = HOSTILE.encode("utf-8", "surrogateescape")
        self.send_response(503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *_args: object) -> None:  # noqa: A002
        """Says nothing."""


@pytest.fixture
def service() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Liar)
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[None]:
    """A busy process whose name is a sequence; it ends by itself after half a minute."""
    name = tmp_path / "\x1b]0;own\x07\x1b[5m"
    name.symlink_to("/bin/sh")
    busy = subprocess.Popen(["timeout", "30", str(name), "-c", "while :; do :; done"])
    yield
    busy.terminate()
    busy.wait(5)


def only_known_sequences(raw: bytes) -> None:
    left = ALLOWED.sub(b"", raw)
    assert b"\x1b" not in left
    for code in ("\x9b", "\u202e", "\u200b", "\x07"):
        assert code not in left.decode()


def test_a_hostile_service_and_a_hostile_process(tmp_path: Path, service: str, process: None) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(f"hosts:\n  here: {{local: true}}\nservices:\n  liar: {{url: '{service}'}}\n")
    config.chmod(0o600)
    with Console(["--config", str(config)], home=tmp_path, columns=160, rows=200) as console:
        first_screen(console)
        console.until("503")
        console.press("@liar\r")
        console.until("[@click=app.quit]boo[/boo]")
        assert "␛]52;c;cHduZWQ=␇" in console.text
        console.press("\x1b")
        console.until("HOSTS")
        console.press("@here\r")
        console.until("CPU busy")
        console.until("␛]0;own␇")  # the terminal is high enough for the whole page
        console.press("q")
        console.ended_within(3)
        only_known_sequences(bytes(console.raw))
