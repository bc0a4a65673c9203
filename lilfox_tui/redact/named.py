"""Secrets by their name: assignments, headers, tags, and the values of a Kubernetes Secret."""

from __future__ import annotations

import re

from lilfox_tui.redact import MASK

_CORES = (
    "pass", "pw", "psw", "secret", "token", "key", "auth", "credential", "cookie", "sess", "sid", "sig", "otp",
    "密码", "口令", "令牌", "密钥",
)  # fmt: skip
"""One of them is in every name: :data:`_NAME` is tried where one stands."""
_BEGINS = r"(?<![a-z0-9])"
"""A short word counts where no other letter stands before it: ``DB_PASS``, not ``bypass``; or it is ``dbPass``."""
_HUMP = r"(?:(?<![a-z0-9])|(?<=[a-z0-9])(?-i:(?=P)(?<![A-Z])))"
_KINDS_OF_KEYS = [
    "api",
    "access",
    "secret",
    "private",
    "encrypt",
    "encryption",
    "signing",
    "auth",
    "account",
    "shared",
    "master",
    "app",
    "client",
    "license",
    "licence",
    "consumer",
    "storage",
    "subscription",
    "webhook",
    "session",
    "service",
    "deploy",
    "hmac",
    "data",
    "integration",
    "routing",
    "admin",
    "root",
    "project",
    "write",
    "ingest",
    "bot",
    "push",
    "security",
]
_OF_A_KIND = "|".join(rf"(?<={kind}[_-])|(?<={kind})" for kind in _KINDS_OF_KEYS)
_NAME = re.compile(
    rf"""
    (?: (?P<cookie> {_BEGINS}cookies? )
      | (?P<header> {_BEGINS}authorization )
      | (?P<phrase> passw(?:or)?d | pass[_-]?phrase | passwort | {_HUMP}(?:pass(?:[_-]?code)?|psw|pw(?!d)) | 密码 | 口令
          | (?P<pwd> pwd ) )
      | (?P<key> secret | token | credential | 令牌 | 密钥 | (?:{_OF_A_KIND})key
          | (?<=_)auth | (?<=["'])auth(?=\\{{0,16}}["']) | sess(?:ion)?[_-]?id | {_BEGINS}sid | {_BEGINS}sig(?:nature)?
          | {_BEGINS}otp )
    )
    (?: s? | [_-]?id(?<=secret.id) | [0-9]{{1,2}} | [_-]?(?:value|base|base64|b64|hash|plain|text|enc|encrypted|prod|dev
        |new|old|raw) )
    (?![A-Za-z0-9_])
    """,
    re.VERBOSE | re.IGNORECASE,
)
_QUOTE = r"(?:\\{0,16}[\"'`]|&quot;|&\#3[49];|%22|\\u002[27])"
_BETWEEN = re.compile(
    rf"""
    (?: (?P<tag> [ \t]{{0,8}}> )
      | (?P<of_a_pair> {_QUOTE}?[ \t]{{0,8}},?(?:\r?\n)?[ \t]{{0,80}}{_QUOTE}?value{_QUOTE}?[ \t]{{0,8}}[=:] )
      | (?:{_QUOTE}|\]){{0,2}}[ \t]{{0,40}}(?:=>|:=|::|[:：?]=|[:：]|==?|\|\||%3[AaDd])
    )
    [ \t]{{0,40}}
    (?P<quote> (?:[bru](?=["']))?{_QUOTE} )?
    """,
    re.VERBOSE,
)
_QUOTED_ONLY = re.compile(rf"[ \t]{{1,8}}(?:[EeNn](?=')|U&(?='))?(?P<quote>{_QUOTE})")
"""A statement: ``PASSWORD 'x'``."""
_STOPS = (
    "null|none|nil|true|false|yes|no|on|off|undefined|empty|required|optional|missing|expired|invalid|valid|ok|denied|"
    "failed|failure|incorrect|wrong|changed|unchanged|unset|set|hidden|redacted|masked|unknown|not|is|was|are|has|must|"
    "may|can|should|will|a|an|the|for|from|in|of|to|by|with|and|or|use|see|string|str|int|bool|bytes|object|text|enabled|"
    "disabled|default|prompt|interactive|file|env|field|option|flag|rejected|accepted|refused|mismatch|error|success|"
    "successful|authentication|verification|unauthorized|forbidden|permission|access|read|write|self|this|new|old|"
    "authorized|granted|allowed|ask|auto|manual|any|all|n/a"
)
_NO_SECRET = re.compile(
    rf"""
      (?: \*{{3,}} | x{{3,16}} | \.{{3}} | … | •+ | \[(?:redacted|masked|filtered|hidden)\] ) (?![\w$])
    | (?:{_STOPS}) (?=\\{{0,16}}["'`]?(?:[\s,;:)\]}}<&]|\.\s|\.?\Z))
    | \$\{{?[A-Z_][A-Z0-9_]{{0,80}}\}}? (?![\w$]) | \$\{{[^}}\n]{{1,120}}\}} | \$\(
    | \{{\{{ | %[({{] | %s(?=[\s,;)"']|\Z) | <[^<>\n]{{1,60}}>
    | [A-Z][A-Za-z_.$]{{0,60}}[{{(\[]
    | ‹[^›\n]{{1,80}}› | @[A-Za-z_.-]{{1,60}}@ | !(?:vault|secret|env|reference)\b
    | (?:os\.|process\.|system\.)?(?:environ|env\[|env\.|getenv) | env:[A-Za-z_] | file:[/~A-Z]
    """,
    re.VERBOSE | re.IGNORECASE,
)
_UNQUOTED = re.compile(r"[^\s,;&\"'()<>`‹›、，。；]++")
_REST_OF_A_PHRASE = re.compile(
    r"(?:(?!</)(?:[,;&()<>]{1,8}+|[\"'`])(?![\w.-]{1,60}[\"']?[ \t]?[=:])[^\s,;&\"'()<>`‹›、，。；]++)*+"
)
"""A password may have any sign. One that could end it does not where more follows at once, other than the next name."""
_LOOKED_AT = 200
_LONGEST_SIGN = 6
"""Punctuation in quotes that is longer is a secret: ``unexpected token '}'`` has none."""
_LETTER = re.compile(r"[^\W_]|[^\x00-\x7f]")
_SMALL = re.compile(r"(?:[0-9]{1,4}|0x[0-9a-f]{1,16})(?![\w.@$!#%^*+/=-])")
_PLAIN_WORD = re.compile(r"[a-z]{1,7}(?![\w@$!#%^*+/=~.-])")
_OF_A_SCHEME = re.compile(r"(?:[A-Za-z][\w-]{0,40}[ \t]{1,8}(?=[^\s,;\"']))?")
_MORE_OF_IT = re.compile(
    r"(?:(?<==)\"[^\"\n]*+\"?)?(?:,[ \t]{0,8}[A-Za-z][\w-]{0,40}=(?:\"[^\"\n]*+\"?|[^\s,;\"']*+))*+"
)
_QUOTES = {mark: re.compile(rf"\\*+{mark}") for mark in "\"'`"}
_LINE = re.compile(r"[^\n\"'`\\]*+")
_TAGGED = re.compile(r"[^<>\n]{1,4096}+(?=</)")
_PATH = re.compile(r"[/~.]|[A-Za-z]:\\")


def masked(text: str, low: str) -> str:
    """Mask the values of secret names in ``text`` (``low``: in lower case)."""
    made: list[str] = []
    done = 0
    for at in _places(low):
        if at < done or (found := _NAME.match(text, at)) is None:
            continue
        place = _value(text, found)
        if place is not None:
            begins, end = place
            made += text[done:begins], MASK
            done = end
    return "".join((*made, text[done:])) if made else text


def _places(low: str) -> list[int]:
    """Return the positions at which the name of a secret may begin."""
    places = []
    for core in _CORES:
        at = low.find(core)
        while at >= 0:
            places.append(at)
            at = low.find(core, at + 1)
    places.sort()
    return places


def is_secret(name: str) -> bool:
    """Return whether a value of this name is a secret, whatever it looks like. ``PWD`` is not: it is a shell's working
    directory."""
    names = (_NAME.match(name, at) for at in _places(name.lower()))
    return any(found and found.end() == len(name) and not _where_a_shell_is(found) for found in names)


def _value(text: str, name: re.Match[str]) -> tuple[int, int] | None:
    """Return where the value of ``name`` begins and ends; None if there is none or it is not a secret."""
    between = _BETWEEN.match(text, name.end())
    if between is None:
        if name["phrase"] is None or (between := _QUOTED_ONLY.match(text, name.end())) is None:
            return None
    elif between["tag"] is not None:
        return _in_a_tag(text, between.end())
    elif name["pwd"] and _where_a_shell_is(name) and _PATH.match(text, between.end()):
        return None
    quote = between["quote"] or ""
    begins = between.end()
    if _NO_SECRET.match(text, begins):
        return None
    if quote:
        if name["phrase"] is None and _SMALL.match(text, begins):
            return None
        return _in_quotes(text, between.start("quote"), begins, quote.lstrip("bru"))
    if name["cookie"]:
        return begins, _run(_LINE, text, begins)
    if name["header"]:
        at = _run(_OF_A_SCHEME, text, begins)
        end = _end_of_word(text, at)
        return None if end == at else (begins, _run(_MORE_OF_IT, text, end))
    if text.startswith(("{", "["), begins) or _is_no_word_of(name, text, begins):
        return None
    end = _end_of_word(text, begins)
    if name["phrase"] is not None and end > begins:
        end = _run(_REST_OF_A_PHRASE, text, end)
    return (begins, end) if _LETTER.search(text, begins, min(end, begins + _LOOKED_AT)) else None


def _is_no_word_of(name: re.Match[str], text: str, begins: int) -> bool:
    """Whether the value is a number or a short word that is likely to be something else: ``token: comma``."""
    if name["phrase"] is not None:
        plain = name["phrase"].lower() in ("pass", "pw")
        chinese = not name["phrase"].isascii()
        return bool((plain and _SMALL.match(text, begins)) or (chinese and not text[begins : begins + 1].isascii()))
    if not name["key"].isascii() and not text[begins : begins + 1].isascii():
        return True
    in_prose = text[begins - 1 : begins] in (" ", "\t")
    return bool(_SMALL.match(text, begins) or (in_prose and _PLAIN_WORD.match(text, begins)))


def _where_a_shell_is(name: re.Match[str]) -> bool:
    before = name.string[max(name.start() - 4, 0) : name.start()].lower()
    alone = not before or not (before[-1].isalnum() or before[-1] in "_-")
    return name["pwd"] is not None and (alone or before.endswith("old"))


def _run(pattern: re.Pattern[str], text: str, begins: int) -> int:
    """Return the end of what ``pattern`` matches from ``begins`` on."""
    found = pattern.match(text, begins)
    return begins if found is None else found.end()


def _end_of_word(text: str, begins: int) -> int:
    end = _run(_UNQUOTED, text, begins)
    while end > begins and text[end - 1] == "\\":  # of a quote that ends what it is in
        end -= 1
    return end


def _in_a_tag(text: str, begins: int) -> tuple[int, int] | None:
    found = _TAGGED.match(text, begins)
    return None if found is None or _NO_SECRET.match(text, begins) else (begins, found.end())


def _in_quotes(text: str, opens: int, begins: int, quote: str) -> tuple[int, int] | None:
    """Return the range from the opening quote to the closing one, which has no more backslashes before it than the
    opening one, so that an escaped quote is part of the value. Without a closing quote, up to the end of the line."""
    line_ends = text.find("\n", begins)
    line_ends = len(text) if line_ends < 0 else line_ends
    mark = quote.lstrip("\\")
    if len(mark) > 1:
        end = text.find(quote, begins, line_ends)
        end = line_ends if end < 0 else end + len(quote)
    else:
        end, depth = line_ends, len(quote) - 1
        for found in _QUOTES[mark].finditer(text, begins, line_ends):
            if len(found[0]) - 1 <= depth:
                end = found.end()
                break
    is_word = _LETTER.search(text, begins, min(end, begins + _LOOKED_AT)) or end - begins > _LONGEST_SIGN
    return (opens, end) if is_word else None


# Secrets of Kubernetes as a manifest has them (``kubectl get secret -o yaml``): any name, and a value.


_OF_A_SECRET = re.compile(r"kind[\"']?[ \t]{0,8}:[ \t]{0,8}[\"']?secret(?:list)?\b")
_YAML = re.compile(r"(?m)^([ \t]*+(?:- )?(?:data|stringData):[ \t]*+\r?\n)((?:[ \t]++[^\n]*+(?:\n|\Z))++)")
_PAIR = re.compile(r"(?m)^([ \t]++[\w.-]{1,253}:[ \t]++)[^\s|>#{\[][^\n]*+")
_ENDS = re.compile(r"(?m)^[ \t]{0,8}(?:kind|metadata|type|immutable|apiVersion):")
_JSON = re.compile(r"(\"(?:data|stringData)\"[ \t]{0,8}:\s{0,80}\{)([^{}]*+)")
_JSON_PAIR = re.compile(r"(\"[\w.-]{1,253}\"[ \t]{0,8}:[ \t]{0,8})\"[^\"\n]*+\"?")


def masked_manifest(text: str, low: str) -> str:
    """Mask the values of Secrets in ``text`` (``low``: in lower case)."""
    if "secret" not in low or "data" not in low or not _OF_A_SECRET.search(low):
        return text
    text = _YAML.sub(lambda found: found[1] + _in_yaml(found[2]), text)
    return _JSON.sub(lambda found: found[1] + _JSON_PAIR.sub(rf"\1{MASK}", found[2]), text)


def _in_yaml(block: str) -> str:
    ends = _ENDS.search(block)
    end = len(block) if ends is None else ends.start()
    return _PAIR.sub(rf"\1{MASK}", block[:end]) + block[end:]
