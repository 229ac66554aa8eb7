"""The generated site in a real nginx: what an app behind it is told, and what is kept from it."""

from __future__ import annotations

import http.client
import http.server
import json
import os
import re
import signal
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from chatops.targets.vps.provision import site
from tests.needs import need
from tests.servers import free_port
from tests.vps.test_plan import BLOCKS, ONE, TEMPORARY, TLS, fleet

pytestmark = pytest.mark.timeout(60)
BOTH = {
    "hosts": [
        {"address": "203.0.113.1", "roles": ["balancer", "app", "data"], "private": "127.0.0.1"},
        {"address": "203.0.113.2", "roles": ["app"], "private": "127.0.0.2"},
    ],
}


class App(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Says what headers it got, and counts the connections that it got them on."""

    daemon_threads = True
    connections = 0

    class Answer(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    def get_request(self) -> tuple[Any, Any]:
        self.connections += 1
        return super().get_request()[0], ("unix", 0)


class Front:
    """A running nginx with the site of a block's first host; `ports` stand for 80, 443 and 8000."""

    def __init__(self, folder: Path, block: dict[str, Any]) -> None:
        self.folder = folder
        self.ports = {number: free_port() for number in (80, 443, 8000)}
        self.app = App(str(folder / "app"), App.Answer)
        machine = next(iter(fleet(block).machines.values()))
        text = site.text(machine, secure="tls" in block).replace(str(site.certificates(machine)), str(folder))
        text = re.sub(r"unix:/srv/\S+", f"unix:{folder}/app", text.replace("/var/log/nginx", str(folder)))
        for number, port in self.ports.items():
            text = re.sub(rf"(listen (\[::\]:)?|[\d.]+:|\{{ default \$scheme; ){number}\b", rf"\g<1>{port}", text)
        temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in TEMPORARY)
        (folder / "nginx.conf").write_text(
            f"user root;\npid {folder}/pid;\nerror_log {folder}/log;\nevents {{}}\nhttp {{\n{temporary}{text}\n}}\n"
        )

    def ask(self, path: str, port: int = 80, body: bytes | None = None) -> tuple[int, dict[str, str]]:
        """The status, and what the app was told."""
        link = http.client.HTTPConnection("127.0.0.1", self.ports[port], timeout=10)
        if port == 443:
            trust = ssl.create_default_context(cafile=self.folder / "fullchain.pem")
            trust.check_hostname = False
            link = http.client.HTTPSConnection("127.0.0.1", self.ports[port], timeout=10, context=trust)
        link.request("POST" if body else "GET", path, body, {"Host": "chat.example.com", "X-Forwarded-Proto": "gopher"})
        answer = link.getresponse()
        said = answer.read()
        link.close()
        return answer.status, json.loads(said) if answer.status == 200 else {}


@contextmanager
def front(folder: Path, block: dict[str, Any]) -> Iterator[Front]:
    """nginx is there as soon as its first process has ended: it has bound its ports by then."""
    nginx = need("nginx", "nginx-light", "/usr/sbin")
    asked = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x -keyout privkey.pem -out fullchain.pem"
    subprocess.run([need("openssl", "openssl"), *asked.split()], cwd=folder, check=True, capture_output=True)
    made = Front(folder, block)
    threading.Thread(target=made.app.serve_forever).start()
    try:
        subprocess.run([nginx, "-c", folder / "nginx.conf"], check=True, capture_output=True)
        yield made
    finally:
        with suppress(FileNotFoundError):
            os.kill(int((folder / "pid").read_text()), signal.SIGTERM)
        made.app.shutdown()
        made.app.server_close()


SCHEMES = {
    "one": (ONE, 80, "http"),
    "one with tls": ({**ONE, **TLS}, 443, "https"),
    "a balancer that is a host of the app": (BOTH, 80, "http"),
    "the same with tls": ({**BOTH, **TLS}, 443, "https"),
}


@pytest.mark.parametrize("case", SCHEMES)
@pytest.mark.parametrize("path", ["/", "/health", "/ws"])
def test_the_app_knows_how_its_user_came(tmp_path: Path, case: str, path: str) -> None:
    """Whatever the user claims, and through however many of our servers: one that redirects to HTTPS would not end."""
    block, port, scheme = SCHEMES[case]
    with front(tmp_path, block) as made:
        status, told = made.ask(path, port)
    assert (status, told["x-forwarded-proto"]) == (200, scheme)
    assert told["host"] == "chat.example.com"


def test_no_connection_to_a_worker_outlives_its_request(tmp_path: Path) -> None:
    """A pooled one would lead to the release before a switch."""
    with front(tmp_path, ONE) as made:
        told = [made.ask(path)[1] for path in ("/", "/", "/health", "/health")]
        assert {one["connection"] for one in told} == {"close"}
        assert made.app.connections == len(told)


def test_a_body_that_is_too_large_never_reaches_the_app(tmp_path: Path) -> None:
    with front(tmp_path, ONE) as made:
        assert made.ask("/", body=b"x" * 2**20)[0] == 200
        assert made.ask("/", body=b"x" * (2**20 + 1))[0] == 413
        assert made.app.connections == 1


@pytest.mark.parametrize("name", BLOCKS)
def test_sockets_may_be_silent_for_an_hour_and_a_rush_is_limited(name: str) -> None:
    """Nobody can wait for that in a test."""
    for machine in fleet(BLOCKS[name]).machines.values():
        text = site.text(machine, secure=machine.secure)
        sockets = re.findall(r"location = /ws \{\n(.*?)\}", text, re.DOTALL)
        assert len(sockets) == text.count("location / {") - text.count("return 301")
        for one in sockets:
            assert "proxy_read_timeout 1h;" in one
            assert "proxy_send_timeout 1h;" in one
            assert "limit_req zone=chatops_my_chat_upgrades burst=5000 nodelay;" in one
        assert text.count("limit_conn chatops_my_chat_open 2000;") == len(sockets)
        assert not re.search(r"^\s*keepalive ", text, re.MULTILINE)
