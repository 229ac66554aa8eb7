"""The node and npm that builds and dynos find on their PATH."""

import os
import shutil
from pathlib import Path

from tests.needs import need_node


def folder(parent: Path) -> Path:
    """A folder with `node` and `npm`: the wheel's own npm can't be started by its path."""
    node = need_node().resolve()
    made = parent / "bin"
    made.mkdir()
    (made / "node").symlink_to(node)
    inside = node.parent.parent / "lib" / "node_modules" / "npm" / "bin"
    for name in ("npm", "npx"):
        script = inside / f"{name}-cli.js"
        found = script if script.exists() else shutil.which(name)
        (made / name).write_text(f'#!/bin/sh\nexec "{node}" "{found}" "$@"\n')
        (made / name).chmod(0o755)
    return made


def npm_settings() -> dict[str, str]:
    """The operator's npm settings (registry, certificates, cache): builds have a home of their own."""
    home = Path.home()
    wanted = ("NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
    names = [name for name in os.environ if name.upper() in wanted or name.lower().startswith("npm_config_")]
    settings = {name: os.environ[name] for name in names}
    settings.setdefault("NPM_CONFIG_USERCONFIG", str(home / ".npmrc"))
    settings.setdefault("NPM_CONFIG_CACHE", str(home / ".npm"))
    return settings
