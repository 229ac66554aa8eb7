"""Where sources are uploaded to: S3 with version 2 signatures, as strict about headers as S3 is."""

import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from tests.heroku.emulator.cloud import Cloud
from tests.heroku.emulator.model import new_id

routes = web.RouteTableDef()


@dataclass
class Upload:
    """One place for one archive."""

    file: Path
    expires: int
    id: str = field(default_factory=new_id)
    put_signature: str = field(default_factory=lambda: secrets.token_hex(14))
    get_signature: str = field(default_factory=lambda: secrets.token_hex(14))

    def urls(self, base: str) -> dict[str, str]:
        """The two signed addresses, as POST /sources answers them."""
        query = f"AWSAccessKeyId=AKIAEMULATED&Expires={self.expires}&Signature="
        place = f"{base}/_source/{self.id}?{query}"
        return {"put_url": place + self.put_signature, "get_url": place + self.get_signature}


class Uploads:
    """All places that were handed out."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.known: dict[str, Upload] = {}

    def make(self) -> Upload:
        file = self.cloud.folder / "uploads" / new_id()
        upload = Upload(file, int(time.time() + self.cloud.limits.source_expiry))
        self.known[upload.id] = upload
        return upload


UPLOADS = web.AppKey("uploads", Uploads)


@routes.put("/_source/{id}")
async def put(request: web.Request) -> web.Response:
    upload = request.app[UPLOADS].known.get(request.match_info["id"])
    refused = _refusal(request, upload, upload.put_signature if upload else "")
    if refused or upload is None:
        return refused or _error(404, "NoSuchKey", "The specified key does not exist.")
    with upload.file.open("wb") as file:
        async for piece in request.content.iter_chunked(1 << 16):
            file.write(piece)
    return web.Response(status=200)


@routes.get("/_source/{id}")
async def get(request: web.Request) -> web.StreamResponse:
    upload = request.app[UPLOADS].known.get(request.match_info["id"])
    if upload is None or not upload.file.exists():
        return _error(404, "NoSuchKey", "The specified key does not exist.")
    return _refusal(request, upload, upload.get_signature) or web.FileResponse(upload.file)


def _refusal(request: web.Request, upload: Upload | None, signature: str) -> web.Response | None:
    """What S3 says to headers that the signature does not cover."""
    if upload is None:
        return None
    return _bad_signature(request, upload, signature) or (_bad_length(request) if request.method == "PUT" else None)


def _bad_signature(request: web.Request, upload: Upload, signature: str) -> web.Response | None:
    if "Authorization" in request.headers:
        return _error(400, "InvalidArgument", "Only one auth mechanism allowed.")
    if time.time() > upload.expires:
        return _error(403, "AccessDenied", "Request has expired")
    if request.query.get("Signature") != signature or request.headers.get("Content-Type"):
        return _error(
            403, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided."
        )
    return None


def _bad_length(request: web.Request) -> web.Response | None:
    if "chunked" in request.headers.get("Transfer-Encoding", ""):
        return _error(501, "NotImplemented", "A header you provided implies functionality that is not implemented")
    if "Content-Length" not in request.headers:
        return _error(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
    return None


def _error(status: int, code: str, message: str) -> web.Response:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return web.Response(status=status, text=text, content_type="application/xml")
