"""What the platform sells and where: stacks, regions, dyno sizes, add-on plans, features."""

import uuid
from dataclasses import dataclass
from typing import Any

from tests.heroku.emulator.errors import Refused, invalid, missing

BORN = "2015-01-01T00:00:00Z"


def lasting_id(name: str) -> str:
    """The same UUID for the same name, in every run."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"https://heroku.example/{name}"))


@dataclass(frozen=True, slots=True)
class Stack:
    """An operating system image; `state` is `public`, `deprecated` or `end-of-life`."""

    name: str
    state: str = "public"
    default: bool = False

    def answer(self) -> dict[str, Any]:
        times = {"created_at": BORN, "updated_at": BORN}
        return {"id": lasting_id(self.name), "name": self.name, "state": self.state, "default": self.default, **times}


@dataclass(frozen=True, slots=True)
class Size:
    """A dyno size: memory in MB, price in cents a month, how many dynos of one type it allows (0: no limit)."""

    name: str
    memory: int
    cents: int
    compute: int = 1
    most: int = 0
    dedicated: bool = False

    @property
    def family(self) -> str:
        """Sizes of different families don't mix in one app."""
        return self.name if self.name in {"Eco", "Basic"} else "professional"

    def answer(self) -> dict[str, Any]:
        return {
            "id": lasting_id(self.name), "name": self.name, "memory": self.memory / 1024, "compute": self.compute,
            "cost": {"cents": self.cents, "unit": "month"}, "dedicated": self.dedicated, "precise_dyno_units": 1.0,
            "private_space_only": False, "architecture": "amd64", "generation": GENERATION,
        }  # fmt: skip


GENERATION = {"id": lasting_id("cedar"), "name": "cedar"}
STACKS = [
    Stack("cnb"), Stack("container"), Stack("heroku-20", "end-of-life"), Stack("heroku-22", "deprecated"),
    Stack("heroku-24"), Stack("heroku-26", default=True),
]  # fmt: skip
SIZES = [
    Size("Eco", 512, 500, most=1), Size("Basic", 512, 700, most=1), Size("Standard-1X", 512, 2500),
    Size("Standard-2X", 1024, 5000, 2), Size("Performance-M", 2560, 25000, 12, dedicated=True),
    Size("Performance-L", 14336, 50000, 50, dedicated=True), Size("Performance-L-RAM", 30720, 50000, 24, dedicated=True),
    Size("Performance-XL", 63488, 75000, 50, dedicated=True), Size("Performance-2XL", 129024, 150000, 100, dedicated=True),
]  # fmt: skip
REGIONS = {"us": ("Virginia", "United States", "us-east-1"), "eu": ("Ireland", "Ireland", "eu-west-1")}
FEATURES = {
    "log-runtime-metrics": "Emit dyno resource usage information into app logs",
    "preboot": "Provide seamless web dyno deploys",
    "http-session-affinity": "Enable session affinity for all requests routed to this app",
    "runtime-dyno-metadata": "Runtime dyno metadata",
    "runtime-heroku-metrics": "Expose application metrics",
    "http-routing-2-dot-0": "Enable Router 2.0",
}
PLANS = {
    "heroku-redis:mini": 300, "heroku-redis:premium-0": 1500, "heroku-redis:premium-1": 3000,
    "heroku-postgresql:essential-0": 500, "heroku-postgresql:essential-1": 900, "heroku-postgresql:standard-0": 5000,
    "papertrail:choklad": 0, "papertrail:fixa": 700, "scheduler:standard": 0,
}  # fmt: skip
CONFIG_VARS = {"heroku-redis": "REDIS_URL", "heroku-postgresql": "DATABASE_URL", "papertrail": "PAPERTRAIL_API_TOKEN"}


def stack(name: str | None) -> Stack:
    """By name or id; None is the default. Raises Refused (422) for one that can't be built on."""
    found = next(
        (each for each in STACKS if name in (each.name, lasting_id(each.name)) or (name is None and each.default)), None
    )
    if found is None or found.state == "end-of-life":
        raise invalid(f"Stack {name} is not available: choose from heroku-24, heroku-26." if found is None else
                      f"Stack {name} is end-of-life and can't be used for new apps or builds.")  # fmt: skip
    return found


def size(name: str) -> Size:
    """By name in any case, or by id. Raises Refused (422)."""
    for each in SIZES:
        if name.lower() in (each.name.lower(), lasting_id(each.name)):
            return each
    raise invalid(f"Couldn't find that dyno size ({name}).")


def region(name: str) -> dict[str, Any]:
    """Raises Refused (404)."""
    found = next((each for each in REGIONS if name in (each, lasting_id(each))), None)
    if found is None:
        raise missing("region")
    locale, country, zone = REGIONS[found]
    return {
        "id": lasting_id(found), "name": found, "description": country, "country": country, "locale": locale,
        "private_capable": False, "provider": {"name": "amazon-web-services", "region": zone},
        "created_at": BORN, "updated_at": BORN,
    }  # fmt: skip


def plan(name: str) -> tuple[str, int]:
    """The full name and the price in cents of a plan; a service alone means its first plan. Raises Refused (404)."""
    for each, cents in PLANS.items():
        if name in (each, each.split(":")[0], lasting_id(each)):
            return each, cents
    raise Refused(404, message="Couldn't find either the add-on service or the add-on plan of " + f'"{name}".', resource="plan")
