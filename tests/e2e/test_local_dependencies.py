"""Where an app's dependencies come from: the registry that its own .npmrc names, and never its own folders."""

from __future__ import annotations

import base64
import hashlib
import http.server
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.e2e.place import Place


def tarball(answer: str) -> bytes:
    """A package `own` that exports a word."""
    buffer = io.BytesIO()
    files = {"package.json": json.dumps({"name": "own", "version": "1.0.0"}), "index.js": f"module.exports = '{answer}'"}
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(f"package/{name}")
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


@contextmanager
def registry(content: bytes) -> Iterator[tuple[str, list[str]]]:
    """A private registry with one package: its URL, and the paths that it was asked for."""
    asked: list[str] = []

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            url = f"http://127.0.0.1:{server.server_port}/own.tgz"
            listed = {"name": "own", "versions": {"1.0.0": {"name": "own", "version": "1.0.0", "dist": {"tarball": url}}}}
            body = content if self.path.endswith(".tgz") else json.dumps(listed).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/", asked
        finally:
            server.shutdown()


def depend(tiny: Place, entry: dict[str, Any], **more: dict[str, Any]) -> None:
    """Makes the app depend on `own`, locked to `entry`."""
    assert tiny.app
    package = {"name": "tiny", "version": "1.0.0", "dependencies": {"own": "*"}}
    lock = {**package, "lockfileVersion": 3, "packages": {"": package, "node_modules/own": entry, **more}}
    (tiny.app / "package.json").write_text(json.dumps(package))
    (tiny.app / "package-lock.json").write_text(json.dumps(lock, indent=2))


def test_the_registry_of_the_project_is_asked(tiny: Place) -> None:
    """Another registry is another lock: what was installed from the one before is not taken for it."""
    assert tiny.app
    content = tarball("from the private registry")
    digest = base64.b64encode(hashlib.sha512(content).digest()).decode()
    depend(tiny, {"version": "1.0.0", "integrity": f"sha512-{digest}"})
    (tiny.app / "server.cjs").write_text((tiny.app / "server.cjs").read_text() + "\nconsole.log(require('own'))\n")
    tiny.env |= {"npm_config_cache": str(tiny.folder / "npm"), "CHATOPS_CACHE": str(tiny.folder / "cache")}
    for _ in range(2):
        with registry(content) as (url, asked):
            (tiny.app / ".npmrc").write_text(f"registry={url}\n")
            done = tiny.events("deploy")
        assert asked
        assert "modules" in {event.get("step") for event in done if event["type"] == "step_started"}
        assert tiny.page() == "first"


@pytest.mark.parametrize("entry", [{"resolved": "own", "link": True}, {"version": "1.0.0", "resolved": "file:own.tgz"}])
def test_a_dependency_in_the_projects_own_folder_is_refused(tiny: Place, entry: dict[str, Any]) -> None:
    tiny.chatops("deploy")
    depend(tiny, entry, own={"version": "1.0.0"})
    assert "a dependency lies in the project itself" in tiny.chatops("deploy", code=4).stderr
    assert tiny.page() == "first"
