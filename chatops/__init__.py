"""chatops: deploy, watch and scale chat and other real-time apps from one YAML file."""

import sys

__version__ = "0.1.0"

# httpx imports its own command line where it can, and with it click, rich and pygments: 80 % of its import. It does without.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
