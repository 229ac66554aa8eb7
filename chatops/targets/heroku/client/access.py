"""Where the API is and the token for it: HEROKU_API_KEY, else .netrc; HEROKU_API_URL for another base."""

from __future__ import annotations

import netrc
import os
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from chatops.errors import ConfigError, TargetError
from chatops.frozen import frozen
from chatops.redact import Secret

PUBLIC = "https://api.heroku.com"
TOKEN_HINT = "make one with `heroku authorizations:create` or at dashboard.heroku.com/account, and set HEROKU_API_KEY"  # noqa: S105


@frozen
class Access:
    """The API's base URL (no slash at the end) and the token."""

    base: str
    token: Secret


def find(environment: Mapping[str, str] = os.environ) -> Access:
    """Raises ConfigError for a base that can't be trusted with a token, TargetError when there is no token."""
    base = _base(environment.get("HEROKU_API_URL", "").strip() or PUBLIC)
    token = environment.get("HEROKU_API_KEY", "").strip() or _from_netrc(urlsplit(base).hostname or "", environment)
    if not token:
        raise TargetError("there is no Heroku token", TOKEN_HINT)
    if not (token.isascii() and token.isprintable()):
        raise ConfigError("HEROKU_API_KEY holds characters that no token has", TOKEN_HINT)
    return Access(base, Secret(token))


def _base(url: str) -> str:
    parts = urlsplit(url)
    if (parts.scheme == "https" and parts.hostname) or (parts.scheme == "http" and _loopback(parts.hostname or "")):
        return url.rstrip("/")
    raise ConfigError("HEROKU_API_URL must be https:// (http:// only on loopback)", f"leave it out for {PUBLIC}")


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _from_netrc(host: str, environment: Mapping[str, str]) -> str | None:
    """Only the entry of that very host: the token of api.heroku.com never goes elsewhere."""
    home = environment.get("HOME")
    path = Path(environment["NETRC"]) if environment.get("NETRC") else Path(home) / ".netrc" if home else None
    if path is None or not path.is_file():
        return None
    try:
        entry = netrc.netrc(str(path)).hosts.get(host)
    except (netrc.NetrcParseError, OSError) as error:
        raise ConfigError(f"`{path}` can't be read: {type(error).__name__}", "set HEROKU_API_KEY instead") from None
    return entry[2] if entry else None
