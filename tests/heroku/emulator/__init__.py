"""A Heroku on loopback for tests: the Platform API with real builds, dynos, a router, log streams and add-ons.

    async with Emulator() as heroku:                 # or: with running_emulator() as heroku
        heroku.api_url, heroku.token, heroku.ca_file # HEROKU_API_URL, HEROKU_API_KEY, trust for `run`
        heroku.inject(Refuse(method="POST", path="/apps/*/builds", status=503))
        heroku.app("chat").log.close_tails()         # the App as kept: releases, dynos, addons, domains, log

As on the real platform: a dyno knows HEROKU_RELEASE_VERSION only where the feature `runtime-dyno-metadata` is on,
runtime metrics need `log-runtime-metrics` and a restart, Redis and PostgreSQL speak TLS with an unknown certificate,
Eco and Basic dynos come one a type. Unlike it: `web_url` is http://127.0.0.1:PORT/. By hand: python -m tests.heroku.emulator
"""

from tests.heroku.emulator.emulator import Emulator, client_environment, running_emulator
from tests.heroku.emulator.faults import Crash, Cut, Delay, Drop, FailAddOn, FailBuild, FailRelease, Fault, Refuse
from tests.heroku.emulator.limits import QUICK, Limits

__all__ = [
    "QUICK", "Crash", "Cut", "Delay", "Drop", "Emulator", "FailAddOn", "FailBuild", "FailRelease", "Fault", "Limits",
    "Refuse", "client_environment", "running_emulator",
]  # fmt: skip
