"""The page for every eye, hand and ear: narrow screens, both colour schemes, keyboard, screen readers."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, ViewportSize, expect

from tests.browser.probes import CONTRASTS, FOCUS, STICKING_OUT, STRUCTURE
from tests.browser.stage import Person, Stage

LONG = "a very long word: " + "abcdefghij" * 30
NARROW = ViewportSize(width=360, height=640)
OPERABLE = {"button", "textbox", "link", "log", "list", "navigation", "DisclosureTriangle", "main", "image"}


async def furnish(stage: Stage, person: Person) -> None:
    """Fill the page with everything that can be on it."""
    other = await stage.person("Zoë with quite a long name here!".rstrip("!"))
    await other.say("Did the deploy go through?")
    await other.say(LONG)
    await person.say("Yes. No message was lost.")
    await person.sees(3)
    await person.join("deploys")
    await other.join("deploys")
    await person.page.keyboard.press("Alt+ArrowUp")
    await other.say("unread")
    await expect(person.page.locator(".badge")).to_have_text("1")


async def cut_off(stage: Stage, person: Person) -> None:
    """As above, with the banner and a waiting message too."""
    await stage.stop_serving(kill=True)
    await expect(person.page.locator("#retry")).to_be_visible()
    await person.say("waits")
    await expect(person.page.locator(".waiting .note")).to_be_in_viewport()


async def keep_picture(page: Page, name: str) -> None:
    """For the eyes of a developer, where CHATOPS_PICTURES names a folder."""
    if folder := os.environ.get("CHATOPS_PICTURES"):
        await page.screenshot(path=Path(folder) / f"{name}.png")


async def assert_contrast(page: Page) -> None:
    pairs: list[tuple[str, float]] = await page.evaluate(CONTRASTS)
    assert len(pairs) >= 3
    assert [pair for pair in pairs if pair[1] < 4.5] == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_has_contrast(dark: bool) -> None:
    async def scene() -> None:
        async with Stage() as stage:
            context = await stage.visitor(dark=dark)
            entrance = await context.new_page()
            await entrance.goto(stage.address)
            await assert_contrast(entrance)
            ana = await stage.person("ana", context)
            await furnish(stage, ana)
            await ana.page.click("#people summary")
            await assert_contrast(ana.page)
            await cut_off(stage, ana)
            await assert_contrast(ana.page)
            await keep_picture(ana.page, "dark" if dark else "light")

    asyncio.run(scene())


@pytest.mark.parametrize("width", [320, 360, 768])
def test_nothing_sticks_out(width: int) -> None:
    async def scene() -> None:
        async with Stage() as stage:
            ana = await stage.person("ana", await stage.visitor(size=ViewportSize(width=width, height=640)))
            await furnish(stage, ana)
            await assert_fits(ana.page, width)
            await cut_off(stage, ana)
            await assert_fits(ana.page, width)
            await keep_picture(ana.page, f"wide-{width}")
            await ana.page.click("#rename", force=True)
            await assert_fits(ana.page, width)

    asyncio.run(scene())


async def assert_fits(page: Page, width: int) -> None:
    assert await page.evaluate("document.documentElement.scrollWidth") == width
    assert await page.evaluate("document.getElementById('log').scrollWidth <= document.getElementById('log').clientWidth")
    assert await page.evaluate(STICKING_OUT) == []


def test_the_view_follows_until_somebody_reads_further_up() -> None:
    async def scene() -> None:
        async with Stage() as stage:
            ana = await stage.person("ana", await stage.visitor(size=NARROW))
            bo = await stage.person("bo")
            for number in range(20):
                await bo.say(f"number {number}")
            await ana.sees(20)
            await expect(ana.page.locator("#messages li").last).to_be_in_viewport()
            await ana.page.locator("#messages li").first.scroll_into_view_if_needed()
            await bo.say("newest")
            await expect(ana.page.locator("#newest")).to_be_visible()
            await expect(ana.page.locator("#messages li").first).to_be_in_viewport()
            await ana.page.click("#newest")
            await expect(ana.page.locator("#messages li").last).to_be_in_viewport()
            await expect(ana.page.locator("#newest")).to_be_hidden()

    asyncio.run(scene())


async def spoken(page: Page) -> list[tuple[str, str]]:
    """Role and name of everything a screen reader meets, as Chromium computes them."""
    session = await page.context.new_cdp_session(page)
    answer: dict[str, Any] = await session.send("Accessibility.getFullAXTree")
    nodes = [node for node in answer["nodes"] if not node["ignored"]]
    return [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes]


def test_a_screen_reader_meets_names_and_landmarks() -> None:
    async def scene() -> None:
        async with Stage() as stage:
            ana = await stage.person("ana")
            await furnish(stage, ana)
            await cut_off(stage, ana)
            met = await spoken(ana.page)
            roles = [role for role, _ in met]
            assert {"banner", "navigation", "main", "contentinfo", "log", "status"} <= set(roles)
            assert [role for role, name in met if role in OPERABLE and not name.strip()] == []
            assert ("log", "lobby") in met
            assert ("navigation", "Rooms") in met
            assert ("textbox", "Message") in met
            assert ("textbox", "Join a room by name") in met
            assert ("button", "deploys 1 unread") in met
            assert roles.count("main") == 1

    asyncio.run(scene())


def test_the_structure_is_sound() -> None:
    async def scene() -> None:
        async with Stage() as stage:
            ana = await stage.person("ana", await stage.visitor(size=NARROW))
            await furnish(stage, ana)
            sound = {
                "language": "en",
                "doubled": [],
                "tabindex": 0,
                "headings": 1,
                "dangling": [],
                "small": 0,
                "live": "polite",
            }
            assert await ana.page.evaluate(STRUCTURE) == sound

    asyncio.run(scene())


def test_everything_can_be_done_with_the_keyboard() -> None:
    async def scene() -> None:
        async with Stage() as stage:
            context = await stage.visitor()
            page = await context.new_page()
            await page.goto(stage.address)
            await page.keyboard.type("ana")
            await page.keyboard.press("Enter")
            await expect(page.locator("#state")).to_have_attribute("data-state", "online")
            await expect(page.locator("#text")).to_be_focused()
            await page.keyboard.type("first line")
            await page.keyboard.press("Shift+Enter")
            await page.keyboard.type("second line")
            await page.keyboard.press("Enter")
            await expect(page.locator("#messages .text")).to_have_text("first line\nsecond line", use_inner_text=True)
            await page.reload()
            await page.keyboard.press("Tab")
            await expect(page.locator(".skip").first).to_be_focused()
            await expect(page.locator(".skip").first).to_be_in_viewport()
            await page.keyboard.press("Enter")
            await page.keyboard.press("Tab")
            await expect(page.locator("#text")).to_be_focused()

    asyncio.run(scene())


def test_every_stop_of_the_keyboard_is_visible() -> None:
    async def scene() -> None:
        async with Stage() as stage:
            ana = await stage.person("ana")
            await furnish(stage, ana)
            await ana.page.reload()
            await ana.online()
            stops = []
            for _ in range(14):
                await ana.page.keyboard.press("Tab")
                stops.append(await ana.page.evaluate(FOCUS))
            names = [name for name, _ in stops]
            assert {"rename", "room-name", "log", "text", "leave"} <= set(names)
            assert [name for name, outline in stops if name != "BODY" and outline < 2] == []

    asyncio.run(scene())
