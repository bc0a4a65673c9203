"""Scripts of our own and what they print: the start line of a command, the end line of a loop's answer."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

START = b"\n@@LILFOX-START@@ "
"""Begins the line that parts what a login prints by itself from what a command prints."""

END = b"@@LILFOX-END@@ "
"""Begins the last line of a loop's answer; the tick follows."""

NOT_FOUND = 127
NOT_RUNNABLE = 126
"""Exit statuses of a command that could not be started (POSIX, Shell Command Language 2.8.2)."""


def new_tick() -> str:
    """What ends the answer to one question. Nobody can know it before, so nothing in an answer passes for its end."""
    return os.urandom(8).hex()


def quoted(argv: Sequence[str]) -> str:
    """``argv`` as words of a POSIX shell. Raises ValueError for a NUL, which no argument can hold."""
    if any("\0" in word for word in argv):
        raise ValueError("an argument holds a NUL byte")
    return shlex.join(argv)


END_GROUP = r"""
g=$1 started=$2 p=
gone() {
    kill -0 "-$g" 2>/dev/null || return 0
    for member in /proc/[0-9]*/stat; do
        { read -r p <"$member"; } 2>/dev/null || continue
        p=${p##*) }
        set -- $p
        [ "$3" = "$g" ] && [ "$1" != Z ] && return 1
    done
    [ -d /proc/self ]
}
{ read -r p <"/proc/$g/stat"; } 2>/dev/null
set -- ${p##*) }
[ -n "$p" ] && [ -n "$started" ] && [ "${20}" != "$started" ] && exit 0
gone && exit 0
kill -TERM "-$g"
i=0
while [ "$i" -lt 20 ]; do gone && exit 0; sleep 0.1; i=$((i + 1)); done
kill -KILL "-$g"
i=0
while [ "$i" -lt 20 ]; do gone && exit 0; sleep 0.1; i=$((i + 1)); done
exit 1
"""
"""Ends the process group ``$1`` whose leader started at ``$2`` (field 22 of /proc/PID/stat, proc_pid_stat(5)).

Exits 0 when nothing of it runs any more. A leader of another start time means that the number was given to somebody
else since: nothing is signalled. Zombies count as ended, for only their parent can take them away. ``kill -TERM -N`` is
the one way to write a group that every sh knows: BusyBox takes no ``--`` there, dash no ``-N`` after ``-s``.
"""

MAX_ANSWER = 16 * 1024 * 1024
"""Bytes of one answer of a loop past which the loop is given up."""
