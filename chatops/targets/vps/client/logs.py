"""The log files of hosts as LogLines: one channel a host, what was there merged by time, then what comes."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, aclosing, contextmanager, suppress
from pathlib import Path

from chatops.errors import TargetError
from chatops.events import LogLine, Notice
from chatops.frozen import frozen
from chatops.limits import LIMITS
from chatops.loglines import Origin
from chatops.resume import goes_on
from chatops.shell import assign
from chatops.streams import in_order, merge
from chatops.targets.vps.client.frames import Frames, Read, when
from chatops.targets.vps.client.link import Link
from chatops.targets.vps.client.reach import Reach

_SCRIPTS = [Path(__file__).with_name(name) for name in ("stamps.pl", "follow.pl")]
_PERL = """
export secrets last follow since places program
exec perl -e 'eval $ENV{program}; die $@ if $@' "$globs"
"""

Places = dict[str, dict[str, str]]
"""Where each file was left, as follow.pl says it: by the address of the host, then by path."""


@frozen
class Source:
    """The files of one host: shell patterns of paths, files whose lines are secrets, and whose name the lines carry."""

    link: Link
    globs: tuple[str, ...]
    secrets: tuple[str, ...] = ()
    user: str = ""


def _script(source: Source, tail: int, follow: bool, since: float | None, places: dict[str, str]) -> str:
    given = {
        "globs": " ".join(source.globs),
        "secrets": " ".join(source.secrets),
        "last": tail,
        "follow": "yes" if follow else "",
        "since": "" if since is None else since,
        "places": "\n".join(f"{place} {path}" for path, place in places.items()),
        "program": "".join(path.read_text() for path in _SCRIPTS),
    }
    return "\n".join([*(assign(name, value) for name, value in given.items()), _PERL])


class Return:
    """No lines, but the end of those of the others when a host that was out of reach can be reached: who follows begins again,
    with it. `pause`: seconds from try to try."""

    def __init__(self, reach: Reach, pause: float = LIMITS.connect) -> None:
        self._reach = reach
        self._pause = pause

    def __aiter__(self) -> AsyncIterator[Read]:
        return self

    async def __anext__(self) -> Read:
        while True:
            await asyncio.sleep(self._pause)
            with suppress(TargetError):
                await self._reach.link()
                break
        raise TargetError(f"`{self._reach.host.address}` can be reached again")


async def lines(
    target: str,
    sources: Sequence[Source],
    tail: int,
    follow: bool,
    since: float | None,
    absent: Sequence[Return] = (),
    places: Places | None = None,
) -> AsyncGenerator[LogLine | Notice, None]:
    """The last `tail` lines of all hosts together (with `since`, in epoch seconds: those from then on), then live ones.

    Raises TargetError when a host is lost, or one of the `absent` ones is back. What `places` then holds is gone on with by the
    next call, whose first value says whether all was there still.
    """
    places = {} if places is None else places
    async with AsyncExitStack() as stack:
        stack.enter_context(_kept_when_cut(places))
        hosts = []
        for source in sources:
            address = source.link.host.address
            known = places.setdefault(address, {})
            frames = source.link.lines(_script(source, tail, follow, since, known), user=source.user)
            await stack.enter_async_context(aclosing(frames))
            hosts.append(Frames(Origin(target=target, host=address), frames, known, since))
        async for line in _backlog(hosts, tail, since):
            yield line
        if follow:
            live = in_order(*(host.live() for host in hosts), when=when)
            async with aclosing(live), aclosing(merge(live, *absent)) as found:
                async for read in found:
                    yield read.taken()


@contextmanager
def _kept_when_cut(places: Places) -> Iterator[None]:
    cut = False
    try:
        yield
    except (TargetError, OSError):
        cut = True
        raise
    finally:
        if not cut:
            places.clear()


async def _backlog(hosts: Sequence[Frames], tail: int, since: float | None) -> AsyncGenerator[LogLine | Notice]:
    """What was there: the end of it, or all that was not seen before a cut."""
    backlogs = await asyncio.gather(*(host.backlog() for host in hosts))
    surplus = sum(map(len, backlogs)) - tail if since is None else 0
    if any(host.resumed for host in hosts):
        surplus = 0
        yield goes_on(gap=any(host.gap for host in hosts))
    for host in hosts:
        host.settle()
    for number, read in enumerate(heapq.merge(*backlogs, key=when)):
        line = read.taken()  # also of those that are not wanted: they are not read again
        if number >= surplus and read.wanted:
            yield line
