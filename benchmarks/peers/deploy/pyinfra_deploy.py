"""What pyinfra does for the same result: packages, user, files, dependencies, site, PM2; no gate."""

import os

from pyinfra.operations import apt, files, server, systemd

NODE = "/srv/chat/runtime/current/bin"
PM2 = "/srv/chat/tools/current/node_modules/pm2/bin/pm2"
TRUST = "NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt"
ENVIRONMENT = f"HOME=/srv/peer PM2_HOME=/srv/peer/pm2 PATH={NODE}:$PATH {TRUST} PORT=3900 DATA_DIR=/srv/peer"

apt.packages(packages=["nginx", "logrotate", "redis-server", "postgresql"])
server.user(user="peer", home="/srv/peer", ensure_home=True, system=True)
code = files.sync(src=os.environ["APP"], dest="/srv/peer/app", user="peer", delete=False)
lock = files.put(src=f"{os.environ['APP']}/package-lock.json", dest="/srv/peer/package-lock.json", user="peer")
install = f"cd /srv/peer/app && {ENVIRONMENT} npm ci --omit=dev --ignore-scripts"
server.shell(commands=[install], _if=lock.did_change)
files.put(src=os.environ["SITE"], dest="/etc/nginx/conf.d/peer.conf")
quiet = ">/dev/null </dev/null 2>&1"
start = f"cd /srv/peer/app && {ENVIRONMENT} node {PM2} startOrReload ecosystem.config.cjs {quiet}"
server.shell(commands=[start], _if=code.did_change)
systemd.service(service="nginx", running=True, enabled=True)
systemd.service(service="postgresql", running=True, enabled=True)
