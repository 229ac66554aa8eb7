"""What visitors see, and the log says, when the router can't give them the app's own answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h11

if TYPE_CHECKING:
    from tests.heroku.emulator.visit import Visit

PAGE = (
    "<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><main><h1>{title}</h1><p>{text}</p></main></body></html>\n"
)
TITLES = {
    "H80": ("Offline for Maintenance", "This application is undergoing maintenance right now. Please check back later."),
    "H81": ("Welcome to your new app!", "Refer to the documentation if you need help deploying."),
    "": ("No such app", "There is no app configured at that hostname."),
}
USUAL = ("Application error", "An error occurred in the application and your page could not be served.")


class Failed(Exception):
    """An H code (devcenter.heroku.com/articles/error-codes); `status` 0: the visitor gets no answer any more."""

    def __init__(self, code: str, description: str, status: int = 503, level: str = "error") -> None:
        super().__init__(f"{code} {description}")
        self.code, self.description, self.status, self.level = code, description, status, level


async def say(visit: Visit, failed: Failed) -> None:
    """Notes the failure for the log line, and sends its page where an answer has not begun."""
    visit.failed = failed
    side = visit.side
    if failed.status == 0 or side.connection.our_state not in {h11.IDLE, h11.SEND_RESPONSE} or visit.status:
        side.writer.close()
        return
    title, text = TITLES.get(failed.code, USUAL)
    body = PAGE.format(title=title, text=text).encode()
    headers = [
        ("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", "no-cache, no-store"), ("Server", "Heroku"),
        ("Content-Length", str(len(body))), ("Connection", "close"),
    ]  # fmt: skip
    visit.status = failed.status
    await side.send(h11.Response(status_code=failed.status, headers=headers, reason=b""))
    if visit.request.method != b"HEAD":
        visit.sent = len(body)
        await side.send(h11.Data(data=body))
    await side.send(h11.EndOfMessage())
