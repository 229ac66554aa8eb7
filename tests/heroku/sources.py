"""Small Node apps as source archives, and the way from an archive to a build."""

import hashlib
import io
import tarfile
from collections.abc import Mapping
from typing import Any

import httpx

from tests.heroku.emulator import Emulator

ECHO = """
const http = require('http'), crypto = require('crypto');
const server = http.createServer((request, response) => {
  if (request.url === '/silent') return;
  if (request.url === '/hangup') return request.socket.destroy();
  if (request.url === '/flood') { const flow = () => { while (response.write('x'.repeat(65536))); };
    response.on('drain', flow); return flow(); }
  if (request.url === '/drip') { response.write('first'); return; }
  let size = 0;
  request.on('data', piece => { size += piece.length; });
  request.on('end', () => response.end(JSON.stringify({ size, headers: request.headers, env: process.env })));
});
server.on('upgrade', (request, socket) => {
  const key = request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
  const accept = crypto.createHash('sha1').update(key).digest('base64');
  socket.write('HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n');
  socket.write(`Sec-WebSocket-Accept: ${accept}\\r\\n\\r\\n`);
  socket.on('data', frame => { const copy = Buffer.from(frame), mask = copy.subarray(2, 6);
    const text = copy.subarray(6).map((byte, index) => byte ^ mask[index % 4]);
    socket.write(Buffer.concat([Buffer.from([copy[0], text.length]), text])); });
});
server.keepAliveTimeout = 95000;
process.on('SIGTERM', () => process.exit(0));
server.listen(process.env.PORT, () => console.log('listening'));
"""


def source(files: Mapping[str, str] | None = None, prefix: str = "") -> bytes:
    """A gzipped GNU tar: an app without dependencies, with `files` added or (empty text) left out."""
    wanted = {"package.json": '{"name": "echo", "version": "1.0.0"}', "server.js": ECHO, "Procfile": "web: node server.js\n"}
    wanted |= files or {}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", format=tarfile.GNU_FORMAT) as tar:
        for name, text in wanted.items():
            if text:
                entry = tarfile.TarInfo(prefix + name)
                entry.size = len(text.encode())
                tar.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


def client(heroku: Emulator, **headers: str) -> httpx.AsyncClient:
    """An API client with the token."""
    usual = {"Authorization": f"Bearer {heroku.token}", "Accept": "application/vnd.heroku+json; version=3"}
    return httpx.AsyncClient(base_url=heroku.api_url, headers=usual | headers, timeout=30)


async def upload(api: httpx.AsyncClient, archive: bytes) -> str:
    """Puts an archive where builds can get it; gives that address."""
    blob = (await api.post("/sources")).json()["source_blob"]
    async with httpx.AsyncClient() as plain:
        (await plain.put(blob["put_url"], content=archive)).raise_for_status()
    return str(blob["get_url"])


async def build(api: httpx.AsyncClient, app: str, archive: bytes, **blob: str) -> dict[str, Any]:
    """Starts a build."""
    checksum = f"SHA256:{hashlib.sha256(archive).hexdigest()}"
    wanted = {"url": await upload(api, archive), "checksum": checksum, "version": "abcdef1234"} | blob
    answer = await api.post(f"/apps/{app}/builds", json={"source_blob": wanted})
    answer.raise_for_status()
    return dict(answer.json())


async def output(url: str) -> str:
    """The whole of a stream, without the fillers."""
    async with httpx.AsyncClient(timeout=30) as plain:
        return (await plain.get(url)).text.replace("\0", "")


async def deploy(api: httpx.AsyncClient, app: str, archive: bytes) -> dict[str, Any]:
    """Builds, waits for the end; gives the finished build."""
    started = await build(api, app, archive)
    await output(started["output_stream_url"])
    return dict((await api.get(f"/apps/{app}/builds/{started['id']}")).json())
