"""What commands are on sight. The rows of ``change`` are those that would do harm if they were taken for reading."""

from __future__ import annotations

from pathlib import Path

import pytest

from lilfox_tui.runbook.classify import verdict_of_text
from lilfox_tui.runbook.model import Command
from lilfox_tui.runbook.parse.fences import FenceReader
from lilfox_tui.runbook.parse.markdown import scan

READ = """
sudo systemctl status postgresql
systemctl is-active lilfox-backend
sudo journalctl -u lilfox-backend -n 100
df -h
git log --oneline -10
git -C /srv/app rev-parse HEAD
sudo awk '{print $1}' /var/log/nginx/access.log | sort | uniq -c | sort -nr | head -20
awk '$9 >= 500 {n++} END {print n}' access.log
curl -fsS -m 5 http://localhost:8000/health
curl -s -o /dev/null -w '%{http_code}' http://localhost/
ls -l /var/log 2>/dev/null
ps aux | grep [p]ostgres
find /var/log -name '*.log' -size +1G
sed -n '1,20p' /etc/hosts
psql -X -l
psql -X -c 'SELECT pid, now() - query_start FROM pg_stat_activity'
redis-cli info memory
kubectl get pods -n shop
docker logs --tail 50 web
ip addr show
iptables -L INPUT -n
sudo nft list ruleset
sudo nginx -t
timeout 10 tail -f /var/log/syslog
ping -c 3 10.0.0.1
if systemctl is-active nginx; then df; fi
for f in a b; do wc -l $f; done
PGHOST=db pg_isready
echo "$(date +%F)"
cat /etc/hosts > /dev/null
top -b -n 1
date
ss -tlnp
crontab -l
curl -so /dev/null http://localhost/
sed 's/a/b/g' f
sed -n '/error/p' f
command -v jq
LC_ALL=C sort f
free=$(df -h)
systemctl --no-pager -l status nginx
git --no-pager log
kubectl --namespace shop get pods
timedatectl
apt list --installed
bash -c 'ls'
"""
FOLLOW = """
sudo tail -f /var/log/postgresql/postgresql-*.log
tail -100f app.log
tail -F a | grep ERROR
journalctl -fu nginx
sudo journalctl -u nginx --follow
kubectl logs -f deploy/web
docker logs -f web
dmesg -w
ping 10.0.0.1
vmstat 1
redis-cli monitor
tcpdump -i eth0 port 80
while true; do df; done
"""
INTERACTIVE = """
htop
psql -U lilfox
sudo nano /etc/hosts
vim /etc/hosts
less /var/log/syslog
top
ssh web-1
sudo -i
kubectl exec -it web -- sh
docker exec -it web sh
redis-cli
python3
systemctl edit nginx
crontab -e
watch df -h
"""
CHANGE = """
sudo systemctl restart lilfox-backend
git checkout <previous-commit>
sudo iptables -A INPUT -s <attack-ip> -j DROP
export DATABASE_URL="postgresql://u:p@h/d"
rm -rf /tmp/x
echo a > /etc/motd
ls | tee out
ls &
find / -name core -delete
find . -exec rm {} +
sort -o a b
sort -uo a b
uniq a b
awk '{print > "out"}' a
awk 'BEGIN {system("reboot")}'
sed -i s/a/b/ f
sed -n 'w out' f
sed 's/a/b/e' f
sed 's/a/b/w /p' f
sed '/a\\\\/w x/p' f
PSQL_PAGER=./x psql -c 'SELECT 1'
SYSTEMD_PAGER=./x journalctl
KUBECONFIG=./x kubectl get pods
https_proxy=http://x
DOCKER_HOST=x docker ps
systemctl --signal status kill x
kubectl --server get delete pod x
git --exec-path=/tmp log
apt -c list install x
docker --tlscacert ps rm x
curl -so /etc/x http://localhost/
env EDITOR=x ls
sudo PAGER=x ls
curl -X POST http://localhost/
curl -o out http://localhost/
curl -d a=b http://localhost/
curl -K config http://localhost/
wget http://example.com/x
journalctl --vacuum-time=1d
dmesg -C
systemctl daemon-reload
psql -c 'DROP TABLE users'
psql -c 'SELECT pg_terminate_backend(1)'
psql -c 'SELECT 1; DELETE FROM users'
psql -f script.sql
psql < dump.sql
cat dump.sql | psql
unknown-program --list
./status.sh
/tmp/ls
echo $(rm -rf /)
echo `reboot`
echo "$(kill 1)"
cat <(rm x)
LD_PRELOAD=/tmp/x.so ls
PATH=/tmp:$PATH
$COMMAND status
git -c core.pager=reboot log
git branch -D main
git fetch
env LD_PRELOAD=x ls
sudo --chdir=/ ls
xargs rm < list
find . | xargs rm
f() { ls; }
bash -c 'rm x'
eval ls
ssh web-1 reboot
date -s tomorrow
date 010203042025
hostname new
sysctl -w vm.swappiness=1
ss -K dst 10.0.0.1
ip addr add 10.0.0.1/8 dev eth0
iptables -L -Z
nft add rule inet f i drop
redis-cli flushall
redis-cli config set maxmemory 1
kubectl delete pod web
kubectl rollout restart deploy/web
docker restart web
tcpdump -w out
mount /dev/sda1 /mnt
crontab file
tail -f a | tee b
systemctl status a; systemctl stop a
ls && reboot
cat <<E | sh
for h in a; do reboot; done
"""


def _command(text: str, info: str = "bash") -> Command:
    more = "\nrm -rf /\nE" if "<<E" in text else ""
    (block,) = scan([f"```{info}", *(text + more).split("\n"), "```"])
    (command,) = FenceReader().commands(block, 0)
    return command


def _rows(kind: str, text: str) -> list[object]:
    return [pytest.param(kind, line, id=line) for line in text.strip("\n").split("\n")]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *_rows("read", READ),
        *_rows("follow", FOLLOW),
        *_rows("interactive", INTERACTIVE),
        *_rows("change", CHANGE),
    ],
)
def test_a_command_is_known_on_sight(kind: str, text: str) -> None:
    assert _command(text).kind == kind


@pytest.mark.fault("S30", "4.7")
@pytest.mark.parametrize(
    ("text", "attributes", "kind"),
    [
        ("./status.sh", '{"risk": "read"}', "change"),
        ("python3 -c 'print(1)'", '{"risk": "read", "confirm": "none"}', "change"),
        ("su -c ./x", '{"interactive": false}', "change"),
        ("su -c ./x", '{"interactive": false, "risk": "read"}', "change"),
        ("rm -rf /srv", '{"risk": "read"}', "change"),
        ("ls", '{"risk": "change"}', "change"),
        ("ls", '{"risk": "destroy"}', "change"),
        ("./menu.sh", '{"interactive": true}', "interactive"),
        ("top", '{"interactive": false}', "change"),
        ("./stream.sh", '{"follow": true, "risk": "read"}', "change"),
        ("./stream.sh", '{"follow": true}', "change"),
        ("rm x", '{"follow": true}', "change"),
        ("tail -f x", '{"follow": false}', "read"),
    ],
)
def test_attributes_say_more_but_make_nothing_harmless(text: str, attributes: str, kind: str) -> None:
    assert _command(text, f"bash {attributes}").kind == kind


def test_a_script_is_one_command_which_is_judged_where_bash_reads_it() -> None:
    command = _command("#!/bin/bash\nls\ndf")

    assert command.script
    assert command.kind == "read"
    assert command.text == "#!/bin/bash\nls\ndf"
    for text in ("#!/bin/bash\nls\nrm x", "#!/bin/bash -x\nls", "#!/usr/bin/env python3\nls", "#!/tmp/bash\nls"):
        assert _command(text).kind == "change", text
    assert _command("#!/bin/bash\nls", 'bash {"interpreter": "./run"}').kind == "change"


def test_an_interpreter_makes_one_command_of_a_fence() -> None:
    command = _command("import os\nprint(1)", 'python {"interpreter": "python3"}')

    assert command.script
    assert command.kind == "change"


@pytest.mark.fault("2.27")
def test_another_language_is_only_shown() -> None:
    command = _command("a = 1\nb = 2", "python")

    assert (command.kind, command.text) == ("none", "a = 1\nb = 2")


def test_of_a_session_what_was_typed_is_taken() -> None:
    (block,) = scan(
        ["```console", "$ df -h", "Filesystem  Size", "me@web:~$ for h in a; do", "> ping -c1 $h", "> done", "```"]
    )

    commands = FenceReader().commands(block, 0)

    assert [(command.text, command.line) for command in commands] == [
        ("df -h", 2),
        ("for h in a; do\nping -c1 $h\ndone", 4),
    ]


@pytest.mark.fault("4.5")
@pytest.mark.parametrize(
    "before",
    [
        "ls() { rm x; }",
        "shopt -s extglob",
        "PATH=/tmp:$PATH",
        "export PATH=/tmp",
        'export P"ATH"=/tmp',
        "export {x,PATH}=/tmp",
        "{export,PATH=/tmp}",
        "export PATH+=:/tmp",
        "unset 'PATH[0]'",
        "time -p export PATH=/tmp",
        "for PATH in /tmp; do kill 1; done",
        "source f",
        "alias ls=rm",
        "hash -p x ls",
    ],
)
def test_nothing_is_known_behind_what_makes_others_of_commands(before: str) -> None:
    (block,) = scan(["```bash", "ls", before, "ls", "```"])
    assert [command.kind for command in FenceReader().commands(block, 0)] == ["read", "change", "change"]


def test_a_change_of_something_else_leaves_what_follows_as_it_is() -> None:
    (block,) = scan(["```bash", "systemctl restart nginx", "export DATABASE_URL=x", "systemctl status nginx", "```"])
    assert [command.kind for command in FenceReader().commands(block, 0)] == ["change", "change", "read"]


@pytest.mark.parametrize("text", ["cat <a>F", "cat f <a>F", "echo '<a>'; cat <a>F", "ls #<a>\ncat <a>F"])
def test_what_runs_as_it_stands_has_no_placeholders(text: str) -> None:
    """``from:`` of a variable, and programs of the configuration: nobody fills them in."""
    assert verdict_of_text(text, filled=False) == "read"
    assert verdict_of_text(text) == "change"
    assert verdict_of_text(text, {}) == "change"


@pytest.mark.fault("4.2")
def test_a_value_that_the_text_assigns_is_not_taken_for_what_it_was() -> None:
    values = {"LF_NS": "a"}
    assert verdict_of_text("for i in 1 2; do sort $LF_NS f; done", values) == "read"
    assert verdict_of_text("for i in 1 2; do sort $LF_NS f; LF_NS=-oF; done", values) == "unknown"
    assert verdict_of_text("for i in 1 2; do sort $LF_NS f; read LF_NS <g; done", values) == "unknown"


@pytest.mark.fault("4.2")
def test_what_is_written_out_is_understood_however_it_is_quoted() -> None:
    assert verdict_of_text('read -r -p "Pod: " "x" </dev/tty; echo "$x"') == "read"
    assert verdict_of_text("x=1; y=$((x + 1)); head -n $x f; [[ $x -lt 5 ]]") == "read"
    assert verdict_of_text('n=$(date); export x="$n"; echo $x') == "read"


def test_a_value_is_judged_as_the_word_that_it_is() -> None:
    text = "kubectl -n <namespace> get <what>"
    assert verdict_of_text(text, {"namespace": "shop", "what": "pods"}, filled=False) == "read"
    assert verdict_of_text(text, {"namespace": "shop", "what": "--kubeconfig=F"}, filled=False) == "unknown"
    assert verdict_of_text('nft list table inet "$LF_t"', {"LF_t": "filter"}) == "read"
    assert verdict_of_text('nft list table inet "$LF_t"', {"LF_t": "x; add table y"}) == "unknown"
    assert verdict_of_text('curl "$LF_u"', {"LF_u": "https://web/"}) == "read"
    assert verdict_of_text('curl "$LF_u"', {"LF_u": "gopher://r/_FLUSHALL"}) == "unknown"
    assert verdict_of_text('sudo "$LF_x"', {"LF_x": "rm"}) == "change"


# What changes something and looks as if it read: one file a way in which it hides that. None of it is known to read.
#
# In the files ``⏎`` is a newline. They are read, and nothing in them is run.


FILES = sorted((Path(__file__).parent / "never_readers").glob("*.txt"))


def texts(file: Path) -> list[str]:
    return [line.replace("⏎", "\n") for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.mark.fault("4.1")
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_nothing_that_hides_a_change_reads(file: Path) -> None:
    held = texts(file)
    assert len(held) >= 15
    assert [text for text in held if verdict_of_text(text, filled=False) in ("read", "follow", "interactive")] == []


# What people look with every day is known to read: were it asked for, nobody would look at what is asked.


FOLDER = Path(__file__).parent / "everyday_readers"


@pytest.mark.fault("4.6")
@pytest.mark.parametrize(("verdict", "at_least"), [("read", 300), ("follow", 15), ("interactive", 15)])
def test_what_people_look_with_is_known(verdict: str, at_least: int) -> None:
    held = texts(FOLDER / f"{verdict}.txt")
    assert len(held) >= at_least
    assert {text: found for text in held if (found := verdict_of_text(text, filled=False)) != verdict} == {}
