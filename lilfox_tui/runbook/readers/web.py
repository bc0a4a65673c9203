"""What fetches by HTTP, and web servers."""

from __future__ import annotations

import re

from lilfox_tui.runbook.readers.spec import Call, Context, Spec, Verdict

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


def _curl(call: Call, _context: Context) -> Verdict:
    """Nothing but GET and HEAD; what it writes goes nowhere, and no file goes out in what it sends."""
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


def _wget(call: Call, _context: Context) -> Verdict:
    if call.sends_printed:
        return "unknown"
    headers = [value for value in call.values("--header") if not _HEADER.fullmatch(value.text or "")]
    return "unknown" if headers else "read"


_STATUS = Spec(reads="-t -T -v -V -q -h", needs="-t -T -v -V -h", otherwise="change")

TABLE: dict[str, Spec] = {
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
