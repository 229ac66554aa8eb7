"""What the API answers when it refuses: `{id, message}` and an HTTP status (Platform API reference, "Errors")."""

from typing import Any

MESSAGES = {
    400: ("bad_request", "Request invalid, validate usage and try again"),
    401: ("unauthorized", "Invalid credentials provided."),
    402: ("delinquent", "Payment required, your account is delinquent"),
    403: ("forbidden", "You do not have access to this resource."),
    404: ("not_found", "Couldn't find that resource."),
    406: ("not_acceptable", "Please specify a version along with Heroku's API MIME type."),
    409: ("conflict", "Another operation is in progress, try again later."),
    416: ("requested_range_not_satisfiable", "Range invalid, validate usage and try again"),
    422: ("invalid_params", "Invalid request parameters."),
    429: ("rate_limit", "Your account reached the API rate limit\nPlease wait a few minutes before making new requests"),
    500: ("internal_server_error", "Internal server error."),
    502: ("bad_gateway", "Bad gateway."),
    503: ("service_unavailable", "Service temporarily unavailable, try again later."),
    504: ("gateway_timeout", "Gateway timeout."),
}
VERIFY = (
    "Please verify your account to {what} (please enter a credit card). "
    "For more information, see https://devcenter.heroku.com/categories/billing Verify now at https://heroku.com/verify"
)


class Refused(Exception):
    """An answer that is an error; `more` joins the body (`resource`, `app`, `url`)."""

    def __init__(self, status: int, id: str = "", message: str = "", **more: Any) -> None:
        default_id, default_message = MESSAGES[status]
        super().__init__(message or default_message)
        self.status = status
        self.body = {"id": id or default_id, "message": message or default_message, **more}


def missing(what: str) -> Refused:
    """404, in Heroku's words; `what` as in "app", "release"."""
    return Refused(404, message=f"Couldn't find that {what}.", resource=what)


def invalid(message: str) -> Refused:
    """422 invalid_params."""
    return Refused(422, message=message)


def unverified(what: str) -> Refused:
    """What an account without a credit card hears."""
    return Refused(402, "verification_required", VERIFY.format(what=what), url="https://heroku.com/verify")
