"""The screens of containers over a real engine: log lines, a container that is replaced, a shell, an engine that
stops."""

from __future__ import annotations

import os
import pty
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.rendering.draw import UNICODE
from lilfox_tui.app.rows.containers import CONTAINER, PROJECT, all_found, subject_of
from lilfox_tui.config.model import Config, HostConfig, LogConfig, SshConfig
from lilfox_tui.config.themes import load_theme
from lilfox_tui.containers.engine import ApiEngine, EngineError, EnginePlace
from lilfox_tui.containers.model import ContainerView
from lilfox_tui.core.i18n import set_language
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.hosts.ssh.openssh import terminal_argv
from lilfox_tui.logs.sources.containers import newest_lines
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.monitor import Monitor
from lilfox_tui.operations.containers import shell_words
from tests.app.still import screen_text
from tests.services.container_engines import ContainerEngine
from tests.waiting import until

WRITES = "echo INFO the first line of it; echo ERROR went wrong >&2; sleep 600"
HERE = HostConfig(local=True)


@pytest.fixture(scope="module")
def engine() -> Iterator[ContainerEngine]:
    with ContainerEngine("podman") as running:
        yield running


def app_over(engine: ContainerEngine, **more: dict[str, LogConfig]) -> LilFoxApp:
    """The app over this machine and that engine, watched for real."""
    set_language("en")
    config = Config(hosts={"web": HostConfig(local=True, containers=(engine.socket,))}, **more)  # type: ignore[arg-type]
    return LilFoxApp(Monitor(config), config, theme=load_theme("fox-dark"), glyphs=UNICODE)


def opens(app: LilFoxApp, name: str) -> Callable[[], bool]:
    """Opens the page of a container once that is known."""

    def opened() -> bool:
        view = next(
            (each.view for each in all_found(app.metrics.state.overview) if each.view.container.name == name), None
        )
        if view is not None:
            app.metrics.open_page(subject_of(view))
        return view is not None

    return opened


async def shows(pilot: Pilot[None], *words: str) -> None:
    """Waits until all of that is on the screen."""
    await until(lambda: all(each in screen_text(pilot) for each in words), what=" ".join(words))


async def test_a_page_follows_what_happens_to_its_container(engine: ContainerEngine) -> None:
    labels = {"com.docker.compose.project": "shop", "com.docker.compose.service": "web"}
    settings = {"Memory": 64 << 20, "Binds": [f"{engine.folder}:/data:ro"]}
    first = engine.script("shop-web-1", WRITES, Labels=labels, host=settings)
    app = app_over(engine)
    try:
        async with app.run_test(size=(120, 40)) as pilot:
            await until(opens(app, "shop-web-1"), what="it is known")
            await shows(pilot, "● shop-web-1", "INFO the first line of it", "ERROR went wrong", "memory 64M", "Podman",
                        f"{engine.folder}:/data:ro")  # fmt: skip
            await pilot.press("l")
            await shows(pilot, "shop-web-1", "went wrong", "records")
            await pilot.press("1")
            app.go_to_logs(PROJECT, "web/shop", None)
            await shows(pilot, "shop", "went wrong", "records")
            await pilot.press("1")
            await until(opens(app, "shop-web-1"), what="its page")
            engine.remove("shop-web-1")
            await shows(pilot, "removed: the engine no longer lists it", "ERROR went wrong")
            second = engine.script("shop-web-1", "echo begun anew; sleep 600", Labels=labels)
            await shows(pilot, "begun anew", second[:12])
            assert first != second
            assert app.metrics.state.page == (CONTAINER, f"web/{second[:12]}")
            engine.stop()
            await shows(pilot, "Check that the engine runs: systemctl status", "begun anew")
            await pilot.press("x")
            await shows(pilot, "cannot be reached")
    finally:
        if engine._process is None:
            engine.start()
        engine.remove("shop-web-1")


async def test_a_shell_runs_in_the_container(engine: ContainerEngine) -> None:
    made = engine.script("shelly", "sleep 60")
    host = LocalHost("here", HERE)
    try:
        asked = ApiEngine(host, EnginePlace(socket=engine.socket))
        [found] = await asked.inspect([made])
        view = ContainerView(host="here", engine=engine.socket, container=found, level=Level.GOOD)
        words, sudo = shell_words(view, await asked.version(), sudo=True)
        argv = terminal_argv("here", HERE, SshConfig(), words, {}, sudo=sudo)
        assert argv[:2] == ["env", "podman"], "the socket is used as the login: no sudo"
        assert b"in al-ive\r\n" in _typed(argv, b"echo in al''-ive $(test -t 0 || echo no terminal); exit\n")
    finally:
        await host.close()
        engine.remove(made)


def _typed(argv: list[str], text: bytes) -> bytes:
    """What a program in a terminal writes when that is typed."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True) as process:
        os.close(theirs)
        os.write(ours, text)
        said = b""
        try:
            while block := os.read(ours, 4096):
                said += block
        except OSError:
            """The program has closed its terminal."""
        process.wait(20)
    os.close(ours)
    return said


async def test_the_newest_lines_are_read_by_the_api_and_by_the_program(
    engine: ContainerEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = engine.script("writer", "seq 1 40; echo to stderr >&2; printf half; sleep 60")
    program, real = tmp_path / "podman", shutil.which("podman") or "podman"
    settings = " ".join(f"{name}={engine.env[name]}" for name in ("STORAGE_DRIVER", "PODMAN_IGNORE_CGROUPSV1_WARNING"))
    program.write_text(f'#!/bin/sh\nexec env {settings} {shlex.join((real, *engine.podman_words[1:]))} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    host = LocalHost("here", HERE)
    try:
        for place in (EnginePlace(socket=engine.socket), EnginePlace(program="podman")):
            for _turn in range(50):
                lines = await newest_lines(host, place, made, 5)
                if b"to stderr" in {line.text for line in lines}:
                    break
            texts = [line.text for line in lines]
            assert b"40" in texts
            assert b"to stderr" in texts
            assert len(texts) <= 5
            assert {line.stream for line in lines if line.text == b"to stderr"} == {2}
        with pytest.raises(EngineError):
            await newest_lines(host, EnginePlace(socket=engine.socket), "ab" * 32, 5)
    finally:
        await host.close()
        engine.remove(made)
