"""One look at a host: one script, one round trip, every fact. Needs POSIX sh there and nothing of ours; reads only."""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from chatops import health
from chatops.errors import TargetError
from chatops.sanitize import sanitize
from chatops.shell import assign
from chatops.targets.vps.client.channel import new_mark
from chatops.targets.vps.client.deployed import deployed, lock
from chatops.targets.vps.client.link import Link
from chatops.targets.vps.client.proc import Clock
from chatops.targets.vps.client.sections import Sections, number
from chatops.targets.vps.facts import Firewall, HostFacts, Listening, Questions, Unit

_RUNTIME, _TOOL = re.compile(r"\d+\.\d+\.\d+"), re.compile(r"pm2-[0-9a-z-]+(\.new)?")
"""Names that are ours, in folders that the app's user could have exchanged."""
_SCRIPTS = [Path(__file__).with_name(name) for name in ("family.sh", "look.sh")]
_ALONE = """
printf '%s login\\n' "$mark"
id -un
id -u
echo "${SSH_CONNECTION##* }"
if [ "$(id -u)" = 0 ]; then
  eval "$body"
elif sudo -n true 2>/dev/null; then
  printf '%s root\\n' "$mark"
  printf '%s\\n' "$body" | sudo -n /bin/sh
else
  eval "$body"
fi
"""
"""As root where we may: a login that may not sees what it may."""


def script(questions: Questions, mark: str) -> str:
    """The text of the look."""
    given = {
        "mark": mark,
        "app": questions.app,
        "root": questions.layout.root,
        "pm2": questions.pm2,
        "runtimes": questions.runtimes,
        "stamps": questions.stamps,
        "lock": questions.lock,
        "packages": " ".join(questions.packages),
        "units": " ".join(questions.units),
        "markers": " ".join(map(str, questions.markers)),
        "certificate": questions.certificate or "",
        "health": questions.health,
        "patience": health.PRIVATE,
    }
    body = "\n".join([*(assign(name, value) for name, value in given.items()), *(path.read_text() for path in _SCRIPTS)])
    return f"{assign('mark', mark)}\n{assign('body', body)}\n{_ALONE}"


async def look(link: Link, questions: Questions) -> HostFacts:
    """Everything about one host."""
    mark, begun = new_mark(), time.time()
    answer = await link.script(script(questions, mark))
    sections = Sections.read(answer.out.decode("utf-8", "backslashreplace"), mark)
    if "end" not in sections.lists:
        said = sanitize(answer.err.decode("utf-8", "replace").strip().rpartition("\n")[2])
        raise TargetError(
            f"can't look at `{link.host.address}`: {said or f'exit code {answer.code}'}", "is it Debian or Ubuntu?"
        )
    return facts(link.host.address, sections, questions, (begun + time.time()) / 2)


async def highest(link: Link) -> str:
    """As whom most can be seen there: `root` where we may become that, else "", who logs in."""
    answer = await link.script('[ "$(id -u)" = 0 ] || sudo -n true')
    return "" if answer.code else "root"


def facts(host: str, seen: Sections, questions: Questions, now: float) -> HostFacts:
    """The facts in what was printed; `now` is our clock at that moment."""
    user, uid, port = seen.words("login", 3)
    os, version, codename = seen.words("os", 3)
    arch, glibc, ticks, page, cores = seen.words("machine", 5)
    load, uptime, date = seen.words("load", 3)
    clock = Clock(
        now=number(date, now), up=number(uptime.partition(" ")[0]), ticks=number(ticks, 100), page=int(number(page, 4096))
    )
    memory = dict(_memory(seen.lines("memory")))
    there, workers = deployed(host, seen, questions, clock)
    return HostFacts(
        host=host,
        os=sanitize(os),
        os_version=sanitize(version),
        codename=sanitize(codename),
        arch=sanitize(arch),
        glibc=sanitize(glibc.removeprefix("glibc ")),
        user=sanitize(user),
        uid=int(number(uid, -1)),
        port=int(number(port)),
        root=uid == "0" or "root" in seen.lists,
        disk_free=_free(seen.lines("disk")) * 1024,
        inodes_free=_free(seen.lines("inodes")),
        memory=memory.get("MemTotal", 0),
        memory_free=memory.get("MemAvailable", 0),
        cores=int(number(cores, 1)),
        load=number(load.partition(" ")[0]),
        skew=clock.now - now,
        reboot_required="reboot" in seen.lists,
        app_user="appuser" in seen.lists,
        packages=dict(_packages(seen.lines("packages"))),
        units=dict(_units("\n".join(seen.lists.get("units", [])))),
        listening=tuple(_listening(seen.lines("listening"))),
        firewall=_firewall(seen.lines("firewall")),
        rules=frozenset(seen.lines("rules")) if "rules" in seen.lists else None,
        taken={int(number(port)): name for name, ports in seen.under("site").items() for port in ports},
        runtimes=tuple(filter(_RUNTIME.fullmatch, seen.lines("runtimes"))),
        tools=tuple(filter(_TOOL.fullmatch, seen.lines("tools"))),
        daemon_runtime=_runtime("".join(seen.lines("daemon")), questions),
        certificate_left=_left("".join(seen.lines("certificate")), now),
        stamps={name: "".join(lines[:1]) for name, lines in seen.under("stamp").items()},
        markers={PurePosixPath(name): "\n".join(lines) for name, lines in seen.under("marker").items()},
        there=there,
        workers=tuple(workers),
        checks=health.checks("\n".join(seen.lists.get("health", [])).encode()),
        lock=lock(seen.lists.get("lock")),
    )


def _memory(lines: Iterable[str]) -> Iterator[tuple[str, int]]:
    """Bytes by the names of /proc/meminfo."""
    for key, _, value in (line.partition(":") for line in lines):
        yield key, int(number("".join(value.split()[:1])) * 1024)


def _runtime(program: str, questions: Questions) -> str:
    """The version that a path of `node` belongs to."""
    folder = PurePosixPath(program).parent.parent
    return folder.name if folder.parent == questions.runtimes else ""


def _left(line: str, now: float) -> float | None:
    """The seconds from `now` to what openssl-x509(1) says: `notAfter=Nov 26 06:36:01 2026 GMT`."""
    try:
        return ssl.cert_time_to_seconds(line.removeprefix("notAfter=")) - now
    except ValueError:
        return None


def _free(lines: Iterable[str]) -> int:
    """The fourth word of df's line."""
    words = "".join(lines).split()
    return int(number(words[3])) if len(words) > 3 else 0


def _packages(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        state, name, version = (*line.split(), "", "")[:3]
        if state == "ii":
            yield name, version


def _units(text: str) -> Iterator[tuple[str, Unit]]:
    for block in text.split("\n\n"):
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if values.get("LoadState") not in {None, "not-found"}:
            yield values.get("Id", ""), Unit(values.get("ActiveState", ""), values.get("UnitFileState", ""))


def _listening(lines: Iterable[str]) -> Iterator[Listening]:
    """ss(8): state, two queues, local address, peer, and users:(("name",...)) for those who may know."""
    for line in lines:
        words = line.split(None, 5)
        address, _, port = words[3].rpartition(":") if len(words) > 4 else ("", "", "")
        if port.isdigit():
            program = words[5].partition('"')[2].partition('"')[0] if len(words) > 5 else ""
            yield Listening(int(port), address, sanitize(program))


def _firewall(lines: list[str]) -> Firewall:
    states: dict[str, Firewall] = {"yes": "active", "no": "inactive", "absent": "absent"}
    return states.get("".join(lines).partition("=")[2].strip("\"'"), "unknown")
