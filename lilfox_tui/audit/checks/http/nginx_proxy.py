"""How nginx passes requests on, by its whole configuration: connections that are kept, compression behind a proxy; and
a configuration that it refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from ipaddress import ip_network

from msgspec import Struct

from lilfox_tui.audit.model import Absent, AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix, NotKnown
from lilfox_tui.audit.targets.hosts import NO_PROGRAM, Printed
from lilfox_tui.core.i18n import listed, tr
from lilfox_tui.hosts.addresses import or_none
from lilfox_tui.redact import redact

# That of a container has its files elsewhere.
_CONFIGURATION = r"""
command -v nginx >/dev/null || exit 127
for pid in $(pgrep -x nginx); do
    words=$(tr '\0' ' ' <"/proc/$pid/cmdline")
    case $words in *'master process'*) ;; *) continue ;; esac
    grep -qE 'docker|containerd|kubepods|libpod|lxc' "/proc/$pid/cgroup" && continue
    set -- -T
    for option in p c; do
        given=$(printf '%s' "$words" | sed -n "s/.* -$option \([^ ]*\).*/\1/p")
        [ -z "$given" ] || set -- "$@" "-$option" "$given"
    done
    nginx -v 2>&1
    exec nginx "$@" 2>&1
done
exit 127
"""
_TOKEN = re.compile(
    r"""#[^\n]*|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[{};]|(?:\$\{[^{}\s]*\}|\\.|[^\s{};\\])+)""", re.DOTALL
)
_FILE = re.compile(r"^# configuration file (.+):$", re.MULTILINE)
_REFUSED = re.compile(r"^(?:nginx:|[\d/]+ [\d:]+) \[emerg\] (?:\d+#\d+: )?(.+)$", re.MULTILINE)
_PLACE = re.compile(r" in (/\S+):\d+$")
_KEEPS_BY_ITSELF = (1, 29, 7)
"""Since this version nginx speaks HTTP/1.1 and keeps connections unless it is told not to."""
_NESTED_AT_MOST, _INCLUDED_AT_MOST = 50, 2000
_DOCKER = ip_network("172.17.0.0/16")
"""The bridge on the host itself."""


class NginxDirective(Struct, frozen=True):
    """A directive; ``block`` has those in its braces."""

    name: str
    words: tuple[str, ...]
    file: str
    block: tuple[NginxDirective, ...] = ()

    @property
    def first(self) -> str:
        """Its first word; empty without one."""
        return self.words[0] if self.words else ""

    def named(self, name: str) -> list[NginxDirective]:
        """The directives of that name right in its block."""
        return [each for each in self.block if each.name == name]


class NginxConfiguration(Struct, frozen=True):
    """What nginx has read, the directives of included files in their places; or why it refuses it."""

    version: tuple[int, ...]
    root: NginxDirective
    refused: str = ""

    def accepted(self) -> NginxDirective:
        """The main block; raises NotKnown if nginx refuses it."""
        if self.refused:
            raise NotKnown(tr("nginx refuses its configuration: nginx -t"))
        return self.root

    def http(self) -> NginxDirective:
        """The http block; Absent without one."""
        for each in self.accepted().named("http"):
            return each
        raise Absent


class ProxiedLocation(Struct, frozen=True):
    """A location with ``proxy_pass``: the blocks around it, from the inner one outwards."""

    passed: NginxDirective
    around: tuple[NginxDirective, ...]

    @property
    def name(self) -> str:
        """The location as the configuration names it."""
        return " ".join((self.around[0].name, *self.around[0].words))

    @property
    def target(self) -> str:
        """Host and port, the name of an upstream, or a socket."""
        return re.sub(r"^https?://", "", self.passed.first).partition("/")[0]

    def setting(self, name: str, default: str) -> str:
        """The value of a directive that applies here."""
        for block in self.around:
            for each in block.named(name):
                return " ".join(each.words)
        return default

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that are set here: those of the innermost block that sets any."""
        for block in self.around:
            if found := block.named("proxy_set_header"):
                return {each.words[0].lower(): " ".join(each.words[1:]) for each in found if each.words}
        return {}


def parse_configuration(printed: Printed) -> NginxConfiguration:
    """The configuration in the output of ``nginx -T``."""
    if printed.status == NO_PROGRAM:
        raise Absent
    told = re.search(r"nginx/(\d+)\.(\d+)\.(\d+)", printed.text)
    version = tuple(map(int, told.groups())) if told else ()
    refused = _REFUSED.search(printed.text)
    if printed.status and printed.root and refused and not printed.truncated:
        return NginxConfiguration(version, NginxDirective("", (), ""), refused[1])
    _before, *parts = _FILE.split("\n".join(printed.lines()))
    files = dict(zip(parts[::2], parts[1::2], strict=True))
    main = parts[0]
    root = NginxDirective("", (), main, _read(main, files, main.rpartition("/")[0], []))
    return NginxConfiguration(version, root)


def _read(file: str, files: Mapping[str, str], folder: str, opened: list[str]) -> tuple[NginxDirective, ...]:
    """The directives of a file, and of those that it includes; raises ValueError where it is none. ``opened`` are all
    files that were read before."""
    opened.append(file)
    if len(opened) > _INCLUDED_AT_MOST or opened.count(file) > _NESTED_AT_MOST:
        raise ValueError(file)
    open_blocks: list[tuple[list[str], list[NginxDirective]]] = [([], [])]
    words: list[str] = []
    for match in _TOKEN.finditer(files[file]):
        word = match[1]
        if (word == "{" and len(open_blocks) > _NESTED_AT_MOST) or (word == "}" and words):
            raise ValueError(file)
        if word == "{":
            open_blocks.append((words, []))
            words = []
        elif word == "}":
            (name, *rest), inner = open_blocks.pop()
            open_blocks[-1][1].append(NginxDirective(name, tuple(rest), file, tuple(inner)))
        elif word == ";" and words[:1] == ["include"]:
            pattern = words[1] if words[1].startswith("/") else f"{folder}/{words[1]}"
            for each in files:
                if fnmatchcase(each, pattern) and each.count("/") == pattern.count("/"):
                    open_blocks[-1][1].extend(_read(each, files, folder, opened))
            words = []
        elif word == ";":
            open_blocks[-1][1].append(NginxDirective(words[0], tuple(words[1:]), file))
            words = []
        elif word:
            words.append(word[1:-1] if word[0] in "\"'" else word)
    if len(open_blocks) != 1 or words:
        raise ValueError(file)
    return tuple(open_blocks[0][1])


CONFIGURATION = Fact("nginx-configuration", _CONFIGURATION, parse_configuration)


def judge_refused(facts: Facts) -> Iterator[AuditFinding]:
    """A configuration with which nginx would not start."""
    refused = facts[CONFIGURATION].refused
    if refused:
        place = _PLACE.search(refused)
        evidence = tr("nginx -t: {reason}", reason=redact(refused))
        text = tr("Correct it. nginx runs with the configuration that it had read before.")
        if "is duplicate" in refused:
            text = tr("Remove one of the two. nginx runs with the configuration that it had read before.")
        yield AuditFinding(place[1] if place else "nginx", evidence, Fix(text, commands=("nginx -t",)))


def _proxied(block: NginxDirective, around: tuple[NginxDirective, ...]) -> Iterator[ProxiedLocation]:
    inner = (block, *around)
    for each in block.block:
        if each.name == "proxy_pass":
            yield ProxiedLocation(each, inner)
        elif each.name in ("server", "location", "if", "limit_except"):
            yield from _proxied(each, inner)


def _is_local(target: str) -> bool:
    if target.startswith("unix:"):
        return True
    name = target.rpartition(":")[0] if re.search(r":\d+$", target) else target
    address = or_none(name.strip("[]"))
    if address is None:
        return name == "localhost"
    return address.is_loopback or (address.version == 4 and address in _DOCKER)


def judge_keep_alive(facts: Facts) -> Iterator[AuditFinding]:
    """Servers behind nginx to which each request needs a new connection. Those on the host itself cost too little,
    unless the configuration means to keep connections and does not."""
    configuration = facts[CONFIGURATION]
    http = configuration.http()
    keeps = configuration.version >= _KEEPS_BY_ITSELF
    upstreams = {" ".join(each.words): each for each in http.named("upstream")}
    by_target: dict[str, list[ProxiedLocation]] = {}
    for location in _proxied(http, ()):
        if location.target and "$" not in location.target:
            by_target.setdefault(location.target, []).append(location)
    if not by_target:
        raise Absent
    for target, locations in sorted(by_target.items()):
        upstream = upstreams.get(target)
        servers = [target] if upstream is None else [each.first for each in upstream.named("server")]
        asked = upstream.named("keepalive") if upstream is not None else []
        kept = asked[0].first != "0" if asked else keeps
        old = [each for each in locations if each.setting("proxy_http_version", "1.1" if keeps else "1.0") == "1.0"]
        closed = [each for each in locations if _closes(each, keeps=keeps)]
        if kept and (old or closed):
            yield _unused(target, old, closed)
        elif not kept and not all(map(_is_local, servers)) and any("upgrade" not in each.headers for each in locations):
            yield _unkept(target, upstream, locations, new=not old and not closed)


def _closes(location: ProxiedLocation, *, keeps: bool) -> bool:
    headers = location.headers
    return "upgrade" not in headers and headers.get("connection", "" if keeps else "close").lower() == "close"


def _lines(old: Sequence[ProxiedLocation], closed: Sequence[ProxiedLocation]) -> tuple[str, ...]:
    return (*(("proxy_http_version 1.1;",) if old else ()), *(('proxy_set_header Connection "";',) if closed else ()))


_COMMANDS = ("nginx -t", "systemctl reload nginx")


def _unused(target: str, old: Sequence[ProxiedLocation], closed: Sequence[ProxiedLocation]) -> AuditFinding:
    names = listed(sorted({each.name for each in (*old, *closed)}))
    if old:
        evidence = tr(
            "nginx may keep connections to {upstream}, but {locations} use HTTP/1.0, which closes them "
            "(no proxy_http_version 1.1)",
            upstream=target,
            locations=names,
        )
    else:
        evidence = tr(
            "nginx may keep connections to {upstream}, but {locations} send Connection: close to it",
            upstream=target,
            locations=names,
        )
    text = tr(
        "Add these lines to {locations}, beside the proxy_set_header lines that apply there: a location with "
        "proxy_set_header lines of its own inherits none.",
        locations=names,
    )
    return AuditFinding(target, evidence, Fix(text, (old or closed)[0].passed.file, _lines(old, closed), _COMMANDS))


def _unkept(
    target: str, upstream: NginxDirective | None, locations: Sequence[ProxiedLocation], *, new: bool
) -> AuditFinding:
    names = listed(sorted({each.name for each in locations}))
    evidence = tr("nginx keeps no connections to {upstream} ({locations})", upstream=target, locations=names)
    own = () if new else ("proxy_http_version 1.1;", 'proxy_set_header Connection "";')
    file = locations[0].passed.file
    if upstream is not None:
        text = tr("Add the first line to upstream {name}, the others to {locations}.", name=target, locations=names)
        return AuditFinding(target, evidence, Fix(text, file, ("keepalive 32;", *own), _COMMANDS))
    name = re.sub(r"\W+", "_", target).strip("_")
    scheme, _colon, rest = locations[0].passed.first.partition("://")
    server = target if re.search(r":\d+$", target) else f"{target}:{443 if scheme == 'https' else 80}"
    passed = f"proxy_pass {scheme}://{name}{rest.removeprefix(target)};"
    block = (f"upstream {name} {{ server {server}; keepalive 32; }}", passed, f"proxy_set_header Host {target};", *own)
    if scheme == "https":
        block = (*block, f"proxy_ssl_name {server.rpartition(':')[0]};")
    text = tr(
        "Add the first line to the http block, and the others to {locations}, instead of its proxy_pass and Host. A "
        "location with proxy_set_header lines of its own inherits none.",
        locations=names,
    )
    return AuditFinding(target, evidence, Fix(text, file, block, _COMMANDS))


def judge_compression(facts: Facts) -> Iterator[AuditFinding]:
    """A server behind a proxy that compresses nothing for requests that say so."""
    http = facts[CONFIGURATION].http()
    for server in http.named("server"):
        around = ProxiedLocation(server, (server, http))
        if around.setting("gzip", "off") != "on" or around.setting("gzip_proxied", "off") != "off":
            continue
        behind = [each for block in (server, http) for each in block.named("set_real_ip_from")]
        if behind:
            name = " ".join(next((each.words for each in server.named("server_name")), ("_",)))
            evidence = tr(
                "server {name} has gzip on and set_real_ip_from {address}, but gzip_proxied is off: responses to "
                "requests with a Via header are not compressed",
                name=name,
                address=behind[0].first,
            )
            text = tr("Add this line beside gzip on, in the http block or in that of the server.")
            yield AuditFinding(name, evidence, Fix(text, server.file, ("gzip_proxied any;",), _COMMANDS))


CHECKS = (
    AuditCheck(
        "nginx-refused",
        AuditSeverity.HIGH,
        tr("nginx refuses its configuration"),
        tr("nginx will not start after the next restart or update, and changes of its configuration have no effect."),
        (CONFIGURATION,),
        judge_refused,
        "https://nginx.org/en/docs/switches.html",
        target="host",
    ),
    AuditCheck(
        "nginx-upstream-keepalive",
        AuditSeverity.LOW,
        tr("nginx opens a new connection for each request that it passes on"),
        tr("Each costs a round trip, with TLS several, and a port of the host for a minute."),
        (CONFIGURATION,),
        judge_keep_alive,
        "https://nginx.org/en/docs/http/ngx_http_upstream_module.html#keepalive",
        ("performance",),
        "host",
    ),
    AuditCheck(
        "nginx-gzip-proxied",
        AuditSeverity.LOW,
        tr("nginx does not compress for clients behind a proxy"),
        tr("Every client behind a proxy or CDN gets text about five times as large as it needs to be."),
        (CONFIGURATION,),
        judge_compression,
        "https://nginx.org/en/docs/http/ngx_http_gzip_module.html#gzip_proxied",
        ("performance",),
        "host",
    ),
)
