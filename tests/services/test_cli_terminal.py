"""What the command line asks at a terminal, and what it starts there."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.bench import logs_made
from tests.services.lilfox_command import LILFOX, running
from tests.services.sshd import SshdLab, sshd_lab
from tests.waiting import wait_for


@pytest.fixture
def lab() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        yield made


def _at_a_terminal(argv: list[str], typed: bytes) -> tuple[int, str]:
    """Exit code and everything shown of a run where ``typed`` is the answer to its question."""
    ours, theirs = pty.openpty()
    shown = bytearray()

    def read() -> None:
        with suppress(OSError):  # the other end is closed
            while block := os.read(ours, 4096):
                shown.extend(block)

    process = subprocess.Popen([*LILFOX, *argv], stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    reader = threading.Thread(target=read)
    reader.start()
    try:
        wait_for(lambda: b"type yes" in shown or process.poll() is not None, what="the question")
        os.write(ours, typed)
        code = process.wait(timeout=60)
    finally:
        process.kill()
        process.wait()
        reader.join(timeout=60)
        os.close(ours)
    return code, shown.decode()


@pytest.mark.fault("S15")
@pytest.mark.parametrize(("typed", "code"), [(b"y\n", 1), (b"\n", 1), (b"yes\n", 0)])
def test_only_the_whole_word_trusts_a_key(lab: SshdLab, tmp_path: Path, typed: bytes, code: int) -> None:
    server = lab.sshd(known=False)
    known_hosts = tmp_path / "known_hosts"
    config = tmp_path / "config.yaml"
    config.write_text(
        f"hosts: {{web: {{address: {server.address}, port: {server.port}}}}}\n"
        f"ssh: {{config_files: [], known_hosts: [{known_hosts}]}}\n"
    )
    config.chmod(0o600)
    got, shown = _at_a_terminal(["--config", str(config), "hosts", "trust", "web"], typed)
    assert (got, known_hosts.exists()) == (code, code == 0), shown
    assert "SHA256:" in shown


@pytest.mark.xdist_group("demo")
def test_the_stand_in_stack_runs_without_a_screen_and_leaves_nothing(tmp_path: Path) -> None:
    with running(["demo", "--no-ui", "--fault", "backend:5xx"], tmp_path / "demo") as process:
        out = tmp_path / "demo.out"
        wait_for(lambda: "press ctrl-c to stop" in out.read_text(), what="the stack is up")
        urls = re.findall(r"http://\S+", out.read_text())
        with urllib.request.urlopen(f"{urls[0]}/health", timeout=60) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"{urls[0]}/health", timeout=60)


@pytest.mark.parametrize("stream", ["stdin", "stdout", "stderr"])
@pytest.mark.parametrize("command", [[], ["demo"]], ids=["screen", "demo"])
def test_the_screen_is_not_written_where_no_terminal_is(stream: str, command: list[str]) -> None:
    ours, theirs = pty.openpty()
    read, write = os.pipe()
    try:
        streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs} | {stream: read if stream == "stdin" else write}
        process = subprocess.Popen(
            [*LILFOX, *command], stdin=streams["stdin"], stdout=streams["stdout"], stderr=streams["stderr"]
        )
        try:
            assert process.wait(timeout=60) == 2
        finally:
            process.kill()
            process.wait()
        told = os.read(read if stream == "stderr" else ours, 4096)
        assert f"{stream} is not a terminal; the console needs one".encode() in told
        assert b"\x1b" not in told
    finally:
        for each in (ours, theirs, read, write):
            os.close(each)


def test_how_far_a_count_of_a_hosts_log_is_stands_on_the_terminal_meanwhile(lab: SshdLab, tmp_path: Path) -> None:
    logs_made.make(tmp_path / "shop.log", 20_000, "json")
    server = lab.sshd()
    host = {"address": server.address, "port": server.port, "identity": str(lab.client_key)}
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({"hosts": {"far": host}, "ssh": {"known_hosts": [str(lab.known_hosts)]}}))
    config.chmod(0o600)
    ours, theirs = pty.openpty()
    argv = [*LILFOX, "--config", str(config), "logs", "stats", "--host", "far", str(tmp_path / "shop.log"), "--json"]
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs, timeout=60, check=True
        )
        shown = os.read(ours, 100_000).decode()
    finally:
        os.close(theirs)
        os.close(ours)
    assert json.loads(done.stdout)["records"] == 20_000
    shares = [int(share) for share in re.findall(r"\rcounting shop: (\d+)%\x1b\[K", shown)]
    assert len(shares) > 3
    assert shares == sorted(shares)
    assert 0 < shares[0] < shares[-1] <= 100
    assert shown.endswith("\r\x1b[K")
