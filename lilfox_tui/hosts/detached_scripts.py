r"""The scripts that run on the host for ``detached.py``: POSIX sh for dash, bash and BusyBox, using only coreutils.

A folder ``~/.cache/lilfox/jobs/ID`` holds

- ``try.TOKEN/``: one attempt to begin it: ``run`` (what to run, with the environment), ``in`` (its stdin), ``keep``
  (the script that keeps it). Gone once it runs.
- ``pid``: ``1 PID START KEEPER START BOOT NODE EPOCH LABEL``. It comes by ``ln`` from an attempt's folder, which
  succeeds once: who has made it runs the command, and nobody else ever does. ``-`` for PID: it was cancelled before it
  ran. Empty: the host went down before it was on the disk.
- ``out``, ``err``: what it prints; with a limit ``out.end``, ``err.end``: the end of what came after.
- ``cancel``: that was asked for.
- ``status``: ``1 STATUS EPOCH CUT CUT``, by rename, last, once it is on the disk. Its room is taken when the command
  begins, for a full disk. One that is not whole says nothing: the command is gone, and nobody saw its end.

START is field 22 of /proc/PID/stat (proc_pid_stat(5)), or what ps says: a number that was given to somebody else since
is not taken for the command. BOOT is the kernel's boot id. Keeper and command lead a session each. Background lists of
sh ignore INT and QUIT, which a command would inherit: ``setsid -f`` needs none, where there is that.
Files of streams are only appended to, for an attempt that comes too late has opened them, too. ``head -c`` writes by
whole buffers, ``dd`` what comes as it comes (``count`` is of reads, also of short ones): so it is seen while it runs.

Each process costs a millisecond or more, and ``read`` asks for each byte: so what the shell can do itself it does,
results are left in variables instead of printed, and a script is read by ``cat``.
"""

from __future__ import annotations

from lilfox_tui.hosts.shell_words import END_GROUP, quoted

END_BYTES = 64 * 1024
"""What is kept of the end of a stream past its limit."""

COMMON = r"""
since() {
    began= p=
    if [ -d /proc/self ]; then
        { read -r p <"/proc/$1/stat"; } 2>/dev/null || return 1
        set -- ${p##*) }
        case $1 in [ZX]) return 1 ;; esac
        began=${20}
    else
        p=$(ps -o stat= -o lstart= -p "$1" 2>/dev/null) || return 1
        set -- $p
        case $1 in Z*) return 1 ;; esac
        shift
        began=$(echo "$*" | tr ' ' _)
    fi
}
here() {
    { read -r boot </proc/sys/kernel/random/boot_id; } 2>/dev/null ||
        boot=$({ sysctl -n kern.bootsessionuuid || sysctl -n kern.boottime; } 2>/dev/null | tr -c '[:alnum:]\n-' _)
    { read -r host </proc/sys/kernel/hostname; } 2>/dev/null || host=$(uname -n)
}
synced() { sync "$@" 2>/dev/null || [ ! -e "$1" ] || sync; }
size() {
    n=
    [ ! -s "$1" ] || n=$(wc -c 2>/dev/null <"$1")
    n=$((${n:-0}))
}
"""
"""``since PID`` leaves in ``began`` when it started, and fails where it runs no more; ``here`` leaves ``boot`` and
``host``, ``size FILE`` leaves ``n``: 0 also where there is none, or none any more."""

_KEEP = (
    COMMON
    + r"""
detach=$1 j=$2 t=$3 u=$4 limit=$5 tail=$6 label=$7
[ -n "$detach" ] || set -m
capped() {
    left=$limit had=0
    while [ "$left" -gt 0 ]; do
        [ "$left" -ge 4096 ] && block=4096 || block=1
        told=$(LC_ALL=C dd bs="$block" count=$((left / block)) 2>&1 >>"$1") || { lost=1; break; }
        whole=${told%%+*} part=${told#*+}
        part=${part%%[!0-9]*}
        case $whole$part in
        '' | *[!0-9]*) ;;
        *) [ $((whole + part)) -ge $((left / block)) ] || return 0 ;;
        esac
        size "$1"
        [ "$n" -gt "$had" ] || break
        left=$((limit - n)) had=$n
    done
    tail -c "$tail" >>"$1.end" || lost=1
    [ -s "$1.end" ] || rm -f "$1.end"
    [ -z "$lost" ]
}
drained() {
    i=0
    while since "$1" && [ "$i" -lt 70 ]; do
        if [ "$i" -lt 20 ]; then pause=0.01; else pause=0.1; fi
        sleep "$pause" 2>/dev/null || { sleep 1; i=$((i + 9)); }
        i=$((i + 1))
    done
    if since "$1"; then kill "$1"; fi
    wait "$1" || cut=1
    [ ! -e "$2.end" ] || cut=1
}
printf '%063d\n' 0 >"$j/.end.$$" || exit 1
lost= o=$j/out e=$j/err
if [ -n "$limit" ]; then
    o=$t/out e=$t/err
    mkfifo "$o" "$e" && exec 6<>"$o" 7<>"$e" 3<"$o" 4<"$e" || exit 1  # what nobody has open is lost
    { exec 6>&- 7>&- 9>&-; capped "$j/out"; } <&3 3<&- 4<&- &
    reads_o=$!
    { exec 6>&- 7>&- 9>&-; capped "$j/err"; } <&4 3<&- 4<&- &
    reads_e=$!
    exec 3<&- 4<&-
fi
$detach sh "$t/run" "$j" "$t" "$u" "$o" "$e" $$ "$label" 6>&- 7>&-
status=$?
exec 6>&- 7>&-
now=$(date +%s) cut_o=0 cut_e=0
if [ -n "$limit" ]; then
    cut=0; drained "$reads_o" "$j/out"; cut_o=$cut
    cut=0; drained "$reads_e" "$j/err"; cut_e=$cut
fi
keeper=
{ read -r _ _ _ keeper _ <"$j/pid"; } 2>/dev/null
if [ "$keeper" != $$ ]; then
    rm -f "$j/.end.$$"
    exit 1
fi
i=0
until printf '%-63s\n' "1 $status $now $cut_o $cut_e" 1<>"$j/.end.$$" && synced "$j/.end.$$" &&
    mv -f "$j/.end.$$" "$j/status"; do
    [ -d "$j" ] && [ "$i" -lt 600 ] || exit 1
    sleep 1
    i=$((i + 1))
done 2>/dev/null
trap '' PIPE
echo ended >&9
exec 9>&-
synced "$j/status" "$j"
"""
)
"""Begins the command, waits for it, writes down how it ended, and tells that to who began it, if that one is still
there (9)."""

_BEGIN = (
    COMMON
    + r"""
j=$1 t=$2 u=$3 o=$4 e=$5 keeper=$6 label=$7
exec 3<"$t/in" 4>>"$o" 5>>"$e" || exit 1
since "$keeper" && keeper="$keeper $began" && since $$ && here || exit 1
printf '1 %s\n' "$$ $began $keeper $boot $host $(date +%s) $label" >"$t/pid" && ln "$t/pid" "$j/pid" || exit 1
rm -rf "$j"/try.* &
synced "$j/pid" "$j"
wait
trap '' PIPE
echo begun >&9
trap - PIPE
exec <&3 3<&- >&4 4>&- 2>&5 5>&- 9>&-
umask "$u"
LILFOX_JOB=$j
export LILFOX_JOB
unset j t u o e p keeper label began boot host
unset -f since here synced size
"""
)
"""What its shell does before it becomes the command: the pid is on the disk then, under its name."""

BASE = r"""
home=$HOME
[ -z "${SUDO_UID-}" ] || [ "$(id -u)" != 0 ] || home=~root
base=$home/.cache/lilfox/jobs
judge() {
    d=$base/$1 state=absent pid=- pid_at=- keeper=- keeper_at=- booted=- node=- at=- status=- ended=- cut_o=0 cut_e=0
    label=
    [ ! -d "$d" ] || state=unbegun
    [ -e "$d/pid" ] || return 0
    if ! { read -r _ pid pid_at keeper keeper_at booted node at label <"$d/pid"; } 2>/dev/null; then
        [ ! -e "$d/pid" ] || state=gone
        pid=- booted=- node=- at=-
        return 0
    fi
    state=running
    [ "$pid" != - ] || { state=ended; return; }
    if [ ! -e "$d/status" ]; then
        here
        if [ "$booted" = "$boot" ]; then
            if since "$pid" && [ "$began" = "$pid_at" ]; then return; fi
            if since "$keeper" && [ "$began" = "$keeper_at" ]; then return; fi
        fi
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
    size "$d/out"; size_o=$n
    size "$d/err"; size_e=$n
    size "$d/out.end"; end_o=$n
    size "$d/err.end"; end_e=$n
    printf '%s %s\n' "$1 $state $pid $at $ended $status $cancelled $size_o $end_o $cut_o $size_e $end_e $cut_e" "$label"
}
chunk() {
    f=$d/$1 n=$(($3 - $2))
    if [ "$n" -le 0 ]; then f=$f.end n=$(($3 + $4 - $2)); set -- "$1" $(($2 - $3)) "$3" "$4" "$5"; fi
    [ "$n" -le "$5" ] || n=$5
    if [ "$n" -le 0 ]; then return; fi
    if [ "$2" -gt 0 ]; then tail -c "+$(($2 + 1))" <"$f" | head -c "$n"; else head -c "$n" <"$f"; fi
}
answer() {
    tell "$1"
    chunk out "$2" "$size_o" "$end_o" "$4"
    chunk err "$3" "$size_e" "$end_e" "$4"
}
"""
"""``judge ID`` looks, ``tell ID`` prints a line of what it saw. ``chunk NAME OFFSET SIZE END LIMIT``: a block of a
stream of which SIZE and END bytes can be read; the two are never in one block. ``answer ID OUT ERR LIMIT``: the line,
then a block of each stream from these offsets."""

_LAUNCH = r"""
leave() {
    if { echo "1 - - - - - - -" >"$t/never" && ln "$t/never" "$j/pid"; } 2>/dev/null; then
        rm -rf "$j"
        exit 1
    fi
    rm -rf "$t"
    [ ! -e "$j/pid" ] || { answer "$id" 0 0 "$most"; exit 0; }
    rmdir "$j" 2>/dev/null
    exit 1
}
launch() {
    exec 9>&1 >/dev/null 2>"$t/why" </dev/null
    setsid -f sh "$t/keep" setsid "$@" || {
        exec 2>"$t/why"
        detach=setsid
        command -v setsid >/dev/null || { detach=; set -m; }
        $detach sh "$t/keep" "$detach" "$@" &
    }
    if [ "$turns" -gt 0 ]; then late 2>/dev/null & fi
}
late() {
    i=0 prints=
    while [ "$i" -lt "$turns" ] && [ -d "$j" ] && [ ! -e "$j/status" ] && [ -z "$prints" ]; do
        [ ! -s "$j/out" ] && [ ! -s "$j/err" ] || prints=1  # and may end in a moment
        sleep 0.05 || sleep 1
        i=$((i + 1))
    done
    echo late >&9
}
hear() {
    trap '' HUP INT TERM
    begun= late=
    [ "$turns" != 0 ] || late=1
    while { [ -z "$begun" ] || [ -z "$late" ]; } && read -r said; do
        case $said in
        begun) begun=1 ;;
        late) late=1 ;;
        *) break ;;
        esac
    done
    if [ ! -e "$j/pid" ]; then
        [ -z "$begun" ] || { echo "$id gone - - - - 0 0 0 0 0 0 0 "; exit 0; }
        cat "$t/why" >&2
        leave
    fi
    [ ! -d "$t" ] || rm -rf "$t"  # of an attempt that came after the one that runs had tidied up
    answer "$id" 0 0 "$most"
}
"""
"""``leave``: nothing has come of it and nothing ever will, whatever other attempts there are, for who links has it.
``hear`` knows the same where nobody is left who could say ``begun``: the pipe ends. Where that was said, and there is
nothing of it any more, the command has taken it away (``rm -rf ~/.cache``): it ran. ``late`` limits how long it waits.
"""

START = (
    COMMON
    + BASE
    + _LAUNCH
    + f"keep={quoted([_KEEP])} begin={quoted([_BEGIN])}"
    + r"""
id=$1 limit=$3 tail=$4 label=$5 most=$6 turns=$7 j=$base/$1 t=$base/$1/try.$2
[ ! -e "$j/pid" ] || { answer "$id" 0 0 "$most"; exit 0; }
u=$(umask)
umask 077
mkdir -p "$t" || exit 1
trap leave HUP INT TERM
{
    printf '%s\n%b\n' "$begin" "$run" >"$t/run" && printf %b "$given" >"$t/in" && printf %s "$keep" >"$t/keep"
} 2>/dev/null || {
    printf %s "$begin$run$given$keep" | cat >"$t/in"  # which says why
    leave
}
trap : HUP INT TERM
launch "$j" "$t" "$u" "$limit" "$tail" "$label" | hear
"""
)
"""``ID TOKEN LIMIT END LABEL BLOCK TURNS``, with what to run in ``run`` and its stdin in ``given`` as ``printf %b`` has
it. Prints an ``answer`` with blocks of BLOCK bytes: at once when it has begun, or when it has ended, has printed
something, or TURNS of 0.05 s are over. Exits 1 where it is certain that the command never runs."""

LOOK = COMMON + BASE + 'tell "$1"\n'

FOLLOW = (
    COMMON
    + BASE
    + r"""
d=$base/$1 i=0
while [ "$i" -lt "$5" ] && [ -d "$d" ] && [ ! -e "$d/status" ]; do
    size "$d/out"
    [ "$n" -le "$2" ] || break
    size "$d/err"
    [ "$n" -le "$3" ] || break
    if [ $((i % 5)) = 4 ]; then judge "$1"; [ "$state" = running ] || break; fi
    if [ "$i" -lt 8 ]; then pause=0.02; elif [ "$i" -lt 30 ]; then pause=0.05; else pause=0.2; fi
    sleep "$pause" 2>/dev/null || sleep 1
    i=$((i + 1))
done
answer "$1" "$2" "$3" "$4"
"""
)
"""``ID OUT ERR LIMIT WAIT``: waits (WAIT times 0.2 s, at first less) for more than these offsets or for the end; prints
an ``answer``."""

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
    here
    echo "1 - - - - $boot $host $(date +%s)" >"$t/pid" || exit 1
    synced "$t/pid"
    ln "$t/pid" "$d/pid" && rm -rf "$d"/try.*
fi
judge "$1"
if [ "$state" = running ] && since "$pid" && [ "$began" = "$pid_at" ]; then end_group "$pid" "$pid_at"; fi
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
runs=
for id; do
    judge "$id"
    if [ "$state" = running ]; then runs="$runs $id"; continue; fi
    [ "$state" = absent ] || { mv "$d" "$base/.gone.$$" && rm -rf "$base/.gone.$$"; } || exit
done
cd "$base" 2>/dev/null || exit 0
for old in $(find */status -mtime +7 2>/dev/null); do
    mv "${old%/status}" ".gone.$$" && rm -rf ".gone.$$"
done
for old in $(find */ -prune -mtime +7 2>/dev/null); do
    [ -e "${old%/}/pid" ] || rm -rf "$old"
done
set -- .gone.*
[ ! -e "$1" ] || rm -rf .gone.*
[ -z "$runs" ] || { echo "$runs"; exit 3; }
"""
)
"""``ID…``. Exits 3 where some run, and names them. Those that ended a week ago go, too, and what was never begun."""

LISTING = (
    COMMON
    + BASE
    + r"""
cd "$base" 2>/dev/null || exit 0
here
for each in */; do
    each=${each%/}
    judge "$each"
    [ "$booted" = "$boot" ] || [ "$node" = - ] || [ "$node" = "$host" ] || continue
    tell "$each"
done
"""
)
"""A line of ``tell`` for each; not those of another host that has the same home."""
