r"""What runs on the host for ``detached.py``: POSIX sh, for dash, bash and BusyBox, with nothing else than coreutils.

A folder ``~/.cache/lilfox/jobs/ID`` holds

- ``try.XXXXXX/``: one attempt to begin it: ``run`` (what to run, with the environment), ``in`` (its stdin), ``keep``
  (the script that keeps it). Gone once it runs.
- ``pid``: ``1 PID START KEEPER START BOOT NODE EPOCH``. It comes by ``ln`` from an attempt's folder, which succeeds
  once: who has made it runs the command, and nobody else ever does. ``-`` for PID: it was cancelled before it ran.
- ``out``, ``err``: what it prints; with a limit ``out.end``, ``err.end``: the end of what came after.
- ``cancel``: that was asked for.
- ``status``: ``1 STATUS EPOCH CUT CUT``, by rename, last, once it is on the disk. Its room is taken when the command
  begins, for a full disk. One that is not whole says nothing: the command is gone, and nobody saw its end.

START is field 22 of /proc/PID/stat (proc_pid_stat(5)), or what ps says: a number that was given to somebody else since
is not taken for the command. BOOT is the kernel's boot id. Keeper and command lead a session each. Background lists of
sh ignore INT and QUIT, which a command would inherit: env takes that back where it can.
Files of streams are only appended to, for an attempt that comes too late has opened them, too. ``head -c`` writes by
whole buffers, ``dd`` what comes as it comes (``count`` is of reads, also of short ones): so it is seen while it runs.
"""

from __future__ import annotations

from lilfox_tui.hosts.script import END_GROUP

END_BYTES = 64 * 1024
"""What is kept of the end of a stream past its limit."""

COMMON = r"""
since() {
    if [ -d /proc/self ]; then
        p=
        { read -r p <"/proc/$1/stat"; } 2>/dev/null || return 1
        set -- ${p##*) }
        case $1 in [ZX]) return 1 ;; esac
        echo "${20}"
    else
        p=$(ps -o stat= -o lstart= -p "$1" 2>/dev/null) || return 1
        set -- $p
        case $1 in Z*) return 1 ;; esac
        shift
        echo "$*" | tr ' ' _
    fi
}
boot() {
    {
        cat /proc/sys/kernel/random/boot_id || sysctl -n kern.bootsessionuuid || sysctl -n kern.boottime
    } 2>/dev/null | tr -c '[:alnum:]\n-' _
}
lf_read='eval "$(cat "$1")"'
synced() { sync "$@" 2>/dev/null || sync; }
size() { if [ -f "$1" ]; then echo $(($(wc -c <"$1"))); else echo 0; fi; }
"""

_KEEP = (
    COMMON
    + r"""
shift
mode=$1 j=$2 t=$3 u=$4 limit=$5 tail=$6
if [ "$mode" = command ]; then
    lf_u=$u lf_job=$j
    lf_run=$(cat "$t/run") && [ -n "$lf_run" ] && exec 3<"$t/in" 4>>"$7" 5>>"$8" || exit 1
    began=$(since $$) && keeper=$(since "$9") || exit 1
    printf '1 %s %s %s %s %s %s %s\n' "$$" "$began" "$9" "$keeper" "$(boot)" "$(uname -n)" "$(date +%s)" >"$t/pid" ||
        exit 1
    synced "$t/pid"
    ln "$t/pid" "$j/pid" || exit 1
    synced "$j"
    rm -rf "$j"/try.*
    exec <&3 3<&- >&4 4>&- 2>&5 5>&-
    unset mode j t u limit tail p began keeper
    umask "$lf_u"
    unset -f since boot synced size
    LILFOX_JOB=$lf_job
    export LILFOX_JOB
    eval "$lf_run"
    exit
fi
capped() {
    left=$limit had=0
    while [ "$left" -gt 0 ]; do
        [ "$left" -ge 4096 ] && block=4096 || block=1
        dd bs="$block" count=$((left / block)) >>"$1" 2>/dev/null || { lost=1; break; }
        has=$(size "$1")
        [ "$has" -gt "$had" ] || break
        left=$((limit - has)) had=$has
    done
    tail -c "$tail" >>"$1.end" || lost=1
    [ -s "$1.end" ] || rm -f "$1.end"
    [ -z "$lost" ]
}
drained() {
    i=0
    while since "$1" >/dev/null && [ "$i" -lt 50 ]; do sleep 0.1 || sleep 1; i=$((i + 1)); done
    if since "$1" >/dev/null; then kill "$1"; fi
    wait "$1" || cut=1
    [ ! -e "$2.end" ] || cut=1
}
printf '%063d\n' 0 >"$j/.end.$$" || exit 1
lost= o=$j/out e=$j/err
if [ -n "$limit" ]; then
    o=$j/.out.$$ e=$j/.err.$$
    mkfifo "$o" "$e" && exec 6<>"$o" 7<>"$e" || exit 1
    { exec 6>&- 7>&-; capped "$j/out"; } <"$o" &
    reads_o=$!
    { exec 6>&- 7>&-; capped "$j/err"; } <"$e" &
    reads_e=$!
fi
detach=setsid
command -v setsid >/dev/null || { detach=; set -m; }
$detach sh -c "$lf_read" sh "$t/keep" command "$j" "$t" "$u" "" "" "$o" "$e" $$ 6>&- 7>&-
status=$?
exec 6>&- 7>&-
now=$(date +%s) cut_o=0 cut_e=0
if [ -n "$limit" ]; then
    rm -f "$o" "$e"
    cut=0; drained "$reads_o" "$j/out"; cut_o=$cut
    cut=0; drained "$reads_e" "$j/err"; cut_e=$cut
fi
read -r _ _ _ keeper _ 2>/dev/null <"$j/pid"
if [ "$keeper" != $$ ]; then
    rm -f "$j/.end.$$"
    : >"$t/failed"
    exit 1
fi
i=0
until printf '%-63s\n' "1 $status $now $cut_o $cut_e" 1<>"$j/.end.$$" && synced "$j/.end.$$" &&
    mv -f "$j/.end.$$" "$j/status"; do
    [ -d "$j" ] && [ "$i" -lt 600 ] || exit 1
    sleep 1
    i=$((i + 1))
done 2>/dev/null
synced "$j/status" "$j"
"""
)

BASE = r"""
home=$HOME
[ -z "${SUDO_UID-}" ] || [ "$(id -u)" != 0 ] || home=~root
base=$home/.cache/lilfox/jobs
judge() {
    d=$base/$1 state=absent pid=- pid_at=- keeper=- keeper_at=- booted=- node=- at=- status=- ended=- cut_o=0 cut_e=0
    [ ! -d "$d" ] || state=unbegun
    { read -r _ pid pid_at keeper keeper_at booted node at <"$d/pid"; } 2>/dev/null || return 0
    state=running
    [ "$pid" != - ] || { state=ended; return; }
    if [ ! -e "$d/status" ]; then
        [ "$booted" = "$(boot)" ] &&
            { [ "$(since "$pid")" = "$pid_at" ] || [ "$(since "$keeper")" = "$keeper_at" ]; } && return
        state=gone
    fi
    if { read -r whole status ended cut_o cut_e <"$d/status"; } 2>/dev/null && [ "$whole" = 1 ]; then
        state=ended
    elif [ -e "$d/status" ]; then  # what a power cut has left of it
        state=gone status=- ended=- cut_o=0 cut_e=0
    fi
}
tell() {
    judge "$1"
    cancelled=0
    [ ! -e "$d/cancel" ] || cancelled=1
    size_o=$(size "$d/out") size_e=$(size "$d/err") end_o=$(size "$d/out.end") end_e=$(size "$d/err.end")
    printf '%s %s\n' "$1 $state $pid $at $ended $status $cancelled $size_o $end_o $cut_o $size_e $end_e $cut_e" \
        "$(cat "$d/label" 2>/dev/null)"
}
chunk() {
    f=$d/$1 n=$(($3 - $2))
    if [ "$n" -le 0 ]; then f=$f.end n=$(($3 + $4 - $2)); set -- "$1" $(($2 - $3)) "$3" "$4" "$5"; fi
    [ "$n" -le "$5" ] || n=$5
    [ "$n" -le 0 ] || tail -c "+$(($2 + 1))" <"$f" | head -c "$n"
}
"""
"""``judge ID`` looks, ``tell ID`` prints a line of what it saw. ``chunk NAME OFFSET SIZE END LIMIT``: a block of a
stream of which SIZE and END bytes can be read; the two are never in one block."""

START = (
    COMMON
    + BASE
    + r"""
id=$1 length=$2 limit=$3 tail=$4 label=$5 j=$base/$1
u=$(umask)
umask 077
IFS= read -r run || { echo "what was sent ended early" >&2; exit 1; }
mkdir -p "$base" || exit 1
(
    cd "$base" || exit
    for old in */status; do
        [ -e "$old" ] && [ -n "$(find "$old" -mtime +7)" ] && mv "${old%/status}" ".gone.$$" && rm -rf ".gone.$$"
    done
    for old in */; do
        [ ! -e "${old}pid" ] && [ -n "$(find "$old" -prune -mtime +7)" ] && rm -rf "$old"
    done
    rm -rf .gone.*
) 2>/dev/null
[ -d "$j" ] || mkdir "$j" 2>/dev/null || [ -d "$j" ] || { mkdir "$j"; exit 1; }
[ ! -e "$j/pid" ] || { tell "$id"; exit 0; }
t=
leave() {
    [ -z "$t" ] || rm -rf "$t"
    [ ! -e "$j/pid" ] || { tell "$id"; exit 0; }
    rmdir "$j" 2>/dev/null
    exit 1
}
t=$(mktemp -d "$j/try.XXXXXX") || leave
trap leave HUP INT TERM
{ printf %b "$run" | cat >"$t/run" && cat >"$t/in" && printf %s "$label" >"$t/label" && cat >"$t/keep" <<'LILFOX_KEEP'
"""
    + _KEEP
    + r"""
LILFOX_KEEP
} || leave
[ "$(size "$t/in")" = "$length" ] || { echo "what was sent ended early" >&2; leave; }
mv -f "$t/label" "$j/label" || leave
clean=
! env --default-signal=INT,QUIT true 2>/dev/null || clean='env --default-signal=INT,QUIT'
detach=setsid
command -v setsid >/dev/null || { detach=; set -m; }
$clean $detach sh -c "$lf_read" sh "$t/keep" keep "$j" "$t" "$u" "$limit" "$tail" </dev/null >/dev/null 2>"$t/why" &
trap '' HUP INT TERM
i=0
until [ -e "$j/pid" ]; do
    if [ -e "$t/failed" ] || [ "$i" -ge 1500 ] || ! since $! >/dev/null; then
        if { echo "1 - - - - - - -" >"$t/never" && ln "$t/never" "$j/pid"; } 2>/dev/null; then
            cat "$t/why" >&2
            rm -rf "$t" "$j"
            exit 1
        fi
        [ ! -e "$j/pid" ] || break
        [ -e "$t/failed" ] || exit 2
        cat "$t/why" >&2
        leave
    fi
    sleep 0.02 2>/dev/null || sleep 1
    i=$((i + 1))
done
rm -rf "$t"  # of an attempt that came after the one that runs had tidied up
tell "$id"
"""
)
"""``ID BYTES LIMIT END LABEL``; stdin: a line with what to run as ``printf %b`` has it, then BYTES of the command's
stdin. Prints a line of ``tell``. Exits 1 where it is certain that the command never runs, 2 where it is not."""

LOOK = COMMON + BASE + 'tell "$1"\n'

FOLLOW = (
    COMMON
    + BASE
    + r"""
d=$base/$1 i=0
while [ "$i" -lt "$5" ] && [ -d "$d" ] && [ ! -e "$d/status" ]; do
    [ "$(size "$d/out")" -le "$2" ] && [ "$(size "$d/err")" -le "$3" ] || break
    if [ $((i % 5)) = 4 ]; then judge "$1"; [ "$state" = running ] || break; fi
    if [ "$i" -lt 8 ]; then pause=0.02; else pause=0.2; fi
    sleep "$pause" 2>/dev/null || sleep 1
    i=$((i + 1))
done
tell "$1"
chunk out "$2" "$size_o" "$end_o" "$4"
chunk err "$3" "$size_e" "$end_e" "$4"
"""
)
"""``ID OUT ERR LIMIT WAIT``: waits (WAIT times 0.2 s, at first less) for more than these offsets or for the end; prints
a line of ``tell``, then a block of each stream."""

READ = (
    COMMON
    + BASE
    + r"""
tell "$1" >/dev/null
if [ "$2" = out ]; then size=$size_o end=$end_o; else size=$size_e end=$end_e; fi
chunk "$2" "$3" "$size" "$end" "$4"
"""
)
"""``ID NAME OFFSET LIMIT``: a block of the stream ``out`` or ``err``."""

CANCEL = (
    COMMON
    + BASE
    + f"end_group() ({END_GROUP})\n"
    + r"""
umask 077
mkdir -p "$base/$1" || exit 1
d=$base/$1
[ -e "$d/status" ] || : >"$d/cancel"
if [ ! -e "$d/pid" ]; then
    t=$(mktemp -d "$d/try.XXXXXX") || exit 1
    echo "1 - - - - $(boot) $(uname -n) $(date +%s)" >"$t/pid" || exit 1
    synced "$t/pid"
    ln "$t/pid" "$d/pid" && rm -rf "$d"/try.*
fi
judge "$1"
[ "$state" != running ] || [ "$(since "$pid")" != "$pid_at" ] || end_group "$pid" "$pid_at"
i=0
while judge "$1" && [ "$state" = running ] && [ "$i" -lt 50 ]; do
    sleep 0.1 2>/dev/null || sleep 1
    i=$((i + 1))
done
tell "$1"
"""
)

FORGET = (
    COMMON
    + BASE
    + r"""
judge "$1"
[ "$state" != running ] || exit 3
[ "$state" = absent ] || { mv "$d" "$base/.gone.$$" && rm -rf "$base/.gone.$$"; }
"""
)
"""Exits 3 where it runs."""

LISTING = (
    COMMON
    + BASE
    + r"""
cd "$base" 2>/dev/null || exit 0
for each in */; do
    each=${each%/}
    judge "$each"
    [ "$booted" = "$(boot)" ] || [ "$node" = - ] || [ "$node" = "$(uname -n)" ] || continue
    tell "$each"
done
"""
)
"""A line of ``tell`` for each; not those of another host that has the same home."""
