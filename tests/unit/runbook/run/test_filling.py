"""Commands with their values: what reaches a shell, what is shown, and what is refused with its reason."""

from __future__ import annotations

import subprocess

import pytest

from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.runbook.bash.placeholders import placeholders_of
from lilfox_tui.runbook.model import Attributes, Command, Variable
from lilfox_tui.runbook.run.variables import CommandPiece, fill, marked, refusals

IP = Variable(name="attack-ip", type="ip")


def command(text: str, **changes: object) -> Command:
    return Command(text=text, kind="change", language="bash", line=10, **changes)  # type: ignore[arg-type]


def test_a_value_travels_in_the_environment() -> None:
    made = fill(command("iptables -I INPUT -s <attack-ip> -j DROP"), {"attack-ip": "203.0.113.9", "other": "x"}, [IP])
    assert made.script == 'iptables -I INPUT -s "$LF_attack_ip" -j DROP'
    assert made.env == {"LF_attack_ip": "203.0.113.9"}
    assert made.shown == (
        CommandPiece("iptables -I INPUT -s "), CommandPiece("203.0.113.9", "value"), CommandPiece(" -j DROP")
    )  # fmt: skip
    assert marked(made.shown) == "iptables -I INPUT -s ‹203.0.113.9› -j DROP"
    assert made.plain == "iptables -I INPUT -s 203.0.113.9 -j DROP"


def test_what_is_recorded_of_a_command_can_be_pasted_into_a_shell() -> None:
    made = fill(command("echo <name>"), {"name": "it's here $HOME"}, [Variable(name="name", type="text")])
    said = subprocess.run(["bash", "-c", made.plain], capture_output=True, text=True, check=True)
    assert said.stdout == "it's here $HOME\n"


@pytest.mark.fault("2.26")
def test_a_placeholder_without_a_value_never_reaches_a_shell() -> None:
    with pytest.raises(LilFoxError, match="<previous-commit>") as caught:
        fill(command("git log\ngit checkout <previous-commit>"), {"attack-ip": "203.0.113.9"}, [IP])
    assert "11" in str(caught.value.hint)


def test_a_secret_is_not_shown() -> None:
    secret = Variable(name="password", type="secret")
    made = fill(command("PGPASSWORD=<password> psql"), {"password": "hunter2"}, [secret])
    assert made.env == {"LF_password": "hunter2"}
    assert "hunter2" not in made.script + made.plain
    with pytest.raises(LilFoxError) as caught:
        fill(command('psql "password=<password>"'), {"password": "hunter2"}, [secret])
    assert "hunter2" not in f"{caught.value}{caught.value.hint}"


def test_comments_stay_as_they_are() -> None:
    text = "# ban <nobody>\nban <attack-ip> # <nobody>"
    assert [each.name for each in placeholders_of(text)] == ["attack-ip"]
    made = fill(command(text), {"attack-ip": "203.0.113.9"}, [IP])
    assert made.script == '# ban <nobody>\nban "$LF_attack_ip" # <nobody>'


@pytest.mark.parametrize(
    ("text", "value", "why"),
    [
        ("cat <v>", "-n", "option"), ("cat '<v>'", "x", "inside quotes"), ("cat `ls <v>`", "x", "backquotes"),
        ("<v>", "ls", "name of a command"), ("echo $((<v>))", "1", "arithmetic"), (r"echo \<v>", "x", "is preceded by"),
        ("echo ${x:-<v>}", "x", "inside"), ("sudo <v>", "ls", "name of a command"),
        ("f(){ <v>; }", "ls", "name of a command"), ("{fd}>x <v>", "ls", "name of a command"),
        ("a[1 + <v>]=x", "b", "arithmetic"), ("echo $((`<v>`))", "1", "backquotes"),
        ("echo <v>", "a\x1b[31m", "control characters"), ("echo <v>", "a\nb", "control characters"),
    ],
)  # fmt: skip
def test_what_is_refused_is_said_with_its_line_and_reason(text: str, value: str, why: str) -> None:
    with pytest.raises(LilFoxError, match=r"line 11.*" + why):
        fill(command("true\n" + text), {"v": value}, [])


@pytest.mark.parametrize(
    ("text", "value", "hint"),
    [
        ("<v>", "ls", "only its arguments can be values"), ("sudo <v>", "ls", "only its arguments can be values"),
        (r"echo \<v>", "x", r"Remove the \ or $"), ("echo $<v>", "x", r"Remove the \ or $"),
        ("echo ${x:-<v>}", "x", "Assign the value to a variable first"), ("cat `ls <v>`", "x", "Assign the value"),
        ("cat <v>", "-n", "write -- before the placeholder"), ("cat '<v>'", "x", "declare a suitable type"),
        ("#!/usr/bin/python3\nprint('<v>')", "x", "from a bash fence"), ("echo <v>", "a\nb", "without control"),
    ],
)  # fmt: skip
def test_the_hint_is_one_that_helps_there(text: str, value: str, hint: str) -> None:
    with pytest.raises(LilFoxError) as caught:
        fill(command(text, script=text.startswith("#!")), {"v": value}, [])
    assert hint in str(caught.value.hint)


def test_a_value_that_names_another_one_is_said_to_be_refused_for_that() -> None:
    with pytest.raises(LilFoxError, match="must not begin with - or contain LF_") as caught:
        fill(command("ping '<v>'"), {"v": "web-LF_1"}, [Variable(name="v", type="host")])
    assert str(caught.value.hint) == "Use another value, or write the placeholder as a separate word."


def test_a_quoted_heredoc_takes_no_value_that_could_end_it() -> None:
    word = Variable(name="v", type="host")
    text = "cat <<'END'\n<v>\nEND"
    done = subprocess.run(
        ["sh", "-c", fill(command(text), {"v": "web-1"}, [word]).script], capture_output=True, check=True
    )
    assert done.stdout == b"web-1\n"
    with pytest.raises(LilFoxError, match="heredoc"):
        fill(command(text), {"v": "END"}, [word])


def test_two_names_that_become_one_must_agree() -> None:
    text = "echo <a-b> <a_b>"
    assert fill(command(text), {"a-b": "1", "a_b": "1"}, []).env == {"LF_a_b": "1"}
    with pytest.raises(
        LilFoxError, match="its name clashes with another placeholder: - and _ count as the same character"
    ):
        fill(command(text), {"a-b": "1", "a_b": "2"}, [])


@pytest.mark.parametrize(
    ("text", "attributes"),
    [("#!/usr/bin/env python3\nprint('<v>')", Attributes()), ("#!/usr/bin/fish\necho <v>", Attributes()),
     ("print(<v>)", Attributes(interpreter="python3"))],
)  # fmt: skip
def test_what_is_no_shell_takes_no_value(text: str, attributes: Attributes) -> None:
    script = command(text, script=True, attributes=attributes)
    with pytest.raises(LilFoxError, match="is not a shell"):
        fill(script, {"v": "1"}, [])
    assert fill(command("#!/usr/bin/env bash\necho <v>", script=True), {"v": "1"}, []).env == {"LF_v": "1"}


@pytest.mark.fault("2.26")
def test_lint_is_told_what_can_never_be_filled() -> None:
    found = refusals(command("echo '<v>' <v> '<attack-ip>'"), [IP])
    assert [(site.placeholder.name, site.place) for site, _ in found] == [("v", "single")]
