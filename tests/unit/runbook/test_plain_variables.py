"""What reads with a variable that nobody knows runs behind a look at it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lilfox_tui.runbook.classify import checked, verdict_of_text
from lilfox_tui.runbook.model import Command
from lilfox_tui.runbook.parse.fences import FenceReader
from lilfox_tui.runbook.parse.markdown import scan
from lilfox_tui.runbook.run.variables import fill


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
