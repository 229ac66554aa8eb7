"""The official Platform API schema, where it is at hand: which answer a request must get, and whether it did."""

import json
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator, FormatChecker

FOLDER_VARIABLE = "CHATOPS_HEROKU_SCHEMA"
FILES = {"3": "heroku-platform-api-schema.json", "3.sdk": "heroku-platform-api-schema-3.sdk.json"}
_BESIDE_CHECKOUT = Path(__file__).parents[4] / "shared" / "heroku"
_REFERENCE = re.compile(r"\{\([^)]*\)\}")
_LOOPBACK_WEB_URL = re.compile(r"http://127\.0\.0\.1:\d+/\Z")


def folder() -> Path | None:
    """Where the schemas are: CHATOPS_HEROKU_SCHEMA, else `../shared/heroku` beside the checkout; None: not here."""
    found = Path(os.environ.get(FOLDER_VARIABLE, _BESIDE_CHECKOUT))
    return found if (found / FILES["3"]).exists() else None


class Schema:
    """One variant of the schema."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = _repaired(document)
        self.links = [
            (link["method"].upper(), _pattern(link["href"]), link)
            for resource in self.document["definitions"].values()
            for link in resource.get("links", [])
        ]

    def faults(self, method: str, path: str, answer: Any) -> list[str]:
        """What is wrong with an answer; a request that the schema does not know has nothing wrong."""
        targets = [link["targetSchema"] for verb, pattern, link in self.links
                   if verb == method and pattern.fullmatch(path) and link.get("targetSchema")]  # fmt: skip
        if not targets:
            return []
        return [f"{method} {path}: {fault}" for fault in self._compare(targets[0], _as_on_heroku(answer))]

    def _compare(self, target: dict[str, Any], answer: Any) -> list[str]:
        validator = Draft4Validator(self.document | target, format_checker=FormatChecker())
        faults = [f"{'/'.join(map(str, error.path))}: {error.message}" for error in validator.iter_errors(answer)]
        return faults + list(_unknown(self.document, target, answer))


@cache
def load(variant: str) -> Schema | None:
    """The schema of an Accept variant; other variants are held to `3`. None where the schemas are not."""
    place = folder()
    if place is None:
        return None
    return Schema(json.loads((place / FILES.get(variant, FILES["3"])).read_text()))


def _repaired(document: dict[str, Any]) -> dict[str, Any]:
    """Without its two dangling references (`dyno_size` for `dyno-size`)."""
    text = json.dumps(document).replace("#/definitions/dyno_size/", "#/definitions/dyno-size/")
    return dict(json.loads(text))


def _pattern(href: str) -> re.Pattern[str]:
    parts = [re.escape(part) for part in _REFERENCE.split(href)]
    return re.compile("[^/]+".join(parts))


def _unknown(document: dict[str, Any], target: dict[str, Any], answer: Any) -> list[str]:
    """Properties that the schema does not list: clients would come to rely on what Heroku does not promise."""
    items = answer if isinstance(answer, list) else [answer]
    properties = _resolve(document, target.get("items", target)).get("properties")
    if not properties:
        return []
    strangers = {name for item in items if isinstance(item, dict) for name in item if name not in properties}
    return [f"{name}: not in the schema" for name in sorted(strangers)]


def _resolve(document: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in part:
        found: Any = document
        for key in part["$ref"].removeprefix("#/").split("/"):
            found = found[key]
        part = found
    return part


def _as_on_heroku(answer: Any) -> Any:
    """`web_url` is the one promise that can't be kept: there is no herokuapp.com on loopback."""
    if isinstance(answer, list):
        return [_as_on_heroku(item) for item in answer]
    if isinstance(answer, dict) and _LOOPBACK_WEB_URL.match(str(answer.get("web_url"))):
        return answer | {"web_url": "https://app-0123456789ab.herokuapp.com/"}
    return answer
