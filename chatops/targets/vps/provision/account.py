"""The app's user, who has no password and no rights, and the folders that are its own."""

from __future__ import annotations

from chatops.shell import words
from chatops.targets.vps.provision.machine import Machine, RootStep

WEB = "www-data"
"""The group that nginx runs as on Debian and Ubuntu: it may reach the sockets, and nothing else."""
PRIVATE = ("shared", "shared/env", "shared/secrets", "shared/data", "state", "logs", "pm2", "releases", "modules", "scripts")


def step(machine: Machine) -> RootStep:
    """Makes the user and its folders. Refuses a name that somebody else on the host has."""
    name, root = words(machine.name), machine.layout.root
    lock = words(machine.lock)
    private = words(*(root / folder for folder in PRIVATE))
    action = f"""\
home=$(getent passwd {name} | cut -d: -f6)
if [ -z "$home" ]; then
  useradd --system --user-group --home-dir {words(root)} --no-create-home --shell /usr/sbin/nologin {name}
elif [ "$home" != {words(root)} ]; then
  echo "a user named {machine.name} exists, and its home is $home: give the app another name"
  exit 1
fi
install -d -m 755 -o root -g root {words(root.parent)}
install -d -m 710 -o {name} -g {WEB} {words(root)}
install -d -m 700 -o {name} -g {name} {private}
install -d -m 2710 -o {name} -g {WEB} {words(machine.layout.run)}
install -d -m 755 -o root -g root {words(root / "runtime")} {words(root / "tools")}
touch {lock}
chgrp {name} {lock}
chmod 660 {lock}
runuser -u {name} -- ln -sfn {lock} {words(machine.layout.state / "lock")}"""
    return machine.step("account", f"make the user {machine.name} and {root}", action)
