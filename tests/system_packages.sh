#!/bin/sh
# Installs what the end-to-end tests need from Debian's packages, where that is possible; elsewhere those tests are skipped.
set -eu
packages='chromium git nginx-light openssh-server openssh-client postgresql redis-server tmux
docker.io debootstrap iproute2 iptables prometheus certbot pebble'
[ -f /etc/debian_version ] || { echo 'not Debian or Ubuntu: end-to-end tests that need system packages are skipped'; exit 0; }
if [ "$(id -u)" -eq 0 ]; then sudo=
elif sudo -n true 2>/dev/null; then sudo='sudo -n'
else echo 'neither root nor password-less sudo: end-to-end tests that need system packages are skipped'; exit 0
fi
missing=
for package in $packages; do
  dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
echo "installing:$missing"
# Tests start servers by themselves, on their own ports: none may start by being installed.
policy=/usr/sbin/policy-rc.d
[ -e "$policy" ] || { printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null; $sudo chmod +x "$policy"; made=1; }
$sudo apt-get update -qq
# shellcheck disable=SC2086
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends -o DPkg::Lock::Timeout=300 $missing >/dev/null
[ -z "${made-}" ] || $sudo rm -f "$policy"
