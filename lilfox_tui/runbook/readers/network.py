"""Programs that show addresses, sockets, packet filters, HTTP and certificates."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lilfox_tui.runbook.bash.values import Argument
from lilfox_tui.runbook.readers.spec import Context, Fed, ProgramCall, Spec, Verdict

# Addresses, routes, sockets, names and ways through the network.
#
# ``ip`` and its kind take shortened words: ``ip link s`` is ``set``. So what a command does is on a table in full; of
# the objects those short forms are, of which everybody knows what they stand for.


def _ping(call: ProgramCall, _context: Context) -> Verdict:
    """Judge ping: a deadline or a count of 0 does not end it."""
    ends = any(re.search("[1-9]", each.text or "") for each in call.values("-c", "-w"))
    return "read" if ends else "follow"


def _nslookup(call: ProgramCall, _context: Context) -> Verdict:
    return "read" if call.operands else "interactive"


def _tcpdump(call: ProgramCall, _context: Context) -> Verdict:
    return "read" if call.has("-c", "-r", "-D", "--list-interfaces") else "follow"


def _netns(words: Sequence[Argument], context: Context) -> Verdict:
    """Judge netns: ``ip netns exec NAME`` runs a command."""
    verb = words[0].text if words else "list"
    if verb == "exec" and len(words) > 2 and words[1].is_one and not words[1].may_be_option:
        return context.words(words[2:], context.fed)
    simple = verb in ("list", "identify", "pids") and all(each.is_one and not each.may_be_option for each in words[1:])
    return "read" if simple else "change" if verb is not None else "unknown"


def _ethtool(words: Sequence[Argument], _context: Context) -> Verdict:
    """Judge ethtool: one showing option, and the interface."""
    texts = [word.text for word in words]
    if len(texts) == 2 and texts[0] not in _ETHTOOL_SHOWS:
        return "change" if texts[0] is not None else "unknown"
    if not texts or len(texts) > 2 or words[-1].may_be_option or not words[-1].is_one:
        return "unknown"
    return "read" if texts[-1] is None or re.fullmatch(r"[A-Za-z0-9_.:@-]+", texts[-1]) else "unknown"


_ETHTOOL_SHOWS = frozenset(
    "-S -i -k -a -c -g -l -n -u -x -P -T -m --statistics --driver --show-features --show-offload --show-pause "
    "--show-coalesce --show-ring --show-channels --show-permaddr --show-time-stamping --module-info --show-eee "
    "--show-fec "
    "--show-priv-flags --phy-statistics".split()
)
_SELECTED = Spec(operands="text*", ends=False)
_SHOWN = Spec(subs=dict.fromkeys(("show", "list", "ls"), _SELECTED), ends=False)
_ROUTES = Spec(subs=dict.fromkeys(("show", "list", "ls", "get"), _SELECTED), ends=False)
_FOLLOWED = Spec(operands="text*", verdict="follow", ends=False)
_OBJECTS = {
    **dict.fromkeys(("address", "addr", "a", "link", "l", "rule", "neighbour", "neighbor", "neigh", "n", "maddress",
        "maddr",
                     "tunnel", "vrf", "netconf", "tcp_metrics", "mroute", "addrlabel", "token", "nexthop"), _SHOWN),
    **dict.fromkeys(("route", "r"), _ROUTES),
    "netns": Spec(own=_netns),
    "xfrm": Spec(subs={"state": Spec(subs={"list": _SELECTED}), "policy": Spec(subs={"list": _SELECTED})}),
    "monitor": _FOLLOWED,
}  # fmt: skip
_NAMES = Spec(
    reads="-t=type -x=address -p=port -q=name -c=class -4 -6 -m -r -v -i",
    operands="/(?!\\+[oO])[+@]?[A-Za-z0-9_.:\\/=-]+/*", single=True, ends=False,
)  # fmt: skip
_OVS = dict.fromkeys(
    ("show", "list", "find", "list-br", "list-ports", "list-ifaces", "ls-list", "lr-list", "lsp-list", "lrp-list",
        "lr-route-list",
     "lflow-list", "acl-list"), Spec(operands="text*", ends=False),
)  # fmt: skip
_PING = Spec(
    reads="-4 -6 -A -a -D -n -O -q -R -v -d -L -B -U -c=number -i=seconds -I=interface -m=mark -M=how -s=size -t=ttl "
        "-w=seconds "
    "-W=seconds -Q=tos -S=number -p=pattern",
    operands="host*", check=_ping,
)  # fmt: skip

_NETWORK_PROGRAMS: dict[str, Spec] = {
    "ip": Spec(
        reads="-4 -6 -0 -s -d -j -p -o -r -t -br -brief -c -color -details -statistics -stats -json -pretty -oneline "
            "-human "
        "-h -iec -N -resolve -timestamp --brief --json --color --details --stats --oneline "
        "-f={inet|inet6|link|bridge|mpls} "
        "-family={inet|inet6|link|bridge|mpls} -n=name -netns=name",
        single=True, ends=False, subs=_OBJECTS,
    ),
    "bridge": Spec(
        reads="-s -d -j -p -o -c -color -details -statistics -json -pretty -compressvlans", single=True, ends=False,
        subs=dict.fromkeys(("link", "fdb", "vlan", "mdb"), Spec(subs=dict.fromkeys(("show", "list"), _SELECTED),
            ends=False)),
    ),
    "tc": Spec(
        reads="-s -d -r -p -j -o -g -i -statistics -details -raw -pretty -json -graph", single=True, ends=False,
        subs={
            **dict.fromkeys(("qdisc", "class", "filter"), Spec(subs=dict.fromkeys(("show", "list", "ls"), _SELECTED),
                                                               ends=False, otherwise="change")),
            "monitor": _FOLLOWED,
        },
    ),
    "ss": Spec(
        reads="-n -r -a -l -o -e -m -p -i -s -b -4 -6 -0 -t -S -u -d -w -x -M -B -Z -z -O -H -T -f=family -A=query "
            "--numeric "
        "--resolve --all --listening --options --extended --memory --processes --info --summary --bpf --ipv4 --ipv6 "
        "--packet "
        "--tcp --sctp --udp --dccp --raw --unix --mptcp --vsock --context --oneline --no-header --family=family "
        "--query=query --threads --tos --cgroup",
        follows="-E --events", operands="text*",
    ),
    "netstat": Spec(
        reads="-a -l -n -N -p -r -s -i -g -M -e -o -t -u -U -w -x -v -W -4 -6 -C -F --all --listening --numeric "
            "--programs "
        "--route --statistics --interfaces --groups --extend --timers --tcp --udp --raw --unix --verbose --wide "
        "--symbolic "
        "--numeric-hosts --numeric-ports --masquerade",
        follows="-c --continuous", operands="/[A-Za-z0-9_.:-]+/",
    ),
    "ethtool": Spec(own=_ethtool),
    "arp": Spec(reads="-a -n -e -v -i=interface --numeric --verbose --device=interface -A=family", operands="host"),
    "route": Spec(reads="-n -e -ee -v -4 -6 --numeric --extend --verbose -A=family", single=True),
    "ifconfig": Spec(reads="-a -s -v", operands="/[A-Za-z0-9_.:@-]+/", single=True, ends=False),
    "iw": Spec(subs={"dev": Spec(), "list": Spec()}),
    "dig": _NAMES,
    "host": Spec(reads="-a -C -d -l -r -s -T -v -w -4 -6 -c=class -t=type -W=seconds -R=number -N=number", operands=
        "text text"),
    "nslookup": Spec(
        reads="-type=type -query=type -q=type -port=number -timeout=number -debug", operands="text text", single=True,
        check=_nslookup,
    ),
    "ping": _PING, "ping6": _PING,
    "traceroute": Spec(
        reads="-4 -6 -I -T -n -e -A -d -F -m=ttl -q=number -w=seconds -p=port -i=interface -N=number -f=ttl -U",
            operands=
            "text*",
    ),
    "tracepath": Spec(reads="-4 -6 -n -b -m=ttl -l=size -p=port", operands="host"),
    "mtr": Spec(
        reads="-r -n -w -c=number -i=seconds -4 -6 -b -z -T -u -P=port -s=size -m=ttl -o=fields --report --report-wide "
        "--no-dns --show-ips --aslookup --tcp --udp --report-cycles=number --interval=seconds --port=port -j --json",
        needs="-r --report -w --report-wide -j --json", otherwise="interactive", operands="host",
    ),
    "nc": Spec(reads="-z -v -n -u -4 -6 -w=seconds -p=port -s=address", needs="-z", operands="text*"),
    "ncat": Spec(reads="-z -v -n -u -4 -6 -w=seconds", needs="-z", operands="text*"),
    "tcpdump": Spec(
        reads="-n -nn -v -e -A -X -x -q -t -l -p -S -K -N -O -U -D -B=size -c=number -i=interface -r=path -s=size "
            "-Q=how "
        "-y=type --interface=interface --count --list-interfaces --immediate-mode",
        operands="text*", check=_tcpdump,
    ),
    "whois": Spec(reads="-H -h=/[A-Za-z0-9.-]+/", operands="text"),
    "showmount": Spec(reads="-a -d -e --all --directories --exports --no-headers", operands="host"),
    "rpcinfo": Spec(reads="-p -s -m", operands="host"),
    "nfsstat": Spec(reads="-c -s -n -r -m -v -l -o=facility -2 -3 -4 --client --server --nfs --rpc --mounts"),
    "nfsiostat": Spec(reads="-a -d -p -s", operands="text*"),
    "ovs-vsctl": Spec(subs=_OVS, ends=False),
    "ovn-nbctl": Spec(reads="--no-leader-only --db=text", subs=_OVS, ends=False),
    "ovn-sbctl": Spec(reads="--no-leader-only --db=text", subs=_OVS, ends=False),
    **dict.fromkeys(("ovs-appctl", "ovn-appctl"), Spec(
        reads="-t=text --target=text", ends=False,
        subs={**dict.fromkeys(("status", "connection-status", "version", "list-commands"), Spec()),
              "cluster/status": Spec(operands="word")},
    )),
    "lldpctl": Spec(reads="-f=word", operands="word*"),
    "conntrack": Spec(
        reads="-L -S -C --dump --stats --count -p=word -s=address -d=address -f=family -o=format --proto=word "
            "--src=address "
        "--dst=address --sport=port --dport=port --state=word --status=word",
        needs="-L -S -C --dump --stats --count", operands="{conntrack|expect}",
    ),
    "nmcli": Spec(
        reads="-t -p -f=fields -g=fields -c=how --terse --pretty --fields=fields --get-values=fields", ends=False,
        otherwise="unknown",
        subs={
            **dict.fromkeys(("device", "connection", "general"), Spec(
                subs={"status": Spec(), "show": Spec(reads="--active", operands="text*")}, ends=False)),
        },
    ),
    "ipvsadm": Spec(reads="-L -l -n --list --stats --rate --numeric --sort --exact", needs="-L -l --list"),
}  # fmt: skip


# Packet filters: what lists them.


_NFT_OPTIONS = re.compile(r"-[ansjytNSup]+|-nn|--(?:handle|numeric|stateless|json|terse|service|guid|reversedns)")
_NFT_LISTS = re.compile(
    r"list +(?:(?:ruleset|tables|chains|sets|maps|flowtables|counters|quotas|limits|meters|synproxys|secmarks|hooks)"
    r"(?: +(?:ip|ip6|inet|arp|bridge|netdev))?|table(?: +(?:ip|ip6|inet|arp|bridge|netdev))? +[A-Za-z][A-Za-z0-9_.-]*"
    r"|(?:chain|set|map|flowtable|counter|quota|limit|meter)(?: +(?:ip|ip6|inet|arp|bridge|netdev))?"
    r"(?: +[A-Za-z][A-Za-z0-9_.-]*){2})"
)


def _nft(words: Sequence[Argument], context: Context) -> Verdict:
    """Judge nft: it joins its words and reads them as one text."""
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

_PACKET_FILTERS_PROGRAMS: dict[str, Spec] = {
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


# What fetches by HTTP, and web servers.


_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HEADER = re.compile(
    r"(?:accept|accept-encoding|accept-language|authorization|cache-control|content-type|cookie|host|if-none-match|"
    r"if-modified-since|metadata|metadata-flavor|origin|pragma|range|referer|user-agent|x-api-key|x-auth-token|"
    r"x-aws-ec2-metadata-token|x-consul-token|x-forwarded-[a-z]+|x-prometheus-[a-z-]+|x-real-ip|x-request-id"
    r"|x-scope-orgid|"
    r"x-vault-token|x-vault-namespace|private-token|api-key|kbn-version)\s*:.*",
    re.IGNORECASE,
)
"""Headers that name nothing else to be done than the method says."""


def _curl(call: ProgramCall, _context: Context) -> Verdict:
    """Judge curl: only GET and HEAD, with output written nowhere and no file sent."""
    if call.sends_printed:
        return "unknown"
    for name, value in call.options:
        if value is None:
            continue
        if _CONTROL.search("".join(filter(None, value.pieces))):
            return "unknown"
        if name in ("-H", "--header") and not _HEADER.fullmatch(value.head):
            return "unknown"
        if name in ("-d", "--data", "--data-urlencode") and (not value.head or value.head.startswith("@")):
            return "unknown"
        if name in ("-w", "--write-out") and (value.text is None or "%output" in value.text or value.text[:1] == "@"):
            return "unknown"
        if name in _FILES and (not value.head or "pkcs11" in "".join(filter(None, value.pieces)).lower()):
            return "unknown"
    if call.has(*_DATA) and not call.has("-G", "--get"):
        return "change"
    sends_file = any("@" in (value.text or "@") for value in call.values("-d", "--data", "--data-urlencode"))
    return "unknown" if sends_file else "read"


_DATA = ("-d", "--data", "--data-urlencode", "--data-raw")
_FILES = ("--cacert", "--cert", "-E", "--key", "--capath")


def _wget(call: ProgramCall, _context: Context) -> Verdict:
    if call.sends_printed:
        return "unknown"
    headers = [value for value in call.values("--header") if not _HEADER.fullmatch(value.text or "")]
    return "unknown" if headers else "read"


_STATUS = Spec(reads="-t -T -v -V -q -h", needs="-t -T -v -V -h", otherwise="change")

_WEB_PROGRAMS: dict[str, Spec] = {
    "curl": Spec(
        reads="-s -S -f -L -I -i -k -v -g -N -n -4 -6 -0 -G -# --silent --show-error --fail --fail-with-body "
            "--location "
        "--head --include --insecure --verbose --globoff --no-buffer --netrc --ipv4 --ipv6 --http1.0 --http1.1 --http2 "
        "--get --compressed --no-progress-meter --progress-bar --tlsv1.2 --tlsv1.3 --raw --retry-connrefused "
        "--path-as-is "
        "--http2-prior-knowledge --fail-early --styled-output -m=number --max-time=number --connect-timeout=number "
        "--retry=number --retry-delay=number --retry-max-time=number -A=text --user-agent=text -e=text --referer=text "
        "--resolve=text --connect-to=text --cacert=path --cert=path -E=path --key=path --capath=path -u=text "
        "--user=text "
        "-H=text --header=text -w=text --write-out=text -X={GET|HEAD} --request={GET|HEAD} -o=null --output=null "
        "-r=text --range=text --interface=text --unix-socket=path --url=url -b=text --cookie=text --max-redirs=number "
        "--oauth2-bearer=text --noproxy=text -d=text --data=text --data-urlencode=text --data-raw=text "
        "--limit-rate=text",
        operands="url*", check=_curl,
    ),
    "wget": Spec(
        reads="-q -v -nv -d -S -4 -6 -O=null -T=number -t=number -U=text --quiet --verbose --no-verbose "
            "--server-response "
        "--spider --no-check-certificate --inet4-only --inet6-only --no-cache --no-hsts --content-on-error "
        "--output-document=null --timeout=number --tries=number --user-agent=text --header=text --max-redirect=number "
        "--connect-timeout=number --read-timeout=number --dns-timeout=number --wait=number --ca-certificate=path "
        "--no-proxy "
        "--user=text --password=text",
        needs="-O --output-document --spider", operands="url*", check=_wget,
    ),
    "nginx": _STATUS,
    "apachectl": Spec(reads="-t -S -M -v -V", needs="-t -S -M -v -V", otherwise="change", ends=False,
                      subs={"configtest": Spec(), "status": Spec(), "fullstatus": Spec()}),
    "apache2ctl": Spec(reads="-t -S -M -v -V", needs="-t -S -M -v -V", otherwise="change", ends=False,
                       subs={"configtest": Spec(), "status": Spec(), "fullstatus": Spec()}),
    "httpd": Spec(reads="-t -S -M -v -V", needs="-t -S -M -v -V"),
    "haproxy": Spec(reads="-c -v -vv -V -q -f=host-config", needs="-c -v -vv", single=True, ends=False),
    "varnishstat": Spec(reads="-1 -j -f=text -n=word", needs="-1 -j", otherwise="interactive"),
    "sshd": Spec(reads="-t -T -q", needs="-t -T"),
    "named-checkconf": Spec(reads="-z -p -v -x", operands="host-config"),
    "named-checkzone": Spec(reads="-q -v", operands="word path"),
    "postqueue": Spec(reads="-p -j", needs="-p -j"),
    "mailq": Spec(),
    "postconf": Spec(reads="-n -d -h -m -f -x", operands="word*"),
    "promtool": Spec(
        subs={
            "check": Spec(subs={"config": Spec(operands="path*"), "rules": Spec(operands="path*"),
                                "web-config": Spec(operands="path*"), "healthy": Spec(reads="--url=url"),
                                "ready": Spec(reads="--url=url")}),
            "query": Spec(subs={each: Spec(reads="-o=word --format=word --start=time --end=time --step=time "
                "--time=time",
                                           operands="url text*", permutes=True)
                                for each in ("instant", "range", "series", "labels")}),
        },
    ),
    "amtool": Spec(
        reads="--alertmanager.url=url -o=word --output=word", inherits=True,
        subs={
            "alert": Spec(subs={"query": Spec(reads="-a -i -s -u --active --inhibited --silenced --unprocessed",
                                              operands="text*")}),
            "silence": Spec(subs={"query": Spec(reads="--expired --within=time -q --quiet", operands="text*")}),
            "check-config": Spec(operands="path*"),
            "cluster": Spec(subs={"show": Spec()}),
            "config": Spec(subs={"show": Spec()}),
        },
    ),
}  # fmt: skip


# Certificates and keys.


_READING = "-in=local-file -inform=word -noout -text -passin=/(?:pass|file|env|fd|stdin)(?::[^\\x00-\\x1f]*)?/"


def _s_client(_call: ProgramCall, context: Context) -> Verdict:
    """Judge s_client: it sends its input."""
    return "read" if context.fed < Fed.DATA else "change"


def _openssl(reads: str, operands: str = "", needs: str = "") -> Spec:
    return Spec(reads=reads, operands=operands, needs=needs, single=True, ends=False)


_TLS_PROGRAMS: dict[str, Spec] = {
    "openssl": Spec(
        alone="interactive",
        single=True, ends=False,
        subs={
            "version": _openssl("-a -v -b -d"),
            "x509": _openssl(
                f"{_READING} -subject -issuer -dates -startdate -enddate -serial -fingerprint -md5 -sha1 -sha256 "
                f"-modulus -pubkey "
                "-ext=text -nameopt=text -certopt=text -checkend=number -checkhost=text -checkip=text -purpose -email "
                "-hash "
                "-subject_hash -issuer_hash -ocsp_uri -alias -outform=word"
            ),
            "crl": _openssl(f"{_READING} -issuer -lastupdate -nextupdate -hash -fingerprint -CAfile=local-file "
                f"-crlnumber"),
            "req": _openssl(f"{_READING} -verify -subject -pubkey -modulus -nameopt=text -reqopt=text", needs=
                "-in -noout -text"),
            **dict.fromkeys(("rsa", "ec", "pkey", "dsa"), _openssl(f"{_READING} -check -pubin -pubout -modulus "
                f"-text_pub",
                                                                   needs="-in")),
            "pkcs12": _openssl("-in=local-file -info -noout -nokeys -nocerts -clcerts -cacerts -legacy "
                               "-passin=/(?:pass|file|env|fd|stdin)(?::[^\\x00-\\x1f]*)?/", needs="-in -info"),
            "crl2pkcs7": _openssl("-nocrl -certfile=local-file -in=local-file -inform=word"),
            "pkcs7": _openssl("-print_certs -noout -text -in=local-file -inform=word"),
            "verify": _openssl("-CAfile=local-file -CApath=local-file -untrusted=local-file -trusted=local-file "
                "-verbose -purpose=word "
                "-partial_chain "
                               "-crl_check -show_chain -verify_hostname=text", "local-file*"),
            "s_client": Spec(
                reads="-connect=text -host=text -port=number -servername=text -noservername -showcerts "
                    "-CAfile=local-file "
                    "-CApath=local-file "
                "-verify=number -verify_return_error -verify_hostname=text -verify_quiet -brief -tls1 -tls1_1 -tls1_2 "
                "-tls1_3 "
                "-no_tls1_3 -starttls=word -alpn=text -status -cert=local-file -key=local-file -debug -state -quiet "
                "-no_ign_eof "
                "-prexit -4 "
                "-6 -cipher=text -ciphersuites=text -nocommands",
                operands="/[A-Za-z0-9_.:-]+/", single=True, ends=False, check=_s_client,
            ),
            "ciphers": _openssl("-v -V -s -tls1_2 -tls1_3", "/[A-Za-z0-9_:!+@=-]+/"),
            "dgst": _openssl("-md5 -sha1 -sha256 -sha384 -sha512 -r -hex -c", "local-file*"),
            "asn1parse": _openssl("-in=local-file -inform=word -i -dump -offset=number -length=number "
                "-strparse=number"),
        },
    ),
    "keytool": Spec(
        reads="-list -v -rfc -keystore=local-file -storepass=text -alias=text -storetype=word -printcert "
            "-file=local-file "
            "-sslserver=text",
        needs="-list -printcert", single=True, ends=False,
    ),
    "certbot": Spec(alone="change", subs={"certificates": Spec()}),
    "gpg": Spec(reads="-k -K --list-keys --list-secret-keys --fingerprint",
                needs="-k -K --list-keys --list-secret-keys --fingerprint", operands="text*"),
    "cfssl": Spec(subs={"certinfo": Spec(reads="-cert=local-file -domain=text -csr=path", single=True)}),
    "kubeadm": Spec(subs={"certs": Spec(subs={"check-expiration": Spec()}), "version": Spec(reads="-o=word "
        "--output=word")}),
}  # fmt: skip

TABLES = (_NETWORK_PROGRAMS, _PACKET_FILTERS_PROGRAMS, _WEB_PROGRAMS, _TLS_PROGRAMS)
