"""What an operations manual shows of settings, as it stands there, and an application that runs its code."""

from __future__ import annotations

import json
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lilfox_tui.audit.jwt_tokens import Jwt, read_jwt
from tests.services.http_stand_in import Reply, Request, StandIn

GZIP = """\
import gzip
from fastapi import Response

@app.get("/api/data")
async def get_data():
    data = get_large_data()
    compressed = gzip.compress(data.encode())
    return Response(
        content=compressed,
        media_type="application/json",
        headers={"Content-Encoding": "gzip"}
    )
"""
JWT = """\
# config/auth.py
from datetime import timedelta

JWT_CONFIG = {
    "algorithm": "HS256",
    "access_token_expire_minutes": 30,
    "refresh_token_expire_days": 7,
    "secret_key": os.getenv("SECRET_KEY"),
}
"""
PASSWORDS = '''\
import re

def validate_password(password: str) -> bool:
    """验证密码强度"""
    if len(password) < 8:
        return False
    if not re.search(r"[A-Z]", password):
        return False
    if not re.search(r"[a-z]", password):
        return False
    if not re.search(r"\\d", password):
        return False
    if not re.search(r"[!@#$%^&*(),.?\\":{}|<>]", password):
        return False
    return True
'''
CORS = """\
from fastapi.middleware.cors import CORSMiddleware

app.add_middleware(
    CORSMiddleware,
    allow_origins=["https://yourdomain.com"],
    allow_credentials=True,
    allow_methods=["GET", "POST", "PUT", "DELETE"],
    allow_headers=["*"],
)
"""
RATE_LIMIT = """\
# gateway/rate_limiter.py
RATE_LIMIT_CONFIG = {
    "default": {
        "requests_per_minute": 60,
        "requests_per_hour": 1000
    },
    "authenticated": {
        "requests_per_minute": 120,
        "requests_per_hour": 2000
    }
}
"""
ENCRYPTION = '''\
from cryptography.fernet import Fernet

cipher = Fernet(os.getenv("ENCRYPTION_KEY"))

def encrypt_data(data: str) -> str:
    """加密数据"""
    return cipher.encrypt(data.encode()).decode()

def decrypt_data(encrypted: str) -> str:
    """解密数据"""
    return cipher.decrypt(encrypted.encode()).decode()
'''
SQL = """\
from sqlalchemy import text

# 使用参数化查询
def get_user_by_email(email: str):
    return db.execute(
        text("SELECT * FROM users WHERE email = :email"),
        {"email": email}
    ).fetchone()
"""
POOL = """\
# config/database.py
from sqlalchemy import create_engine
from sqlalchemy.pool import QueuePool

engine = create_engine(
    DATABASE_URL,
    poolclass=QueuePool,
    pool_size=10,
    max_overflow=20,
    pool_timeout=30,
    pool_recycle=3600,
    pool_pre_ping=True
)
"""
CACHE = """\
# config/cache.py
import redis

redis_client = redis.Redis(
    host='localhost',
    port=6379,
    db=0,
    max_connections=50,
    decode_responses=True,
    socket_timeout=5,
    socket_connect_timeout=5,
    retry_on_timeout=True
)
"""
CACHED = '''\
from functools import wraps
import json
import hashlib

def cache_result(expire=3600):
    """缓存装饰器"""
    def decorator(func):
        @wraps(func)
        def wrapper(*args, **kwargs):
            # 生成缓存键
            key_data = f"{func.__name__}:{str(args)}:{str(kwargs)}"
            cache_key = hashlib.md5(key_data.encode()).hexdigest()

            # 尝试从缓存获取
            cached = redis_client.get(cache_key)
            if cached:
                return json.loads(cached)

            # 执行函数并缓存结果
            result = func(*args, **kwargs)
            redis_client.setex(cache_key, expire, json.dumps(result))

            return result
        return wrapper
    return decorator
'''
ALERT_MAIL = """\
# scripts/health_check.py
import smtplib
from email.mime.text import MIMEText

def send_alert(message: str):
    msg = MIMEText(message)
    msg['Subject'] = 'LilFox 服务告警'
    msg['From'] = 'alert@lilfox.com'
    msg['To'] = 'admin@lilfox.com'

    with smtplib.SMTP('smtp.gmail.com', 587) as server:
        server.starttls()
        server.login('alert@lilfox.com', 'password')
        server.send_message(msg)
"""
PROMETHEUS = """\
global:
  scrape_interval: 15s

scrape_configs:
  - job_name: 'lilfox-gateway'
    static_configs:
      - targets: ['localhost:8080']
    metrics_path: '/metrics'

  - job_name: 'lilfox-backend'
    static_configs:
      - targets: ['localhost:8000']
    metrics_path: '/metrics'

  - job_name: 'lilfox-model'
    static_configs:
      - targets: ['localhost:8001']
    metrics_path: '/metrics'
"""
SOURCES = {
    "api/data.py": GZIP,
    "config/auth.py": JWT,
    "config/passwords.py": PASSWORDS,
    "config/cors.py": CORS,
    "config/database.py": POOL,
    "config/cache.py": CACHE,
    "cache_result.py": CACHED,
    "gateway/rate_limiter.py": RATE_LIMIT,
    "encryption.py": ENCRYPTION,
    "users.py": SQL,
    "scripts/health_check.py": ALERT_MAIL,
}
PAGE = b"""# TYPE http_requests_total counter
http_requests_total{path="/api/data",status="200"} 5
http_requests_total{path="/api/data",status="500"} 0
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{le="1"} 5
http_request_duration_seconds_bucket{le="+Inf"} 5
http_request_duration_seconds_sum 0.5
http_request_duration_seconds_count 5
"""


def write_sources(folder: Path) -> None:
    """Writes the application's source tree."""
    for name, text in SOURCES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


class _Fast:
    """What the code of the manual asks of FastAPI: it registers routes and middleware."""

    def __init__(self) -> None:
        self.routes: dict[str, Callable[[], Any]] = {}
        self.cors: dict[str, Any] = {}

    def get(self, path: str) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
        return lambda function: self.routes.setdefault(path, function)

    def add_middleware(self, _kind: object, **options: Any) -> None:
        self.cors = options


def _response(content: bytes, media_type: str, headers: dict[str, str]) -> Reply:
    return Reply(200, content, {"Content-Type": media_type, **headers})


class ManualApp(StandIn):
    """The manual's code at work, served as uvicorn and FastAPI do: with pages about the interface, and with the CORS
    headers that Starlette makes of the options. ``secret`` is SECRET_KEY in its environment."""

    def __init__(self, secret: str) -> None:
        super().__init__(self._reply)
        self.code = types.SimpleNamespace(**self._run(secret))

    def _run(self, secret: str) -> dict[str, Any]:
        names: dict[str, Any] = {
            "app": _Fast(),
            "os": types.SimpleNamespace(getenv={"SECRET_KEY": secret}.get),
            "get_large_data": lambda: json.dumps(["fox"] * 999),
            "Response": _response,
            "CORSMiddleware": None,
        }
        for snippet in (GZIP, JWT, PASSWORDS, CORS, RATE_LIMIT):
            exec("\n".join(line for line in snippet.splitlines() if not line.startswith("from fastapi")), names)
        return names

    @property
    def secret(self) -> bytes:
        """What signs tokens."""
        return str(self.code.JWT_CONFIG["secret_key"]).encode()

    def token(self) -> str:
        """An access token as the configuration wants it."""
        now = int(time.time())
        end = now + 60 * int(self.code.JWT_CONFIG["access_token_expire_minutes"])
        made = Jwt("", {"alg": self.code.JWT_CONFIG["algorithm"], "typ": "JWT"}, {})
        return made.signed({"sub": "audit", "iat": now, "exp": end}, self.secret)

    def _reply(self, request: Request) -> Reply:
        reply = self._routed(request)
        cors = self._cors(request.headers.get("origin"), has_cookie="cookie" in request.headers)
        reply.headers.update({"Server": "uvicorn", **cors})
        return reply

    def _cors(self, origin: str | None, *, has_cookie: bool) -> dict[str, str]:
        cors = self.code.app.cors
        if origin is None or not cors:
            return {}
        credentials = {"Access-Control-Allow-Credentials": "true"} if cors["allow_credentials"] else {}
        if "*" in cors["allow_origins"]:
            return {"Access-Control-Allow-Origin": origin if has_cookie else "*", **credentials}
        return (
            {"Access-Control-Allow-Origin": origin, **credentials} if origin in cors["allow_origins"] else credentials
        )

    def _routed(self, request: Request) -> Reply:
        path = request.path.removesuffix("/") or "/"
        if path in self.code.app.routes:
            try:
                self.code.app.routes[path]().send(None)
            except StopIteration as done:
                reply: Reply = done.value
                return reply
        if path == "/api/sign-up":
            good = self.code.validate_password(str(request.json()["password"]))
            return Reply(201 if good else 422, {"detail": "signed up" if good else "the password is weak"})
        if path == "/api/me":
            good = self._accepts(request.headers.get("authorization", "").removeprefix("Bearer "))
            return Reply(200, {"user": "audit"}) if good else Reply(401, {"detail": "no"})
        pages = {
            "/docs": (b"<title>swagger-ui</title>", "text/html"),
            "/openapi.json": (b'{"openapi": "3.1.0"}', "application/json"),
            "/metrics": (PAGE, "text/plain; version=0.0.4"),
            "/health": (b'{"status": "ok"}', "application/json"),
        }
        body, kind = pages.get(path, (b'{"detail": "Not Found"}', "application/json"))
        return Reply(200 if path in pages else 404, body, {"Content-Type": kind})

    def _accepts(self, text: str) -> bool:
        """As PyJWT with ``algorithms=["HS256"]``."""
        try:
            token = read_jwt(text)
        except ValueError:
            return False
        good = token.algorithm == "HS256" and token.signed_with(self.secret)
        return good and token.claims.get("exp", 0) > time.time()
