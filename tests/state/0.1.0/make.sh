#!/bin/sh
# Makes the state of LilFox 0.1.0 anew, at /tmp/lilfox-0.1.0: run as root, in an empty UTS namespace
# (unshare --uts), with the python of that version's venv as $1. README.md says what each part is.
set -eu
PYTHON=$1
AT=/tmp/lilfox-0.1.0
rm -rf "$AT"
umask 077
mkdir -p "$AT/site/config" "$AT/site/pages" "$AT/app/config" "$AT/app/public/uploads/2026" "$AT/runbooks" "$AT/home"
cd "$AT"
hostname console-1
export HOME="$AT/home" XDG_STATE_HOME="$AT/state" XDG_CONFIG_HOME="$AT/home/config" TZ=UTC LC_ALL=C.UTF-8 NO_COLOR=1
export LILFOX_SIGNING_KEY=made-for-the-state-of-0.1.0-and-for-nothing-else
unset STATE_DIRECTORY SSH_CONNECTION SUDO_USER || true

cat >config.yaml <<END
hosts:
  here: {local: true}
rules: [rules.yml]
alerts: {every: 1s}
runbooks: {bundled: false, folders: [runbooks]}
monitor: {interval: 2s, output: monitor.log}
backup:
  stores:
    main: {kind: local, path: $AT/store}
  signing: {key: env:LILFOX_SIGNING_KEY, required: true}
  plans:
    app:
      sources:
        settings: {kind: config, root: $AT/app, env: .env, folder: config}
        uploads: {kind: files, root: $AT/app, path: $AT/app/public/uploads}
      store: main
      keep: {last: 9}
    site:
      sources:
        settings: {kind: config, root: $AT/site, env: .env, folder: config}
        pages: {kind: files, root: $AT/site, path: $AT/site/pages}
      store: main
END
cat >rules.yml <<'END'
groups:
  - name: made
    rules:
      - alert: AlwaysThere
        expr: vector(1)
        labels: {severity: warning}
        annotations: {summary: made for the state of 0.1.0}
      - alert: OfTheQueue
        expr: vector(2)
        for: 1h
        labels: {severity: critical, queue: mail}
END
cat >runbooks/look.md <<'END'
---
lilfox:
  version: 1
  id: look
  severity: SEV-4
  language: en
vars:
  mount:
    type: path
    title: Where the disk is mounted
---

# Look at the disk

1. Look.

   ```bash
   ls -d <mount>
   ```

2. Change.

   ```bash
   touch /tmp/lilfox-0.1.0/home/changed-by-runbook
   ```
END
cat >runbooks/wait.md <<'END'
# Wait for the queue

1. Look.

   ```bash
   echo "the queue has 3 messages"
   ```

2. Drain.

   ```bash
   touch /tmp/lilfox-0.1.0/home/draining
   sleep 600
   ```

3. Say so.

   ```bash
   echo "drained"
   ```
END
lilfox() { "$PYTHON" -m lilfox_tui --config "$AT/config.yaml" --language en "$@"; }
wait_for() { n=0; until eval "$1"; do n=$((n + 1)); [ $n -lt 600 ] || { echo "no $1" >&2; exit 1; }; sleep 0.1; done; }

printf 'MODE=blue\nWORKERS=4\n' >app/.env
printf 'port: 8080\n' >app/config/web.yaml
printf 'a photograph' >app/public/uploads/2026/photo.jpg
printf 'minutes of the meeting\n' >app/public/uploads/minutes.txt
printf 'MODE=old\n' >site/.env
printf 'theme: old\n' >site/config/site.yaml
printf '<p>old\n' >site/pages/index.html

# The monitor runs meanwhile, with one alert that fires and one that is pending.
"$PYTHON" -m lilfox_tui --config "$AT/config.yaml" monitor >monitor.out 2>&1 &
MONITOR=$!
wait_for 'lilfox alerts list --json >alerts.json 2>&1; grep -q AlwaysThere alerts.json'

# An incident, from now on what is done is part of it.
lilfox incident open "The queue of mails grows" --severity SEV-2
lilfox incident note "looked at the queue: 3 messages"
lilfox incident decide "drain it"
lilfox incident role lead casey
printf 'queue=mail messages=3\n' >queue.txt
lilfox incident evidence queue.txt

# Two sets; what is in place is other than the first by then.
lilfox backup run app --tag before-the-change
lilfox backup run site --tag before-the-change
printf 'MODE=green\nWORKERS=8\n' >app/.env
printf 'minutes of the second meeting\n' >app/public/uploads/minutes.txt
printf 'MODE=new\n' >site/.env
printf '<p>new\n' >site/pages/index.html
rm app/public/uploads/2026/photo.jpg
sleep 1.1
lilfox backup run app

# A runbook that was run to its end; one whose job was killed in the middle of a command.
lilfox runbook run runbooks/look.md --var mount=/srv --host here --yes
lilfox runbook run runbooks/wait.md --host here --yes >wait.out 2>&1 &
RUN=$!
wait_for '[ -e home/draining ]'
sleep 1
lilfox jobs --json >jobs.json
PID=$("$PYTHON" -c 'import json; print(next(j["pid"] for j in json.load(open("jobs.json"))["jobs"] if j["state"] == "running"))')
kill -9 "$PID"
wait $RUN || true

# A runbook of another folder, which somebody allowed.
mkdir else
sed 's/the queue has 3 messages/nothing/; /^2/,$d' runbooks/wait.md >else/found.md
"$PYTHON" - <<'END'
import os, pty, sys
words = [sys.executable, "-m", "lilfox_tui", "--config", "config.yaml", "--language", "en", "runbook", "run", "else/found.md", "--host", "here"]
answers = iter([b"y\n"] * 3)
def read(fd):
    data = os.read(fd, 4096)
    if b"?" in data or b"]" in data:
        for answer in [next(answers, b"")]:
            os.write(fd, answer)
    return data
pty.spawn(words, read)
END

# A restore that ended well and keeps what was there before; one whose process died between its renames.
lilfox restore tag:before-the-change --plan app --yes
LILFOX_CRASH_AT=swap-second lilfox restore tag:before-the-change --plan site --yes || echo "cut off, as it should be"

# The incident is closed; another one is open.
lilfox incident note "the queue is empty again"
lilfox incident mark mitigated
lilfox incident close --summary "the queue was drained by hand"
sleep 1.1
lilfox incident open "The disk fills" --severity SEV-3 --cause AlwaysThere

# One alert is acknowledged, the other one silenced; then the monitor ends.
lilfox alerts ack AlwaysThere --note "seen by casey"
lilfox alerts silence OfTheQueue queue=mail --for 4d --comment "the mail queue is worked on"
sleep 3
lilfox alerts history || true
kill -INT $MONITOR
wait $MONITOR || true

lilfox maintenance on here --for 4d --why "new memory"

# What the screen has seen, for the next visit.
( sleep 12; printf q; sleep 2; printf '\003'; sleep 3 ) | script -qec "stty rows 40 cols 120; $PYTHON -m lilfox_tui --config $AT/config.yaml" /dev/null >/dev/null || true

# Units that were looked at: there is no systemd where this is made, so they are written as the watch writes them.
"$PYTHON" - <<'END'
from datetime import UTC, datetime
from lilfox_tui.recovery.book import Book, Record
at = datetime(2026, 11, 28, 9, 30, tzinfo=UTC)
book = Book()
with book.changing("here/web.service") as change:
    change.record = Record(state="waiting", since=at, looked=at, why="inactive (dead)", unhealthy_looks=3, restarts=(at,), job="")
with book.changing("here/mail.service") as change:
    change.record = Record(state="given up", since=at, looked=at, why="restarted 3 times in 1h", restarts=(at, at, at), told=True)
END
