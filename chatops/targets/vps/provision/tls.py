"""Certificates by certbot over HTTP, from Let's Encrypt or any ACME authority; renewed by its timer, which reloads nginx."""

from __future__ import annotations

from chatops.shell import words, write
from chatops.targets.vps.config import Tls
from chatops.targets.vps.provision import nginx, site
from chatops.targets.vps.provision.machine import Machine, RootStep, readable

ASKED_THROUGH = "site_http"
LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
HSTS = 'add_header Strict-Transport-Security "max-age=63072000" always;'


def asked_through(machine: Machine, there: str) -> RootStep:
    """A site through which the authority can ask; `there` is the one that is in force."""
    return nginx.install(machine, ASKED_THROUGH, site.asked(machine, there), "open HTTP for the certificate authority")


def certificate(machine: Machine, tls: Tls) -> RootStep:
    """Gets the first one. HSTS, which can't be taken back, waits until a renewal has worked."""
    name = f"chatops-{machine.name}"
    live, hook = site.certificates(machine), f"/etc/letsencrypt/renewal-hooks/deploy/{name}"
    directory = tls.acme_directory or LETS_ENCRYPT
    asked = words(
        "certbot", "certonly", "--non-interactive", "--agree-tos", "--webroot", "-w", site.CHALLENGES,
        "-d", machine.block.domain,
        "--cert-name", name, "-m", tls.email, "--server", directory,
    )  # fmt: skip
    action = f"""\
# certbot would keep what another authority, maybe one for trials, has made out.
before=$(sed -n 's/^server = //p' /etc/letsencrypt/renewal/{name}.conf 2>/dev/null || :)
keep=--keep-until-expiring
case $before in "" | {words(directory)}) ;; *) keep=--force-renewal ;; esac
install -d -m 755 {site.CHALLENGES}
{_trust(machine) if tls.ca_bundle else ""}
if ! said=$(umask 022; {asked} "$keep" 2>&1 9>&-); then
  printf '%s\n' "$said"
  reason=$(printf '%s\n' "$said" | sed -n 's/^ *Detail: //p; /^An unexpected error occurred:/{{n;p}}' | tail -n 1)
  echo "certbot: ${{reason:-/var/log/letsencrypt/letsencrypt.log says more}}"
  exit 1
fi
printf '%s\n' "$said"
mkdir -p {words(hook.rpartition("/")[0])}
{write(hook, _hook(machine, str(live)))}
chmod 755 {words(hook)}
systemctl enable --quiet --now certbot.timer
[ "$keep" != --force-renewal ] || systemctl try-reload-or-restart nginx 9>&-"""
    return machine.step("certificate", f"get a certificate for {machine.block.domain}", action, limit=300)


def _trust(machine: Machine) -> str:
    """certbot believes the authority's certificates beside the system's, now and when its timer renews."""
    bundle, drop = machine.store / "acme.pem", f"/etc/systemd/system/certbot.service.d/chatops-{machine.name}.conf"
    incoming = words(machine.store / "incoming" / "authority.pem")
    return f"""\
[ ! -e {incoming} ] || cat /etc/ssl/certs/ca-certificates.crt {incoming} >{words(bundle)}
export REQUESTS_CA_BUNDLE={words(bundle)}
{readable(drop, f"[Service]{chr(10)}Environment=REQUESTS_CA_BUNDLE={bundle}")}
systemctl daemon-reload"""


def _hook(machine: Machine, live: str) -> str:
    """certbot runs what lies in its folder of hooks after renewals only."""
    return f"""\
#!/bin/sh
# chatops: after a renewal nginx takes the new certificate, and from the first one on browsers are told to insist on TLS.
[ "$RENEWED_LINEAGE" = {words(live)} ] || exit 0
umask 022
printf '%s\\n' {words(HSTS)} >/etc/nginx/chatops-{machine.name}.hsts
nginx -t -q && systemctl reload nginx"""
