"""What the API refuses, as our errors: one table for httpx and heroku3.

Errors are `{id, message, url?}` (Dev Center, "Platform API Reference", error responses).
"""

from __future__ import annotations

import json
from typing import Any

from chatops.errors import TargetError, UnknownOutcome
from chatops.sanitize import sanitize
from chatops.targets.heroku.client.access import TOKEN_HINT


class Refused(TargetError):
    """The API answered with an error; `status` is HTTP's, `id` Heroku's (may be empty)."""

    def __init__(self, status: int, id: str, message: str, hint: str) -> None:
        super().__init__(message, hint)
        self.status = status
        self.id = id

    @property
    def about_us(self) -> bool:
        """Whether the token, the account or the platform is at fault, not what was asked for."""
        return self.status in (401, 402, 403, 404, 406, 429) or self.status >= 500 or self.id.startswith("verif")


class Ambiguous(UnknownOutcome):
    """A call was sent and no answer came: it may have been done."""


_HINTS = {
    "unauthorized": TOKEN_HINT,
    "delinquent": "settle the account's bill at dashboard.heroku.com/account/billing",
    "suspended": "the account is suspended; Heroku support can tell why",
    "two_factor": "the account asks for a second factor: use a token from `heroku authorizations:create`",
    "mfa_required": "the account asks for a second factor: use a token from `heroku authorizations:create`",
    "rate_limit": "about 75 calls a minute come back; wait a little and run again",
    "not_found": "`chatops doctor` shows what the token can see",
}
_VERIFY = "verify the account with a payment card at https://heroku.com/verify, then run again"
_IDS = {401: "unauthorized", 402: "delinquent", 429: "rate_limit"}


def refused(status: int, body: bytes, request_id: str) -> Refused:
    """The error of an answer that is not 2xx."""
    fields = _fields(body)
    id = str(fields.get("id") or _IDS.get(status, ""))
    said = sanitize(" ".join(str(fields.get("message") or "").split())).rstrip(".")
    hint = _VERIFY if id.startswith("verif") else _HINTS.get(id) or _HINTS.get(_IDS.get(status, ""), "")
    if not hint and isinstance(fields.get("url"), str):
        hint = f"see {sanitize(fields['url'])}"
    reference = f", request {request_id}" if request_id and status >= 500 else ""
    return Refused(status, id, f"Heroku says: {said or 'no reason given'} ({status}{reference})", hint)


def _fields(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
