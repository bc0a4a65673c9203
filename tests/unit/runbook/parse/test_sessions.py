"""What of a fence was typed: prompts of users and of root, their output, comments, and fences that are output alone."""

from __future__ import annotations

import pytest

from lilfox_tui.runbook.model import Command
from lilfox_tui.runbook.parse.document import parse
from lilfox_tui.runbook.parse.fences import FenceReader
from lilfox_tui.runbook.parse.markdown import scan

LANGUAGES = ["bash", "sh", "shell", "console", "zsh", "terminal", "shell-session"]


def _commands(text: str, info: str = "bash") -> list[Command]:
    (block,) = scan(["```" + info, *text.split("\n"), "```"])
    return FenceReader().commands(block, 0)


def _runs(text: str, info: str = "bash") -> list[str]:
    return [command.text for command in _commands(text, info) if command.kind != "none"]


@pytest.mark.parametrize("info", [*LANGUAGES, "", "text"])
@pytest.mark.parametrize(
    "prompt",
    [
        "$ ",
        "user@host:~$ ",
        "root@host:/# ",
        "[root@db-1 ~]# ",
        "[me@x dir]$ ",
        "(venv) $ ",
        "sh-5.1# ",
        "/ # ",
        "~ $ ",
    ],
)
def test_prompts_are_taken_off_in_any_shell_fence(prompt: str, info: str) -> None:
    found = _commands(f"{prompt}df -h\nFilesystem  Size\n/dev/sda1   20G\n\n{prompt}uptime", info)

    assert [(each.text, each.kind, each.output, each.line) for each in found] == [
        ("df -h", "read", "Filesystem  Size\n/dev/sda1   20G", 2),
        ("uptime", "read", "", 6),
    ]


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("$ oc get pods \\\n    -o yaml\nNAME", ["oc get pods \\\n    -o yaml"]),
        ("$ oc get pods \\\n> -o yaml\nNAME", ["oc get pods \\\n-o yaml"]),
        ("$ for x in a b; do\n> echo $x\n> done\na\nb", ["for x in a b; do\necho $x\ndone"]),
        ("$ cat <<EOF\nsome words\n> quoted\nEOF\nsome words", ["cat <<EOF\nsome words\n> quoted\nEOF"]),
        ("  $ ls\n  a", ["ls"]),
    ],
)
def test_a_command_goes_on_below_its_prompt(text: str, runs: list[str]) -> None:
    assert _runs(text) == runs


def test_output_that_looks_like_a_second_prompt_is_output() -> None:
    (found,) = _commands("$ curl -v http://x/\n> GET / HTTP/1.1\n> rm -rf x\n< HTTP/1.1 200 OK")

    assert (found.text, found.output) == (
        "curl -v http://x/",
        "> GET / HTTP/1.1\n> rm -rf x\n< HTTP/1.1 200 OK",
    )


def test_comments_between_prompts_are_those_of_the_next_command() -> None:
    first, second = _commands("# look\n$ uptime\n up 1 day\n\n# then\n$ df")

    assert (first.comment, first.output, second.text, second.comment) == ("# look", " up 1 day", "df", "# then")


@pytest.mark.parametrize(
    ("text", "info", "runs"),
    [
        ("# systemctl status nginx", "bash", ["systemctl status nginx"]),
        ("# ceph status\n  cluster:\n    id: 1", "console", ["ceph status"]),
        ("# systemctl list-units\nUNIT LOAD ACTIVE SUB\nnginx loaded active running", "sh", ["systemctl list-units"]),
        ("# df -h\n# uptime", "shell", ["df -h", "uptime"]),
    ],
)
def test_a_number_sign_is_the_prompt_of_root_where_nothing_else_fits(text: str, info: str, runs: list[str]) -> None:
    assert _runs(text, info) == runs


@pytest.mark.parametrize("info", LANGUAGES)
@pytest.mark.parametrize(
    "text",
    [
        "# kill the server",
        "# find the pod that fails",
        "# restart nginx",
        "# cat",
        "# systemctl restarts it for you.",
        "# reboot",
        "# 重启 nginx",
        "# stop nginx\n# then wait",
        "## systemctl restart nginx",
    ],
)
def test_prose_behind_a_number_sign_is_never_run(text: str, info: str) -> None:
    assert _commands(text, info) == [] or _runs(text, info) == []


@pytest.mark.parametrize("info", LANGUAGES)
def test_a_comment_above_a_command_stays_one(info: str) -> None:
    (found,) = _commands("# systemctl restart nginx\nsystemctl status nginx", info)

    assert (found.text, found.comment) == ("systemctl status nginx", "# systemctl restart nginx")


@pytest.mark.parametrize("info", LANGUAGES)
@pytest.mark.parametrize(
    "text",
    [
        "NAME       READY   STATUS\nweb-1      1/1     Running",
        '{\n  "a": 1\n}',
        "+----+\n| id |",
        "2026-01-01 10:00:00 ERROR x",
        "Status: active\nreboot",
        "  Image Name:   x/y",
        "HTTP/1.1 200 OK",
        "--region string   where",
    ],
)
def test_a_fence_of_output_alone_is_no_command(text: str, info: str) -> None:
    assert [each.kind for each in _commands(text, info)] == ["none"]


@pytest.mark.parametrize("info", ["", "text", "yaml", "json", "promql"])
def test_a_fence_without_prompts_is_text_where_no_shell_is_named(info: str) -> None:
    assert [each.kind for each in _commands("ls -l\nreboot", info)] == ["none"]


@pytest.mark.parametrize("info", ["yaml", "json", "python"])
def test_prompts_in_another_language_are_none(info: str) -> None:
    assert _runs("$ reboot", info) == []


def test_a_quote_that_never_ends_blocks_the_fence() -> None:
    found = _commands("$ echo it's\nsome output\n$ reboot")

    assert {each.kind for each in found} == {"none"}
    assert all("matching" in each.refused for each in found)


@pytest.mark.parametrize("info", LANGUAGES)
def test_a_table_below_a_command_is_its_output(info: str) -> None:
    first, second = _commands(
        "oc get pods\nNAME   READY\nweb-1  1/1\n\noc get nodes\nNAME   STATUS\nn1     Ready", info
    )

    assert (first.text, first.output) == ("oc get pods", "NAME   READY\nweb-1  1/1")
    assert (second.text, second.output, second.line) == ("oc get nodes", "NAME   STATUS\nn1     Ready", 6)


@pytest.mark.parametrize("text", ["cat <<EOF\nNAME   READY\nEOF", "psql -c '\nA   B\n'"])
def test_what_a_command_is_given_is_no_table(text: str) -> None:
    assert [each.text for each in _commands(text)] == [text]


def test_lint_looks_at_what_was_typed() -> None:
    (fence,) = parse(b"# T\n```bash\n$ ls\na file\n```\n", "/x.md").fences

    assert fence.text == "ls\n"
