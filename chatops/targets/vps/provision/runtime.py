"""Node.js, exactly the one whose checksum was looked up; PM2 from our lock file; and the unit that starts PM2 at boot."""

from __future__ import annotations

from collections.abc import Sequence

from chatops.shell import words
from chatops.targets.vps.provision.machine import Machine, RootStep, as_user, inside, readable


def node(machine: Machine) -> RootStep:
    """Unpacks Node.js in a folder of its version; workers of other versions keep theirs."""
    version, folder = machine.node.version, machine.runtime
    archive = machine.store / "incoming" / machine.node.archive
    url = f"{machine.block.node_mirror.rstrip('/')}/v{version}/{machine.node.archive}"
    action = f"""\
umask 022
{inside(folder.parent, "root")}
archive={words(archive)}
version={words(version)}
if [ ! -x "$version/bin/node" ]; then
  mkdir -p {words(archive.parent)}
  [ -e "$archive" ] || curl -fsSL --retry 2 --connect-timeout 10 --max-time 240 -o "$archive" {words(url)}
  if ! echo "{machine.node.digest}  $archive" | sha256sum --quiet -c - >/dev/null 2>&1; then
    rm -f "$archive"
    echo 'the archive is not the one whose checksum the mirror names'
    exit 1
  fi
  trap 'rm -rf "$version.new"' EXIT
  rm -rf "$version.new"
  mkdir "$version.new"
  tar -xJf "$archive" -C "$version.new" --no-same-owner --strip-components=1 --exclude='*/include' --exclude='*/share'
  "./$version.new/bin/node" --version
  rm -rf "$version"
  mv "$version.new" "$version"
  rm -f "$archive"
fi
ln -sfn "$version" current.new
mv -fT current.new current"""
    return machine.step("node", f"install Node.js {version}", action, limit=300, key=version)


def prune(machine: Machine, versions: Sequence[str]) -> RootStep:
    """Takes versions of Node.js away."""
    action = f"{inside(machine.runtime.parent, 'root')}\n{words('rm', '-rf', '--', *versions)}"
    title = f"delete Node.js {', '.join(versions)}, on which nothing runs any more"
    return RootStep(name="old_node", title=title, reason="remove", action=action, host=machine.host.address)


def prune_pm2(machine: Machine, folders: Sequence[str]) -> RootStep:
    """Takes versions of PM2 away, but never the one that is started next."""
    action = f"""\
{inside(machine.pm2.parent, "root")}
for folder in {words(*folders)}; do
  [ "$folder" -ef current ] || rm -rf -- "$folder"
done"""
    title = f"delete {', '.join(folders)}, from which nothing runs any more"
    return RootStep(name="old_pm2", title=title, reason="remove", action=action, host=machine.host.address)


def pm2(machine: Machine) -> RootStep:
    """PM2 and its dependencies, every one held to the checksum of our lock file. Installed without rights."""
    folder, files = machine.pm2, machine.store / "incoming" / "pm2"
    own = f'env HOME={words(machine.layout.root)} PATH={words(machine.runtime / "bin")}:"$PATH"'
    npm = as_user(
        machine.name,
        f"""sh -c 'umask 022; exec "$@"' sh {own} \\
    npm ci --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error""",
    )
    action = f"""\
{inside(folder.parent, "root")}
folder={words(folder.name)}
if [ ! -e "$folder/node_modules/pm2" ]; then
  trap 'rm -rf "$folder.new"' EXIT
  rm -rf "$folder.new"
  (umask 022; mkdir "$folder.new")
  install -m 644 {words(files / "package.json", files / "package-lock.json")} "$folder.new"
  chown {words(machine.name)} "$folder.new"
  (cd "$folder.new"; {npm} 9>&-)
  chown -R root:root "$folder.new"
  rm -rf "$folder"
  mv "$folder.new" "$folder"
fi
ln -sfn "$folder" current.new
mv -fT current.new current"""
    return machine.step("pm2", "install PM2", action, limit=300)


def unit(machine: Machine) -> RootStep:
    """The unit is started first, and PM2 by it alone: a daemon of a login session would not survive as systemd sees it."""
    name = f"pm2-{machine.name}.service"
    path = f"/etc/systemd/system/{name}"
    action = f"""\
{readable(path, unit_file(machine))}
systemctl daemon-reload
systemctl enable --quiet {name}
systemctl is-active --quiet {name} || systemctl restart {name}"""
    return machine.step("unit", f"start PM2 at boot ({name})", action)


def unit_file(machine: Machine) -> str:
    """PM2 as the app's user, with a clean environment; at boot it brings back what served last."""
    root, layout = machine.layout.root, machine.layout
    command = f"{root}/runtime/current/bin/node {root}/tools/current/node_modules/pm2/bin/pm2"
    return f"""\
# chatops: keeps the workers of {machine.name} running. Written by `chatops deploy`.
[Unit]
Description=PM2 for {machine.name}
After=network.target redis-server@{machine.name}.service postgresql.service

[Service]
Type=forking
User={machine.name}
UMask=0077
LimitNOFILE=65536
LimitCORE=0
Environment=HOME={root} PM2_HOME={layout.pm2} PATH={root}/runtime/current/bin:/usr/local/bin:/usr/bin:/bin
# All workers drain at once: two at a time, as PM2 would have it, many of them take longer than the limit below.
Environment=PM2_CONCURRENT_ACTIONS=64
PIDFile={layout.pm2}/pm2.pid
ExecStart={command} resurrect --no-color
ExecStop={command} kill --no-color
TimeoutStopSec=60
Restart=always
RestartSec=1
NoNewPrivileges=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectSystem=strict
ReadWritePaths={root}
ProtectHome=yes
ProtectControlGroups=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictSUIDSGID=yes
LockPersonality=yes

[Install]
WantedBy=multi-user.target"""


def rotation(machine: Machine) -> RootStep:
    """The system's logrotate, as the app's user; the workers keep their files open, so these are copied and emptied."""
    path = f"/etc/logrotate.d/chatops-{machine.name}"
    text = f"""\
{machine.layout.logs}/*.log {machine.layout.pm2}/pm2.log {{
  su {machine.name} {machine.name}
  daily
  maxsize 50M
  rotate 7
  missingok
  notifempty
  copytruncate
  compress
  delaycompress
}}"""
    return machine.step("rotation", "rotate the logs", readable(path, text))
