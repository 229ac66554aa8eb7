"""What people write stays text: nothing of it runs, loads or changes the page."""

import asyncio

from playwright.async_api import expect

from tests.browser.stage import two_people

CORPUS = [
    "<script>document.title='owned'</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)><circle r=9></svg>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<a href='javascript:alert(1)'>click</a>",
    '"><script>alert(1)</script>',
    "'-alert(1)-'",
    "javascript:alert(1)",
    "<body onload=alert(1)>",
    "<style>*{display:none}</style>",
    "<meta http-equiv=refresh content='0;url=//example.invalid'>",
    "<link rel=stylesheet href=//example.invalid/x.css>",
    "<object data=//example.invalid/x></object>",
    "<math><mi xlink:href='javascript:alert(1)'>x</mi></math>",
    "<template><script>alert(1)</script></template>",
    "</li></ol><h1>outside</h1>",
    "&lt;b&gt;entities stay&lt;/b&gt; &amp;amp;",
    "{{constructor.constructor('alert(1)')()}} ${alert(1)} <%= 7*7 %>",
    "`${globalThis.owned=1}`",
    "<!-- comment --> <![CDATA[x]]>",
    "__proto__ constructor toString",
    "zero\u200cwidth, combining Z\u0351\u036b\u036a\u0302 and 👩‍👩‍👧‍👦",
    "<p style='position:fixed;inset:0'>cover</p>",
]
OWN_TAGS = {"LI", "SPAN", "DIV", "BDI", "TIME", "P"}
TAGS = "() => [...new Set([...document.querySelectorAll('#messages *')].map((node) => node.tagName))]"
OWNED = "() => [globalThis.owned, document.title, ...['script', 'h1'].map((tag) => document.querySelectorAll(tag).length)]"


def test_markup_is_shown_as_text() -> None:
    async def scene() -> None:
        async with two_people() as (stage, ana, bo):
            before = await bo.page.evaluate(OWNED)
            for text in CORPUS:
                await ana.say(text)
            for person in (ana, bo):
                assert await person.sees(len(CORPUS)) == CORPUS
                assert set(await person.page.evaluate(TAGS)) <= OWN_TAGS
                assert await person.page.evaluate(OWNED) == before
                assert {url for url in person.requests if not url.startswith(stage.address)} == set()

    asyncio.run(scene())


def test_markup_survives_a_reload_as_text() -> None:
    async def scene() -> None:
        async with two_people() as (_, ana, _bo):
            for text in CORPUS[:5]:
                await ana.say(text)
            await ana.sees(5)
            await ana.page.reload()
            assert await ana.sees(5) == CORPUS[:5]
            assert set(await ana.page.evaluate(TAGS)) <= OWN_TAGS

    asyncio.run(scene())


def test_text_that_changes_direction_stays_in_its_bubble() -> None:
    async def scene() -> None:
        async with two_people() as (_, ana, bo):
            await ana.say("مرحبا ana!")
            await bo.sees(1)
            await expect(bo.page.locator("#messages .text")).to_have_attribute("dir", "auto")
            await expect(bo.page.locator("#messages .from")).to_have_css("unicode-bidi", "isolate")

    asyncio.run(scene())
