"""Values of variables: what each type admits, in full."""

from __future__ import annotations

import ipaddress
import subprocess
from pathlib import Path

import pytest

from lilfox_tui.core.errors import ConfigError, HostError, LilFoxError
from lilfox_tui.hosts.addresses import Denied, denied, own_addresses
from lilfox_tui.hosts.base import Completed
from lilfox_tui.hosts.fake import FakeHost
from lilfox_tui.runbook.bash.placeholders import Need
from lilfox_tui.runbook.classify import checked, verdict_of_text
from lilfox_tui.runbook.model import Command, Variable, VariableType
from lilfox_tui.runbook.parse.fences import FenceReader
from lilfox_tui.runbook.parse.markdown import scan
from lilfox_tui.runbook.run.variables import admits, check_all, check_value, choices_of, described, fill

NOBODY = Denied()
GOOD: dict[VariableType, dict[str, str]] = {
    "ip": {"203.0.113.9": "203.0.113.9", "2001:DB8::0:9": "2001:db8::9", "::ffff:203.0.113.9": "203.0.113.9"},
    "cidr": {"203.0.113.0/24": "203.0.113.0/24", "203.0.113.9": "203.0.113.9/32", "2001:db8::/32": "2001:db8::/32"},
    "port": {"1": "1", "65535": "65535"},
    "host": {"web-1": "web-1", "db.example.net": "db.example.net", "203.0.113.9": "203.0.113.9", "::1": "::1"},
    "unit": {"nginx.service": "nginx.service", "a@b-1": "a@b-1", r"dev-a\x2db.device": r"dev-a\x2db.device"},
    "path": {"/var/lib/a b": "/var/lib/a b", "/": "/", "/etc/用户": "/etc/用户"},
    "git-rev": {"v1.2": "v1.2", "feature/a": "feature/a", "0a1b2c3": "0a1b2c3"},
    "int": {"0": "0", "-7": "-7", "12": "12"},
    "secret": {"a b'\"$(x)": "a b'\"$(x)"},
    "text": {"-x": "-x", " a ": " a "},
}
BAD: dict[VariableType, list[str]] = {
    "ip": ["203.0.113", "010.0.0.1", "203.0.113.9 ", "203.0.113.9/32", "::1%$(id)", "١.1.1.1", "web", "0x7f.1", "-1"],
    "cidr": ["203.0.113.9/24", "203.0.113.0/33", "203.0.113.0/255.255.255.0", "203.0.113.0/", "0/0", "::/0%a", "-"],
    "port": ["0", "65536", "080", "+80", "8e1", "٨٠", "-1", "80 "],
    "host": ["-x", "a b", "a/b", "$(id)", "a" * 260, "fe80::1%eth0", ".", "a;b"],
    "unit": ["-x", "a b", "*.service", "a/b", "..", "$(id)"],
    "path": ["a", "-x", "~/x", "/a/../b", "..", "/.."],
    "git-rev": ["--force", "../x", "a..b", "a b", "HEAD@{1}", "a.lock", "a/", ":/x", "$(id)", "-", "a//b"],
    "int": ["1.0", "--1", "-0", "01", "1e3", "٣", "9" * 30, "+1"],
}  # fmt: skip


@pytest.mark.parametrize("kind", GOOD)
def test_what_fits_is_passed_on(kind: VariableType) -> None:
    for value, passed in GOOD[kind].items():
        assert check_value(Variable(name="v", type=kind), value, denied=NOBODY) == passed


@pytest.mark.fault("S7")
@pytest.mark.parametrize("kind", BAD)
def test_what_does_not_fit_in_full_is_refused(kind: VariableType) -> None:
    for value in BAD[kind]:
        with pytest.raises(LilFoxError, match=r"^v: "):
            check_value(Variable(name="v", type=kind), value, denied=NOBODY)


@pytest.mark.parametrize("kind", ["text", "secret", "path", "regex", "enum"])
@pytest.mark.parametrize("control", ["\n", "\0", "\t", "\x1b", "\x7f", "\x85", "\x9b", "\u2028", "\ud800", "\r"])
def test_no_control_character_gets_in(kind: VariableType, control: str) -> None:
    variable = Variable(name="v", type=kind, pattern="(?s).*", choices=(f"/a{control}b",))
    with pytest.raises(LilFoxError, match="control"):
        check_value(variable, f"/a{control}b", denied=NOBODY)


def test_bounds_choices_and_patterns() -> None:
    number = Variable(name="n", type="int", minimum=-2, maximum=5)
    assert [check_value(number, each, denied=NOBODY) for each in ("-2", "5")] == ["-2", "5"]
    kind = Variable(name="k", type="enum", choices=("blue", "green"))
    assert check_value(kind, "blue", denied=NOBODY) == "blue"
    shape = Variable(name="r", type="regex", pattern="[a-z]+|(a+)+$")
    assert check_value(shape, "abc", denied=NOBODY) == "abc"
    wrong = [(number, "6"), (number, "-3"), (kind, "Blue"), (kind, ""), (shape, "abc1"), (shape, "a" * 4000 + "!"),
             (Variable(name="r", type="regex", pattern="("), "x"), (Variable(name="r", type="regex"), "x"),
             (Variable(name="t"), "x" * 4097), (Variable(name="t"), "")]  # fmt: skip
    for variable, value in wrong:
        with pytest.raises(LilFoxError):
            check_value(variable, value, denied=NOBODY)


def test_an_error_does_not_tell_a_secret() -> None:
    with pytest.raises(LilFoxError) as caught:
        check_value(Variable(name="v", type="secret"), "hunter2\n", denied=NOBODY)
    assert "hunter2" not in f"{caught.value}{caught.value.hint}"


BAN = Variable(name="attack-ip", type="ip", deny=("self", "private"))
RANGE = Variable(name="range", type="cidr", deny=("self", "private"))
FORBIDDEN = denied(
    [ipaddress.ip_address("203.0.113.7"), ipaddress.ip_address("2001:db8::7")],
    ["198.51.100.0/28"],
    [("lb", ipaddress.ip_address("192.0.2.80")), ("lb6", ipaddress.ip_address("2001:db8:80::1"))],
)


@pytest.mark.fault("2.24")
@pytest.mark.parametrize(
    "value",
    ["203.0.113.7", "2001:db8::7", "::ffff:203.0.113.7", "198.51.100.3", "::ffff:198.51.100.3", "10.1.2.3",
     "172.31.0.1", "192.168.0.9", "127.0.0.1", "127.9.9.9", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
     "255.255.255.255", "::1", "::", "fe80::1", "fd00::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1",
     "2002:a00:1::", "fec0::1", "64:ff9b::203.0.113.7", "2002:cb00:7107::1", "192.0.2.80", "2001:db8:80::1",
     "::ffff:192.0.2.80"],
)  # fmt: skip
def test_a_ban_never_holds_what_is_denied(value: str) -> None:
    with pytest.raises(LilFoxError, match="is refused"):
        check_value(BAN, value, denied=FORBIDDEN)
    with pytest.raises(LilFoxError, match="is refused"):
        check_value(RANGE, value, denied=FORBIDDEN)
    assert check_value(Variable(name="any", type="ip"), value, denied=FORBIDDEN)


@pytest.mark.parametrize(
    "value", ["203.0.113.0/24", "0.0.0.0/0", "::/0", "198.51.100.0/24", "198.51.100.4/31", "192.0.0.0/8",
              "2001:db8::/32", "::ffff:0:0/96", "::ffff:203.0.113.0/120", "64:ff9b::/96", "2002::/16", "8.0.0.0/5",
              "192.0.2.80/32", "192.0.2.64/26", "2001:db8:80::/48"],
)  # fmt: skip
def test_a_range_never_holds_what_is_denied(value: str) -> None:
    with pytest.raises(LilFoxError, match="is refused"):
        check_value(RANGE, value, denied=FORBIDDEN)


def test_others_may_be_banned() -> None:
    for value in ("203.0.113.9", "8.8.8.8", "2001:db8::9", "198.51.100.16"):
        assert check_value(BAN, value, denied=FORBIDDEN) == value
    assert check_value(RANGE, "203.0.113.8/29", denied=FORBIDDEN) == "203.0.113.8/29"


def test_what_never_ban_says_must_be_understood() -> None:
    with pytest.raises(ConfigError, match=r"lb\.example\.net"):
        denied([], ["198.51.100.1", "lb.example.net"], [])


def test_choices_are_checked_like_any_value() -> None:
    output = "203.0.113.9\t812 requests\r\n10.0.0.1\n\n$(id)\n203.0.113.9\n2001:db8::9\t<b>\n203.0.113.7\n"
    choices, refused = choices_of(BAN, output, denied=FORBIDDEN)
    assert [(each.value, each.note) for each in choices] == [("203.0.113.9", "812 requests"), ("2001:db8::9", "<b>")]
    assert refused == 3


def test_defaults_are_checked_and_strangers_refused() -> None:
    variables = [Variable(name="port", type="port", default="8000"), Variable(name="unit", type="unit")]
    assert check_all(variables, {}, denied=NOBODY) == {"port": "8000"}
    assert check_all(variables, {"unit": "a"}, denied=NOBODY) == {"port": "8000", "unit": "a"}
    with pytest.raises(LilFoxError, match="nit"):
        check_all(variables, {"nit": "a"}, denied=NOBODY)
    with pytest.raises(LilFoxError, match="port"):
        check_all([Variable(name="port", type="port", default="x")], {}, denied=NOBODY)


def test_what_types_are_good_for() -> None:
    assert admits(Variable(name="v", type="port")) is admits(Variable(name="v", type="int", minimum=0)) is Need.NUMBER
    assert admits(Variable(name="v", type="enum", choices=("1", "2"))) is Need.NUMBER
    assert (
        admits(Variable(name="v", type="enum", choices=("a", "b")))
        is admits(Variable(name="v", type="ip"))
        is Need.SAFE
    )
    for kind in ("text", "secret", "path", "unit", "regex", "int"):
        assert admits(Variable(name="v", type=kind)) is Need.ANY
    assert admits(Variable(name="v", type="enum", choices=("a", "b c"))) is Need.ANY


def connection(line: bytes) -> FakeHost:
    done = Completed(("printenv",), 0 if line else 1, None, line, b"")
    return FakeHost("web1", answers={"printenv SSH_CONNECTION": done})


async def test_a_host_says_from_where_it_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "198.51.100.20 40000 198.51.100.21 22")
    found = await own_addresses(connection(b"203.0.113.7 51234 10.0.0.2 22\n"))
    assert sorted(map(str, found)) == ["10.0.0.2", "198.51.100.20", "198.51.100.21", "203.0.113.7"]
    assert len(await own_addresses(connection(b""), local=True)) == 2
    monkeypatch.delenv("SSH_CONNECTION")
    (first, *_) = await own_addresses(connection(b"fe80::7%eth0 51234 fe80::7%eth0 22\n"))
    assert str(first) == "fe80::7"


@pytest.mark.parametrize("line", [b"", b"UNKNOWN 65535 UNKNOWN 65535\n", b"203.0.113.7\n"])
async def test_a_host_that_does_not_say_it_lets_nothing_be_banned(line: bytes) -> None:
    with pytest.raises(HostError, match="web1"):
        await own_addresses(connection(line))


# What reads with a variable that nobody knows runs behind a look at it.


def _command(text: str, info: str = "bash") -> Command:
    (block,) = scan([f"```{info}", *text.split("\n"), "```"])
    (command,) = FenceReader().commands(block, 0)
    return command


def _run(script: str, folder: Path, **held: str) -> tuple[int, str, str]:
    program = folder / "kubectl"
    program.write_text('#!/bin/sh\nprintf "<%s>" "$@"\n')
    program.chmod(0o755)
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-c", 'eval "$1"', "bash", script], capture_output=True, text=True,
            check=False,
        env={"PATH": f"{folder}:/usr/bin:/bin", **held},
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_it_runs_where_the_variables_are_plain_words(tmp_path: Path) -> None:
    command = _command("kubectl -n $NAMESPACE logs $POD")
    assert command.kind == "read"
    script = fill(command, {}, ()).script
    assert verdict_of_text(script) == "read"
    assert _run(script, tmp_path, NAMESPACE="shop", POD="web-0") == (0, "<-n><shop><logs><web-0>", "")


@pytest.mark.fault("4.4")
@pytest.mark.parametrize(
    "value", ["", "-A", "--kubeconfig=F", "x delete pod y", "a*", "$(rm x)", "a\nb", "a;b", "é", "a\tb", "{a,b}", "~"]
)
def test_nothing_runs_where_one_is_not(value: str, tmp_path: Path) -> None:
    script = fill(_command("kubectl -n $NAMESPACE get pods"), {}, ()).script
    status, out, error = _run(script, tmp_path, NAMESPACE=value)
    assert (status, out) == (125, "")
    assert error == "lilfox: $NAMESPACE is empty, or no plain word; nothing was run\n"


@pytest.mark.fault("4.4")
def test_a_variable_that_is_not_set_is_none(tmp_path: Path) -> None:
    script = fill(_command("kubectl -n $NAMESPACE get pods"), {}, ()).script
    assert _run(script, tmp_path)[:2] == (125, "")
    assert _run("set -u; " + script, tmp_path)[:2] == (125, "")


def test_lines_are_those_of_the_command(tmp_path: Path) -> None:
    script = fill(_command("if kubectl -n $NAMESPACE get pods; then\n  nosuch-of-lilfox\nfi"), {}, ()).script
    assert "line 2: nosuch-of-lilfox" in _run(script, tmp_path, NAMESPACE="a")[2]


@pytest.mark.fault("4.4")
@pytest.mark.parametrize(
    "text",
    [
        "kubectl -n $NAMESPACE delete pod x",
        "NAMESPACE=$x; kubectl -n $NAMESPACE get pods",
        "read -r NAMESPACE; kubectl -n $NAMESPACE get pods",
        'read "NAMESPACE" </tmp/x; kubectl -n $NAMESPACE get pods',
        "command read NAMESPACE </tmp/x; kubectl -n $NAMESPACE get pods",
        "r=read; $r NAMESPACE </tmp/x; kubectl -n $NAMESPACE get pods",
        "n=NAMESPACE; read $n </tmp/x; kubectl -n $NAMESPACE get pods",
        "read {x,NAMESPACE} </tmp/x; kubectl -n $NAMESPACE get pods",
        "for i in 1 2; do kubectl -n $NAMESPACE get pods; export ''NAMESPACE=-A; done",
        "read -r; kubectl -n $REPLY get pods",
        "[[ a =~ b ]]; kubectl -n $BASH_REMATCH get pods",
        "cd /; kubectl -n $PWD get pods",
        "kubectl -n $RANDOM get pods",
        "kubectl -n $_ get pods",
        "kubectl -n $1 get pods",
        "kubectl -n $LF__N get pods",
        "kubectl -n ${x%y} get pods",
        "kubectl $x pods",
        "$x get pods",
        "kubectl get pods --kubeconfig=$x",
        "awk $x f",
        "uniq f $x",
        "sysctl $x",
        "psql -d $x -c 'select 1'",
        "bash -c $x",
        "echo $((x))",
        "[[ $x -eq 1 ]]",
    ],
)
def test_a_look_at_them_makes_no_reader_of_what_is_none(text: str) -> None:
    assert checked(text) == text
    assert verdict_of_text(text) not in ("read", "follow")


def test_what_is_asked_for_runs_as_it_is() -> None:
    text = "kubectl -n $NAMESPACE get pods"
    assert fill(_command(text, 'bash {"risk": "change"}'), {}, ()).script == text
    assert fill(_command("kubectl get pods"), {}, ()).script == "kubectl get pods"


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (None, None, "a whole number"),
        (1, None, "a whole number (at least 1)"),
        (None, 9, "a whole number (at most 9)"),
        (0, 9, "a whole number (0…9)"),
    ],
)
def test_a_number_has_only_the_limits_that_it_has(low: int | None, high: int | None, said: str) -> None:
    assert str(described(Variable(name="n", type="int", minimum=low, maximum=high))) == said
