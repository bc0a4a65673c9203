"""How the program behaves on a terminal: its end, its sizes, its colours, and what it writes."""

from __future__ import annotations

import os
import re
import signal
import termios
import time
from pathlib import Path

import pytest
from msgspec.structs import fields
from rich.color import Color, ColorSystem

from lilfox_tui.config.colours import in_256
from lilfox_tui.config.model import Thresholds
from lilfox_tui.config.themes import load_theme
from tests.terminal.console import Console
from tests.waiting import PATIENCE_S, unhurried

ALLOWED = re.compile(
    rb"""
      \x1b\[[0-9;:]*m                     # colours
    | \x1b\[[0-9;]*[HJKABCDGfd]           # moves and clears
    | \x1b\[\?(?:1|7|12|25|47|1000|1002|1003|1004|1005|1006|1015|1016|1047|1048|1049|2004|2026|2027|2048)[hl$]p?
    | \x1b\[\?2026\$p | \x1b\[\?2048\$p   # may updates be synchronised, may sizes be told?
    | \x1b\[[<>=]\d*u | \x1b\[>\d*;?\d*[um] | \x1b\[\?u | \x1b\[c | \x1b\[>0?c
    | \x1b\]22;[a-z-]*\x07                # the mouse pointer's shape
    | \x1b\[\d*;\d*;\d*t | \x1b\[\d+t | \x1b\[\d?\ ?q | \x1b[=>78] | \x1b\([B0]
    """,
    re.VERBOSE,
)


def closed(text: str) -> bool:
    """Whether no dialog is on the screen."""
    return "╭" not in text


def first_screen(console: Console) -> str:
    return console.until(lambda text: "LilFox" in text and "%" in text)


def test_the_first_screen_shows_this_machine(tmp_path: Path) -> None:
    with Console(home=tmp_path) as console:
        text = first_screen(console)
        assert " Hosts " in text
        assert "UTC" in text
        console.press("q")
        assert console.ended_within() == 0


@pytest.mark.parametrize("size", [(40, 10), (80, 24), (160, 48)])
def test_it_opens_at_any_size(tmp_path: Path, size: tuple[int, int]) -> None:
    with Console(home=tmp_path, columns=size[0], rows=size[1]) as console:
        first_screen(console)
        console.press("q")
        assert console.ended_within() == 0


def test_the_terminal_is_left_as_it_was(tmp_path: Path) -> None:
    with Console(home=tmp_path) as console:
        first_screen(console)
        assert termios.tcgetattr(console.fd)[3] != console.modes_before[3]
        console.press("q")
        console.ended_within()
        assert termios.tcgetattr(console._terminal) == console.modes_before
        for mode in (b"1049", b"1000", b"2004"):
            assert console.raw.rfind(b"\x1b[?" + mode + b"l") > console.raw.rfind(b"\x1b[?" + mode + b"h")
        assert console.raw.rfind(b"\x1b[?25h") > console.raw.rfind(b"\x1b[?25l")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_in_two_seconds(tmp_path: Path, number: signal.Signals) -> None:
    with Console(home=tmp_path) as console:
        first_screen(console)
        console.process.send_signal(number)
        console.ended_within(unhurried(2))
        assert termios.tcgetattr(console._terminal) == console.modes_before


@pytest.mark.parametrize("ignored", [False, True], ids=["hang-up", "hang-up ignored"])
def test_a_closed_terminal_ends_it_in_two_seconds(tmp_path: Path, ignored: bool) -> None:
    with Console(home=tmp_path, ignore_hangup=ignored) as console:
        first_screen(console)
        console.hang_up()
        console.process.wait(unhurried(2.5))


@pytest.mark.fault("S1")
def test_nothing_but_known_sequences_reaches_the_terminal(tmp_path: Path) -> None:
    with Console(home=tmp_path) as console:
        first_screen(console)
        for keys, shown in (
            ("?", "sort the hosts"),
            ("\x1b", closed),
            (":", "type to filter"),
            ("\x1b", closed),
            ("\r", "CPU busy"),
            ("t", "of 1 h"),
            ("\x1b", " Hosts "),
            ("/no-such\r", "/no-such/"),
            ("\x1b", "enter open"),
            ("p", "paused"),
            ("[", "ago"),
        ):
            console.press(keys)
            console.until(shown)
        console.press("q")
        console.ended_within()
        left = ALLOWED.sub(b"", bytes(console.raw))
        assert b"\x1b" not in left, left[max(0, left.index(b"\x1b") - 20) : left.index(b"\x1b") + 30]
        assert not [byte for byte in left.decode() if ord(byte) < 32 and byte not in "\r\n"]


def test_a_storm_of_sizes_leaves_a_whole_screen(tmp_path: Path) -> None:
    with Console(home=tmp_path) as console:
        first_screen(console)
        for size in [(40, 10), (160, 48), (20, 5), (81, 25), (200, 60), (50, 12)] * 4:
            console.resize(*size)
            console.read(0.02)
        console.resize(100, 30)
        console.until(lambda text: "LilFox" in text.splitlines()[0] and "quit" in text.splitlines()[-1])
        console.press("q")
        assert console.ended_within() == 0


def test_a_terminal_that_was_small_for_a_moment_is_drawn_whole(tmp_path: Path) -> None:
    with Console(home=tmp_path) as console:
        first_screen(console)
        for _round in range(5):
            console.resize(40, 10)
            console.resize(100, 30)
            console.until(lambda text: "LilFox" in text.splitlines()[0] and "quit" in text.splitlines()[-1])
            console.until(lambda text: all(re.search("[│┐┤┘]$", line) for line in text.splitlines()[2:-4]))
        console.press("q")
        assert console.ended_within() == 0


@pytest.mark.parametrize(
    "env",
    [
        {"TERM": "linux", "COLORTERM": ""},
        {"LANG": "C"},
        {"LANG": "C", "LC_ALL": "C"},
        {"NO_COLOR": "1"},
        {"TERM": "xterm", "COLORTERM": ""},
        {"TERM": "screen", "COLORTERM": ""},
    ],
    ids=lambda env: ",".join(f"{key}={value}" for key, value in env.items()),
)
def test_poor_terminals_get_what_they_can_show(tmp_path: Path, env: dict[str, str]) -> None:
    with Console(home=tmp_path, env=env) as console:
        first_screen(console)
        console.press("\r")
        console.until("CPU busy")
        console.press("q")
        console.ended_within()
        if env.get("TERM") == "linux" or env.get("LANG") == "C":
            assert bytes(console.raw).isascii()
        if "NO_COLOR" in env:
            assert not re.search(rb"\x1b\[[0-9;]*(?:3[0-7]|4[0-7]|38;[0-9;]*|48;[0-9;]*)m", bytes(console.raw))


RGB, NUMBERED = re.compile(rb"\x1b\[[0-9;]*[34]8;2;"), re.compile(rb"\x1b\[(?:[0-9;]*;)?[34]8;5;")
NAMED = re.compile(rb"\x1b\[(?:[0-9;]*;)?(?:[39][0-7]|4[0-7]|10[0-7])[;m]")


def look_around(console: Console) -> None:
    """Opens a page, help, the palette, an input with selected text and the other panes, and ends the console."""
    first_screen(console)
    console.press("\r")
    console.until("CPU busy")
    for key in ("?", ":"):
        console.press(key)
        console.until("╭")
        console.press("\x1b")
        console.until(closed)
    console.press("/word")
    console.until("word")
    console.press("\x1b[1;2H\x1b")
    console.until(lambda text: "word" not in text)
    for key in "234":
        before = console.text.splitlines()[2]
        console.press(key)
        console.until(lambda text, before=before: text.splitlines()[2] not in ("", before))  # type: ignore[misc]
    console.press("q")
    assert console.ended_within() == 0


@pytest.mark.parametrize("theme", ["terminal", "sixteen"])
def test_the_terminals_own_colours_are_sent_by_name(tmp_path: Path, theme: str) -> None:
    with Console(["--theme", theme], home=tmp_path) as console:
        look_around(console)
        raw = bytes(console.raw)
        assert not RGB.search(raw)
        assert not NUMBERED.search(raw)
        assert NAMED.search(raw)
        assert b"\x1b]" not in re.sub(rb"\x1b\]22;", b"", raw)  # no palette is set; the pointer's shape is none


def test_the_demo_tells_of_an_unknown_theme(tmp_path: Path) -> None:
    with Console(["demo", "--theme", "no-such"], home=tmp_path) as console:
        assert console.ended_within() == 2
        text = bytes(console.raw).decode()
        assert "theme no-such: no such theme" in text
        assert "fox-light" in text
        assert "\x1b[?1049h" not in text


def test_a_terminal_of_256_colours_gets_those_of_its_cube_and_greys(tmp_path: Path) -> None:
    with Console(home=tmp_path, env={"COLORTERM": ""}) as console:
        look_around(console)
        raw = bytes(console.raw)
        assert not RGB.search(raw)
        sent = in_256(load_theme("fox-dark"))[0].colours
        for role in ("background", "bar", "selection"):
            number = Color.parse(sent[role]).downgrade(ColorSystem.EIGHT_BIT).number
            assert re.search(f"\x1b\\[(?:[0-9;]*;)?48;5;{number}[;m]".encode(), raw), role


def test_chinese_by_the_locale_and_by_key(tmp_path: Path) -> None:
    with Console(home=tmp_path, env={"LANG": "zh_CN.UTF-8"}) as console:
        console.until("主机")
        console.press("L")
        console.until(" Hosts ")
        console.press("q")
        assert console.ended_within() == 0


def stopped(console: Console) -> bool:
    """Whether the program stops, and does not end. It first writes all that it has to."""
    pid, status = 0, 0
    end = time.monotonic() + PATIENCE_S
    while not pid and time.monotonic() < end:
        console.read(0.1)
        pid, status = os.waitpid(console.process.pid, os.WUNTRACED | os.WNOHANG)
    return pid == console.process.pid and os.WIFSTOPPED(status)


def test_it_steps_aside_and_comes_back(tmp_path: Path) -> None:
    with Console(home=tmp_path) as console:
        first_screen(console)
        console.press("\x1a")
        assert stopped(console)
        assert termios.tcgetattr(console._terminal)[3] == console.modes_before[3]
        console.screen.reset()  # the shell has the screen
        console.process.send_signal(signal.SIGCONT)
        first_screen(console)
        console.until(lambda text: "Metrics" in text and "quit" in text.splitlines()[-1])
        console.press("q")
        assert console.ended_within() == 0


def never_ill(folder: Path) -> Path:
    """A configuration in which this machine is well however busy it is."""
    levels = "".join(
        f"  {each.name}: {{warn: null, fail: null}}\n" for each in fields(Thresholds) if each.name != "hold"
    )
    config = folder / "calm.yaml"
    config.write_text(f"hosts:\n  here: {{local: true}}\nthresholds:\n{levels}")
    config.chmod(0o600)
    return config


def test_paused_costs_the_link_nothing(tmp_path: Path) -> None:
    with Console(["--config", str(never_ill(tmp_path))], home=tmp_path) as console:
        first_screen(console)
        console.read(2)
        console.press("p")
        console.until("paused")
        console.read(1)
        assert console.read(3) == b""
        console.press("q")
        console.ended_within()


def test_a_wrong_config_is_told_before_the_screen(tmp_path: Path) -> None:
    config = tmp_path / "lilfox.yaml"
    config.write_text("hosts:\n  web-1:\n    adress: 10.0.0.1\n")
    config.chmod(0o600)
    with Console(["--config", str(config)], home=tmp_path) as console:
        assert console.ended_within() == 2
        assert "lilfox.yaml:3" in console.text
        assert b"\x1b[?1049h" not in console.raw


@pytest.mark.parametrize("keys", ["??\x1b\x1b", "?qq", "c\r\r\r", ":help\r\r\r"], ids=repr)
def test_keys_typed_ahead_of_a_dialogs_end_do_no_harm(tmp_path: Path, keys: str) -> None:
    with Console(home=tmp_path) as console:
        first_screen(console)
        for _round in range(5):
            console.press(keys)
            console.read(0.2)
        for _dialog_page_filter in range(3):
            console.press("\x1b[27u")  # esc as kitty's protocol has it: no other key can be read into it
            console.read(0.3)
        console.until(" Hosts ")
        console.press("q")
        assert console.ended_within() == 0


def test_keys_after_the_one_that_leaves_are_nothing(tmp_path: Path) -> None:
    with Console(home=tmp_path) as console:
        first_screen(console)
        console.press("q?:@c/")
        assert console.ended_within() == 0


def test_keys_typed_in_one_burst_go_where_the_first_one_leads(tmp_path: Path) -> None:
    with Console(home=tmp_path) as console:
        first_screen(console)
        console.press("/no-such\r")
        console.until("/no-such/")
        console.press(":zoom")
        console.until(lambda text: "zoom" in text and "type to filter" not in text and "trust" not in text)
        assert console.process.poll() is None


@pytest.mark.parametrize(
    ("typed", "stands"),
    [("ab\x7fc", "ac"), ("hello\x15xy", "xy"), ("one two\x17three", "one three"), ("bc\x1b[Ha", "abc")],
    ids=repr,
)
def test_what_edits_in_a_burst_edits_what_stands_before_it(tmp_path: Path, typed: str, stands: str) -> None:
    """A slow link gathers keys."""
    with Console(home=tmp_path) as console:
        first_screen(console)
        console.press("/")
        console.until(lambda text: text.splitlines()[-1].split("  ")[0] == " /")
        console.press(typed)
        console.until(lambda text: text.splitlines()[-1].split("  ")[0] == f" {stands}")


@pytest.mark.parametrize("keys", ["/here\rl", "/her\r/e\rl", "/no-such\x1b[27ul"], ids=repr)
def test_keys_typed_after_a_line_of_input_act(tmp_path: Path, keys: str) -> None:
    with Console(home=tmp_path) as console:
        for _again in range(5):
            first_screen(console)
            console.press(keys)
            console.until(lambda text: "follow" in text and " Hosts " not in text)
            console.press("1\x1b")
            console.until(lambda text: " Hosts " in text and "/here/" not in text)
        for _again in range(5):  # where the line is open already
            console.press(keys[0])
            console.until(lambda text: "esc" in text.splitlines()[-1] and "quit" not in text)
            console.press(keys[1:])
            console.until(lambda text: "follow" in text and " Hosts " not in text)
            console.press("1\x1b")
            console.until(lambda text: " Hosts " in text and "/here/" not in text)


SHELL = {"SHELL": "/bin/sh", "PS1": "SHELL> "}


def test_a_shell_has_the_keyboard_and_gives_it_back(tmp_path: Path) -> None:
    program = tmp_path / "connecting"
    program.write_text("#!/bin/sh\necho 'CONNECTING>'\nexec sleep 60\n")
    program.chmod(0o755)
    with Console(home=tmp_path, env={"SHELL": str(program)}) as console:
        first_screen(console)
        console.press("x")
        console.until("CONNECTING>")
        console.press("\x03")  # the whole foreground gets it, as with an ssh that still connects
        console.until(lambda text: " Hosts " in text and "CONNECTING" not in text)
        console.read(1)
        console.press("q")
        assert console.ended_within() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_also_under_a_shell(tmp_path: Path, number: signal.Signals) -> None:
    with Console(home=tmp_path, env=SHELL) as console:
        first_screen(console)
        console.press("x")
        console.until("SHELL>")
        console.process.send_signal(number)
        console.ended_within(unhurried(2))
        assert termios.tcgetattr(console._terminal) == console.modes_before


def test_a_shell_that_is_killed_leaves_the_console_in_front(tmp_path: Path) -> None:
    with Console(home=tmp_path, env=SHELL) as console:
        first_screen(console)
        console.press("x")
        console.until("SHELL>")
        console.press("kill -9 $$\r")
        console.until(lambda text: " Hosts " in text and "SHELL>" not in text)
        console.press("q")
        assert console.ended_within() == 0


def test_a_shell_that_is_not_there_is_told(tmp_path: Path) -> None:
    with Console(home=tmp_path, env={"SHELL": "/no/such/shell"}) as console:
        first_screen(console)
        console.press("x")
        console.until("cannot run /no/such/shell: No such file or directory")
        console.press("q")
        assert console.ended_within() == 0


def test_a_terminal_that_answers_slowly_gets_less(tmp_path: Path) -> None:
    with Console(home=tmp_path) as console:
        first_screen(console)
        assert b"\x1b[?2026$p" in console.raw
        console.read(1.5)
        console.press("\x1b[?2026;2$y")
        console.until("slow-link")


@pytest.mark.parametrize("opens", ["?", ":", "@", "/", "\r"], ids=repr)
def test_ctrl_c_leaves_and_ctrl_z_steps_aside_from_everywhere(tmp_path: Path, opens: str) -> None:
    with Console(home=tmp_path) as console:
        first_screen(console)
        console.press(opens)
        console.read(0.5)
        console.press("\x1a")
        assert stopped(console)
        console.process.send_signal(signal.SIGCONT)
        console.read(0.5)
        console.press("\x03")
        assert console.ended_within() == 0


def test_bytes_that_are_no_text_end_nothing(tmp_path: Path) -> None:
    with Console(home=tmp_path) as console:
        first_screen(console)
        for noise in (b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", bytes(range(0x80, 0x100))):
            os.write(console.fd, noise)
            console.read(0.2)
        console.press("?")
        console.until("sort the hosts")
        console.press("\x03")
        assert console.ended_within() == 0


def test_what_another_program_wrote_on_the_screen_is_gone_after_ctrl_l(tmp_path: Path) -> None:
    """The console sends only what the terminal does not show yet, so far as it knows."""
    with Console(home=tmp_path) as console:
        first_screen(console)
        for _again in range(20):  # the console may draw that row just after it
            if "Broadcast message" in console.text:
                break
            with Path(f"/proc/{console.process.pid}/fd/1").open("w") as terminal:
                terminal.write("\x1b[3;1HBroadcast message: the system is going down\r\n")
            console.read(0.3)
        console.until("Broadcast message")
        console.press("\x0c")
        console.until(lambda text: "Broadcast message" not in text and " Problems " in text)
        console.press("\x03")
        assert console.ended_within() == 0
