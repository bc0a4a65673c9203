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


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("$ cd /srv/app\ngit pull -q\noc apply -f a.yaml", ["cd /srv/app", "git pull -q", "oc apply -f a.yaml"]),
        ("$ export A=1\nexport B=2\nkubectl get pods -n $B", ["export A=1", "export B=2", "kubectl get pods -n $B"]),
        ("# look\n$ oc get pods \\\n -o wide\n\n# then\noc adm top", ["oc get pods \\\n -o wide", "oc adm top"]),
    ],
)  # fmt: skip
def test_commands_below_a_single_prompt_are_commands_too(text: str, runs: list[str]) -> None:
    assert _runs(text) == runs


@pytest.mark.parametrize(
    "below",
    [
        "NAME   READY\nweb-1  1/1",
        "kubectl get pods -n x\nsome other line",
        "kubectl get pods -n x\nStatus: active",
        "reboot",
        "export A=1",
        "kubectl get pods -n x\n$ uptime",
        "> kubectl get pods -n x",
        "you can run kubectl get pods",
        "mytool --now",
    ],
)
def test_output_below_a_single_prompt_stays_output(below: str) -> None:
    assert _runs(f"$ kubectl get nodes\n{below}")[0] == "kubectl get nodes"
    assert set(_runs(f"$ kubectl get nodes\n{below}")) <= {"kubectl get nodes", "uptime"}


@pytest.mark.parametrize("first", ["cat run.sh", "crontab -l", "grep -r pods .", "mytool env", "history"])
def test_what_a_program_prints_of_a_file_is_no_command(first: str) -> None:
    assert _runs(f"$ {first}\nkubectl delete pod x-1\nsystemctl restart nginx.service") == [first]


@pytest.mark.parametrize(
    "below",
    [
        "+----+\n| ID |\n+----+",
        "--------------------\n|  DescribeImages  |",
        "Name:         web-1\nLabels:       <none>",
        "2017-03-15 09:42:45.046  INFO 7 --- [main] x (y)",
        "<html><body>it's</body></html>",
        'HTTP/1.1 200 OK\nServer: "x',
        "Error from server (Forbidden): no",
        '{"a": "it\'s"}',
        "deployment.apps/web scaled",
        "CPU(cores)   CPU%\n191m         10%",
        "NAME     \tPROVISIONER   \tAGE\nstandard (default)  x  2m",
    ],
)
def test_output_below_commands_without_prompts_is_shown(below: str) -> None:
    (found,) = _commands(f"kubectl get x\n\n{below}")

    assert (found.text, found.output, found.refused) == ("kubectl get x", below, "")


@pytest.mark.parametrize(
    "text",
    [
        "sum by (node) (rate(cpu_seconds_total[5m])) > 1",
        "topk(5,\n  sum by (pod) (x))",
        "(a / b) * 100",
        'request_total{\n  pod="x"\n}',
        'provider "aws" {\n  region = "x"\n}',
        'server {\n  if ($x !~ "y") {\n  }\n}',
        "SELECT count(*) FROM t;",
        "ANY 1 (a, b)",
        "[INFO]  ready (0/3)...",
        "PING 10.0.0.1 (10.0.0.1): 56 data bytes",
        "/ (Root)\n\u251c\u2500\u2500 a",
        "mysql> select sleep(1);",
        "mysql> show tables;",
        "sqlite> .load x.so",
        "postgres=# \\dt",
        "10.0.0.1:6379> FLUSHALL",
        ">>> import os",
        "frr# show bfd peers",
        "/home/argocd/plugins/\n    a.sock",
        "/* a hint */",
        ".\n\u251c\u2500\u2500 README.md\n\u2514\u2500\u2500 fix/",
        "https://web.example/path",
        "...\n* Server certificate:\n*  SSL certificate verify ok.",
        "\u2026\nEvents:\n  Normal x",
        "k8s.io/apimachinery/pkg/util/sets",
        "snapshot.longhorn.io/x created",
    ],
)
def test_what_is_given_to_other_programs_is_no_command_and_no_error(text: str) -> None:
    (found,) = _commands(text)

    assert (found.kind, found.refused) == ("none", "")


@pytest.mark.parametrize("text", ["kubectl create token x (--duration 1h)", "mytool (x)", 'echo "x', "f() {\n  ls"])
def test_a_command_that_bash_cannot_parse_stays_an_error(text: str) -> None:
    assert all(each.kind == "none" and each.refused for each in _commands(text))


@pytest.mark.parametrize("prompt", ["~/app/local$ ", ":~$ ", "\u279c  ", "\u279c  app git:(main) \u2717 "])
def test_prompts_of_other_shells_are_taken_off(prompt: str) -> None:
    assert _runs(f"{prompt}uptime\n up 1 day") == ["uptime"]


def test_below_dots_stands_no_command_unless_it_can_be_nothing_else() -> None:
    assert "kubectl get pods -A" in _runs("...\nkubectl get pods -A")


def test_an_address_below_a_command_is_no_command() -> None:
    assert _runs("kubectl port-forward svc/web 80:80\nhttp://127.0.0.1:80") == ["kubectl port-forward svc/web 80:80"]
