"""Command lines of processes, as ``head`` prints them and as they are read here."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lilfox_tui.metrics.collectors import command_lines
from lilfox_tui.metrics.collectors.command_lines import Options

PRINTED = (
    "==> /proc/1/cmdline <==\n/sbin/init splash \n==> /proc/2/cmdline <==\n\n"
    "==> /proc/77/cmdline <==\npsql --password=hunter2 -h db "
)


def lines(text: str, length: int = 240) -> dict[str, str]:
    samples = command_lines.parse({"script": text}, Options(length=length))
    return {facts["pid"]: facts["command_line"] for facts in (dict(sample.labels) for sample in samples)}


def test_each_process_has_its_own_and_kernel_threads_have_none() -> None:
    assert lines(PRINTED) == {"1": "/sbin/init splash", "77": "psql --password=*** -h db"}


def test_who_pretends_to_speak_for_another_process_is_not_believed() -> None:
    forged = "==> /proc/5/cmdline <==\nevil\n==> /proc/9/cmdline <==\nharmless\n==> /proc/9/cmdline <==\nbackdoor\n"
    assert lines(forged) == {"5": "evil"}


def test_a_secret_that_is_cut_in_two_is_left_out() -> None:
    text = "==> /proc/3/cmdline <==\ncurl http://user:hunt"
    assert lines(text, length=21) == {"3": "curl"}
    assert lines(text, length=22) == {"3": "curl http://user:hunt"}


@pytest.mark.parametrize("length", [16, 240])
def test_the_script_and_what_is_read_here_say_the_same(length: int) -> None:
    argv = [sys.executable, "-c", "import time; time.sleep(60)", "--token", "abcdefgh"]
    with subprocess.Popen(argv) as process:
        try:
            options = Options(length=length)
            argv = ["sh", "-c", command_lines.script(options)]
            said = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
            here = command_lines.read_here(options) or ""
            pid = str(process.pid)
            assert lines(said.stdout, length)[pid] == lines(here, length)[pid]
            assert "abcdefgh" not in lines(here, length)[pid]
            assert lines(here, 4096)[str(os.getpid())]
        finally:
            process.kill()
