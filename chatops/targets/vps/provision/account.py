"""The app's user, who has no password and no rights, and the folders that are its own."""

from __future__ import annotations

from chatops.shell import words
from chatops.targets.vps.provision.machine import Machine, RootStep, as_user, inside

WEB = "www-data"
"""The group that nginx runs as on Debian and Ubuntu: it may reach the sockets, and nothing else."""
PRIVATE = ("shared", "shared/env", "shared/secrets", "shared/data", "state", "logs", "pm2", "releases", "modules", "scripts")


OF_ROOT = ("runtime", "tools")
"""What the app's user runs, and can't change."""


def step(machine: Machine) -> RootStep:
    """Makes the user and its folders. Refuses a name that somebody else on the host has.

    The app's user may put what it likes into its folder, and take root's folders there away: root makes only what is not
    there at all, enters before it changes owners, and leaves the rest to the user.
    """
    name, root = words(machine.name), machine.layout.root
    lock, run = words(machine.lock), machine.layout.run
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
{as_user(machine.name, f"install -d -m 700 {private}")}
for folder in {words(*OF_ROOT)}; do
  (umask 022; cd {words(root)} && mkdir "$folder" 2>/dev/null) || :
done
{"".join(f"({inside(root / folder, 'root')}){chr(10)}" for folder in OF_ROOT)}\
{as_user(machine.name, words("mkdir", "-p", "-m", 700, run))}
(
{inside(run, machine.name)}
chgrp {WEB} .
chmod 2710 .
)
touch {lock}
chgrp {name} {lock}
chmod 660 {lock}
{as_user(machine.name, words("ln", "-sfn", machine.lock, machine.layout.state / "lock"))}"""
    return machine.step("account", f"make the user {machine.name} and {root}", action)
