"""Texts with a secret in them, as programs, configurations and people write them. Each secret is made anew, from a
seed: nothing here is one, or looks like one to who looks for them in a repository."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterator

HEX = "0123456789abcdef"
LETTERS = string.ascii_letters + string.digits
UPPER = string.ascii_uppercase + string.digits
LOWER = string.ascii_lowercase + string.digits
BASE64 = LETTERS + "+/"
URL = LETTERS + "_-"


class Maker:
    """Makes words; ``secrets`` are those of the text that is being made."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.secrets: list[str] = []

    def word(self, length: int = 14, of: str = LETTERS) -> str:
        """A secret with a digit in it."""
        made = "".join(self._random.choice(of) for _ in range(length - 1)) + self._random.choice("23456789")
        self.secrets.append(made)
        return made

    def uuid(self) -> str:
        """A secret in the form of a UUID."""
        return "-".join(self.word(length, HEX) for length in (8, 4, 4, 4, 12))


def _named() -> Iterator[str]:
    names = [
        "password",
        "passwd",
        "PASSWORD",
        "Password",
        "DB_PASS",
        "db_password",
        "dbPassword",
        "MYSQL_ROOT_PASSWORD",
        "PGPASSWORD",
        "REDISCLI_AUTH_PASS",
        "ansible_ssh_pass",
        "passphrase",
        "secret",
        "client_secret",
        "CLIENT-SECRET",
        "clientSecret",
        "SECRET_KEY",
        "SECRET_KEY_BASE",
        "token",
        "access_token",
        "refresh_token",
        "id_token",
        "authToken",
        "_authToken",
        "api_key",
        "apikey",
        "apiKey",
        "API-KEY",
        "x-api-key",
        "X-Auth-Token",
        "PRIVATE-TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "aws_session_token",
        "private_key",
        "encryption_key",
        "signing_key",
        "AccountKey",
        "SharedAccessKey",
        "AZURE_CLIENT_SECRET",
        "ARM_ACCESS_KEY",
        "credentials",
        "secret_id",
        "db_pwd",
        "session_id",
        "csrf_token",
    ]
    for name in names:
        yield f"{name}=@"
        yield f'"{name}": "@"'
    yield from (
        "password => @",
        "password => '@'",
        ':password => "@"',
        'password := "@"',
        "password = @",
        "password: @",
        "password : '@'",
        "password='@'",
        'password="@ with blanks"',
        "{'password': '@', 'a': 1}",
        "$password = '@';",
        "Password:@ }",
        '{\\"password\\":\\"@\\"}',
        '{\\\\\\"password\\\\\\":\\\\\\"@\\\\\\"}',
        '"{\\"token\\": \\"@\\"}"',
        '"password":"a\\"@"',
        "<password>@</password>",
        "<ns:apiKey>@</ns:apiKey>",
        '<add key="ApiKey" value="@"/>',
        '{"name":"DB_PASSWORD","value":"@"}',
        "- name: DB_PASSWORD\n  value: @",
        "password%3D@%26x",
        "%22password%22%3A%22@%22",
        "&quot;password&quot;:&quot;@&quot;",
        "/login?user=a&password=@&x=1",
        "Server=db;Uid=sa;Pwd=@;Encrypt=1",
        "密码：@",
        "密码=@",
        "令牌: @",
        "user=a password=@ host=db",
        "export DB_PASS=@",
        "set PASSWORD=@",
        "[x] token: @",
        "level=info token=@ path=/x",
        "password1=@",
        "ENV TOKEN=@",
        "\x1b[31mpassword\x1b[0m=@",
    )


def _spoken() -> Iterator[str]:
    yield from (
        "mysqldump --password=@ shop",
        "mysql -u root -p@ shop",
        "tool --password @ run",
        "tool --password '@' run",
        "tool --api-key @",
        "kubectl --token=@ get pods",
        "kubectl --token @ get pods",
        "sshpass -p @ ssh h",
        "sshpass -p@ ssh h",
        "docker login -u me -p @ registry.example.net",
        "docker login --password @",
        "helm registry login -u a -p @ r",
        "redis-cli -h r -a @ ping",
        "mongosh -u a -p @ db",
        "ldapsearch -x -D cn=a -w @ -b dc=x",
        "curl -u admin:@ http://h/",
        "curl --user 'admin:@' http://h/",
        "htpasswd -b /etc/f admin @",
        "rabbitmqctl add_user app @",
        "rabbitmqctl change_password app @",
        "openssl rsa -passin pass:@ -in k",
        "echo 'root:@' | chpasswd",
        "echo @ | sudo -S ls",
        "requirepass @",
        "CONFIG SET requirepass @",
        "masterauth @",
        "AUTH @",
        "AUTH default @",
        "CREATE USER a PASSWORD '@'",
        "ALTER ROLE a WITH ENCRYPTED PASSWORD '@' LOGIN",
        "alter user a identified by '@'",
        "CREATE USER 'a'§'%' IDENTIFIED WITH caching_sha2 BY '@'",
        "machine h login me password @",
        "db.example.net:5432:shop:me:@",
        "*:*:*:me:@",
        "root:$6$salt2salt$@@:19000:0",
        "user:$2b$12$@@",
        "smbclient //h/s -U me%@",
    )


def _headers() -> Iterator[str]:
    yield from (
        "Authorization: ApiKey @",
        "Authorization: Bearer @",
        "authorization: Basic @",
        "Authorization: Token @",
        "Authorization: @",
        'Authorization: Digest username="me", realm="r", response="@"',
        "Proxy-Authorization: Basic @",
        "Authorization: AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=@",
        '"Authorization": "SharedKey a:@"',
        "curl -H 'Authorization: GenieKey @' x",
        '-H "X-Vault-Token: @"',
        "Cookie: a=@; b=2",
        "Set-Cookie: sid=@; Path=/; HttpOnly",
        '"cookie":"session=@"',
        "X-Amz-Security-Token=@",
        "?sv=2020&sig=@",
        "X-Amz-Signature=@&x=1",
        "bearer @@",
        "JSESSIONID=@",
        "PHPSESSID=@;",
    )


def _urls() -> Iterator[str]:
    yield from (
        "postgresql://joe:@§db:5432/app",
        "amqp://me:@§mq/",
        "redis://:@§r:6379/0",
        "mongodb+srv://me:@§c.example.net/x",
        "https://me:@§git.example.net/a.git",
        "http://joe:p!@§h:80/",
        "https://hooks.slack" + ".com/services/@/@/@",
        "https://x.webhook.office.com/webhookb2/@/IncomingWebhook/@",
        "https://discord.com/api/webhooks/1234567/@",
        "https://api.telegram.org/bot123:@/sendMessage",
        "https://oapi.dingtalk.com/robot/send?access_token=@",
        "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=@",
        "https://open.feishu.cn/open-apis/bot/v2/hook/@",
        "https://open.larksuite.com/open-apis/bot/v2/hook/@",
        "https://chat.googleapis.com/v1/spaces/A/messages?key=@&token=@",
        "https://hc-ping.com/@",
        "https://events.pagerduty.com/integration/@/enqueue",
        "https://sctapi.ftqq.com/@.send",
        "https://api.day.app/@/x",
        "https://chat.example.net/hooks/@@",
    )


Form = Callable[[Maker], str]


def _tokens() -> Iterator[Form]:
    marks: tuple[tuple[str, int, str], ...] = (
        ("gh" + "p_", 36, LETTERS),
        ("gh" + "o_", 36, LETTERS),
        ("gh" + "s_", 36, LETTERS),
        ("github" + "_pat_", 60, LETTERS),
        ("gl" + "pat-", 20, URL),
        ("gl" + "dt-", 20, URL),
        ("gl" + "rt-", 20, URL),
        ("np" + "m_", 36, LETTERS),
        ("py" + "pi-AgEI", 60, URL),
        ("rubygems" + "_", 48, HEX),
        ("dckr" + "_pat_", 27, URL),
        ("xo" + "xb-", 40, LETTERS),
        ("xo" + "xp-", 40, LETTERS),
        ("xap" + "p-1-", 40, LETTERS),
        ("s" + "k-", 48, LETTERS),
        ("sk-" + "ant-api03-", 80, URL),
        ("sk-" + "proj-", 48, URL),
        ("sk_" + "live_", 24, LETTERS),
        ("rk_" + "live_", 24, LETTERS),
        ("whsec" + "_", 32, LETTERS),
        ("S" + "G.", 22, LETTERS),
        ("xkey" + "sib-", 64, HEX),
        ("ke" + "y-", 32, HEX),
        ("hv" + "s.", 90, LETTERS),
        ("hv" + "b.", 130, LETTERS),
        ("ey" + "J", 60, LETTERS),
        ("gl" + "sa_", 40, LETTERS),
        ("gl" + "c_", 40, LETTERS),
        ("AKI" + "A", 16, UPPER),
        ("ASI" + "A", 16, UPPER),
        ("LTA" + "I", 20, LETTERS),
        ("AKI" + "D", 32, LETTERS),
        ("AIz" + "a", 35, URL),
        ("ya" + "29.", 60, URL),
        ("GOCS" + "PX-", 28, URL),
        ("abc7" + "Q~", 34, LETTERS),
        ("AGE-SECRET" + "-KEY-1", 58, UPPER),
        ("sntry" + "u_", 64, HEX),
        ("sq" + "p_", 40, HEX),
        ("shp" + "at_", 32, HEX),
        ("dop" + "_v1_", 64, HEX),
        ("dp." + "pt.", 43, LETTERS),
        ("dap" + "i", 32, HEX),
        ("hf" + "_", 34, string.ascii_letters),
        ("gs" + "k_", 52, LETTERS),
        ("AT" + "ATT3", 180, LETTERS),
        ("lin" + "_api_", 40, LETTERS),
        ("pscale" + "_pw_", 43, LETTERS),
        ("PMA" + "K-", 59, HEX),
        ("tskey" + "-auth-", 40, LETTERS),
        ("sha" + "256~", 43, URL),
        ("AK" + "Cp", 69, LETTERS),
        ("NRA" + "K-", 27, UPPER),
        ("EZA" + "K", 54, LETTERS),
        ("S" + "K", 32, HEX),
        ("12345678:" + "AA", 33, LETTERS),
        ("md" + "5", 32, HEX),
        ("oy" + "2", 43, LOWER),
        ("FLWSECK" + "-", 32, HEX),
        ("nt" + "n_", 43, LETTERS),
    )
    for mark, length, of in marks:
        yield lambda make, mark=mark, length=length, of=of: f"took {mark}{make.word(length, of)} from the page"  # type: ignore[misc]
    for kind in ("RSA ", "", "OPENSSH ", "EC ", "ENCRYPTED "):
        yield lambda make, kind=kind: (  # type: ignore[misc]
            f"-----BEGIN {kind}PRIVATE KEY-----\n{make.word(64, BASE64)}\n{make.word(30, BASE64)}\n"
            f"-----END {kind}PRIVATE KEY-----"
        )
    yield lambda make: f'"key": "-----BEGIN PRIVATE KEY-----\\n{make.word(64, BASE64)}\\n-----END PRIVATE KEY-----\\n"'
    yield (
        lambda make: (
            f"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{make.word(64, BASE64)}\n-----END PGP PRIVATE KEY BLOCK-----"
        )
    )
    yield lambda make: f"-----BEGIN PRIVATE KEY-----\n{make.word(64, BASE64)} cut off"
    yield lambda make: f"kind: Secret\ndata:\n  uri: {make.word(30)}\n  tls.crt: {make.word(30)}\nmetadata:\n  name: x"
    yield lambda make: f'{{"data": {{"uri": "{make.word(30)}"}}, "kind": "Secret"}}'
    for vendor in ("SNYK_X", "heroku", "datadog-agent", "okta", "mattermost", "cloudflare"):
        yield lambda make, vendor=vendor: f"{vendor}={make.word(32, LOWER)}"  # type: ignore[misc]
    yield lambda make: f"SNYK={make.uuid()}"


def secret_texts(seed: int = 1) -> list[tuple[str, list[str]]]:
    """Each text with what must not be left of it."""
    made: list[tuple[str, list[str]]] = []
    forms: list[str | Callable[[Maker], str]] = [*_named(), *_spoken(), *_headers(), *_urls(), *_tokens()]
    for form in forms:
        make = Maker(seed * 1000 + len(made))
        text = _filled(form, make) if isinstance(form, str) else form(make)
        made.append((text, make.secrets))
    return made


def _filled(form: str, make: Maker) -> str:
    """``form`` with a word for each ``@``, and ``@`` for each ``§``."""
    return "".join(make.word() if char == "@" else char for char in form).replace("§", "@")
