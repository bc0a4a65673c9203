"""What the command line accepts."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import asdict

from lilfox_tui.app.start import NoArguments
from lilfox_tui.cli.commands.export import systemd_unit
from lilfox_tui.cli.main import COMMANDS, parse
from lilfox_tui.cli.output import exit_code_of
from lilfox_tui.cli.parser import duration
from lilfox_tui.core.errors import ConfigError, LilFoxError, UsageError
from lilfox_tui.core.text import cell_width


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("2s", 2), ("1.5", 1.5), ("5m", 300), ("1h", 3600), ("1 d", 86400)]
)
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-1", "1e3", "nan", "inf", "1y", "٣s", "8d", "1ms"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="not a duration"):
        duration(text)


def test_no_sub_command_is_the_screen() -> None:
    args = parse(["--theme", "x", "--refresh", "500ms", "--slow-link", "--read-only", "--config", "c"])
    assert args.command is None
    assert (args.theme, args.refresh, args.slow_link, args.read_only, args.config) == ("x", 0.5, True, True, "c")


@pytest.mark.parametrize("argv", [["--theme", "x", "--slow-link", "demo"], ["demo", "--theme", "x", "--slow-link"]])
def test_the_demo_takes_the_options_of_the_screen_on_both_sides(argv: list[str]) -> None:
    args = parse(argv)
    assert (args.command, args.theme, args.refresh, args.slow_link) == ("demo", "x", None, True)


def test_files_at_the_end_are_for_the_screen(tmp_path: Path) -> None:
    one, two = tmp_path / "a.log", tmp_path / "b.log"
    for file in (one, two):
        file.touch()
    assert parse([str(one), str(two)]).files == [str(one), str(two)]
    args = parse(["--theme", "x", "--config", str(one), str(two)])
    assert (args.command, args.config, args.files) == (None, str(one), [str(two)])
    args = parse(["--config", str(one)])
    assert (args.config, args.files) == (str(one), [])
    args = parse(["logs", str(one), "--level", "error", str(two)])
    assert (args.command, args.files, args.sources) == ("logs", [], [str(one), str(two)])
    for wrong in (["nowhere.log"], ["check", str(one)], ["logs", str(one), "--loud"]):
        with pytest.raises(SystemExit, match="2"):
            parse(wrong)


@pytest.mark.parametrize("argv", [["--config", "c", "check", "--json"], ["check", "--json", "--config", "c"]])
def test_global_options_stand_on_both_sides(argv: list[str]) -> None:
    args = parse(argv)
    assert (args.command, args.config, args.json, args.read_only) == ("check", "c", True, False)


@pytest.mark.parametrize("words", [["alerts", "list"], ["config", "check"], ["hosts", "list"]])
def test_global_options_stand_after_an_action_too(words: list[str]) -> None:
    for argv in ([*words, "--config", "c"], [words[0], "--config", "c", words[1]], ["--config", "c", *words]):
        args = parse(argv)
        assert (args.command, args.action, args.config, args.read_only) == (*words, "c", False)
    assert parse([*words, "--read-only"]).read_only


@pytest.mark.parametrize(
    "argv", [["nothing"], ["check", "--timeout", "x"], ["hosts", "trust"], ["config"], ["export", "x"], ["--conf", "x"]]
)
def test_wrong_usage_exits_with_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        parse(argv)
    assert exit_.value.code == 2
    assert "usage: lilfox" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["check", "monitor", "hosts", "config", "export", "demo"])
def test_every_sub_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        parse([command, "--help"])
    assert exit_.value.code == 0
    assert f"usage: lilfox {command}" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--help"], *([command, "--help"] for command in COMMANDS), ["logs", "--tail"]])
def test_help_and_errors_are_chinese_and_fit_the_terminal(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("LC_ALL", "LC_MESSAGES", "LANGUAGE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    with pytest.raises(SystemExit):
        parse(words)
    said = capsys.readouterr()
    text = said.out or said.err
    assert text.startswith("用法: lilfox")
    assert not re.search(r"usage|argument|options:|show this|error:", text)
    assert max(map(cell_width, text.splitlines())) <= 80


@pytest.mark.parametrize(("error", "code"), [(LilFoxError("x"), 1), (UsageError("x"), 2), (ConfigError("x"), 2)])
def test_errors_are_exit_codes(error: LilFoxError, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> int:
        raise error

    assert exit_code_of(fail) == code
    assert capsys.readouterr().err == "lilfox: x\n"


@pytest.mark.fault("S39")
def test_a_fault_of_ours_is_kept_without_values(own_folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> int:
        password = "hunter2" * 3  # noqa: F841  a local that must not be written
        raise ZeroDivisionError

    assert exit_code_of(fail) == 1
    log = own_folders / "state" / "lilfox" / "crash.log"
    assert "ZeroDivisionError" in capsys.readouterr().err
    assert "in fail" in log.read_text()
    assert "hunter2hunter2" not in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("config", [None, Path('/etc/lilfox/a b%c$d"e.yaml'), Path("/etc/lilfox.yaml")])
def test_systemd_accepts_the_unit(config: Path | None, tmp_path: Path) -> None:
    unit = tmp_path / "lilfox-monitor.service"
    unit.write_text(systemd_unit(config))
    verify = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (verify.returncode, verify.stderr) == (0, "")
    assert f"ExecStart={sys.executable} -m lilfox_tui" in unit.read_text()


def test_a_path_that_a_unit_cannot_hold_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot contain"):
        systemd_unit(Path("/etc/a\nExecStartPre=/bin/x"))


HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\r\nusage:all-is-well"
"""A title, an erased screen, a colour in one byte, text turned round, and a line that argparse has not said."""


@pytest.mark.fault("4.88")
@pytest.mark.parametrize(
    "argv",
    [
        [HOSTILE],
        [f"--{HOSTILE}"],
        ["--theme"],
        ["--refresh", HOSTILE],
        ["--language", HOSTILE],
        ["logs", f"--{HOSTILE}"],
        ["logs", "--tail", HOSTILE],
        ["logs", "a", "--json", "b", f"-{HOSTILE}"],
        ["logs", f"--json={HOSTILE}"],
        ["jobs", HOSTILE],
        ["runbook", "run", f"--{HOSTILE}"],
        ["check", HOSTILE],
    ],
)
def test_what_argparse_says_of_a_hostile_word_is_clean(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(argv)
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", said.err)
    assert not re.search("^usage:all", said.err, re.MULTILINE)


@pytest.mark.fault("4.89")
@pytest.mark.parametrize("value", ["-word", "-status>=500", "-", "--x or y", "-\x1b"])
def test_a_value_may_begin_with_a_minus(value: str) -> None:
    args = parse(["logs", "app", "--where", value, "--json"])
    assert (args.sources, args.where, args.json) == (["app"], value, True)


def test_an_option_is_no_value(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["logs", "app", "--where", "--json"])
    assert "expected one argument" in capsys.readouterr().err


def test_without_arguments_the_console_starts_as_the_parser_would_say() -> None:
    parsed = vars(parse([]))
    assert parsed["command"] is None
    assert {name: parsed[name] or None for name in NoArguments.__struct_fields__} == {
        name: value or None for name, value in asdict(NoArguments()).items()
    }
    assert set(parsed) == {*NoArguments.__struct_fields__, "command"}
