"""Faults that tests ask for: refusals, lost answers, cut streams, failing builds and releases, crash loops."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, TypeVar


@dataclass(kw_only=True)
class Fault:
    """Happens `times` times (None: for ever) to what it matches, after `skip` matches that go well."""

    times: int | None = 1
    skip: int = 0

    def due(self) -> bool:
        """Whether it happens to this match; counts it."""
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is None:
            return True
        self.times -= 1
        return self.times >= 0


@dataclass(kw_only=True)
class OnRequest(Fault):
    """What happens to requests; `path` is a glob such as `/apps/*/builds` (`*` does not cross a slash).

    Uploads (`/_source/*`), streams (`/streams/*`) and logs (`/logplex/stream`) must be named; `*` alone is any API request.
    """

    method: str = "*"
    path: str = "*"

    def matches(self, method: str, path: str, api: bool) -> bool:
        mine, theirs = self.path.split("/"), path.split("/")
        same = (self.path == "*" and api) or (len(mine) == len(theirs) and all(map(fnmatchcase, theirs, mine)))
        return same and fnmatchcase(method, self.method)


@dataclass(kw_only=True)
class Refuse(OnRequest):
    """Answer with an error; `id` and `message` default to what Heroku says with that status."""

    status: int
    id: str = ""
    message: str = ""
    retry_after: int | None = None


@dataclass(kw_only=True)
class Delay(OnRequest):
    """Answer late."""

    seconds: float


@dataclass(kw_only=True)
class Drop(OnRequest):
    """Close the connection without an answer; with `done` the request has had its effect (an ambiguous POST)."""

    done: bool = False


@dataclass(kw_only=True)
class Cut(Fault):
    """End a stream (`build`, `release` or `log`) after so many bytes of it: a reset, or with `clean` an early end."""

    stream: str
    after: int = 0
    clean: bool = False


@dataclass(kw_only=True)
class FailBuild(Fault):
    """The build says `message` and fails."""

    message: str = "Build failed by request"


@dataclass(kw_only=True)
class FailRelease(Fault):
    """The release phase fails, also where the app has none."""

    status: int = 1


@dataclass(kw_only=True)
class Crash(Fault):
    """Dynos of this type end with `status` as soon as they start."""

    type: str = "web"
    status: int = 1


@dataclass(kw_only=True)
class FailAddOn(Fault):
    """Provisioning an add-on fails: its state becomes `deprovisioned`."""


KINDS: dict[str, type[Fault]] = {
    kind.__name__: kind for kind in (Refuse, Delay, Drop, Cut, FailBuild, FailRelease, Crash, FailAddOn)
}
FaultT = TypeVar("FaultT", bound=Fault)


class Faults:
    """The faults that are set, in the order they were asked for."""

    def __init__(self) -> None:
        self.set: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self.set.append(fault)

    def clear(self) -> None:
        self.set.clear()

    def take(self, kind: type[FaultT], **wanted: Any) -> FaultT | None:
        """The first due fault of this kind whose attributes are `wanted`."""
        for fault in self._spendable():
            if isinstance(fault, kind) and all(getattr(fault, key) == value for key, value in wanted.items()) and fault.due():
                return fault
        return None

    def take_request(self, method: str, path: str, api: bool) -> OnRequest | None:
        """The first due fault for a request; `api`: it goes to the API itself."""
        for fault in self._spendable():
            if isinstance(fault, OnRequest) and fault.matches(method, path, api) and fault.due():
                return fault
        return None

    def _spendable(self) -> list[Fault]:
        self.set = [fault for fault in self.set if fault.times is None or fault.times > 0]
        return self.set


def from_json(body: dict[str, Any]) -> Fault:
    """`{"fault": "Refuse", "status": 503, ...}` as a fault. Raises ValueError or TypeError."""
    kind = KINDS.get(str(body.pop("fault", "")))
    if kind is None:
        raise ValueError(f"`fault` must be one of {', '.join(KINDS)}")
    return kind(**body)
