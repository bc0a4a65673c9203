"""What an operations manual shows of a host, as it stands there, apart from comments: logging, collectors, backups."""

from __future__ import annotations

ENVIRONMENT = """\
DATABASE_URL=postgresql://lilfox:password@localhost:5432/lilfox
SECRET_KEY=Lilfox#2024
ENCRYPTION_KEY=m5xk0Jt8zq1bXbW6yqzv0Qp0S3k9lU7c2hYw4nR6tFE=
"""
LOGSTASH = """\
input {
  file {
    path => "/var/log/lilfox/*.log"
    start_position => "beginning"
    codec => json
  }
}

filter {
  if [level] == "ERROR" {
    mutate { add_tag => ["error"] }
  }
}

output {
  elasticsearch {
    hosts => ["localhost:9200"]
    index => "lilfox-%{+YYYY.MM.dd}"
  }
}
"""
BACKUP_DATABASE = """\
#!/bin/bash

BACKUP_DIR="/backup/postgresql"
DATE=$(date +%Y%m%d_%H%M%S)
DB_NAME="lilfox"
DB_USER="lilfox"

mkdir -p $BACKUP_DIR

pg_dump -U $DB_USER -h localhost -d $DB_NAME | gzip > $BACKUP_DIR/lilfox_$DATE.sql.gz

find $BACKUP_DIR -name "lilfox_*.sql.gz" -mtime +30 -delete

echo "备份完成: lilfox_$DATE.sql.gz"
"""
BACKUP = """\
#!/bin/bash

BACKUP_ROOT="/backup"
DATE=$(date +%Y%m%d_%H%M%S)
LOG_FILE="$BACKUP_ROOT/backup.log"

mkdir -p $BACKUP_ROOT

log() {
    echo "[$(date '+%Y-%m-%d %H:%M:%S')] $1" | tee -a $LOG_FILE
}

backup_database() {
    log "开始数据库备份..."
    bash scripts/backup_db.sh
    if [ $? -eq 0 ]; then
        log "数据库备份成功"
    else
        log "数据库备份失败"
        return 1
    fi
}

backup_config() {
    log "开始配置备份..."
    cp .env $BACKUP_ROOT/env_$DATE
    tar -czf $BACKUP_ROOT/config_$DATE.tar.gz config/
    log "配置备份成功"
}

backup_files() {
    log "开始文件备份..."
    tar -czf $BACKUP_ROOT/uploads_$DATE.tar.gz public/uploads/
    log "文件备份成功"
}

main() {
    log "========== 开始备份 =========="

    backup_database
    backup_config
    backup_files

    log "========== 备份完成 =========="
}

main
"""
_FORMATTER = """\
import json
import logging
import logging.handlers
import time
from datetime import datetime
from pathlib import Path
from typing import Dict, Any

class JSONFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        log_data: Dict[str, Any] = {
            "timestamp": datetime.utcnow().isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "module": record.module,
            "function": record.funcName,
            "line": record.lineno
        }

        if record.exc_info:
            log_data["exception"] = self.formatException(record.exc_info)

        if hasattr(record, "request_id"):
            log_data["request_id"] = record.request_id

        if hasattr(record, "user_id"):
            log_data["user_id"] = record.user_id

        return json.dumps(log_data)
"""
_SETUP = """\
def setup_logging(app_name: str, log_dir: str = "logs"):
    log_dir = Path(log_dir)
    log_dir.mkdir(exist_ok=True)

    logger = logging.getLogger(app_name)
    logger.setLevel(logging.INFO)

    file_handler = logging.handlers.RotatingFileHandler(
        log_dir / f"{app_name}.log",
        maxBytes=100 * 1024 * 1024,  # 100MB
        backupCount=10
    )
    file_handler.setFormatter(JSONFormatter())

    time_handler = logging.handlers.TimedRotatingFileHandler(
        log_dir / f"{app_name}-daily.log",
        when="midnight",
        backupCount=30
    )
    time_handler.setFormatter(JSONFormatter())

    console_handler = logging.StreamHandler()
    console_handler.setFormatter(logging.Formatter(
        '%(asctime)s - %(name)s - %(levelname)s - %(message)s'
    ))

    logger.addHandler(file_handler)
    logger.addHandler(time_handler)
    logger.addHandler(console_handler)

    return logger
"""
_USE = """\
logger = setup_logging("lilfox-gateway", "/var/log/lilfox")
for number in range(60):
    logger.info("%s %d", ("request", "answer", "closed")[number % 3], number)
time.sleep(1000)
"""
LOGGING = f"{_FORMATTER}\n{_SETUP}\n{_USE}"
