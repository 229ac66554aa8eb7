"""An nginx of the tests' own in front of a worker, with the very site that a VPS gets."""

import contextlib
import getpass
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from chatops.model import App
from chatops.pm2 import Layout
from chatops.targets.vps.config import Block, Host
from chatops.targets.vps.provision import site
from chatops.targets.vps.provision.machine import Machine, Node
from tests.needs import need
from tests.servers import Process, free_port, listens

FRAME = """daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
user {user};
events {{ worker_connections 1024; }}
http {{
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  include {folder}/site.conf;
}}
"""


def layout(folder: Path) -> Layout:
    """Where the site looks for the workers' sockets."""
    return Layout(PurePosixPath(folder))


@contextlib.contextmanager
def nginx(folder: Path, websocket: str) -> Iterator[int]:
    """Yields the port of an nginx whose only worker listens on `folder/run/live/0.sock`; it runs as the tests' user."""
    program, port = need("nginx", "nginx-light", "/usr/sbin"), free_port()
    (folder / "site.conf").write_text(_site(folder, websocket, port))
    (folder / "nginx.conf").write_text(FRAME.format(folder=folder, user=getpass.getuser()))
    argv: list[str | Path] = [program, "-c", folder / "nginx.conf", "-e", folder / "error.log"]
    process = Process(argv, folder / "log", lambda: listens(port))
    try:
        yield port
    finally:
        process.stop()


def _site(folder: Path, websocket: str, port: int) -> str:
    """The generated text, but for the port and the place of the logs."""
    host = Host(address="127.0.0.1")
    machine = Machine(
        app=App(name="chat", path=folder, websocket=websocket),
        block=Block(hosts=(host,)),
        host=host,
        roles=("balancer", "app", "data"),
        layout=layout(folder),
        workers=1,
        node=Node("24.0.0"),
        scripts=PurePosixPath(folder),
        pm2=PurePosixPath(folder),
    )
    text = site.plain(site.text(machine, secure=False))
    return text.replace("listen 80 ", f"listen 127.0.0.1:{port} ").replace("/var/log/nginx/", f"{folder}/")
