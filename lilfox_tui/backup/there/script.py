"""What runs on a store's own host: a program's output packed, counted and hashed into a part, all by POSIX sh."""

from __future__ import annotations

PROBE = r"""
for program in "$3" sha256sum tee mkfifo wc tail; do
    command -v "$program" >/dev/null || { echo "missing $program"; exit 0; }
done
[ "$(cat "$1/$2" 2>/dev/null)" = "$2" ] && echo same
exit 0
"""
"""``FOLDER NAME PACKER``: whether that host has the programs (``missing NAME``), and whether the store's folder is the
same as SFTP has it (``same``): a file of that name there holds its name."""

END_BYTES = 512
PIPELINE = r"""
folder=$1 part=$2 packing=$3 lock=$4
shift 4
umask 077
w=$LILFOX_JOB/work
mkdir "$w" || exit 90
trap 'rm -rf "$w"' EXIT
trap 'exit 143' HUP INT TERM
cd "$folder" || exit 90
case $part in */*) mkdir -p "${part%/*}" || exit 90 ;; esac
mkfifo "$w/a" "$w/b" "$w/c" "$w/d" || exit 90
set -C
: >"$part" || exit 91
set +C
if [ "$(id -u)" = 0 ]; then chown -h "$(stat -c %u:%g .)" "$part" || exit 91; fi
pack() {
    case $packing in
        zstd) exec zstd -q -T1 -2 --check -c ;;
        gzip) exec gzip -n -c ;;
    esac
}
sha256sum <"$w/a" >"$w/raw_sha256" &
readers=$!
wc -c <"$w/b" >"$w/raw_bytes" &
readers="$readers $!"
tail -c END_BYTES <"$w/c" >"$w/end" &
readers="$readers $!"
sha256sum <"$w/d" >"$w/sha256" &
readers="$readers $!"
(while sleep 20; do touch -c "$lock"; done) >/dev/null 2>&1 &
beat=$!
trap 'kill "$beat"; rm -rf "$w"' EXIT
{ "$@"; echo $? >"$w/status"; } |
    { tee "$w/a" "$w/b" "$w/c"; echo $? >"$w/s1"; } |
    { (pack); echo $? >"$w/s2"; } |
    { tee "$w/d"; echo $? >"$w/s3"; } >>"$part"
for reader in $readers; do wait "$reader" || exit 92; done
for step in s1 s2 s3; do [ "$(cat "$w/$step")" = 0 ] || exit 93; done
sync "$part" 2>/dev/null || sync
word() { read -r first _ <"$w/$1" && echo "$2 $first"; }
word status status && word raw_bytes raw_bytes && word raw_sha256 raw_sha256 && word sha256 sha256 || exit 94
echo "size_bytes $(($(wc -c <"$part")))"
echo
cat "$w/end"
""".replace("END_BYTES", str(END_BYTES))
"""``FOLDER NAME.part PACKING LOCK ARGV…``. What ARGV says on stderr goes to stderr; to stdout, once it is on the disk:
a line each of ``status`` (of ARGV), ``raw_bytes``, ``raw_sha256``, ``sha256``, ``size_bytes``, an empty line, and the
last bytes that ARGV wrote.

Exits 90 to 94 where the part could not be made. While it runs it keeps the store's LOCK fresh: nobody else may write
there, also when the one who has begun it cannot be heard. The trap for signals is not enough against SIGKILL: then the
folder goes with the job's own.
"""
