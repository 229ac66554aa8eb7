"""A project whose host has a name and a certificate, from an authority of the tests' own."""

from __future__ import annotations

import http.client
import shlex
import socket
import ssl
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.e2e.yard import Yard
from tests.rig.host import Host
from tests.rig.pebble import Authority

DOMAIN = "chat.example.test"


class Named(Yard):
    """A project with a domain that leads to its host, for its own commands alone."""

    inside = f"-k --resolve {DOMAIN}:443:127.0.0.1 https://{DOMAIN}/health"

    def __init__(self, folder: Path, hosts: Iterable[Host], *more: Any, acme: Authority) -> None:
        (folder / "authority.pem").write_bytes(acme.ca_bundle + acme.root())
        tls = {"email": "ops@example.test", "acme_directory": acme.directory, "ca_bundle": "authority.pem"}
        super().__init__(folder, hosts, *more, domain=DOMAIN, tls=tls)
        names = folder / "hosts"
        names.write_text(f"{Path('/etc/hosts').read_text()}\n{self.front.address} {DOMAIN}\n")
        mount = f'mount --bind {shlex.quote(str(names))} /etc/hosts && exec "$@"'
        self.wrapper = ("unshare", "--mount", "sh", "-c", mount, "sh")

    def connection(self, host: Host | None = None) -> http.client.HTTPConnection:
        """Over TLS, as somebody who believes the private authority alone."""
        trust = ssl.create_default_context(cafile=str(self.folder / "authority.pem"))
        link = http.client.HTTPSConnection(DOMAIN, context=trust, timeout=10)
        link.sock = trust.wrap_socket(self.dial(443), server_hostname=DOMAIN)
        return link

    def ask(self, path: str = "/health", **headers: str) -> http.client.HTTPResponse:
        """An answer over TLS."""
        with closing(self.connection()) as link:
            link.request("GET", path, headers=headers)
            answer = link.getresponse()
            answer.read()
            return answer

    def dial(self, port: int) -> socket.socket:
        """A connection to the host."""
        return socket.create_connection((self.front.address, self.front.ports[port]), 10)

    def speaks(self, version: ssl.TLSVersion) -> bool:
        """Whether the host agrees on a version of TLS."""
        trust = ssl.create_default_context(cafile=str(self.folder / "authority.pem"))
        trust.set_ciphers("ALL:@SECLEVEL=0")
        trust.minimum_version = trust.maximum_version = version
        try:
            trust.wrap_socket(self.dial(443), server_hostname=DOMAIN).close()
        except ssl.SSLError:
            return False
        return True
