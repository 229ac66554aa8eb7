"""Where the token and the API's address come from, and what is never trusted with the token."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import httpx
import pytest
import trustme

from chatops.errors import ConfigError, TargetError
from chatops.redact import Secret
from chatops.targets.heroku.client import access
from chatops.targets.heroku.client.api import Api
from chatops.targets.heroku.client.faults import refused

NETRC = "machine api.heroku.com\n  login ana@example.com\n  password from-netrc\n"


def test_the_environment_comes_first(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text(NETRC)
    found = access.find({"HEROKU_API_KEY": "from-environment", "HOME": str(tmp_path)})
    assert (found.base, found.token.reveal()) == ("https://api.heroku.com", "from-environment")
    assert "from-environment" not in repr(found)


def test_netrc_comes_second(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text(NETRC)
    assert access.find({"HOME": str(tmp_path)}).token.reveal() == "from-netrc"


def test_the_token_of_one_host_never_goes_to_another(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text(NETRC)
    with pytest.raises(TargetError, match="no Heroku token"):
        access.find({"HOME": str(tmp_path), "HEROKU_API_URL": "http://127.0.0.1:1"})


@pytest.mark.parametrize(
    "url", ["http://api.heroku.com", "ftp://127.0.0.1", "http://10.0.0.1", "api.heroku.com", "http://127.0.0.1.example.com"]
)
def test_a_base_without_tls_is_refused_but_on_loopback(url: str) -> None:
    with pytest.raises(ConfigError, match="must be https"):
        access.find({"HEROKU_API_URL": url, "HEROKU_API_KEY": "token"})
    for good in ("http://127.0.0.1:5000/", "http://localhost:5000", "http://[::1]:5000"):
        assert access.find({"HEROKU_API_URL": good, "HEROKU_API_KEY": "token"}).base == good.rstrip("/")


def test_no_token_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(TargetError) as caught:
        access.find({"HOME": str(tmp_path)})
    assert "heroku authorizations:create" in caught.value.hint


def test_a_token_with_a_line_end_inside_is_refused() -> None:
    with pytest.raises(ConfigError):
        access.find({"HEROKU_API_KEY": "to\nken"})


@pytest.mark.parametrize(
    ("status", "id", "hint"),
    [
        (401, "unauthorized", "heroku authorizations:create"),
        (402, "delinquent", "bill"),
        (402, "verification_required", "heroku.com/verify"),
        (422, "verification_needed", "heroku.com/verify"),
        (403, "suspended", "support"),
        (403, "two_factor", "second factor"),
        (429, "rate_limit", "75 calls a minute"),
    ],
)
def test_refusals_carry_the_way_out(status: int, id: str, hint: str) -> None:
    error = refused(status, f'{{"id":"{id}","message":"Said \\u001b[31mso."}}'.encode(), "")
    assert error.message == f"Heroku says: Said so ({status})"
    assert hint in error.hint
    assert error.about_us


def test_what_is_no_json_is_a_refusal_too() -> None:
    assert refused(503, b"<html>", "r-1").message == "Heroku says: no reason given (503, request r-1)"


def test_certificates_are_loaded_where_there_is_tls_only() -> None:
    async def story(base: str) -> bool:
        api = Api(access.Access(base, Secret("token")))
        api.plain(f"{base}/a")
        loaded = "tls" in vars(api)
        await api.close()
        return loaded

    assert asyncio.run(story("https://127.0.0.1:1"))
    assert not asyncio.run(story("http://127.0.0.1:1"))


def test_a_store_with_tls_is_verified_also_beside_a_base_without() -> None:
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(trust)

    async def story() -> None:
        server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=trust)
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        api = Api(access.Access("http://127.0.0.1:1", Secret("token")))
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await api.plain(url).get(url)
        await api.close()
        server.close()

    asyncio.run(story())
