"""Secrets that are a separate word of a command or statement, and the rules that find secrets by their keywords."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache

from lilfox_tui.redact import MASK

# Expressions that are looked for only where a word of theirs is there: of most lines none is.


Instead = str | Callable[[re.Match[str]], str]


class Rules:
    """Rules, each with keywords (in lower case; whatever the rule finds contains one of them), an expression and a
    replacement. An expression is compiled when first needed."""

    def __init__(self, rules: Iterable[tuple[Iterable[str], str, Instead]]) -> None:
        self._rules: list[tuple[str, Instead]] = []
        self._of_word: dict[str, list[int]] = {}
        self._compiled: dict[int, re.Pattern[str]] = {}
        for words, pattern, instead in rules:
            for word in words:
                self._of_word.setdefault(word, []).append(len(self._rules))
            self._rules.append((pattern, instead))
        self.words = tuple(self._of_word)

    def patterns(self) -> list[re.Pattern[str]]:
        """Return all expressions, compiled."""
        return [self._pattern(number) for number in range(len(self._rules))]

    def masked(self, text: str, low: str) -> str:
        """Return ``text`` (``low``: in lower case) with the matches replaced."""
        there = [word for word in self.words if word in low]
        for number in sorted({number for word in there for number in self._of_word[word]}):
            text = self._pattern(number).sub(self._rules[number][1], text)
        return text

    def _pattern(self, number: int) -> re.Pattern[str]:
        if number not in self._compiled:
            self._compiled[number] = re.compile(self._rules[number][0])
        return self._compiled[number]


_VALUE = r"(?:\"[^\"\n]*+\"?|'[^'\n]*+'?|\$'[^'\n]*+'?|[^\s\"'|;&<>()]++)"
_NONE = (
    r"(?![-|;&<>$‹{(\[*]|\"?\$|(?:is|are|was|must|to|or|and|option|flag|can|may|for|with|from|in|if|when|requires?|has|"
    r"the|a|file)\b)"
)
"""What follows an option in a sentence about it, or instead of a value."""
_GAP = r"[^\n|;&]{0,300}?[ \t]"
_OPTION = (
    r"--?[a-z0-9_-]{0,40}(?:passw(?:or)?d|passphrase|passwd|password|pass|pwd|pw|token|secret|api-?key|access-?key|"
    r"secret-?key|auth-?key|private-?key|credentials?|encryption-?key|cookie)"
)
_LOGIN = r"\b(?:docker|podman|nerdctl|buildah|skopeo|helm|oras|crane|oc|az|registry)\b"
_CURL_USER = r"\b(?:curl|wget|https?)[ \t](?:[^\n|;&]{0,300}?[ \t])?(?:-u|--user|-a|--proxy-user|-U)"
_LOGGED_IN = r"login[ \t]{1,8}\S{1,100}\s{1,40}"
_HASH = r"\$(?:1|2[abxy]|5|6|7|y|gy|argon2[id]{1,2}|pbkdf2[\w-]{0,12})\$[./A-Za-z0-9$=,+-]{12,}"
_SCRAM = r"SCRAM-SHA-\d{1,3}\$\d{1,8}:[A-Za-z0-9+/=$:]{20,}"
_RULES: tuple[tuple[str, str], ...] = (
    ("pass pw token secret key cred cookie", rf"(?i)((?<![\w-]){_OPTION}[ \t]{{1,8}}){_NONE}{_VALUE}"),
    ("mysql mariadb",
     rf"((?<![\w-])(?:mysql|mariadb)[a-z-]{{0,20}}[ \t](?:{_GAP})?-p)(?![ \t\n]){_NONE}{_VALUE}"),
    ("sshpass", rf"(\bsshpass[ \t](?:{_GAP})?-p[ \t]{{0,4}}){_NONE}{_VALUE}"),
    ("login", rf"({_LOGIN}{_GAP}?login[ \t](?:{_GAP})?-p[ \t]{{0,4}}){_NONE}{_VALUE}"),
    ("redis-cli valkey-cli", rf"(\b(?:redis|valkey)-cli[ \t](?:{_GAP})?-a[ \t]{{1,4}}){_NONE}{_VALUE}"),
    ("mongo", rf"(\bmongo[a-z]{{0,10}}[ \t](?:{_GAP})?-p[ \t]{{1,4}}){_NONE}{_VALUE}"),
    ("ldap", rf"(\bldap[a-z]{{2,10}}[ \t](?:{_GAP})?-w[ \t]{{0,4}}){_NONE}{_VALUE}"),
    ("curl wget http", rf"({_CURL_USER}[ \t=]{{0,2}}[\"']?[^\s:\"'/]{{1,100}}:)[^\s\"']++"),
    ("smb rpcclient net mount",
     r"(\b(?:smbclient|rpcclient|net|mount)[ \t][^\n|;&]{0,300}?[ \t]-U[ \t]{0,2}[\"']?[^\s%\"']{1,100}%)[^\s\"']++"),
    ("htpasswd",
     rf"(\bhtpasswd[ \t]+-[a-zA-Z]{{0,4}}b[a-zA-Z]{{0,4}}[ \t]+\S{{1,200}}[ \t]+\S{{1,100}}[ \t]+){_VALUE}"),
    ("rabbitmqctl",
     rf"(\brabbitmqctl[ \t]{_GAP}?(?:add_user|change_password|authenticate_user)[ \t]+\S{{1,100}}[ \t]+){_VALUE}"),
    ("-pass", rf"((?<![\w-])-(?:pass|passin|passout)[ \t]+pass:){_VALUE}"),
    ("chpasswd", (
     r"(\becho[ \t]+(?:-[en]+[ \t]+)?[\"']?[\w.-]{1,64}:)[^\s\"'|]++"
     r"(?=[\"']?[ \t]{0,8}\|[ \t]{0,8}(?:sudo[ \t]+)?chpasswd)")),
    ("sudo", rf"(\becho[ \t]+){_NONE}{_VALUE}(?=[ \t]{{0,8}}\|[ \t]{{0,8}}sudo[ \t]+-S\b)"),
    ("requirepass masterauth", rf"(?i)(\b(?:requirepass|masterauth)[\"']?[ \t]{{1,8}}){_NONE}{_VALUE}"),
    ("auth", (
     r"((?:^|[>\r\n\"'`][ \t]{0,4}|\d[ \t])AUTH[ \t]{1,4}(?:default[ \t]{1,4})?[\"']?)"
     r"(?!(?:LOGIN|PLAIN|CRAM|XOAUTH|OAUTHBEARER|NTLM|GSSAPI|TLS)\b)[^\s\"'=:]++(?=[\"'`]?[ \t]*(?:$|[\r\n]))")),
    ("auth", r"(\"AUTH\"[ \t]+(?:\"[^\"\n]{1,100}\"[ \t]+)?)\"[^\"\n]++\""),
    ("identified", (
     r"(?i)(\bidentified[ \t]{1,8}(?:with[ \t]{1,8}\S{1,60}[ \t]{1,8})?(?:by|as)[ \t]{1,8}(?:password[ \t]{1,8})?)"
     rf"{_NONE}{_VALUE}")),
    (
        "machine default",
        rf"(?i)(\b(?:machine[ \t]{{1,8}}\S{{1,253}}|default)\s{{1,40}}{_LOGGED_IN}password[ \t]{{1,8}}){_VALUE}",
    ),
    (":*: :54 :64 :33",
     r"(?m)(^[ \t]{0,8}[\w.*\[\]-]{1,253}:(?:54\d\d|64\d\d|33\d\d|\*):[^:\s/]{1,63}:[^:\s/]{1,63}:)[^\s/][^\s]*+"),
    ("$1$ $2 $5$ $6$ $y$ $7$ $argon2 $pbkdf2 scram-sha", rf"()(?:{_HASH}|{_SCRAM})"),
    ("://",
     r"(?i)(\b[a-z][a-z0-9+.-]{0,30}://[^\s/:@\"'<>]{0,200}:)(?!\*{3}@|‹|\$\{?[A-Z_]{1,80}\}?@)[^\s/\"'<>]+@"),
)  # fmt: skip
"""The words of which one must be there, in small letters, and what is looked for: what stays, and the secret."""


@cache
def _rules() -> Rules:
    return Rules((words.split(), pattern, _replaced) for words, pattern in _RULES)


def masked(text: str, low: str) -> str:
    """Mask the secrets that this module recognises in ``text`` (``low``: in lower case)."""
    return _rules().masked(text, low)


def _replaced(found: re.Match[str]) -> str:
    return f"{found[1]}{MASK}{'@' if found[0].endswith('@') and '://' in found[1] else ''}"
