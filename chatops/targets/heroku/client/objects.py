"""The simple object calls, through heroku3 on a session of ours: timeouts, verified TLS, retries of repeatable calls.

heroku3 blocks, so each call runs on a thread. Never through it: streams (it does not verify TLS), builds, sources,
app creation (it adopts an app whose name is taken).
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from functools import cached_property
from typing import Any

from chatops.errors import TargetError
from chatops.targets.heroku.client.access import Access
from chatops.targets.heroku.client.api import BASE, TRIES, Find, settled
from chatops.targets.heroku.client.faults import Ambiguous, refused

log = logging.getLogger(__name__)
UNCLEAR = frozenset({502, 503, 504})
TIMEOUT = (5.0, 30.0)
"""Seconds to connect, and between two bytes."""


class Objects:
    """heroku3 for one app, known by its id and name; nothing is asked of the API before the first call."""

    def __init__(self, access: Access, app_id: str, app_name: str) -> None:
        self._access = access
        self._names = {"id": app_id, "name": app_name}

    async def enable_feature(self, name: str) -> None:
        """One feature or lab."""
        await self._call(lambda app: app.enable_feature(name))

    async def set_config(self, changes: dict[str, str | None]) -> None:
        """Config vars, in one PATCH; None takes one away."""
        await self._call(lambda app: app.update_config(changes))

    async def add_domain(self, hostname: str, find: Find) -> str:
        """Gives the DNS target; `find` looks whether a doubtful call was done."""
        domain = await settled(lambda: self._call(lambda app: app.add_domain(hostname, None).cname), find)
        return str(domain or "")

    async def add_drain(self, url: str, find: Find) -> None:
        """Sends the log to `url`; `find` looks whether a doubtful call was done."""
        await settled(lambda: self._call(lambda app: app.create_logdrain(url).id), find)

    async def enable_certificates(self) -> None:
        """Automated Certificate Management; asking twice does no harm."""
        await settled(lambda: self._call(lambda app: app.enable_acm()), _never)

    async def restart_dyno(self, name: str) -> None:
        """Ends one dyno; the platform starts a new one in its place."""
        await self._call(lambda app: app.kill_dyno(name))

    async def delete_app(self) -> None:
        """The app with everything it has."""
        await self._call(lambda app: app.delete())

    @cached_property
    def _app(self) -> Any:
        import heroku3.api  # with requests: 120 ms, needed only where something is changed
        from heroku3.models.app import App

        heroku = heroku3.api.Heroku(session=_session())
        heroku._heroku_url = self._access.base
        heroku._api_key_verified = True  # spares the call that heroku3 makes to log in
        heroku._session.auth = ("", self._access.token.reveal())
        return App.new_from_dict(self._names, h=heroku)

    async def _call(self, call: Callable[[Any], Any]) -> Any:
        app = self._app  # its imports belong on the loop: two threads that import at once may raise _DeadlockError
        return await asyncio.to_thread(_mapped, call, app)


def _mapped(call: Callable[[Any], Any], app: Any) -> Any:
    """Vendor errors as ours."""
    import requests
    from heroku3.api import RateLimitExceeded

    try:
        return call(app)
    except RateLimitExceeded as error:
        body = str(error).partition("\n")[2]  # heroku3 puts it below a line of its own
        raise refused(429, body.encode(), "") from None
    except requests.HTTPError as error:
        answer = error.response
        if answer.status_code in UNCLEAR and answer.request.method == "POST":
            raise Ambiguous(f"Heroku gave no clear answer: status {answer.status_code}", "run again: it finds out") from None
        raise refused(answer.status_code, answer.content, answer.request.headers["Request-Id"]) from None
    except requests.ConnectTimeout as error:
        raise TargetError(f"Heroku is out of reach: {type(error).__name__}", "check the network") from None
    except requests.RequestException as error:
        raise Ambiguous(f"Heroku gave no clear answer: {type(error).__name__}", "run again: it finds out") from None


async def _never() -> None:
    """Nothing to look at: the call is made again."""


def _session() -> Any:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util.retry import Retry

    class Adapter(HTTPAdapter):
        """Every request has an id and a time limit."""

        def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
            request.headers["Request-Id"] = name = str(uuid.uuid4())
            kwargs["timeout"] = kwargs.get("timeout") or TIMEOUT
            answer = super().send(request, *args, **kwargs)
            log.debug("request %s %s %s: %s", name, request.method, request.path_url, answer.status_code)
            return answer

    class Patience(Retry):
        """What was turned away for its rate was not done: also a POST may be sent again then."""

        def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:
            return status_code == 429 or super().is_retry(method, status_code, has_retry_after)

    retries = Patience(
        total=TRIES - 1,
        status_forcelist=UNCLEAR,
        allowed_methods={"GET", "PUT", "PATCH", "DELETE"},
        backoff_factor=BASE,
        backoff_jitter=BASE,
        raise_on_status=False,
    )
    session = requests.Session()
    for scheme in ("https://", "http://"):
        session.mount(scheme, Adapter(max_retries=retries))
    return session
