"""1,000 hostile values in every kind of quotes, run by real shells: no canary is ever made, and what is let in arrives
byte for byte."""

from __future__ import annotations

import random
import subprocess
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import characters, text

from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.hosts.addresses import Denied
from lilfox_tui.runbook.model import Command, Variable
from lilfox_tui.runbook.run.variables import check_value, fill

CANARY = "canary"
"""Made in the working folder by whatever runs that should not."""
SHELLS = {"bash": ["bash", "--noprofile", "--norc"], "dash": ["dash"]}
WORDS = {
    "<v>": "{}", "--value=<v>": "--value={}", "a<v>b": "a{}b", "-- <v>": "--\0{}", "{<v>,x}": None,
    '"<v>"': "{}", '"a <v> b"': "a {} b", "'<v>'": "{}", "'a <v> b'": "a {} b", "\"'<v>'\"": "'{}'",
    "'\"<v>\"'": '"{}"', r'"\\<v>"': "\\{}", "$(printf %s <v>)": "{}", '"$(printf %s <v>)"': "{}",
    '"$(printf %s "<v>")"': "{}", "\"$(printf %s '<v>')\"": "{}", '"`printf %s <v>`"': None,
    "${unset:-<v>}": None, '"${unset:-<v>}"': None, r"\<v>": None, r'"\<v>"': None, "$<v>": None, '"$<v>"': None,
}  # fmt: skip
"""How the argument of a command is written, and what it then is; None where only its harmlessness is asked."""
BASH_WORDS = {
    "$'<v>'": "{}", r"$'\<v>'": None, '$"<v>"': "{}", "$((<v>))": None, '"$((<v> + 1))"': None, "$[<v>]": None,
    "<(printf %s <v>)": None,
}  # fmt: skip
OTHERS = {
    "x=<v>; show \"$x\"": "{}", "x=a<v>; show \"$x\"": "a{}", "export X=<v>; show \"$X\"": "{}",
    "f() { show \"$1\"; }; f <v>": "{}", "(show <v>); { show <v>; }": "{}\0{}",
    "for each in <v> <v>; do show \"$each\"; done": "{}\0{}", "case <v> in <v>) show same;; esac": None,
    "case <v> in no) ;; *) show <v>;; esac": "{}", "if [ <v> = <v> ]; then show same; fi": None,
    "cat <<END\n<v>\na <v> b\nEND": "{}\na {} b\n", "cat <<'END'\n<v>\na <v> b\nEND": "{}\na {} b\n",
    "cat <<-\\END\n\ta <v>\n\tEND": "a {}\n", "cat <<END\n$(printf %s <v>) `printf %s <v>`\nEND": None,
    "cat <<END\n\\<v> $<v>\nEND": None,
    "sh -c 'printf %s \"$1\"' sh <v>": "{}", "env X=<v> sh -c 'printf %s \"$X\"'": "{}",
    "show 1 >files/<v> && ls -A files": None, "cat <files/<v>": None, "show 1 >>files/<v> 2>&1": None,
    "show 1 >&files/<v>": None, "# <v>\nshow <v> # <v>": "{}", "show \\\n<v>": "{}", "show <v> & wait": "{}",
    "x=$(case a in a) printf %s <v>;; esac); show \"$x\"": "{}", "printf '%s' <v>": "{}", "printf '%d' <v>": None,
    "[ -n <v> ] && [ <v> -eq 1 ]": None, "test <v> -ot <v>": None, "find . -maxdepth 0 -name <v>": None,
    "ls -- <v>": None, "printf a | xargs printf %s <v>": None, "grep -F -- <v> /dev/null": None, "cat < <v>": None,
    "<v>": None, "<v> x": None, "/usr/bin/<v> x": None, "env <v>": None, "! <v>": None, "true && <v>": None,
    "eval <v>": None, "eval show <v>": None, 'eval "show <v>"': None, "trap <v> EXIT": None, ". ./<v>": None,
    "unset <v>": None, "read <v> </dev/null": None, "export <v>": None, "sh -c <v>": None,
    "sh -c 'printf %s <v>'": "{}",
    'sh -c "printf %s <v>"': "{}", "env sh -c <v>": None, "printf <v>": None, "printf <v> a b": None,
    "awk <v> </dev/null": None, "awk 'BEGIN { printf \"%s\", \"<v>\" }'": "{}", "sed -n <v> </dev/null": None,
    "echo a | sed s/a/<v>/": None,
}  # fmt: skip
BASH_OTHERS = {
    "cat <<< <v>": "{}\n", "cat <<<<v>": "{}\n", 'cat <<< "<v>"': "{}\n", "a=(<v> <v>); show \"${a[@]}\"": "{}\0{}",
    "[[ <v> == x ]]": None, "[[ <v> == <v> ]] && show same": None, "[[ x =~ <v> ]]": None, "[[ <v> -eq 1 ]]": None,
    "[[ 1 -lt <v> ]]": None, "[[ -v <v> ]]": None, "(( <v> ))": None, "(( x = <v> + 1 ))": None,
    "for ((i = <v>; i < 1; i++)); do :; done": None, "let <v>": None, "let x=<v>": None, 'let "x=<v>"': None,
    "a[<v>]=1": None, 'a["<v>"]=1': None, "declare -i n=<v>": None, "declare <v>": None, "declare -a b=<v>": None,
    "f() { local z=<v>; show \"$z\"; }; f": "{}", "f() { let <v>; }; f": None, "printf -v <v> x": None,
    "mapfile <v> </dev/null": None, "test -v <v>": None, "[ -v <v> ]": None, "readonly <v>": None,
    "bash -c 'echo $((<v>))'": None, "bash <<END\necho $((<v>))\nEND": None, "bash <<'END'\necho $((<v>))\nEND": None,
    "coproc <v>": None, "show 1 &>files/<v>": None, "cat < <(printf %s <v>)": "{}", "printf '%(<v>)T' 0": None,
    "select x in <v>; do break; done </dev/null": None, "((true); show <v>)": "{}",
}  # fmt: skip
SHOW = "show() { printf '%s\\0' \"$@\"; }\n"
SEEDS = (
    "; touch canary", "$(touch canary)", "`touch canary`", "| touch canary", "&& touch canary", "& touch canary",
    "' ; touch canary ; '", '" ; touch canary ; "', "'$(touch canary)'", '"$(touch canary)"', "a[$(touch canary)]",
    "x[$(touch canary)]=1", "a[`touch canary`]", ") ; touch canary ; (", "}; touch canary; {", "/e touch canary",
    "1e touch canary", "x/e;touch canary", 'BEGIN{system("touch canary")}', '"; system("touch canary"); "',
    "END", "$LF_v", "${LF_v}", "LF_v", "LF_w", "LF_v=1", "BASH_ENV", "-e", "-c", "--", "-", "-n", "-o", "-v", "-rf",
    "--use-compress-program=touch canary", "-oProxyCommand=touch canary", "-exec", "*", "?", "[a-z]*", "~",
    "~root", "{a,b}", "!!", "!touch", "#", "# x", "\\", "\\\\", "\\'", '\\"',
    "a b", "  a  ", "a\u00a0b", "a\u3000b", "用户", "🦊", "\u202eabc", "\u200b", "<w>", "<v>", "<(touch canary)",
    ">(touch canary)", "> canary", ">canary", "<canary", ">&canary", "|tee canary", "${x:=$(touch canary)}",
    "$((a[$(touch canary)]))", "%n", "%s%s%s", "\\x60touch canary\\x60", "\\044(touch canary)", "'\"'\"'", "\"'\"",
    "$'\\n'", "1 -o 1 -eq 1", "(", ")", "[[", "]]", "))", "((", ";;", "esac", "done", "then", "if", "203.0.113.7",
    "web-1", "0", "-1", "08", "1e3", "9" * 30, "/e/f", "../x", "a=b", "PATH=.", "=", "==", ":", ".", "..",
)  # fmt: skip


def hostile() -> list[str]:
    """A thousand values, the same each time: those above, pairs of them, and what a thumb on the keyboard writes."""
    chance = random.Random(6)
    found = dict.fromkeys(SEEDS)
    while len(found) < 700:
        found["".join(chance.sample(SEEDS, 2))] = None
    while len(found) < 1000:
        found["".join(chance.choices("'\"`$()[]{}<>;&|\\!*?~#-=% ax1é\u4e2d", k=chance.randint(1, 12)))] = None
    return list(found)


VALUES = hostile()
WORD = Variable(name="v")
NARROW = (
    Variable(name="v", type="int", minimum=0), Variable(name="v", type="host"), Variable(name="v", type="git-rev"),
    Variable(name="v", type="enum", choices=("LF_v", "LF_w", "a/b", "END", "HOME", "done", "0", "7")),
    Variable(name="v", type="enum", choices=("7", "x[$(touch canary)]")), Variable(name="v", type="port"),
    Variable(name="v", type="ip"), Variable(name="v", type="cidr"), Variable(name="v", type="unit"),
)  # fmt: skip
DRIVER = """
show() { printf '%s\\0' "$@"; }
while IFS= read -r LF_v <&9; do
    export LF_v
    EVAL 9<&-
    printf '\\001'
    [ ! -e canary ] || { printf '%s\\n' "$LF_v" >&8; rm -f canary; }
done
"""
"""Runs one script with each value that comes in descriptor 9; who made a canary comes out of 8."""
BUILTIN = ("show ", "x=", "for ", "case ", "if ", "f() ", "[[", "printf '%", "a=")


def templates(shell: str) -> dict[str, str | None]:
    """Commands with ``<v>``, and what they print."""
    words = {**WORDS, **(BASH_WORDS if shell == "bash" else {})}
    shown = {f"show {word}": made for word, made in words.items()}
    others = {**OTHERS, **(BASH_OTHERS if shell == "bash" else {})}
    return {**shown, **others}


def admitted(variable: Variable) -> Iterator[str]:
    """Those of the values that the type lets through, as it passes them on."""
    for value in (*VALUES, *variable.choices):
        try:
            yield check_value(variable, value, denied=Denied())
        except LilFoxError:
            continue


def filled(template: str, variable: Variable, values: list[str]) -> dict[str, list[str]]:
    """The scripts that may run, each with the values that it runs with."""
    command = Command(text=template, kind="change", language="bash")
    made: dict[str, list[str]] = {}
    for value in values:
        try:
            each = fill(command, {"v": value}, [variable])
        except LilFoxError:
            continue
        assert each.env in ({"LF_v": value}, {})
        made.setdefault(each.script, []).append(value)
    return made


def run(shell: str, script: str, values: list[str], folder: Path) -> list[bytes]:
    """What the script prints with each of the values, by a real shell."""
    (folder / "in").write_text("".join(f"{value}\n" for value in values))
    with (folder / "in").open("rb") as given, (folder / "guilty").open("w+b") as guilty:
        driver = DRIVER.replace("EVAL", 'eval "$SCRIPT"' if alone(script) else '(eval "$SCRIPT")')
        argv = [
            "bash",
            "-c",
            'exec 8>&"$1" 9<&"$2"; shift 2; exec "$@"',
            "bash",
            str(guilty.fileno()),
            str(given.fileno()),
        ]
        done = subprocess.run(
            [*argv, *SHELLS[shell], "-c", driver], pass_fds=[given.fileno(), guilty.fileno()],
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "SCRIPT": script}, cwd=folder / "work",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False, timeout=120,
        )  # fmt: skip
        guilty.seek(0)
        made = guilty.read().decode()
    assert made == "", f"{shell} ran {script!r} with {made!r}"
    printed = done.stdout.split(b"\1")
    assert len(printed) == len(values) + 1, script
    return printed[:-1]


def alone(script: str) -> bool:
    """Whether it starts no program, and leaves nothing behind where it is not in a process of its own."""
    return script.startswith(BUILTIN) and ">" not in script


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "work/files").mkdir(parents=True)
    return tmp_path


def hold(shell: str, template: str, values: dict[str, list[str]], folder: Path) -> int:
    """Runs the scripts that were made of the template, and tells with how many values."""
    expected = templates(shell)[template]
    for script, passed in values.items():
        for value, printed in zip(passed, run(shell, script, passed, folder), strict=True):
            if expected is not None:
                assert printed.decode().rstrip("\0") == expected.replace("{}", value), (script, value)
    return sum(map(len, values.values()))


@pytest.mark.fault("S6", "S7")
@pytest.mark.parametrize("shell", SHELLS)
def test_no_text_ever_runs_and_all_of_it_arrives(
    shell: str, folder: Path, record_property: Callable[[str, object], None]
) -> None:
    assert len(VALUES) == 1000
    values = list(admitted(WORD))
    assert len(values) > 990
    counts = {}
    for each in templates(shell):
        some = values if alone(each.replace("<v>", "")) else [*values[: len(SEEDS)], *values[len(SEEDS) :: 5]]
        counts[each] = hold(shell, each, filled(each, WORD, some), folder)
    taken = {template for template, count in counts.items() if count}
    record_property("runs", sum(counts.values()))
    assert {"show <v>", 'x=<v>; show "$x"', "sh -c 'printf %s \"$1\"' sh <v>", "cat < <v>"} <= taken
    assert counts["show <v>"] > 900
    assert all(counts[template] > 200 for template in taken)


@pytest.mark.fault("S6")
@pytest.mark.parametrize("shell", SHELLS)
def test_narrow_types_arrive_in_every_kind_of_quotes(shell: str, folder: Path) -> None:
    passed = [(variable, list(dict.fromkeys(admitted(variable)))) for variable in NARROW]
    taken: dict[str, int] = {}
    for template in templates(shell):
        together: dict[str, list[str]] = {}
        for variable, values in passed:
            for script, some in filled(template, variable, values).items():
                together[script] = list(dict.fromkeys([*together.get(script, []), *some]))
        taken[template] = hold(shell, template, together, folder)
    quoted = ('show "a <v> b"', "show 'a <v> b'", "cat <<END\n<v>\na <v> b\nEND", "cat <<'END'\n<v>\na <v> b\nEND")
    assert all(taken[each] for each in quoted)
    assert shell == "dash" or taken["(( x = <v> + 1 ))"]


@pytest.mark.fault("S6")
@given(text(characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_value_is_refused_or_arrives(value: str) -> None:
    try:
        checked = check_value(WORD, value, denied=Denied())
        made = fill(Command(text="printf %s a<v>", kind="read", language="bash"), {"v": checked}, [WORD])
    except LilFoxError:
        assert any(unicodedata.category(char) == "Cc" or char in "\u2028\u2029" for char in value)
        return
    done = subprocess.run(["sh", "-c", made.script], env=made.env, capture_output=True, check=True)
    assert done.stdout.decode() == "a" + value
