"""Packages and what is installed."""

from __future__ import annotations

from lilfox_tui.runbook.readers.spec import Spec

_NAMES = Spec(operands="text*")
_NONE = Spec()
_YUM = Spec(
    reads="-q -v -C --quiet --verbose --cacheonly --showduplicates --enablerepo=word --disablerepo=word --installed "
    "--available --upgrades",
    inherits=True,
    subs={
        **dict.fromkeys(("list", "info", "search", "provides", "whatprovides", "deplist", "check-update"), _NAMES),
        "repolist": Spec(reads="--all --enabled --disabled", operands="{all|enabled|disabled}"),
        "history": Spec(subs={"list": _NAMES, "info": _NAMES}),
        "updateinfo": Spec(reads="--security", operands="{list|info|summary|security|all}*"),
    },
)  # fmt: skip

TABLE: dict[str, Spec] = {
    "dpkg": Spec(
        reads="-l -L -s -S -p -V -C --list --listfiles --status --search --print-avail --verify --audit "
            "--get-selections "
        "--print-architecture --print-foreign-architectures --no-pager",
        needs="-l -L -s -S -p -V -C --list --listfiles --status --search --print-avail --verify --audit "
            "--get-selections "
        "--print-architecture --print-foreign-architectures",
        operands="text*",
    ),
    "dpkg-query": Spec(
        reads="-l -L -s -S -W -p -f=text --list --listfiles --status --search --show --print-avail --showformat=text "
        "--no-pager",
        needs="-l -L -s -S -W -p --list --listfiles --status --search --show --print-avail", operands="text*",
    ),
    "apt": Spec(
        subs={
            "list": Spec(reads="--installed --upgradable --upgradeable -a --all-versions --manual-installed", operands=
                "text*"),
            "show": Spec(reads="-a --all-versions", operands="text*"), "search": Spec(reads="-n --names-only", operands=
                "text*"),
            "policy": _NAMES, "depends": _NAMES, "rdepends": _NAMES,
        },
    ),
    "apt-cache": Spec(subs=dict.fromkeys(("show", "showpkg", "policy", "search", "depends", "rdepends", "madison",
        "stats"),
                                         _NAMES)),
    "apt-mark": Spec(subs=dict.fromkeys(("showhold", "showmanual", "showauto"), _NAMES)),
    "rpm": Spec(
        reads="-q -a -f -i -l -c -d -p -v -R -s --query --all --file --info --list --configfiles --docfiles --package "
        "--changelog --requires --provides --whatprovides --whatrequires --last --scripts --queryformat=text --qf=text "
        "--state --dump",
        needs="-q --query", operands="text*",
    ),
    "yum": _YUM, "dnf": _YUM,
    "apk": Spec(subs={"info": Spec(reads="-v -e -a", operands="text*"), "list": Spec(reads="-I --installed", operands=
        "text*"),
                      "policy": _NAMES, "version": Spec()}),
    "snap": Spec(subs={"list": Spec(reads="--all", operands="text*"), "info": _NAMES, "services": _NAMES,
        "version": _NONE,
                       "changes": _NONE}),
    "pip": Spec(subs={"list": Spec(reads="--format=word --user --local"), "freeze": _NONE, "show": _NAMES}),
    "pip3": Spec(subs={"list": Spec(reads="--format=word --user --local"), "freeze": _NONE, "show": _NAMES}),
    "gem": Spec(subs={"list": _NAMES}),
    "update-alternatives": Spec(reads="--list=word --display=word --query=word --get-selections",
                                needs="--list --display --query --get-selections"),
    "debconf-show": Spec(operands="word"),
    "lsb_release": Spec(reads="-a -c -d -i -r -s --all --codename --description --id --release --short"),
    "subscription-manager": Spec(subs={"status": _NONE, "identity": _NONE, "list": Spec(
        reads="--consumed --installed")}),
}  # fmt: skip
