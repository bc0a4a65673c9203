"""Disks, file systems, volumes and arrays."""

from __future__ import annotations

import re

from lilfox_tui.runbook.readers.spec import Call, Context, Spec, Verdict


def _endless(call: Call, _context: Context) -> Verdict:
    """A last number is an interval."""
    numbers = [text for text in call.texts if text is not None and re.fullmatch(r"[0-9]+(?:\.[0-9]*)?", text)]
    return "follow" if len(numbers) == 1 else "read"


_LVM = Spec(
    reads="-a -v -o=fields -S=selection -O=keys -q --all --verbose --options=fields --noheadings --nosuffix "
        "--units=unit "
    "--separator=text --segments --select=selection --sort=keys --reportformat=word --unbuffered",
    operands="text*",
)  # fmt: skip
_LVM_DISPLAY = Spec(reads="-v -m -c -C -s --verbose --maps --colon --columns --short --units=unit", operands="text*")
_COLUMNS = (
    "-a -b -d -D -e=list -f -i -I=list -J -l -m -M -n -o=columns -O -p -P -r -s -S -t -T[=column] -x=column -z --all "
    "--bytes "
    "--nodeps --discard --exclude=list --fs --ascii --include=list --json --list --perms --noheadings --output=columns "
    "--output-all --paths --pairs --raw --inverse --scsi --topology --tree[=column] --sort=column --zoned"
)

_HYPERVISOR = "/(?:qemu|xen|lxc|vbox|test):///[a-z]*/"
"""One of this machine: an address of another may name a program."""

TABLE: dict[str, Spec] = {
    "lsblk": Spec(reads=_COLUMNS, operands="path*"),
    "findmnt": Spec(
        reads="-A -a -b -C -c -D -e -F=path -f -i -J -k -l -m -M=path -n -N=pid -o=columns -O=options -P -R -r "
            "-S=source "
        "-s -T=path -t=types -u -U -v --all --ascii --bytes --df --evaluate --first-only --fstab --invert --json "
        "--kernel "
        "--list --mtab --mountpoint=path --noheadings --output=columns --output-all --options=options --pairs --raw "
        "--submounts --source=source --target=path --types=types --uniq --verify",
        operands="text text",
    ),
    "mount": Spec(reads="-l -t=types -v --show-labels --types=types"),
    "mountpoint": Spec(reads="-q -d -x --quiet --fs-devno --devno --nofollow", operands="path"),
    "blkid": Spec(reads="-o=format -s=tag -p -i -k --output=format --match-tag=tag --probe --info", operands="path*"),
    "lvs": _LVM, "vgs": _LVM, "pvs": _LVM, "lvdisplay": _LVM_DISPLAY, "vgdisplay": _LVM_DISPLAY,
        "pvdisplay": _LVM_DISPLAY,
    "mdadm": Spec(
        reads="-D -E -Q -v -Y -s --detail --examine --query --verbose --brief --export --scan",
        needs="-D -E -Q --detail --examine --query", operands="path*",
    ),
    "smartctl": Spec(
        reads="-a -x -i -H -A -c -j -q=word -l=word -d=word -n=word -T=word -v=text --all --xall --info --health "
            "--attributes "
        "--capabilities --json --scan --scan-open --log=word --device=word --nocheck=word --quietmode=word",
        operands="path",
    ),
    "zpool": Spec(
        subs={
            "status": Spec(reads="-v -x -P -L -D -s -t -T=word -c=/upath|temp|size/", operands="word*", check=_endless),
            "list": Spec(reads="-H -v -p -P -L -o=fields -g -T=word", operands="word*", check=_endless),
            "iostat": Spec(reads="-v -H -l -q -p -y -r -w -T=word", operands="word*", check=_endless),
            "get": Spec(reads="-H -p -o=fields", operands="word*"),
            "history": Spec(reads="-i -l", operands="word*"),
            "events": Spec(reads="-v -H", follows="-f", operands="word*"),
        },
    ),
    "zfs": Spec(
        subs={
            "list": Spec(reads="-H -r -p -d=number -o=fields -s=field -S=field -t=types", operands="word*"),
            "get": Spec(reads="-H -r -p -d=number -o=fields -s=sources -t=types", operands="word*"),
            "holds": Spec(reads="-H -r", operands="word*"),
            "version": Spec(),
        },
    ),
    "btrfs": Spec(
        subs={
            "filesystem": Spec(subs=dict.fromkeys(("show", "df", "usage", "du"), Spec(
                reads="-h -H -b -d -m -s -T --human-readable --raw --mounted --all-devices", operands="path*"))),
            "device": Spec(subs={"stats": Spec(reads="-c --check", operands="path"), "usage": Spec(operands="path*")}),
            "subvolume": Spec(subs={"list": Spec(reads="-a -p -t -o -s -r -u -q", operands="path"),
                                    "show": Spec(operands="path")}),
            "scrub": Spec(subs={"status": Spec(reads="-d -R", operands="path")}),
            "balance": Spec(subs={"status": Spec(reads="-v", operands="path")}),
        },
    ),
    "xfs_info": Spec(operands="path"),
    "tune2fs": Spec(reads="-l", needs="-l", operands="path"),
    "dumpe2fs": Spec(reads="-h -b", operands="path"),
    "multipath": Spec(reads="-ll -l", needs="-ll -l", operands="word", single=True),
    "fdisk": Spec(reads="-l -x -u -o=columns --list --list-details", needs="-l -x --list --list-details", operands=
        "path*"),
    "sfdisk": Spec(reads="-l -d --list --dump", needs="-l -d --list --dump", operands="path*"),
    "lsscsi": Spec(reads="-g -s -v -d -H -i -t --generic --size --verbose --hosts --transport", operands="word"),
    "nvme": Spec(
        subs={"list": Spec(reads="-v -o=word"), "smart-log": Spec(reads="-o=word -H", operands="path"),
              "id-ctrl": Spec(reads="-H", operands="path"), "list-subsys": Spec(operands="path"),
              "error-log": Spec(reads="-e=number", operands="path")},
    ),
    "iscsiadm": Spec(reads="-m={session|node|iface|host} -P=number --mode={session|node|iface|host} --print=number"),
    "exportfs": Spec(reads="-v -s", needs="-v -s", otherwise="unknown"),
    "quota": Spec(reads="-u -g -s -v -a", operands="word*"),
    "repquota": Spec(reads="-a -s -u -g -v", operands="path*"),
    "swapon": Spec(reads="-s --show[=columns] --summary --noheadings --raw --bytes", needs="-s --show --summary"),
    "losetup": Spec(reads="-a -l -J -n -O=columns --all --list --json --noheadings --output=columns"),
    "dmsetup": Spec(subs={"ls": Spec(reads="--tree --target=word"), "info": Spec(reads="-c", operands="word*"),
                          "status": Spec(operands="word*"), "table": Spec(operands="word*"), "deps": Spec(operands=
                              "word*")}),
    "drbdadm": Spec(subs={"status": Spec(operands="word"), "role": Spec(operands="word"), "cstate": Spec(operands=
        "word"),
                          "dstate": Spec(operands="word")}),
    "gluster": Spec(alone="interactive",
        subs={"peer": Spec(subs={"status": Spec()}), "pool": Spec(subs={"list": Spec()}),
              "volume": Spec(subs={"info": Spec(operands="word"), "status": Spec(operands="word*"),
                                   "list": Spec()})},
    ),
    "ipmitool": Spec(
        reads="-H=host -U=user -P=text -I=word -L=word -E -v -c", ends=False,
        subs={
            "sdr": Spec(operands="/list|elist|info|type|all|full|[A-Z][A-Za-z0-9]*/*"),
            "sel": Spec(operands="/list|elist|info|last|[0-9]+/*"),
            "sensor": Spec(subs={"list": Spec(), "get": Spec(operands="text*")}),
            "chassis": Spec(subs={"status": Spec(), "power": Spec(subs={"status": Spec()})}),
            "power": Spec(subs={"status": Spec()}),
            "fru": Spec(operands="/print|list|[0-9]+/*"),
            "mc": Spec(subs={"info": Spec()}),
            "lan": Spec(subs={"print": Spec(operands="number")}),
        },
    ),
    "virsh": Spec(alone="interactive",
        reads=f"-c={_HYPERVISOR} -r -q --connect={_HYPERVISOR} --readonly --quiet",
        subs={
            "list": Spec(reads="--all --inactive --name --uuid --title --state-running --autostart"),
            **dict.fromkeys(("dominfo", "domstate", "domblklist", "domiflist", "dumpxml", "vcpuinfo", "domjobinfo",
                "dommemstat",
                             "domstats", "domifaddr", "net-info", "pool-info", "snapshot-list"), Spec(
                reads="--details --all --config --live --inactive", operands="text text*")),
            "net-list": Spec(reads="--all"), "pool-list": Spec(reads="--all --details"), "vol-list": Spec(operands=
                "word"),
            "nodeinfo": Spec(), "version": Spec(), "capabilities": Spec(), "hostname": Spec(),
        },
    ),
}  # fmt: skip
