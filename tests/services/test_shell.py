"""The shell that the console steps aside for, run against a real server."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import nullcontext

import pytest
from msgspec.structs import replace

from lilfox_tui.app import console
from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.hosts.local import run_in_foreground
from lilfox_tui.hosts.ssh.openssh import shell_argv, shell_failure
from tests.app.overviews import mixed
from tests.app.still import still_app
from tests.services.sshd import SshdLab, sshd_lab


@pytest.fixture
def lab() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        yield made


def test_it_asks_nothing_that_the_console_knows_already(lab: SshdLab) -> None:
    server = lab.sshd()
    argv = shell_argv("web", lab.host(server), lab.ssh())
    done = subprocess.run(argv, input="echo al''ive\n", capture_output=True, text=True, timeout=60, check=False)
    assert "alive" in done.stdout, done.stderr
    assert "authenticity" not in done.stderr


REFUSED = "ssh: connect to host 127.0.0.1 port 1: Connection refused"


def test_what_ssh_says_of_a_refused_connection_is_heard_and_seen(
    lab: SshdLab, capfd: pytest.CaptureFixture[str]
) -> None:
    server = lab.sshd()
    heard = bytearray()
    argv = shell_argv("web", replace(lab.host(server), port=1), lab.ssh())
    assert run_in_foreground(argv, heard) == 255
    refused = REFUSED.replace("127.0.0.1", str(lab.host(server).address))
    assert heard.decode().splitlines()[-1].strip() == refused
    assert capfd.readouterr().err.splitlines()[-1].strip() == refused, "on the terminal too"
    assert str(shell_failure("web", argv, 255, heard, 0.1)) == f"no shell on web: {refused}"


def test_a_program_left_behind_with_the_error_output_delays_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    heard = bytearray()
    run_in_foreground(["sh", "-c", "echo first >&2; (sleep 20; echo late) >&2 & echo $!"], heard)
    out, err = capfd.readouterr()
    subprocess.run(["kill", out.strip()], check=True)
    assert (bytes(heard), err) == (b"first\n", "first\n")


@pytest.mark.parametrize(
    ("argv", "status", "errors", "lasted_s", "said"),
    [
        (["ssh"], 0, b"", 0.1, None),
        (["ssh"], 130, b"Connection to web closed.\r\n", 60.0, None),
        (["ssh"], 255, b"Connection to web closed.\r\n", 60.0, None),
        (["ssh"], 255, b"** a banner **\r\nroot@web: Permission denied (publickey).\r\n\r\n", 0.5,
         "no shell on web: root@web: Permission denied (publickey)."),
        (["ssh"], 255, b"Connection to web closed by remote host.\r\n", 60.0,
         "no shell on web: Connection to web closed by remote host."),
        (["ssh"], 255, b"", 3.0, "no shell on web: ssh ended with status 255"),
        (["ssh"], 1, b"", 0.2, "the shell on web ended at once, with status 1"),
        (["/bin/bash"], 2, b"", 0.2, "the shell on web ended at once, with status 2"),
        (["/bin/bash"], 255, b"", 60.0, None),
        (["ssh"], -1, b"", 0.2, None),
    ],
)  # fmt: skip
def test_only_a_shell_that_there_was_not_is_told_of(
    argv: Sequence[str], status: int, errors: bytes, lasted_s: float, said: str | None
) -> None:
    found = shell_failure("web", argv, status, errors, lasted_s)
    assert (None if found is None else str(found)) == said


async def test_a_shell_that_there_was_not_is_told_of_on_the_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_argv: Sequence[str], heard: bytearray) -> int:
        heard += REFUSED.encode()
        return 255

    monkeypatch.setattr(console, "run_in_foreground", refused)
    monkeypatch.setattr(LilFoxApp, "suspend", lambda _self: nullcontext())
    told: list[str] = []
    app = still_app(mixed())
    monkeypatch.setattr(app.monitor, "shell_argv", lambda _name: ["ssh", "--", "web-1"])
    monkeypatch.setattr(app, "tell", lambda what: told.append(str(what)) if isinstance(what, LilFoxError) else None)
    async with app.run_test(size=(120, 40)) as pilot:
        app.metrics.state.choose(("host", "web-1"))
        await pilot.press("x")
        await pilot.pause()
    assert told == [f"no shell on web-1: {REFUSED}"]


@pytest.mark.parametrize(("local", "is_heard"), [(True, False), (False, True)])
async def test_a_shell_of_this_machine_has_the_terminal_as_its_error_output(
    monkeypatch: pytest.MonkeyPatch, *, local: bool, is_heard: bool
) -> None:
    """bash is interactive, with a prompt, only then."""
    heard: list[bytearray | None] = []

    def run(_argv: Sequence[str], errors: bytearray | None) -> int:
        heard.append(errors)
        return 0

    monkeypatch.setattr(console, "run_in_foreground", run)
    monkeypatch.setattr(LilFoxApp, "suspend", lambda _self: nullcontext())
    app = still_app(mixed())
    monkeypatch.setattr(app.monitor, "shell_argv", lambda _name: ["/bin/bash"])
    view = mixed().hosts["web-1"]
    async with app.run_test(size=(120, 40)):
        app.run_shell(replace(view, config=replace(view.config, local=local)))
    assert [each is not None for each in heard] == [is_heard]
