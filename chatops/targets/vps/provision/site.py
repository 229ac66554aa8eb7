"""The nginx site as text: the public one, and in fleets the private one of each app host and the balancer's."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from chatops.targets.vps.provision.machine import PRIVATE_PORT, Machine

GENERATION = "/.chatops/generation"
CHALLENGES = "/var/www/chatops-acme"
SLOTS = 12
_MARK = "@generation@"
_CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)  # Mozilla, "Intermediate"


def path(machine: Machine) -> PurePosixPath:
    """Where nginx finds the site."""
    return PurePosixPath(f"/etc/nginx/conf.d/chatops-{machine.name}.conf")


def nameless(machine: Machine) -> Iterator[int]:
    """The ports on which it takes requests whatever host they name: one app on a host can."""
    public = machine.alone or "balancer" in machine.roles
    if public and not machine.block.domain:
        yield 80
    if not machine.alone and "app" in machine.roles:
        yield PRIVATE_PORT


def certificates(machine: Machine) -> PurePosixPath:
    """Where certbot keeps what it got."""
    return PurePosixPath(f"/etc/letsencrypt/live/chatops-{machine.name}")


def text(machine: Machine, *, secure: bool) -> str:
    """The whole file; `secure`: with the certificate, which must be there."""
    blocks = [_head(machine), _upstreams(machine)]
    if machine.alone or "balancer" in machine.roles:
        blocks += _public(machine, secure=secure)
    if not machine.alone and "app" in machine.roles:
        blocks.append(_private(machine))
    return _sealed("\n\n".join(blocks) + "\n")


def asked(machine: Machine, there: str) -> str:
    """A site that leads the authority to what certbot wants to show it. What serves over TLS (`there`) goes on beside it."""
    if "listen 443" not in there:
        return text(machine, secure=False)
    listen = ["listen 80;", "listen [::]:80;", f"server_name {machine.block.domain};", _proof()]
    whole = re.sub(r'(return 200 ")[0-9a-f]{16}', rf"\g<1>{_MARK}", there.strip())
    return _sealed(f"{whole}\n\n{_server([*listen, _challenges()])}\n")


def _sealed(whole: str) -> str:
    """With the text's own digest at GENERATION."""
    return whole.replace(_MARK, hashlib.sha256(whole.encode()).hexdigest()[:16])


def _challenges() -> str:
    return f"location ^~ /.well-known/acme-challenge/ {{\n  root {CHALLENGES};\n}}"


def generation(site: str) -> str:
    """What GENERATION answers once nginx runs with this text."""
    found = re.search(r'return 200 "([0-9a-f]{16})', site)
    return found[1] if found else ""


def plain(site: str) -> str:
    """The text without what differs between hosts (IPv6, the word for HTTP/2): two of the same kind can be compared."""
    lines = (line.replace(" http2;", ";") for line in site.strip().splitlines(keepends=True))
    return "".join(line for line in lines if "[::]" not in line and "http2 on;" not in line)


def _word(machine: Machine) -> str:
    """nginx variables and zones can't have hyphens."""
    return "chatops_" + machine.name.replace("-", "_")


def _head(machine: Machine) -> str:
    word = _word(machine)
    fields = {
        "time": "$time_iso8601", "remote_addr": "$remote_addr", "method": "$request_method", "uri": "$uri", "status": "$status",
        "bytes": "$body_bytes_sent", "request_time": "$request_time", "upstream": "$upstream_addr",
        "upstream_status": "$upstream_status", "upstream_time": "$upstream_response_time", "request_id": "$request_id",
        "user_agent": "$http_user_agent", "upgrade": "$http_upgrade",
    }  # fmt: skip
    form = "\n".join(
        f'  \'{"{" if not number else ","}"{key}":"{value}"\'' for number, (key, value) in enumerate(fields.items())
    )
    headers = {"x_content_type_options": "nosniff", "referrer_policy": "no-referrer", "x_frame_options": "DENY"}
    maps = [f"map $upstream_http_{name} ${word}_{name} {{ '' {value}; default ''; }}" for name, value in headers.items()]
    lines = [
        f"# chatops: the site of {machine.name}. Written by `chatops deploy`: changes made here are overwritten.",
        # `close` for ordinary requests: no pooled connection to a worker outlives a switch of releases.
        f"map $http_upgrade ${word}_connection {{ default upgrade; '' close; }}",
        "# A header that the app sends itself is left alone.",
        *maps,
        "# Between hosts of a fleet it is the balancer who knows, also where that one is a host of the app itself.",
        f"map $server_port ${word}_proto {{ default $scheme; {PRIVATE_PORT} $http_x_forwarded_proto; }}",
        f"log_format {word} escape=json",
        f"{form}\n  '}}';",
        f"limit_conn_zone $binary_remote_addr zone={word}_open:10m;",
        f"limit_req_zone $binary_remote_addr zone={word}_upgrades:10m rate=200r/s;",
    ]
    return "\n".join(lines)


def _upstreams(machine: Machine) -> str:
    word, run = _word(machine), machine.layout.run
    blocks = []
    if "app" in machine.roles:
        live = [f"  server unix:{run}/live/slot.{number} max_fails=0;" for number in range(slots(machine.workers))]
        warm = [f"  server unix:{run}/previous/slot.{number} max_fails=0 backup;" for number in range(slots(machine.workers))]
        notes = (
            "  # The kernel follows `live` at each connection: a rename of that link moves all new traffic, without a reload.",
            "  # A slot is a link to a worker's socket: their number stays when that of the workers changes.",
        )
        blocks.append("\n".join([f"upstream {word} {{", *notes, "  least_conn;", *live, *warm, "}"]))
    if not machine.alone and "balancer" in machine.roles:
        places = [f"  server {_bracketed(host)}:{PRIVATE_PORT}" for host in machine.peers.apps]
        hosts = [f"{place} max_fails=2 fail_timeout=5s;" for place in places]
        again = [f"{place} max_fails=0 backup;" for place in places]
        note = "  # A host that fails is left out for 5 s. When all are, all are asked all the same: it may have been a hiccup."
        blocks.append("\n".join([f"upstream {word}_hosts {{", note, "  least_conn;", *hosts, *again, "}"]))
    return "\n\n".join(blocks)


def slots(workers: int) -> int:
    """How many upstreams nginx has for so many workers: it is reloaded, which may cost a connection, every twelve only.

    Twelve are shared alike by 1, 2, 3, 4 and 6 workers.
    """
    return -(-workers // SLOTS) * SLOTS


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _public(machine: Machine, *, secure: bool) -> list[str]:
    name = machine.block.domain or "_"
    default = "" if machine.block.domain else " default_server"
    http = [f"listen 80{default};", f"listen [::]:80{default};", f"server_name {name};", _proof()]
    if machine.block.tls:
        http.append(_challenges())
    if not secure:
        return [_server(http + _app(machine, _upstream(machine)))]
    redirect = "location / {\n  return 301 https://$host$request_uri;\n}"
    https = [
        "listen 443 ssl http2;", "listen [::]:443 ssl http2;", f"server_name {name};",
        f"ssl_certificate {certificates(machine)}/fullchain.pem;", f"ssl_certificate_key {certificates(machine)}/privkey.pem;",
        "ssl_protocols TLSv1.2 TLSv1.3;", f"ssl_ciphers {_CIPHERS};", "ssl_prefer_server_ciphers off;",
        f"ssl_session_cache shared:{_word(machine)}_tls:10m;", "ssl_session_timeout 1d;", "ssl_session_tickets off;",
        f"include /etc/nginx/chatops-{machine.name}.hsts*;",
    ]  # fmt: skip
    return [_server([*http, redirect]), _server(https + _app(machine, _upstream(machine)))]


def _private(machine: Machine) -> str:
    """For the balancer's ears only: its firewall sees to that, and only the balancer is believed about clients."""
    trusted = [f"set_real_ip_from {machine.peers.balancer};", "real_ip_header X-Forwarded-For;"]
    listen = [f"listen {PRIVATE_PORT};", f"listen [::]:{PRIVATE_PORT};", "server_name _;", _proof()]
    return _server([*listen, *trusted, *_app(machine, _word(machine))])


def _upstream(machine: Machine) -> str:
    return _word(machine) if machine.alone else f"{_word(machine)}_hosts"


def _proof() -> str:
    """For this host alone. (`deny` would come too late: nginx answers with `return` before it asks who may.)"""
    return (
        f"location = {GENERATION} {{\n  access_log off;\n"
        f'  if ($remote_addr !~ "^(127\\.0\\.0\\.1|::1)$") {{\n    return 404;\n  }}\n'
        f'  default_type text/plain;\n  return 200 "{_MARK}\\n";\n}}'
    )


def _server(parts: list[str]) -> str:
    lines = [f"  {line}" for part in parts for line in part.splitlines()]
    return "\n".join(["server {", *lines, "}"])


def _app(machine: Machine, upstream: str) -> list[str]:
    word = _word(machine)
    # A host whose workers are all gone says 502: the next host may be better.
    others = " http_502" if upstream.endswith("_hosts") else ""
    common = [
        "server_tokens off;", f"access_log /var/log/nginx/chatops-{machine.name}.access.log {word};",
        f"error_log /var/log/nginx/chatops-{machine.name}.error.log;", "client_max_body_size 1m;", "client_header_timeout 20s;",
        "client_body_timeout 20s;", "send_timeout 30s;", f"limit_conn {word}_open 2000;",
        "add_header X-Request-ID $request_id always;",
        f"add_header X-Content-Type-Options ${word}_x_content_type_options always;",
        f"add_header Referrer-Policy ${word}_referrer_policy always;",
        f"add_header X-Frame-Options ${word}_x_frame_options always;",
        "proxy_http_version 1.1;", "proxy_set_header Host $http_host;", "proxy_set_header X-Forwarded-For $remote_addr;",
        f"proxy_set_header X-Forwarded-Proto ${word}_proto;", "proxy_set_header X-Request-ID $request_id;",
        "proxy_set_header Upgrade $http_upgrade;", f"proxy_set_header Connection ${word}_connection;",
        "proxy_connect_timeout 3s;", f"proxy_next_upstream error timeout{others};", "proxy_read_timeout 60s;",
    ]  # fmt: skip
    closed = "location = /metrics {\n  return 404;\n}"
    return [
        *common,
        closed,
        *_health(machine, upstream),
        *_socket(machine, upstream),
        f"location / {{\n  proxy_pass http://{upstream};\n}}",
    ]


def _health(machine: Machine, upstream: str) -> list[str]:
    """The full answer is for those on the host: nobody can ask for it from outside, whatever token they have."""
    inherited = [
        "Host $http_host",
        "X-Forwarded-For $remote_addr",
        f"X-Forwarded-Proto ${_word(machine)}_proto",
        "X-Request-ID $request_id",
        "Connection close",
        'Authorization ""',
    ]
    headers = "".join(f"  proxy_set_header {header};\n" for header in inherited)
    return [f"location = {machine.app.health} {{\n{headers}  proxy_pass http://{upstream};\n}}"]


def _socket(machine: Machine, upstream: str) -> list[str]:
    """Sockets may be silent for an hour; a rush of them waits for its turn."""
    if not machine.app.websocket:
        return []
    limit = f"  limit_req zone={_word(machine)}_upgrades burst=5000 nodelay;\n"
    timeouts = "  proxy_read_timeout 1h;\n  proxy_send_timeout 1h;\n"
    return [f"location = {machine.app.websocket} {{\n{limit}{timeouts}  proxy_pass http://{upstream};\n}}"]
