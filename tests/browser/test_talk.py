"""Two people talk in real browsers, through restarts, hand-overs and crashes of the server."""

import asyncio

import pytest
from playwright.async_api import expect

from tests.browser.stage import COUNT_BANNERS, Stage, assert_both_see, talk, two_people

BANNER = "#banner"


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
def test_what_is_said_while_the_server_is_down_arrives_once_and_in_order(kill: bool) -> None:
    async def scene() -> None:
        async with two_people() as (stage, *both):
            people = (both[0], both[1])
            said = await talk(people, range(3))
            await people[1].sees(len(said))
            await stage.stop_serving(kill=kill)
            for person in people:
                await expect(person.page.locator(BANNER)).to_be_visible()
                await expect(person.page.locator(BANNER)).to_contain_text("Connection lost")
                await expect(person.page.get_by_role("status")).to_contain_text("Connection lost")
            said += await talk(people, range(3, 8))
            await expect(people[0].page.locator("#pending li")).to_have_count(5)
            await stage.serve("r2")
            for person in people:
                await person.online()
                await expect(person.page.locator(BANNER)).to_be_hidden()
                await expect(person.page.get_by_role("status")).to_have_text("Connected again.")
                await expect(person.page.locator("#where")).to_have_text("worker chat-r2 · release r2")
            await assert_both_see(people, said)

    asyncio.run(scene())


def test_a_hand_over_to_a_new_release_is_not_felt() -> None:
    async def scene() -> None:
        async with two_people() as (stage, *both):
            people = (both[0], both[1])
            for person in people:
                await person.page.evaluate(COUNT_BANNERS)
            old = stage.worker
            await stage.serve("r2")
            drain = asyncio.to_thread(old.operate, "POST", "/drain?window_ms=300")
            said, _ = await asyncio.gather(talk(people, range(15)), drain)
            for person in people:
                await expect(person.page.locator("#where")).to_have_text("worker chat-r2 · release r2")
            await asyncio.to_thread(old.process.stop)
            said += await talk(people, range(15, 17))
            await assert_both_see(people, said)
            for person in people:
                assert await person.page.evaluate("bannersShown") == 0

    asyncio.run(scene())


def test_a_message_written_offline_survives_closing_the_tab() -> None:
    async def scene() -> None:
        async with Stage() as stage:
            context = await stage.visitor()
            ana = await stage.person("ana", context)
            await stage.stop_serving()
            await expect(ana.page.locator(BANNER)).to_be_visible()
            await ana.say("kept")
            await ana.page.close()
            await stage.serve("r2")
            again = await stage.person("ana", context)
            third = await stage.person("bo")
            for person in (again, third):
                assert await person.sees(1) == ["kept"]

    asyncio.run(scene())


def test_two_tabs_of_one_person_send_what_waits_only_once() -> None:
    async def scene() -> None:
        async with Stage() as stage:
            context = await stage.visitor()
            tabs = [await stage.person("ana", context) for _ in range(2)]
            await stage.stop_serving()
            await tabs[0].say("from the first")
            await tabs[1].say("from the second")
            await stage.serve("r2")
            for tab in tabs:
                await tab.online()
                assert sorted(await tab.sees(2)) == ["from the first", "from the second"]

    asyncio.run(scene())


def test_rooms_unread_and_title() -> None:
    async def scene() -> None:
        async with two_people() as (_, ana, bo):
            await ana.join("deploys")
            await bo.join("deploys")
            await ana.page.keyboard.press("Alt+ArrowUp")
            await expect(ana.page.locator("#room-title")).to_have_text("lobby")
            await bo.say("one")
            await bo.say("two")
            await expect(ana.page.locator(".badge")).to_have_text("2")
            await expect(ana.page).to_have_title("(2) Chat")
            await ana.page.keyboard.press("Alt+ArrowDown")
            assert await ana.sees(2) == ["one", "two"]
            await expect(ana.page).to_have_title("Chat")
            await ana.page.reload()
            await expect(ana.page.locator(".room")).to_have_text(["lobby", "deploys"])

    asyncio.run(scene())


def test_who_is_here_and_who_is_typing() -> None:
    async def scene() -> None:
        async with two_people() as (_, ana, bo):
            await expect(ana.page.locator("#people-count")).to_have_text("2 people")
            await ana.page.click("#people summary")
            await expect(ana.page.locator("#members bdi")).to_have_text(["ana", "bo"])
            await bo.page.locator("#text").press_sequentially("well")
            await expect(ana.page.locator("#typing")).to_have_text("bo is typing…")
            await bo.page.press("#text", "Enter")
            await expect(ana.page.locator("#typing")).to_be_empty()
            await bo.page.close()
            await expect(ana.page.locator("#people-count")).to_have_text("1 person")

    asyncio.run(scene())


def test_changing_the_name_and_leaving_a_room() -> None:
    async def scene() -> None:
        async with two_people() as (_, ana, bo):
            await ana.page.click("#rename")
            await ana.page.fill("#name", "Ana  María")
            await ana.page.press("#name", "Enter")
            await ana.online()
            await ana.say("it is me")
            assert await bo.sees(1) == ["it is me"]
            await expect(bo.page.locator(".from")).to_have_text("Ana María")
            await expect(ana.page.locator("#messages .mine")).to_have_count(1)
            await ana.join("deploys")
            await ana.page.click("#leave")
            await expect(ana.page.locator(".room")).to_have_text(["lobby"])

    asyncio.run(scene())


def test_what_is_wrong_with_a_name_is_said() -> None:
    async def scene() -> None:
        async with Stage() as stage:
            page = await (await stage.visitor()).new_page()
            await page.goto(stage.address)
            await page.fill("#name", "<b>")
            await page.press("#name", "Enter")
            await expect(page.locator("#name-problem")).to_contain_text("a name has 1 to 32 letters")
            await page.fill("#name", "bea")
            await page.press("#name", "Enter")
            await expect(page.locator("#state")).to_have_attribute("data-state", "online")
            await page.fill("#room-name", "no/room")
            await page.press("#room-name", "Enter")
            await expect(page.locator("#notice")).to_contain_text("A room name has 1 to 32 letters")

    asyncio.run(scene())


def test_earlier_messages_are_loaded_on_demand() -> None:
    async def scene() -> None:
        async with Stage() as stage:
            ana = await stage.person("ana")
            for number in range(60):
                await ana.say(f"number {number}")
            await ana.sees(60)
            bo = await stage.person("bo")
            await bo.sees(50)
            await bo.page.click("#earlier")
            assert await bo.sees(60) == [f"number {number}" for number in range(60)]
            await expect(bo.page.locator("#earlier")).to_be_hidden()
            assert await bo.sequence() == list(range(1, 61))

    asyncio.run(scene())


def test_a_message_that_the_server_refuses_comes_back_to_be_changed() -> None:
    async def scene() -> None:
        async with two_people() as (_, ana, bo):
            await ana.page.fill("#text", "\u0007")
            await ana.page.press("#text", "Enter")
            await expect(ana.page.locator(".refused .note")).to_have_text("Not sent: the message is empty")
            await expect(ana.page.locator("#notice")).to_have_text("Not sent: the message is empty")
            await ana.page.get_by_role("button", name="Edit").click()
            await expect(ana.page.locator("#text")).to_be_focused()
            await ana.say("better")
            assert await bo.sees(1) == ["better"]
            await expect(ana.page.locator("#pending li")).to_have_count(0)

    asyncio.run(scene())


def test_more_than_the_server_takes_at_once_arrives_in_order_all_the_same() -> None:
    async def scene() -> None:
        async with two_people() as (stage, ana, bo):
            await stage.stop_serving()
            for number in range(60):
                await ana.say(f"number {number}")
            await stage.serve("r2")
            assert await bo.sees(60) == [f"number {number}" for number in range(60)]

    asyncio.run(scene())
