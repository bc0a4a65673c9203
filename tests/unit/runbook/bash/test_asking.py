"""What a runbook asks for: forms of placeholders, shell variables that nothing sets, and the kinds of their values."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.hosts.addresses import Denied
from lilfox_tui.runbook.bash.asking import guessed, labels_for, shell_sites, spelled
from lilfox_tui.runbook.bash.placeholders import Need, sites
from lilfox_tui.runbook.lint import lint
from lilfox_tui.runbook.model import Document, Variable
from lilfox_tui.runbook.parse.document import parse
from lilfox_tui.runbook.run.variables import check_value, fill, marked, refusals
from tests.sweeps.test_hostile_values import VALUES

FORMS = {
    "oc rsh <pod name from the previous step>": "oc rsh <pod-name-from-the-previous-step>",
    "nc -vz <ip from step 1> <port from step 2>": "nc -vz <ip-from-step-1> <port-from-step-2>",
    "cp <local file path/name> x:/tmp": "cp <local-file-path-name> x:/tmp",
    "NS='<value of namespace label, see above>'": "NS='<value-of-namespace-label-see-above>'",
    "curl <http|https>://<host>": "curl <http-https>://<host>",
    "id=<e.g. shop-db>": "id=<e-g-shop-db>",
    "kubectl logs YOUR_POD -n YOUR-NAMESPACE": "kubectl logs <YOUR_POD> -n <YOUR-NAMESPACE>",
    "podman pull your-registry/your-image:latest": "podman pull <your-registry>/<your-image>:latest",
    'export ORG="your-org"': 'export ORG="<your-org>"',
    "kubectl -n {{ namespace }} get pod {{pod}}": "kubectl -n <namespace> get pod <pod>",
    "kubectl -n {{ $labels.namespace }} get pods": "kubectl -n <namespace> get pods",
    "sudo fuser -k [port number]/tcp": "sudo fuser -k <port-number>/tcp",
    "kubectl cnpg promote [cluster] [new_primary]": "kubectl cnpg promote <cluster> <new_primary>",
    "mongo [your-hostname-here] -u x": "mongo <your-hostname-here> -u x",
    "helm repo add [NAME] [URL] [flags]": "helm repo add <NAME> <URL> [flags]",
    "kubectl exec mypod -- ...": "kubectl exec mypod -- <more>",
    "oc logs `oc get pod -l app=<app name> -o name` -n x": "oc logs $(oc get pod -l app=<app-name> -o name) -n x",
    'x="`kubectl get pod <pod name>`"': 'x="$(kubectl get pod <pod-name>)"',
    "a `(cd <dir>; ls)`": "a $( (cd <dir>; ls))",
    "export ZONE=<domain.example.com>": "export ZONE=<domain-example-com>",
    "x --user=<name@example.com> y": "x --user=<name-example-com> y",
    "x --from-literal=accountname=<...>": "x --from-literal=accountname=<accountname>",
    'TOKEN="<token \u2014 see above>"': 'TOKEN="<token-see-above>"',
    "export KUBECONFIG=<PATH TO THE CLUSTER's KUBECONFIG>": "export KUBECONFIG=<PATH-TO-THE-CLUSTER-s-KUBECONFIG>",
    "rm -i </path/to/file>": "rm -i <path-to-file>",
    "cf push <<APP_NAME>> -i 2": "cf push <APP_NAME> -i 2",
    "confluent environment use {ENVIRONMENT ID}": "confluent environment use <ENVIRONMENT-ID>",
    'cockroach sql --url {"CONNECTION STRING"}': "cockroach sql --url <CONNECTION-STRING>",
    "curl -LO https://x/v{{< current-version >}}/y": "curl -LO https://x/v<current-version>/y",
    "docker pull x:{{ page.release.version }}": "docker pull x:<page-release-version>",
    "ssh [os-user]@[master-ip] ls": "ssh <os-user>@<master-ip> ls",
    "helm upgrade x --version [previous installed version]": "helm upgrade x --version <previous-installed-version>",
}  # fmt: skip
AS_THEY_ARE = (
    "sort <in -u >out", "wc <file 2>&1", "cat <in 2>/dev/null", "tr a b <in >out", "diff <(ls a) <(ls b)", "cat <a b>c",
    "cat <a.txt>b.txt", "read -r a <<<b", "git log --format='%an <%ae>'", "echo '<a href=\"x\">y</a>'",
    "docker ps --format '{{.Names}}'", "docker inspect -f '{{ .State.Health }}' x", "oc get x -o go-template='{{ x }}'",
    "kubectl get x -o jsonpath='{{ a }}'", "printf '{{range .items}}{{end}}'", "echo {{a,b},c}", "echo ${{x}}",
    "[ -f x ] && [ name = b ]", "[[ name ]]", "ls [a-z]*", "grep '[error]' x", "echo ${a[name]} a[name]=1",
    "ls file[ab]",
    "grep \"[name]\" x", "cat x | grep '<none>'", "kubectl get pods | grep <none>", "helm install [flags]",
    "export YOUR_NAME=x; echo $YOUR_NAME ${YOUR_NAME}", "ls get-your-things", "echo <YOUR_NAME>", "# <pod name> ...",
    "go test ./...", "echo 'a...'", "level=warn ... msg=x", "Setting up cnpg (1.30.0) ...", "...",
    "cat <<E\na {{ x }} ...\nE", "cat <<APP>> file\nx\nAPP", "cat <<EOF>>file\nx\nEOF", "cat </etc/hosts> out",
    "ls `date`", "`echo \\`date\\` <x>`", "`ls <x> # all`", "echo '`ls <x>`'", "cat <<E\n`ls <x>`\nE",
    "awk '{NR}' x", "echo {A,B}", "jq {NAME}", "X=<(ls)", "curl -w '%{HTTP_CODE}' x", "echo ${NAME}", "f=<in>out",
)  # fmt: skip


@pytest.mark.parametrize(("written", "text"), FORMS.items())
def test_placeholders_as_people_write_them(written: str, text: str) -> None:
    assert spelled(written) == text
    assert spelled(text) == text


def test_a_value_between_backquotes_is_refused_only_where_it_would_be_a_command() -> None:
    (step,) = parse(b"# T\n```bash\nls `dirname <path>`\n`<tool>`\n```\n", "/x.md").runbooks[0].steps
    first, second = step.commands

    assert first.text == "ls $(dirname <path>)"
    assert {site.need for site in sites(first.text)} == {Need.SAFE}
    assert {site.need for site in sites(second.text)} == {Need.NEVER}


@pytest.mark.parametrize("text", AS_THEY_ARE)
def test_what_may_be_something_else_stays_as_it_is(text: str) -> None:
    assert spelled(text) == text


def document(*lines: str, front: str = "") -> Document:
    """A runbook with one fence a line."""
    fences = "".join(f"{number}. Step\n\n```bash\n{line}\n```\n\n" for number, line in enumerate(lines, 1))
    return parse(f"---\n{front}\n---\n# Made\n\n{fences}".encode(), "/made.md")


def test_what_nothing_sets_is_asked_for() -> None:
    """Not what the host sets, has a default, or is set by a loop, a read, an earlier or a later fence."""
    made = document(
        "kubectl -n $NAMESPACE logs \"$POD\" $HOME $? $1 $LANG ${D:-x} ${E:?} '$NOT'",
        "for i in 1; do echo $i; done; read -r line < x; echo $line; (cd $DIR && rm -rf *.tmp)",
        "SET=1; echo $SET $LATER $PATH",
        ". ./env; echo $FROM_FILE",
        "LATER=1; echo $SET",
    )
    (runbook,) = made.runbooks
    asked = [[each.name for each in command.placeholders] for step in runbook.steps for command in step.commands]
    assert asked == [["NAMESPACE", "POD"], ["DIR"], [], [], []]
    assert [(each.name, each.type) for each in runbook.variables] == [
        ("NAMESPACE", "namespace"), ("POD", "text"), ("DIR", "path"),
    ]  # fmt: skip
    assert [each.line for each in lint(made) if each.code == "variable-unset"][:2] == [9, 9]


def test_it_is_filled_by_the_shell_and_shown_before_the_command() -> None:
    (runbook,) = document('kubectl -n $NAMESPACE logs "$POD"').runbooks
    (command,) = runbook.steps[0].commands
    with pytest.raises(LilFoxError, match=r"\$POD has no value: the command was not run"):
        fill(command, {"NAMESPACE": "shop"}, runbook.variables)
    filled = fill(command, {"NAMESPACE": "shop", "POD": "a b"}, runbook.variables)
    assert filled.script == command.text
    assert filled.env == {"LF__P_NAMESPACE": "shop", "LF__P_POD": "a b"}
    assert filled.label == command.text
    assert filled.plain == f"NAMESPACE=shop\nPOD='a b'\n{command.text}", "as it can be pasted"
    assert marked(filled.shown) == 'NAMESPACE=‹shop›\nPOD=‹a b›\nkubectl -n $NAMESPACE logs "$POD"'
    with pytest.raises(LilFoxError, match=r"\$POD on line 9 cannot be used: a value that begins with -"):
        fill(command, {"NAMESPACE": "shop", "POD": "--all"}, runbook.variables)


def test_an_export_that_does_not_pass_is_told() -> None:
    made = document("export PATH=/opt/x:$PATH PAGER=cat NAMESPACE=a", "echo")
    found = [each.text for each in lint(made) if each.code == "variable-stays"]
    assert [each.partition(" ")[0] for each in found] == ["$PAGER", "$PATH"]
    assert not [each for each in lint(document("echo", "export PAGER=cat")) if each.code == "variable-stays"]


def test_a_declared_type_wins() -> None:
    front = "vars: {NAMESPACE: {type: enum, choices: [a, b]}, pod-name: host}"
    (runbook,) = document("kubectl -n $NAMESPACE get pod <pod name>", front=front).runbooks
    assert [(each.name, each.type) for each in runbook.variables] == [("NAMESPACE", "enum"), ("pod-name", "host")]


@pytest.mark.parametrize(
    ("name", "need", "type_"),
    [("namespace", Need.ANY, "namespace"), ("NS", Need.SAFE, "namespace"), ("alert-namespace", Need.SAFE, "namespace"),
     ("node-name", Need.SAFE, "host"), ("HOST", Need.ANY, "host"), ("mon-port", Need.SAFE, "port"),
     ("mon-port", Need.NUMBER, "port"), ("unit", Need.ANY, "unit"), ("unit", Need.SAFE, "name"),
     ("MOUNT_PATH", Need.ANY, "path"), ("replicas", Need.ANY, "int"), ("X", Need.NUMBER, "int"),
     ("pod-name", Need.ANY, "text"), ("pod-name", Need.SAFE, "name"), ("db-password", Need.ANY, "secret")],
)  # fmt: skip
def test_a_kind_is_guessed_by_the_name(name: str, need: Need, type_: str) -> None:
    assert guessed(name, need).type == type_


@pytest.mark.parametrize(
    ("type_", "good", "bad"),
    [("namespace", ("shop", "a-1", "0"), ("Shop", "-a", "a-", "a.b", "a" * 64)),
     ("name", ("shop-7d4.x:y/z",), ("a b", "-a", "a$b", "a*", "xLF_y"))],
)  # fmt: skip
def test_new_types(type_: str, good: tuple[str, ...], bad: tuple[str, ...]) -> None:
    variable = Variable(name="v", type=type_)  # type: ignore[arg-type]
    assert [check_value(variable, each, denied=Denied()) for each in good] == list(good)
    for each in bad:
        with pytest.raises(LilFoxError):
            check_value(variable, each, denied=Denied())


TEMPLATES = {
    'show "$V"': "{}", "show $V": "{}", 'show "a $V b"': "a {} b", "show a${V}b": "a{}b", 'show --x="$V"': "--x={}",
    "show $(printf %s $V)": "{}", "show \"$(printf %s \"$V\")\"": "{}", "show `printf %s $V`": "{}",
    "cat <<E\na $V\nE": "a {}\n", "cat <<< \"$V\"": "{}\n", "x=$V; show \"$x\"": "{}", 'sh -c "printf %s $V"': "{}",
    "sh -c \"printf %s '$V'\"": "{}", "for x in $V; do show \"$x\"; done": "{}", "show ${V%zzz}": "{}",
    "show $((V + 1))": None, "show $(($V + 1))": None, "((V)); show": None, "a[$V]=1": None,
    "if [[ $V -eq 1 ]]; then show; fi": None, "if [[ -v $V ]]; then show; fi": None, "declare -i n=$V": None,
    "eval show $V": None,
    'eval "show $V"': None, "printf -v $V x": None, "read $V </dev/null": None,
    "awk \"$V\" </dev/null": None, "echo a | sed \"s/a/$V/\"": None, ". ./$V": None, "trap \"$V\" EXIT": None,
    "show 1 >&files/$V": None, "[ -n $V ] && [ $V -eq 1 ]": None, "case $V in $V) show;; esac": None,
    "unset $V": None, "show ${V@P}": None, "show ${#V}": None, "cat <<E\n$((V))\nE": None, "export $V": None,
    "echo '\"'$V'\"'": None, "show \"${V}\"\"$V\"": "{}{}", "env -S \"$V\"": None, "find . -name $V": None,
}  # fmt: skip
DRIVER = """
show() { printf '%s\\0' "$@"; }
while IFS= read -r V <&9; do
    (eval "$SCRIPT") 9<&- 2>/dev/null
    printf '\\001'
    [ ! -e canary ] || { printf '%s\\n' "$V" >>guilty; rm -f canary; }
done
"""


@pytest.mark.parametrize("template", TEMPLATES)
def test_no_value_of_a_shell_variable_ever_runs(template: str, tmp_path: Path) -> None:
    """A thousand hostile values: what is let in arrives byte for byte."""
    made = parse(f"# M\n1. a\n```bash\n{template}\n```\n".encode(), "/x.md").runbooks[0]
    command = next(each for each in made.steps[0].commands if each.placeholders)
    assert [each.name for each in command.placeholders] == ["V"]
    given = []
    for value in VALUES:
        try:
            for variable in made.variables:
                check_value(variable, value, denied=Denied())
            assert fill(command, {"V": value}, made.variables).script.endswith(template)
        except LilFoxError:
            continue
        given.append(value)
    (tmp_path / "in").write_text("".join(f"{value}\n" for value in given))
    with (tmp_path / "in").open("rb") as values:
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-c", f'exec 9<&{values.fileno()}; eval "$DRIVER"'],
            pass_fds=[values.fileno()], cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, check=False,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "SCRIPT": template, "DRIVER": DRIVER}, timeout=60,
        )  # fmt: skip
    assert not (tmp_path / "guilty").exists(), (tmp_path / "guilty").read_text()
    printed = done.stdout.split(b"\1")[:-1]
    assert len(printed) == len(given)
    expected = TEMPLATES[template]
    for value, out in zip(given, printed, strict=True):
        assert expected is None or out.decode().rstrip("\0") == expected.replace("{}", value).rstrip("\0"), value
    assert expected is None or len(given) > (200 if template == 'show "$V"' else 5)


@pytest.mark.parametrize(
    ("name", "label"),
    [("NAMESPACE", "namespace"), ("pod-name", "pod"), ("value-of-namespace-label-from-alert", "namespace"),
     ("alert-namespace-label", "namespace"), ("persistentvolumeclaim-label-from-alert", "persistentvolumeclaim")],
)  # fmt: skip
def test_labels_of_an_alert_hold_values_under_other_names(name: str, label: str) -> None:
    assert labels_for(name)[0] == name
    assert label in labels_for(name)


def test_what_stands_unquoted_takes_what_bash_does_not_split() -> None:
    (runbook,) = document("etcdctl --endpoints=$ENDPOINTS get x").runbooks
    (command,) = runbook.steps[0].commands
    assert fill(command, {"ENDPOINTS": "10.0.0.1:2379,b=c@d"}, runbook.variables).env
    for value in ("a b", "a\tb", "*", "a?", "[a]", "\\x"):
        with pytest.raises(LilFoxError, match="ENDPOINTS on line"):
            fill(command, {"ENDPOINTS": value}, runbook.variables)


def test_a_host_to_log_in_to_is_no_command() -> None:
    (runbook,) = document("ssh <node-address>", "docker <command>").runbooks
    commands = [step.commands[0] for step in runbook.steps]
    assert [bool(refusals(each, runbook.variables)) for each in commands] == [False, True]
    assert fill(commands[0], {"node-address": "10.0.0.1"}, runbook.variables).script == 'ssh "$LF_node_address"'
    with pytest.raises(LilFoxError, match="only letters, digits"):
        fill(commands[0], {"node-address": "-oProxyCommand=touch canary"}, runbook.variables)


def test_what_is_the_name_of_a_command_is_not_asked_for() -> None:
    """Only the host may set it; its shell looks for it before a change."""
    made = document("$KAFKA_HOME/bin/x $TOPIC", "`$V`", '"$V" x', "env A=$V x", "env <v> x", "env A=<v> x")
    commands = [step.commands[0] for step in made.runbooks[0].steps]
    asked = [[each.name for each in command.placeholders] for command in commands]
    assert asked == [["TOPIC"], [], [], ["V"], ["v"], ["v"]]
    assert [bool(refusals(each, made.runbooks[0].variables)) for each in commands] == [False] * 4 + [True, False]
    assert {site.need for site in shell_sites("echo $((V))", ["V"])} == {Need.NUMBER}
    assert {site.need for site in shell_sites('echo "$V"', ["V"])} == {Need.ANY}
