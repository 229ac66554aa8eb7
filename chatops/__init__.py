"""chatops: deploy, watch and scale chat and other real-time apps from one YAML file."""

import sys
from types import SimpleNamespace

__version__ = "0.1.0"

# httpx imports its own command line where it can, and with it click, rich and pygments: 80 % of its import. It does without.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
# pydantic searches every installed package for plugins, which would also see what stands in the file: 13 ms. It has none.
sys.modules.setdefault("pydantic.plugin._loader", SimpleNamespace(get_plugins=tuple))  # type: ignore[arg-type]
