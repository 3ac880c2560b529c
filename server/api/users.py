"""People of the office and their API tokens, for administrators and their programs; one's own password for everybody.

Secrets are in the answer that makes them, and never again.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from flask import Blueprint, request

from server.api.bodies import json_object, text_member
from server.clock import utc_now
from server.context import caller, current, roles
from server.context.access import ROLES
from server.context.login import own_password
from server.db.queries.accounts import StoredApiToken
from server.errors import BadRequest
from server.services import accounts, api_tokens
from server.services.accounts import Account, AccountChanges

BY_ID: Final = "/<int:user_id>"
TEXTS: Final = ("role", "team", "enumerator")

blueprint = Blueprint("users", __name__, url_prefix="/api/v1/users")


@blueprint.get("")
@roles("administrator")
def list_all() -> dict[str, Any]:
    """List everybody."""
    with current().database.read() as session:
        return {"users": [_members(one) for one in accounts.list_users(session, now=utc_now())]}


@blueprint.post("")
@roles("administrator")
def add() -> tuple[dict[str, Any], int]:
    """Add a person: `{"name", "role", "team", "enumerator", "projects", "password"}`; `"password": null` for none.

    `projects` are numbers, null or absent for every project. A password that is not given is made and answered.
    """
    asked = json_object()
    made = accounts.generated_password() if "password" not in asked else None
    password = made or (None if asked.get("password") is None else text_member(asked, "password"))
    placed: dict[str, Any] = {name: text_member(asked, name, default="") for name in TEXTS} | {
        "in_projects": _projects(asked)
    }
    name = text_member(asked, "name")
    with current().database.transaction() as session:
        added = accounts.add_user(session, name=name, password=password, actor=caller().name, now=utc_now(), **placed)
    return _members(added) | ({"password": made} if made else {}), 201


@blueprint.get(BY_ID)
@roles("administrator")
def show(user_id: int) -> dict[str, Any]:
    """Describe one person."""
    with current().database.read() as session:
        return _members(accounts.account(session, user_id))


@blueprint.patch(BY_ID)
@roles("administrator")
def change(user_id: int) -> dict[str, Any]:
    """Change what a person may do: `role`, `team`, `enumerator`, `projects` (null for every), `is_disabled`."""
    asked = json_object()
    by: dict[str, Any] = {"actor": caller().name, "now": utc_now()}
    is_disabled = asked.get("is_disabled")
    if not isinstance(is_disabled, bool | None):
        raise BadRequest("`is_disabled` is true or false")
    with current().database.transaction() as session:
        name = accounts.account(session, user_id).name
        if asked.keys() & {*TEXTS, "projects"}:
            accounts.change_user(session, name=name, changes=_changes(asked), **by)
        if is_disabled is not None:
            (accounts.disable_user if is_disabled else accounts.enable_user)(session, name=name, **by)
        return _members(accounts.account(session, user_id))


@blueprint.post(f"{BY_ID}/password")
@roles("administrator")
def set_password(user_id: int) -> dict[str, Any]:
    """Give a person another password: `{"password": …}`, or an empty body for one that is made and answered."""
    asked = json_object()
    made = None if "password" in asked else accounts.generated_password()
    password = made or text_member(asked, "password")
    with current().database.transaction() as session:
        name = accounts.account(session, user_id).name
        accounts.set_password(session, name=name, password=password, actor=caller().name, now=utc_now())
    return {"name": name} | ({"password": made} if made else {})


@blueprint.put("/me/password")
@roles(*ROLES)
def change_own_password() -> dict[str, Any]:
    """Give oneself another password: `{"present": …, "chosen": …}`; sessions from before end."""
    asked = json_object()
    present, chosen = text_member(asked, "present"), text_member(asked, "chosen")
    own_password(current(), caller(), present=present, chosen=chosen, address=request.remote_addr or "")
    return {"name": caller().name}


@blueprint.get(f"{BY_ID}/tokens")
@roles("administrator")
def list_tokens(user_id: int) -> dict[str, Any]:
    """List a person's tokens: never the tokens themselves."""
    with current().database.read() as session:
        found = api_tokens.list_tokens(session, name=accounts.account(session, user_id).name)
    return {"tokens": [_token_members(one) for one in found]}


@blueprint.post(f"{BY_ID}/tokens")
@roles("administrator")
def issue_token(user_id: int) -> tuple[dict[str, Any], int]:
    """Make a token: `{"label": …, "expires_at": …}`, the latter as ISO 8601 with its offset, null for never."""
    asked = json_object()
    label, expires_at = text_member(asked, "label", default=""), _moment(asked, "expires_at")
    with current().database.transaction() as session:
        name = accounts.account(session, user_id).name
        token = api_tokens.issue_token(
            session, name=name, actor=caller().name, now=utc_now(), label=label, expires_at=expires_at
        )
    return {"name": name, "token": token}, 201


@blueprint.delete(f"{BY_ID}/tokens/<token_id>")
@roles("administrator")
def revoke_token(user_id: int, token_id: str) -> tuple[str, int]:
    """Revoke one token at once."""
    with current().database.transaction() as session:
        name = accounts.account(session, user_id).name
        api_tokens.revoke_token(session, name=name, token_id=token_id, actor=caller().name, now=utc_now())
    return "", 204


def _changes(asked: Mapping[str, Any]) -> AccountChanges:
    texts: dict[str, Any] = {name: text_member(asked, name) for name in TEXTS if name in asked}
    if "projects" not in asked:
        return AccountChanges(**texts)
    projects = _projects(asked)
    return AccountChanges(**texts, is_in_every_project=projects is None, projects=projects or frozenset())


def _projects(asked: Mapping[str, Any]) -> frozenset[int] | None:
    found = asked.get("projects")
    if found is None:
        return None
    if not isinstance(found, list) or not all(type(one) is int for one in found):
        raise BadRequest("`projects` is a list of project numbers, or null for every project")
    return frozenset(found)


def _moment(asked: Mapping[str, Any], name: str) -> datetime | None:
    if asked.get(name) is None:
        return None
    try:
        moment = datetime.fromisoformat(text_member(asked, name))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadRequest(f"`{name}` is a moment as ISO 8601 writes it, with its offset, as 2027-01-31T00:00:00+00:00")
    return moment


def _members(account: Account) -> dict[str, Any]:
    return {
        "user_id": account.user_id,
        "name": account.name,
        "role": account.role,
        "team": account.team,
        "enumerator": account.enumerator,
        "projects": None if account.projects is None else list(account.projects),
        "has_password": account.has_password,
        "created_at": account.created_at.isoformat(),
        "disabled_at": None if account.disabled_at is None else account.disabled_at.isoformat(),
    }


def _token_members(token: StoredApiToken) -> dict[str, Any]:
    moments = {name: getattr(token, name) for name in ("created_at", "expires_at", "revoked_at")}
    written = {name: None if moment is None else moment.isoformat() for name, moment in moments.items()}
    return {"token_id": token.token_id, "label": token.label, **written}
