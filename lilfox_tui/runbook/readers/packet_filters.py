"""Packet filters: what lists them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lilfox_tui.runbook.readers.spec import Context, Spec, Verdict
from lilfox_tui.runbook.shell_values import Argument

_NFT_OPTIONS = re.compile(r"-[ansjytNSup]+|-nn|--(?:handle|numeric|stateless|json|terse|service|guid|reversedns)")
_NFT_LISTS = re.compile(
    r"list +(?:(?:ruleset|tables|chains|sets|maps|flowtables|counters|quotas|limits|meters|synproxys|secmarks|hooks)"
    r"(?: +(?:ip|ip6|inet|arp|bridge|netdev))?|table(?: +(?:ip|ip6|inet|arp|bridge|netdev))? +[A-Za-z][A-Za-z0-9_.-]*"
    r"|(?:chain|set|map|flowtable|counter|quota|limit|meter)(?: +(?:ip|ip6|inet|arp|bridge|netdev))?"
    r"(?: +[A-Za-z][A-Za-z0-9_.-]*){2})"
)


def _nft(words: Sequence[Argument], context: Context) -> Verdict:
    """It joins its words and reads them as one text."""
    texts = [word.text for word in words]
    while texts and texts[0] is not None and _NFT_OPTIONS.fullmatch(texts[0]):
        texts = texts[1:]
    if None in texts:
        return "unknown"
    joined = " ".join(text or "" for text in texts)
    if joined == "monitor":
        return "follow"
    if joined in ("-i", "--interactive"):
        return "unknown" if context.fed else "interactive"
    return "read" if _NFT_LISTS.fullmatch(joined) else "unknown"


_IPTABLES = Spec(
    reads="-L -S -n -v -x -4 -6 -t={filter|nat|mangle|raw|security} -w[=seconds] --list --list-rules --numeric "
    "--verbose --exact --line-numbers --table={filter|nat|mangle|raw|security} --wait[=seconds]",
    needs="-L -S --list --list-rules", operands="/[A-Za-z0-9_.:-]+/ number", ends=False,
)  # fmt: skip
_SAVED = Spec(reads="-c -t={filter|nat|mangle|raw|security} --counters --table={filter|nat|mangle|raw|security}")
_WORDS = Spec(operands="word")

TABLE: dict[str, Spec] = {
    "nft": Spec(own=_nft),
    "iptables": _IPTABLES, "ip6tables": _IPTABLES, "iptables-nft": _IPTABLES, "iptables-legacy": _IPTABLES,
    "iptables-save": _SAVED, "ip6tables-save": _SAVED,
    "ebtables": Spec(reads="-L -t=word --Lc --Ln", needs="-L", operands="word"),
    "ipset": Spec(
        subs=dict.fromkeys(("list", "-L"), Spec(
            reads="-t -n -s -r -o={plain|save|xml} -terse -name -sorted", operands="word", single=True, ends=False,
        )),
        reads="", ends=False,
    ),
    "ufw": Spec(subs={"status": Spec(operands="{verbose|numbered}"), "version": Spec(), "show": _WORDS}, ends=False),
    "firewall-cmd": Spec(
        reads="--state --list-all --list-all-zones --get-active-zones --get-default-zone --get-zones --list-ports "
        "--list-services --list-rich-rules --list-sources --list-interfaces --get-services --permanent --zone=word",
        needs="--state --list-all --list-all-zones --get-active-zones --get-default-zone --get-zones --list-ports "
        "--list-services --list-rich-rules --list-sources --list-interfaces --get-services",
    ),
    "fail2ban-client": Spec(subs={"status": _WORDS, "ping": Spec(), "version": Spec()}),
}  # fmt: skip
