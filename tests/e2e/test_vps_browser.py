"""Two people in real browsers, through what happens to a server on one day: nobody has to write anything twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from playwright.async_api import expect

from tests.browser.stage import COUNT_BANNERS, Person, assert_both_see, chromium, talk, visit
from tests.e2e.yard import Yard

pytestmark = pytest.mark.timeout(600)


class Day:
    """What two people say while somebody works on the server that they talk over."""

    def __init__(self, ana: Person, bo: Person) -> None:
        self.people = (ana, bo)
        self.said: list[str] = []

    async def talk(self) -> None:
        """A few words of each; what was not heard at once is heard later."""
        self.said += await talk(self.people, range(len(self.said), len(self.said) + 2))

    async def meanwhile(self, work: Callable[[], object]) -> None:
        """They talk until `work` is done, and then some more."""
        working = asyncio.create_task(asyncio.to_thread(work))
        while not working.done():
            await self.talk()
            await asyncio.wait([working], timeout=1)
        await working
        await self.talk()
        for person in self.people:
            await person.online()
        await assert_both_see(self.people, self.said)

    async def banners(self) -> list[int]:
        """How often each of them was told of a lost connection."""
        return [await person.page.evaluate("bannersShown") for person in self.people]


def test_two_people_talk_through_deploys_a_way_back_more_workers_and_a_reboot(yard: Yard) -> None:
    # Not the loopback address: browsers give a page of plain HTTP less to work with anywhere else.
    address = f"http://{yard.host.private}/"

    async def scene() -> None:
        async with chromium() as browser:
            day = Day(*[await visit(name, await browser.new_context(), address) for name in ("ana", "bo")])
            for person in day.people:
                await person.page.evaluate(COUNT_BANNERS)
            first = yard.health()["release"]
            yard.change("a better page")
            await day.meanwhile(yard.deploy)
            second = yard.health()["release"]
            assert second != first
            await day.meanwhile(lambda: yard.chatops("rollback", "vps", "--yes"))
            await day.meanwhile(lambda: yard.chatops("scale", "vps", "3"))
            await day.meanwhile(lambda: yard.chatops("restart", "vps"))
            for person in day.people:
                await expect(person.page.locator("#where")).to_contain_text(f"release {first}")
            assert await day.banners() == [0, 0]
            await day.meanwhile(yard.host.restart)
            assert yard.served() == first
            assert [alarm for person in day.people for alarm in person.alarms] == []

    asyncio.run(scene())
