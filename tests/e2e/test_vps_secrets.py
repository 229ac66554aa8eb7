"""Secrets and strange values on servers of one's own, logins whose shell talks, and a host that is not the one it was."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.yard import Yard, harm
from tests.rig.host import Host
from tests.rig.impostor import impostor

pytestmark = pytest.mark.timeout(900)
CANARY = "c4n4ry-'\"$(touch /tmp/pwned)`id`\\ é\nsecond line\n\ttail-c4n4ry"
STRANGE = "'single' \"double\" $(touch /tmp/pwned) `touch /tmp/pwned` $HOME ${PATH} \\n\nnext line é\t;&|<>*?[]{}!#~%"
LOGIN = "printf '\\033[2Jwelcome to the server\\n'; echo 'to standard error' >&2; sleep 1; export IFS=x PS1=y\n"
ALLOWED = "/srv/chat/shared/env/"


def leaks(yard: Yard) -> list[str]:
    """Where a canary can be read though nobody should: not in its file, and not in a worker's own memory of it."""
    return [place for place in yard.host.places_of("c4n4ry") if not place.startswith(ALLOWED)]


def values(yard: Yard) -> dict[str, str]:
    """What workers get, as Node sees it."""
    asked = "JSON.stringify([process.env.TOKEN, process.env.STRANGE])"
    token, strange = json.loads(yard.chatops("run", "vps", "--", "node", "-p", asked).stdout)
    return {"TOKEN": token, "STRANGE": strange}


def test_a_canary_is_found_nowhere_but_in_its_file(yard: Yard) -> None:
    """Every file, process list, dump, journal and output; after success, failures of each kind, and with --debug."""
    yard.env["CANARY"] = CANARY
    yard.secrets["TOKEN"] = {"env": "CANARY"}
    yard.configure(STRANGE=STRANGE.replace("$", "$$"))
    said = [yard.chatops("--debug", "deploy", "vps", "--yes", "--json")]
    assert values(yard) == {"TOKEN": CANARY, "STRANGE": STRANGE}
    assert leaks(yard) == []

    server = yard.folder / "app" / "server.js"
    text = server.read_text()
    server.write_text("console.error('no way', process.env.TOKEN); process.exit(3)\n")
    said.append(yard.chatops("--debug", "deploy", "vps", "--yes", code=5))
    server.write_text(text)
    # What an app itself writes to its log, and the gate quotes, is its own affair there; here it is hidden.
    assert {Path(place).parent for place in leaks(yard)} <= {Path("/srv/chat/logs"), Path("/srv/chat/state")}
    yard.host.run("rm -f /srv/chat/logs/*; systemctl restart pm2-chat")
    yard.served()

    yard.host.run("chown root /srv/chat/releases && chmod 755 /srv/chat/releases")
    yard.change("can't be unpacked")
    said.append(yard.chatops("--debug", "deploy", "vps", "--yes", code=4))
    yard.host.run("chown chat /srv/chat/releases && chmod 700 /srv/chat/releases")
    said += [
        yard.chatops("--debug", *words.split())
        for words in ("plan vps --script", "status vps", "restart vps --yes", "doctor vps")
    ]
    said.append(yard.chatops("logs", "vps", "-n", "500"))
    assert [one.args for one in said if "c4n4ry" in one.stdout + one.stderr] == []
    assert leaks(yard) == []
    assert yard.host.run("test ! -e /tmp/pwned", check=False).code == 0
    yard.host.restart()
    yard.served()
    assert leaks(yard) == []


@pytest.mark.faults
def test_a_login_that_talks_and_is_slow(yard: Yard) -> None:
    """The shell of root, then of the app's own user, prints what it likes, changes variables and takes a second."""
    yard.host.run("chsh -s /bin/bash root")
    for file in (".bashrc", ".profile"):
        yard.host.write(f"/root/{file}", LOGIN)
    assert "welcome" in yard.host.ssh("true").out
    yard.change("past a login that talks")
    assert harm(yard.deploy()) == {}
    status = yard.json("status", "vps")
    assert (status["state"], len(status["workers"])) == ("healthy", 4)
    assert yard.chatops("run", "vps", "--", "echo", "only this").stdout == "only this\n"

    key = yard.host.read("/root/.ssh/authorized_keys").decode()
    yard.host.run("usermod -s /bin/bash chat && install -d -m 700 -o chat -g chat /srv/chat/.ssh")
    yard.host.write("/srv/chat/.ssh/authorized_keys", key)
    yard.host.write("/srv/chat/.bashrc", LOGIN)
    yard.host.run("chown chat /srv/chat/.ssh/authorized_keys /srv/chat/.bashrc")
    entry = yard.entry

    def as_app(host: Host) -> dict[str, Any]:
        return {**entry(host), "user": "chat"}

    yard.entry = as_app  # type: ignore[method-assign]
    yard.configure()
    yard.change("as the app's own user")
    assert harm(yard.deploy()) == {}
    assert yard.json("status", "vps")["state"] == "healthy"


@pytest.mark.faults
def test_another_host_in_its_place(yard: Yard) -> None:
    """Both fingerprints are told; nobody logs in, whatever is asked for."""
    yard.host.stop()
    with impostor(yard.host.address, yard.host.port) as other:
        for words in ("deploy vps --yes", "status vps", "doctor vps", "logs vps", "run vps -- true", "remove vps --yes"):
            refused = yard.chatops(*shlex.split(words), code=3)
            assert yard.host.host_key in refused.stderr, refused
            assert other.host_key in refused.stderr, refused
        assert other.connections >= 6
        assert other.attempts == []
