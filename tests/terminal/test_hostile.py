"""What a host or a service says reaches the terminal as text, never as a sequence that it acts on."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pages import served
from tests.terminal.console import Console
from tests.terminal.test_manners import ALLOWED, first_screen

HOSTILE = "\x1b]52;c;cHduZWQ=\x07\x1b[2J\x1bP1$r\x1b\\\x9b31m\u202eevil\u200b[@click=app.quit]boo[/boo]"


@pytest.fixture
def service() -> Iterator[str]:
    """Answers 503 with a body full of sequences."""
    with served([lambda: (503, HOSTILE.encode("utf-8", "surrogateescape"))]) as (address,):
        yield f"http://{address}"


@pytest.fixture
def process(tmp_path: Path) -> Iterator[None]:
    """A busy process whose name is a sequence; it ends by itself after two minutes."""
    name = tmp_path / "\x1b]0;own\x07\x1b[5m"
    name.symlink_to("/bin/sh")
    busy = subprocess.Popen(["timeout", "120", str(name), "-c", "while :; do :; done"])
    yield
    busy.terminate()
    busy.wait(60)


def only_known_sequences(raw: bytes) -> None:
    left = ALLOWED.sub(b"", raw)
    assert b"\x1b" not in left
    for code in ("\x9b", "\u202e", "\u200b", "\x07"):
        assert code not in left.decode()


@pytest.mark.fault("S1")
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
        console.until(" Hosts ")
        console.press("@here\r")
        console.until("CPU busy")
        console.until("␛]0;own␇")  # the terminal is high enough for the whole page
        console.press("q")
        console.ended_within()
        only_known_sequences(bytes(console.raw))
