"""A Heroku to try things on by hand: python -m tests.heroku.emulator [--port N] [--quick]"""

import argparse
import asyncio
import signal

from tests.heroku.emulator import QUICK, Emulator, Limits, client_environment


async def _run(port: int, limits: Limits) -> None:
    stopped = asyncio.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sign, stopped.set)
    async with Emulator(limits, port, strict=False) as heroku:
        for name, value in client_environment(heroku).items():
            if name not in {"PATH", "LANG"}:
                print(f"export {name}={value}")
        print(f"# apps by Host header: {heroku.router_url}\n# Ctrl-C ends it and everything in it", flush=True)
        await stopped.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="A Heroku on loopback.")
    parser.add_argument("--port", type=int, default=0, help="the API's port (default: any free one)")
    parser.add_argument("--quick", action="store_true", help="short waits, as in tests")
    options = parser.parse_args()
    asyncio.run(_run(options.port, QUICK if options.quick else Limits()))


if __name__ == "__main__":
    main()
