"""The only door to Heroku: its API, its streams, its one-off dynos."""

import sys

# httpx imports its own command line where it can, and that click, rich and pygments: 40 % of its import. It does without.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
