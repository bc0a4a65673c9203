"""Accounts as they are found: other login shells, noisy start-up files, sudo. Each test makes its own user."""

from __future__ import annotations

import re
import secrets
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lilfox_tui.config.model import Config
from lilfox_tui.config.values import Seconds
from lilfox_tui.core.errors import AuthRefused, CommandTimeout, HostUnreachable
from lilfox_tui.hosts.open import open_host
from lilfox_tui.metrics.sampler import Sampler
from lilfox_tui.metrics.summary import summarize
from lilfox_tui.monitor.monitor import Monitor
from tests.lab.watching import watching
from tests.services.accounts import account, set_password, sudoers
from tests.services.sshd import SshdLab, sshd_lab
from tests.waiting import until

pytestmark = pytest.mark.root

NASTY = ["a'b", 'c"d', "e\\f", "g!h", "i\nj", "", "$HOME `id` *", "中文", "\\'", "\\\\"]


def processes_of(name: str) -> bytes:
    """Shells and sleeps that run as that user."""
    return subprocess.run(["pgrep", "-u", name, "-l", "bash|sleep"], capture_output=True, check=False).stdout


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


@pytest.fixture
def lab(stack: ExitStack) -> SshdLab:
    return stack.enter_context(sshd_lab())


@pytest.fixture
def user(stack: ExitStack, lab: SshdLab) -> Callable[..., str]:
    return lambda *words: stack.enter_context(account(*words))


@pytest.mark.fault("S6")
@pytest.mark.parametrize("shell", ["/bin/bash", "/usr/bin/fish", "/bin/zsh", "/bin/dash", "/bin/tcsh", "busybox"])
async def test_any_login_shell_passes_arguments_on(lab: SshdLab, user: Callable[..., str], shell: str) -> None:
    if shell == "busybox":
        (lab.folder / "ash").symlink_to("/usr/bin/busybox")
        shell = str(lab.folder / "ash")
    host = open_host("h", lab.host(lab.sshd(), user=user(shell)), lab.ssh())
    done = await host.run(["printf", "[%s]\\n", *NASTY])
    assert done.stdout.decode() == "".join(f"[{word}]\n" for word in NASTY)
    assert done.stderr == b""
    big = "x" * 300_000
    assert (await host.run_script(f"# {big}\necho ok")).stdout == b"ok\n"
    await host.close()


async def test_a_csh_that_talks_gives_numbers(lab: SshdLab, user: Callable[..., str]) -> None:
    name = user("/bin/tcsh", "echo welcome\nset noglob\nalias sh echo no\n", ".cshrc")
    host = open_host("h", lab.host(lab.sshd(), user=name), lab.ssh())
    assert (await host.run(["sh", "-c", "echo out"])).stdout == b"out\n"
    found = summarize(await Sampler(host, {}, 1).sample_once())
    assert found.cpu is not None
    assert found.filesystems
    await host.close()


def busybox(lab: SshdLab) -> Path:
    """A folder of commands that are all BusyBox."""
    tools = lab.folder / "tools"
    tools.mkdir()
    subprocess.run(["busybox", "--install", "-s", str(tools)], check=True)
    return tools


async def test_a_host_that_has_busybox_alone(lab: SshdLab, user: Callable[..., str]) -> None:
    tools = busybox(lab)
    name = user(str(tools / "ash"))
    host = open_host("h", lab.host(lab.sshd(f"SetEnv PATH={tools}"), user=name), lab.ssh())
    assert b"BusyBox" in (await host.run(["tail", "--help"])).stderr
    snapshot = await Sampler(host, {}, 1).sample_once()
    found = summarize(snapshot)
    assert not set(snapshot.problems) - {"units"}
    assert found.cpu is not None
    assert found.memory_percent is not None
    assert found.filesystems
    assert found.uptime_s is not None
    assert found.boot_id
    await host.run(["tee", f"/home/{name}/f"], stdin=b"a\0b\n")
    assert await host.read_file(f"/home/{name}/f", offset=1) == b"\0b\n"
    with pytest.raises(CommandTimeout):
        await host.run(["sh", "-c", "trap '' TERM; sleep 996; sleep 996"], timeout_s=0.5)
    assert not host.lost
    await until(lambda: not processes_of(name), what="nothing of it runs")
    await host.close()


async def test_what_bashrc_prints_is_no_output(lab: SshdLab, user: Callable[..., str]) -> None:
    name = user("/bin/bash", "echo welcome; echo oops >&2; printf 'no newline'\n")
    host = open_host("h", lab.host(lab.sshd(), user=name), lab.ssh())
    done = await host.run(["sh", "-c", "echo out; echo err >&2"])
    assert (done.stdout, done.stderr) == (b"out\n", b"err\n")
    async with host.loop('while read -r n w; do echo "$w"; echo "@@LILFOX-END@@ $n"; done') as loop:
        assert await loop.ask("x", timeout_s=60) == b"x\n"
    await host.run(["tee", f"/home/{name}/f"], stdin=b"data")
    assert await host.read_file(f"/home/{name}/f") == b"data"
    await host.close()


async def test_a_login_that_hangs_leaves_nothing_behind(
    lab: SshdLab, user: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = user("/bin/bash", "sleep 1000\n")
    host = open_host("h", lab.host(lab.sshd(), user=name), lab.ssh())
    await host.connect()
    monkeypatch.setattr("lilfox_tui.hosts.ssh.host.LOGIN_S", 1.0)
    for _ in range(2):
        with pytest.raises(CommandTimeout):
            async with host.loop("read -r _"):
                pass
        await until(lambda: not processes_of(name), what="the login that hung is gone")
    await host.close()


async def test_a_slow_login_is_what_the_row_says_until_there_are_numbers(
    lab: SshdLab, user: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    go = lab.folder / "go"
    name = user("/bin/bash", f"while [ ! -e {go} ]; do sleep 0.05; done\n")
    config = Config(refresh=Seconds(0.5), hosts={"h": lab.host(lab.sshd(), user=name)}, ssh=lab.ssh())
    monkeypatch.setattr("lilfox_tui.hosts.ssh.host.LOGIN_S", 3.0)
    async with watching(config) as watch:
        watch.monitor.focus("h")
        waits = "logging in for 2 s: the login shell's start-up files have not finished"
        await until(lambda: watch.monitor.overview.value and str(watch.row("h").reasons[0]) == waits, what=waits)
        gave_up = "The login on h did not complete within 3 s"
        await until(lambda: str(watch.row("h").reasons[0]).startswith(gave_up), what=gave_up)
        assert ".bashrc" in str(watch.row("h").reasons[1])
        gone = watch.gone("h")
        assert gone is not None
        assert gone.next_try is not None
        go.touch()
        await watch.numbers("h")
        link = watch.monitor.host("h").link.value
        assert link is not None
        assert link.login_since is None


async def test_check_says_that_the_login_is_slow_and_leaves_nothing_there(
    lab: SshdLab, user: Callable[..., str]
) -> None:
    name = user("/bin/bash", "sleep 1000\n")
    overview = await Monitor(Config(hosts={"h": lab.host(lab.sshd(), user=name)}, ssh=lab.ssh())).check_once(2.0)
    assert re.match(r"no answer within 2 s: logging in for \d s: the login shell", str(overview.hosts["h"].reasons[0]))
    await until(lambda: not processes_of(name), what="the login that was given up is gone")


@pytest.mark.parametrize(("shell", "says"), [("/bin/false", "it said nothing"), ("/usr/sbin/nologin", "not available")])
async def test_a_shell_that_runs_nothing_is_named(
    lab: SshdLab, user: Callable[..., str], shell: str, says: str
) -> None:
    host = open_host("h", lab.host(lab.sshd(), user=user(shell)), lab.ssh())
    with pytest.raises(HostUnreachable, match=f"does not run commands: .*{says}"):
        await host.run(["true"])
    await host.close()


async def poured() -> AsyncIterator[bytes]:
    yield b"one\n"
    yield b"two\n"


async def test_sudo_without_a_password(lab: SshdLab, user: Callable[..., str], stack: ExitStack) -> None:
    name = user("/bin/bash")
    host = open_host("h", lab.host(lab.sshd(), user=name), lab.ssh())
    with pytest.raises(AuthRefused, match="password is required"):
        await host.run(["id", "-u"], sudo=True)
    stack.enter_context(sudoers(f"{name} ALL=(ALL) NOPASSWD: ALL"))
    assert (await host.run(["id", "-u"], sudo=True)).stdout == b"0\n"
    assert (await host.run(["cat"], sudo=True, stdin=b"in")).stdout == b"in"
    assert (await host.stream_stdin(["sh", "-c", "id -u; cat"], poured(), sudo=True)).stdout == b"0\none\ntwo\n"
    assert (await host.run(["printenv", "X"], sudo=True, env={"X": "y"})).stdout == b"y\n"
    await host.close()


@pytest.mark.fault("S18", "S20")
async def test_sudo_with_a_password_shows_it_to_nobody(
    lab: SshdLab, user: Callable[..., str], stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, password = user("/bin/bash"), "Canary-" + secrets.token_hex(8)
    set_password(name, password)
    stack.enter_context(sudoers(f"{name} ALL=(ALL) ALL"))
    monkeypatch.setenv("LILFOX_TEST_SUDO", password)
    server = lab.sshd()
    host = open_host("h", lab.host(server, user=name, sudo_password="env:LILFOX_TEST_SUDO"), lab.ssh())
    script = (
        'id -u; cat; cat /proc/[0-9]*/cmdline /proc/self/environ | tr "\\0" "\\n" | grep -c "^[C]' + password[1:] + '"'
    )
    done = await host.run(["sh", "-c", script], sudo=True, stdin=b"in\n")
    assert done.stdout == b"0\nin\n0\n"
    done = await host.stream_stdin(["sh", "-c", script], poured(), sudo=True)
    assert done.stdout == b"0\none\ntwo\n0\n"
    assert password not in server.log

    stack.enter_context(sudoers(f"{name} ALL=(ALL) NOPASSWD: ALL"))
    assert (await host.run(["cat"], sudo=True)).stdout == b""
    assert (await host.stream_stdin(["cat"], poured(), sudo=True)).stdout == b"one\ntwo\n"
    await host.close()


@pytest.mark.fault("S18")
async def test_a_wrong_sudo_password_is_tried_once(
    lab: SshdLab, user: Callable[..., str], stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = user("/bin/bash")
    set_password(name, "right")
    stack.enter_context(sudoers(f"{name} ALL=(ALL) ALL"))
    monkeypatch.setenv("LILFOX_TEST_SUDO", "wrong")
    host = open_host("h", lab.host(lab.sshd(), user=name, sudo_password="env:LILFOX_TEST_SUDO"), lab.ssh())
    with pytest.raises(AuthRefused, match="1 incorrect password attempt"):
        await host.run(["cat"], sudo=True, stdin=b"right\n")
    with pytest.raises(AuthRefused, match="1 incorrect password attempt"):
        await host.stream_stdin(["cat"], poured(), sudo=True)
    await host.close()


async def test_a_root_command_that_ignores_term_is_ended_too(
    lab: SshdLab, user: Callable[..., str], stack: ExitStack
) -> None:
    name = user("/bin/bash")
    stack.enter_context(sudoers(f"{name} ALL=(ALL) NOPASSWD: ALL"))
    host = open_host("h", lab.host(lab.sshd(), user=name), lab.ssh())
    note = lab.folder / "pid"
    with pytest.raises(CommandTimeout):
        await host.run(
            ["sh", "-c", f"trap '' TERM HUP; echo $$ >{note}; sleep 1000; sleep 1000"], sudo=True, timeout_s=1
        )
    assert not host.lost
    state = (await host.run(["ps", "-o", "stat=", "-p", note.read_text().strip()])).stdout.strip()
    assert state[:1] in (b"", b"Z")
    await host.close()
