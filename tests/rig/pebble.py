"""A certificate authority that speaks ACME and checks HTTP-01 at the hosts: Pebble, Let's Encrypt's own test server."""

import contextlib
import json
import os
import ssl
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.needs import need
from tests.rig.address import free_ports, listening
from tests.rig.process import run
from tests.rig.require import mortal
from tests.servers import Process


@dataclass
class Authority:
    """`directory` is its ACME address, here and inside the hosts; `ca_bundle` (PEM) makes its own HTTPS trusted."""

    directory: str
    ca_bundle: bytes
    _names: str
    _management: str

    def resolve(self, domain: str, address: str) -> None:
        """Let `domain` lead to `address` (a host's, or a link's) when the authority checks it."""
        question = json.dumps({"host": domain, "addresses": [address]}).encode()
        request = urllib.request.Request(f"{self._names}/add-a", question)  # noqa: S310 (our own server)
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310

    def root(self) -> bytes:
        """The root (PEM) below which it issues."""
        trust = ssl.create_default_context(cadata=self.ca_bundle.decode())
        with urllib.request.urlopen(f"{self._management}/roots/0", timeout=10, context=trust) as answer:  # noqa: S310
            found: bytes = answer.read()
        return found


@contextlib.contextmanager
def authority(address: str, http_port: int = 80) -> Iterator[Authority]:
    """An authority at `address` (the engine's gateway) that asks for challenges at `http_port` of a domain's address."""
    pebble, names = need("pebble", "pebble"), need("pebble-challtestsrv", "pebble")
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        dns, control, acme, management = [f"{address}:{port}" for port in free_ports(address, 4)]
        _certify(folder, address)
        (folder / "config").write_text(json.dumps({"pebble": _config(folder, acme, management, http_port)}))
        _start(stack, [names, "-dns01", dns, "-management", control, *_ONLY_NAMES], folder / "names.log", control)
        _start(stack, [pebble, "-config", folder / "config", "-dnsserver", dns], folder / "pebble.log", acme)
        yield Authority(f"https://{acme}/dir", (folder / "cert.pem").read_bytes(), f"http://{control}", f"https://{management}")


_ONLY_NAMES = ("-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", "")
_SETTINGS = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}


def _config(folder: Path, acme: str, management: str, http_port: int) -> dict[str, Any]:
    return {
        "listenAddress": acme,
        "managementListenAddress": management,
        "certificate": str(folder / "cert.pem"),
        "privateKey": str(folder / "key.pem"),
        "httpPort": http_port,
        "tlsPort": 443,
        "ocspResponderURL": "",
        "externalAccountBindingRequired": False,
    }


def _certify(folder: Path, address: str) -> None:
    """Its own HTTPS certificate, which is its own authority."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", folder / "key.pem")
    name = ("-subj", "/CN=chatops test authority", "-addext", f"subjectAltName=IP:{address}")
    run(need("openssl", "openssl"), "req", "-x509", "-days", "30", *key, *name, "-out", folder / "cert.pem")


def _start(stack: contextlib.ExitStack, argv: list[str | Path], log: Path, place: str) -> None:
    host, port = place.split(":")
    process = Process(mortal(*argv), log, lambda: listening(host, int(port)), {**os.environ, **_SETTINGS})
    stack.callback(process.close)
