"""Tablets for the programs of the office: list, enrol, revoke, let in what came late, propose to wipe."""

from typing import Any, Final

from flask import Blueprint, request

from server.api.bodies import json_object, text_member
from server.clock import utc_now
from server.context import caller, current, roles
from server.errors import BadRequest, NotFound
from server.services import enrol_device, look_after_devices, proposals
from server.services.look_after_devices import DeviceView
from sync_protocol.enrolment import EnrolmentLink, encode_link

BY_ID: Final = "/<device_id>"
READERS: Final = ("supervisor", "manager")

blueprint = Blueprint("devices", __name__, url_prefix="/api/v1/devices")


@blueprint.get("")
@roles(*READERS)
def list_all() -> dict[str, Any]:
    """List the tablets that the caller sees; `backlog` is what each had to send when it was last here."""
    context = current()
    with context.database.read() as session:
        serial = context.keystore.keyring.serial
        found = look_after_devices.list_devices(session, keyring_serial=serial, scope=caller().scope)
    return {"devices": [view.members() for view in found]}


@blueprint.post("")
@roles("manager")
def enrol() -> tuple[dict[str, Any], int]:
    """Make a link that enrols one tablet, once: `{"enumerator", "project_id", "team", "role"}`."""
    asked, context = json_object(), current()
    members: dict[str, Any] = {name: text_member(asked, name, default="") for name in ("enumerator", "team")}
    role = text_member(asked, "role", default="enumerator")
    project_id = _project(asked)
    with context.database.transaction() as session:
        token = enrol_device.issue_token(
            session, **members, role=role, project_id=project_id, user=caller().name, now=utc_now()
        )
    base_url = context.config.base_url or request.host_url.rstrip("/")
    link = encode_link(EnrolmentLink(base_url=base_url, token=token, root_key=context.keystore.root_key))
    return {"link": link, **members, "role": role, "project_id": project_id}, 201


@blueprint.get(BY_ID)
@roles(*READERS)
def show(device_id: str) -> dict[str, Any]:
    """Describe one tablet."""
    return find(device_id).members()


@blueprint.post(f"{BY_ID}/revocation")
@roles("manager")
def revoke(device_id: str) -> tuple[str, int]:
    """Revoke a tablet: it gets nothing more, and what it brings is set aside until a person lets it in."""
    find(device_id)
    with current().database.transaction() as session:
        enrol_device.revoke(session, device_id=device_id, user=caller().name, now=utc_now())
    return "", 204


@blueprint.post(f"{BY_ID}/release")
@roles("manager")
def release(device_id: str) -> dict[str, Any]:
    """Let all be opened that came after the revocation of a tablet."""
    find(device_id)
    with current().database.transaction() as session:
        count = look_after_devices.release_set_aside(
            session, device_id=device_id, user=caller().name, now=utc_now(), scope=caller().scope
        )
    return {"released": count}


@blueprint.post(f"{BY_ID}/wipe")
@roles("manager")
def propose_wipe(device_id: str) -> tuple[dict[str, Any], int]:
    """Propose to wipe a tablet: `{"note"}`; another manager or an administrator agrees under /api/v1/proposals."""
    note, context = text_member(json_object(), "note", default=""), current()
    with context.database.transaction() as session:
        number = proposals.propose_wipe(
            session,
            keystore=context.keystore,
            device_id=device_id,
            note=note,
            user=caller().name,
            now=utc_now(),
            scope=caller().scope,
        )
    return {"proposal_id": number}, 201


def find(device_id: str) -> DeviceView:
    """Return a tablet that the caller sees.

    Raises:
        NotFound: there is none.
    """
    context = current()
    with context.database.read() as session:
        serial = context.keystore.keyring.serial
        return look_after_devices.show_device(session, device_id, keyring_serial=serial, scope=caller().scope)


def _project(asked: dict[str, Any]) -> int:
    project_id, seen = asked.get("project_id"), caller().scope.projects
    if type(project_id) is not int:
        raise BadRequest("`project_id` is the number of a project")
    if seen is not None and project_id not in seen:
        raise NotFound(f"there is no project number {project_id} among yours")
    return project_id
