"""The servers behind add-ons: Redis and PostgreSQL with passwords and TLS by a certificate nobody knows, as on Heroku."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import trustme

from tests.heroku.emulator import ports
from tests.needs import need
from tests.servers import POSTGRES_BIN, Process


@dataclass
class Server:
    """A running server and the address that apps get."""

    process: Process
    url: str
    folder: Path
    sign: signal.Signals = signal.SIGKILL

    def close(self) -> None:
        """Ends it, and its files."""
        self.process.stop(self.sign)
        shutil.rmtree(self.folder, ignore_errors=True)


def start_redis(folder: Path) -> Server:
    """TLS only, one password, nothing kept."""
    program, port, password = need("redis-server", "redis-server"), ports.free(), secrets.token_hex(32)
    certificate, key = _certificate(folder, None)
    settings = {
        "port": 0, "tls-port": port, "bind": "127.0.0.1", "tls-cert-file": certificate, "tls-key-file": key,
        "tls-auth-clients": "no", "requirepass": password, "maxmemory": "25mb", "save": '""', "dir": folder,
        "maxmemory-policy": "noeviction",
    }  # fmt: skip
    file = folder / "redis.conf"
    file.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    process = Process([program, file], folder / "log", lambda: _listens(port))
    return Server(process, f"rediss://:{password}@127.0.0.1:{port}", folder)


def start_postgres(folder: Path) -> Server:
    """TLS only, one role with a password, 20 connections as on Essential plans."""
    initdb, port, password = need("initdb", "postgresql", POSTGRES_BIN), ports.free(), secrets.token_hex(32)
    user = "postgres" if os.geteuid() == 0 else None
    certificate, key = _certificate(folder, user)
    words, data = folder / "password", folder / "data"
    words.write_text(password)
    _own(user, words)
    subprocess.run(
        [
            initdb, "-D", data, "-A", "scram-sha-256", "-U", "u4pp", "--pwfile", words, "-E", "UTF8",
            "--locale=C.UTF-8", "--no-sync",
        ],
        user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=60,
    )  # fmt: skip
    words.unlink()
    (data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 scram-sha-256\n")
    settings = {
        "listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "fsync": "off", "ssl": "on",
        "ssl_cert_file": certificate, "ssl_key_file": key, "ssl_min_protocol_version": "TLSv1.2", "max_connections": 23,
    }  # fmt: skip
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    program = initdb.parent / "postgres"
    process = Process([program, "-D", data, *options], folder / "log", lambda: _listens(port), user=user, folder=folder)
    return Server(process, f"postgres://u4pp:{password}@127.0.0.1:{port}/postgres", folder, signal.SIGQUIT)


STORES: dict[str, Callable[[Path], Server]] = {"heroku-redis": start_redis, "heroku-postgresql": start_postgres}


def _certificate(folder: Path, user: str | None) -> tuple[Path, Path]:
    folder.mkdir(parents=True)
    authority = trustme.CA().issue_cert("127.0.0.1", "localhost")
    certificate, key = folder / "server.crt", folder / "server.key"
    authority.cert_chain_pems[0].write_to_path(certificate)
    authority.private_key_pem.write_to_path(key)
    key.chmod(0o600)
    _own(user, folder, certificate, key)
    return certificate, key


def _own(user: str | None, *paths: Path) -> None:
    if user:
        for path in paths:
            shutil.chown(path, user)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
