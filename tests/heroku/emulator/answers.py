"""Kept things as API answers (resources of the Platform API schema)."""

from typing import Any

from tests.heroku.emulator import catalog
from tests.heroku.emulator.catalog import lasting_id
from tests.heroku.emulator.model import Account, AddOn, App, Build, Domain, Drain, Formation, Record, Release, Slug

Answer = dict[str, Any]


def times(record: Record) -> Answer:
    return {"id": record.id, "created_at": record.created_at, "updated_at": record.updated_at}


def named(name: str) -> Answer:
    return {"id": lasting_id(name), "name": name}


def user(account: Account) -> Answer:
    return {"id": account.id, "email": account.email}


def brief(app: App) -> Answer:
    return {"id": app.id, "name": app.name}


def account(owner: Account) -> Answer:
    return times(owner) | {
        "allow_tracking": False, "beta": False, "email": owner.email, "federated": False, "identity_provider": None,
        "last_login": owner.created_at, "name": "Dev", "sms_number": None, "verified": owner.verified,
        "suspended_at": owner.updated_at if owner.suspended else None, "two_factor_authentication": False,
        "delinquent_at": owner.updated_at if owner.delinquent else None, "country_of_residence": None,
        "default_organization": None, "default_team": None,
    }  # fmt: skip


def app(kept: App, owner: Account) -> Answer:
    slug = kept.current.slug if kept.current else None
    return times(kept) | {
        "acm": kept.acm, "archived_at": None, "buildpack_provided_description": "Node.js" if slug else None,
        "build_stack": named(kept.build_stack or kept.stack), "generation": catalog.GENERATION,
        "git_url": f"https://git.heroku.com/{kept.name}.git", "internal_routing": None,
        "maintenance": kept.maintenance, "name": kept.name, "owner": user(owner), "organization": None, "team": None,
        "region": named(kept.region), "released_at": kept.released_at, "repo_size": None,
        "slug_size": slug.size if slug else None, "space": None, "stack": named(kept.stack), "web_url": kept.web_url,
    }  # fmt: skip


def slug(kept: Slug) -> Answer:
    return times(kept) | {
        "blob": {"method": "GET", "url": f"https://slugs.example.com/{kept.id}"},
        "buildpack_provided_description": "Node.js", "checksum": kept.checksum, "commit": kept.commit,
        "commit_description": None, "process_types": kept.process_types, "size": kept.size,
        "stack": named(kept.stack), "deleted_at": None,
    }  # fmt: skip


def release(kept: Release, home: App, owner: Account, base: str) -> Answer:
    current = home.current is kept
    return times(kept) | {
        "addon_plan_names": kept.plans, "app": brief(home), "artifacts": [], "description": kept.description,
        "slug": {"id": kept.slug.id} if kept.slug else None, "status": kept.status, "user": user(owner),
        "version": kept.version, "current": current,
        "output_stream_url": f"{base}/streams/{kept.output.id}" if kept.output else None,
        "eligible_for_rollback": kept.slug is not None and kept.status == "succeeded" and not current,
    }  # fmt: skip


def build(kept: Build, home: App, owner: Account, base: str) -> Answer:
    return times(kept) | {
        "app": {"id": home.id}, "buildpacks": [buildpack(url) for url in kept.buildpacks] or None,
        "output_stream_url": f"{base}/streams/{kept.output.id}", "source_blob": kept.source,
        "release": {"id": kept.release.id} if kept.release else None,
        "slug": {"id": kept.slug.id} if kept.slug else None, "stack": kept.stack, "status": kept.status,
        "user": user(owner),
    }  # fmt: skip


def buildpack(name: str) -> Answer:
    """A buildpack by its short name (`heroku/nodejs`) or its URL."""
    short = "://" not in name
    return {"url": f"urn:buildpack:{name}" if short else name, "name": name}


def installation(name: str, ordinal: int) -> Answer:
    return {"ordinal": ordinal, "buildpack": buildpack(name)}


def formation(kept: Formation, home: App) -> Answer:
    return times(kept) | {
        "app": brief(home), "command": kept.command, "dyno_size": named(kept.size.name),
        "quantity": kept.quantity, "size": kept.size.name, "type": kept.type,
    }  # fmt: skip


def addon(kept: AddOn, home: App) -> Answer:
    cents = catalog.PLANS[kept.plan]
    return times(kept) | {
        "actions": [], "addon_service": named(kept.service), "app": brief(home),
        "billing_entity": {"id": home.id, "name": home.name, "type": "app"},
        "billed_price": {"cents": cents, "contract": False, "unit": "month"},
        "config_vars": sorted(kept.config), "name": kept.name, "plan": named(kept.plan),
        "provider_id": kept.id, "provision_message": kept.message, "state": kept.state, "web_url": None,
    }  # fmt: skip


def plan(name: str) -> Answer:
    stamps = {"created_at": catalog.BORN, "updated_at": catalog.BORN}
    return named(name) | stamps | {
        "addon_service": named(name.split(":")[0]), "compliance": None, "default": False, "description": name,
        "human_name": name.split(":")[1].title(), "installable_inside_private_network": False,
        "installable_outside_private_network": True, "state": "ga", "visible": True, "space_default": False,
        "price": {"cents": catalog.PLANS[name], "contract": False, "unit": "month"},
    }  # fmt: skip


def attachment(kept: AddOn, home: App) -> Answer:
    return times(kept) | {
        "id": kept.attachment_id, "name": kept.attachment, "namespace": None, "web_url": None, "log_input_url": None,
        "addon": {"id": kept.id, "name": kept.name, "app": brief(home)}, "app": brief(home),
    }  # fmt: skip


def domain(kept: Domain, home: App) -> Answer:
    return times(kept) | {
        "acm_status": kept.acm_status, "acm_status_reason": kept.acm_reason, "app": brief(home), "cname": kept.cname,
        "hostname": kept.hostname, "kind": kept.kind, "status": kept.status,
        "sni_endpoint": named(kept.endpoint) if kept.endpoint else None,
    }  # fmt: skip


def drain(kept: Drain, home: App) -> Answer:
    return times(kept) | {"addon": None, "app": brief(home), "token": kept.token, "url": kept.url}


def feature(name: str, changed: str | None) -> Answer:
    """`changed` is when it was enabled; None: it is not."""
    return {
        "id": lasting_id(name), "name": name, "description": catalog.FEATURES[name], "display_name": name,
        "doc_url": f"https://devcenter.heroku.com/articles/{name}", "enabled": changed is not None, "state": "general",
        "feedback_email": "labs@example.com", "created_at": catalog.BORN, "updated_at": changed or catalog.BORN,
    }  # fmt: skip
