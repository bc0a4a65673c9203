"""Names of programs by what they do whatever they are given."""

from __future__ import annotations

from typing import Literal

Verdict = Literal["read", "follow", "interactive", "change", "unknown"]
"""What is known of a command; ``unknown`` may do anything."""
READ = frozenset(
    {
        ":", "[", "arch", "basename", "cat", "cd", "cksum", "cmp", "column", "comm", "cut", "df", "diff", "dig",
        "dirname", "du", "echo", "egrep", "exit", "expand", "false", "fgrep", "findmnt", "fold", "free", "getconf",
        "getent", "grep", "groups", "head", "host", "id", "join", "jq", "last", "ls", "lsblk", "lscpu", "lslocks",
        "lsmod", "lsns", "lsof", "lspci", "lsusb", "md5sum", "nl", "nproc", "paste", "pg_isready", "pg_lsclusters",
        "pgrep", "pidof", "popd", "printenv", "printf", "ps", "pstree", "pushd", "pwd", "readlink", "realpath",
        "return", "rev", "seq", "sha1sum", "sha256sum", "sha512sum", "sleep", "stat", "tac", "test", "tr", "true",
        "type", "uname", "uptime", "w", "wc", "whereis", "which", "who", "whoami", "zcat", "zgrep",
    }
)  # fmt: skip
INTERACTIVE = frozenset(
    {
        "aptitude", "atop", "btop", "emacs", "ftp", "glances", "htop", "iftop", "joe", "k9s", "lazygit", "less",
        "lnav", "man", "mc", "micro", "more", "most", "mutt", "nano", "ncdu", "nethogs", "nmon", "nvim", "passwd",
        "pico", "screen", "su", "telnet", "tig", "tmux", "vi", "view", "vim", "vipw", "visudo", "zless",
    }
)  # fmt: skip
CHANGE = frozenset(
    {
        "chgrp", "chmod", "chown", "chpasswd", "cp", "dd", "ed", "fdisk", "gpasswd", "groupadd", "gunzip", "gzip",
        "halt", "install", "ip6tables-restore", "iptables-restore", "iptables-save", "kill", "killall", "ln",
        "logrotate", "mkdir", "mkfs", "mv", "parted", "patch", "pkill", "poweroff", "reboot", "rm", "rmdir", "rsync",
        "scp", "sftp", "shutdown", "swapoff", "swapon", "touch", "truncate", "umount", "unzip", "useradd", "userdel",
        "usermod",
    }
)  # fmt: skip
SHELLS = frozenset(
    {
        "bash", "dash", "ipython", "irb", "node", "python", "python3", "sh", "zsh",
    }
)  # fmt: skip
