"""Two small forms on one list, and instances of them as a tablet fills them in."""

import uuid
from pathlib import Path

from server.context import Context
from server.db.queries import entity_lists
from server.services import list_entities, publish_form
from server.services.list_entities import ShownEntity
from tests.office import NOW

HEAD = (
    '<h:html xmlns="http://www.w3.org/2002/xforms" xmlns:h="http://www.w3.org/1999/xhtml"'
    ' xmlns:jr="http://openrosa.org/javarosa" xmlns:entities="http://www.opendatakit.org/xforms/entities">'
)
REGISTER = (
    HEAD
    + """<h:head><h:title>Register</h:title><model entities:entities-version="2024.1.0">
<instance><data id="register" version="1"><head/><persons/><meta><instanceID/>
<entity dataset="households" id="" create="1"><label/></entity></meta></data></instance>
<bind nodeset="/data/head" type="string" entities:saveto="head"/>
<bind nodeset="/data/persons" type="int" entities:saveto="persons"/>
<bind nodeset="/data/meta/instanceID" type="string" readonly="true()" jr:preload="uid"/>
<bind nodeset="/data/meta/entity/@id" type="string"/>
<setvalue event="odk-instance-first-load" ref="/data/meta/entity/@id" value="uuid()"/>
<bind nodeset="/data/meta/entity/label" type="string" calculate="/data/head"/></model></h:head>
<h:body><input ref="/data/head"><label>Head</label></input>
<input ref="/data/persons"><label>Persons</label></input></h:body></h:html>"""
)
FOLLOW = (
    HEAD
    + """<h:head><h:title>Follow</h:title><model entities:entities-version="2024.1.0">
<instance><data id="follow" version="1"><household/><head/><persons/><meta><instanceID/>
<entity dataset="households" id="" update="1" baseVersion="" trunkVersion="" branchId=""><label/></entity></meta>
</data></instance><instance id="households" src="jr://file-csv/households.csv"/>
<bind nodeset="/data/household" type="string"/>
<bind nodeset="/data/head" type="string" entities:saveto="head"/>
<bind nodeset="/data/persons" type="int" entities:saveto="persons"/>
<bind nodeset="/data/meta/instanceID" type="string" readonly="true()" jr:preload="uid"/>
<bind nodeset="/data/meta/entity/@id" type="string" calculate="/data/household"/>
<bind nodeset="/data/meta/entity/@baseVersion" type="string"
 calculate="instance('households')/root/item[name=/data/household]/__version"/>
<bind nodeset="/data/meta/entity/@trunkVersion" type="string"
 calculate="instance('households')/root/item[name=/data/household]/__trunkVersion"/>
<bind nodeset="/data/meta/entity/@branchId" type="string"
 calculate="instance('households')/root/item[name=/data/household]/__branchId"/></model></h:head>
<h:body><select1 ref="/data/household"><label>Household</label>
<itemset nodeset="instance('households')/root/item"><value ref="name"/><label ref="label"/></itemset></select1>
<input ref="/data/head"><label>Head</label></input>
<input ref="/data/persons"><label>Persons</label></input></h:body></h:html>"""
)
MEMBERS = (
    HEAD
    + """<h:head><h:title>Members</h:title><model entities:entities-version="2025.1.0">
<instance><data id="members" version="1"><member jr:template=""><given/><age/><meta>
<entity dataset="persons" id="" create="1"><label/></entity></meta></member><meta><instanceID/></meta></data></instance>
<bind nodeset="/data/member/given" type="string" entities:saveto="given"/>
<bind nodeset="/data/member/age" type="int" entities:saveto="age"/>
<bind nodeset="/data/meta/instanceID" type="string" readonly="true()" jr:preload="uid"/>
<bind nodeset="/data/member/meta/entity/@id" type="string"/>
<bind nodeset="/data/member/meta/entity/label" type="string" calculate="../../../given"/></model></h:head>
<h:body><group ref="/data/member"><label>Member</label><repeat nodeset="/data/member">
<input ref="/data/member/given"><label>Name</label></input>
<input ref="/data/member/age"><label>Age</label></input></repeat></group></h:body></h:html>"""
)
BRANCH = uuid.UUID(int=7, version=4)


def entity_id(number: int) -> uuid.UUID:
    """Return the version 4 UUID of a number."""
    return uuid.UUID(int=number, version=4)


def instance_id(number: int) -> str:
    return f"uuid:{uuid.UUID(int=1000 + number)}"


def registered(
    number: int, head: str = "Amina", *, of: object = None, edits: int | None = None, persons: str = "4"
) -> bytes:
    """Return an instance of the form that registers a household; `of` is its id in place of that of the number."""
    named = entity_id(number) if of is None else of
    deprecated = "" if edits is None else f"<deprecatedID>{instance_id(edits)}</deprecatedID>"
    return (
        f'<data id="register" version="1"><head>{head}</head><persons>{persons}</persons><meta>'
        f"<instanceID>{instance_id(number)}</instanceID>{deprecated}"
        f'<entity dataset="households" id="{named}" create="1"><label>{head}</label></entity></meta></data>'
    ).encode()


def followed(
    number: int, household: int, *, base: int, head: str | None = None, persons: str | None = None,
    trunk: int | None = None, branch: uuid.UUID | None = None,
) -> bytes:  # fmt: skip
    """Return an instance of the form that updates a household; None is a question that was not asked."""
    leaves = "".join(
        f"<{name}>{value}</{name}>" for name, value in (("head", head), ("persons", persons)) if value is not None
    )
    return (
        f'<data id="follow" version="1"><household>{entity_id(household)}</household>{leaves}<meta>'
        f"<instanceID>{instance_id(number)}</instanceID>"
        f'<entity dataset="households" id="{entity_id(household)}" update="1" baseVersion="{base}"'
        f' trunkVersion="{trunk or ""}" branchId="{branch or ""}"><label>{head or ""}</label></entity></meta></data>'
    ).encode()


def publish(context: Context, *forms: str) -> dict[str, bytes]:
    """Publish forms; return the hash of each by form id."""
    found = {}
    for xform in forms:
        with context.database.transaction() as session:
            made = publish_form.publish_form(
                session, workbook=xform.encode(), filename="f.xml", note="", user="manager", now=NOW
            )
        found[made.form_id] = made.hash
    return found


def list_id(context: Context, name: str = "households") -> int:
    with context.database.read() as session:
        found = entity_lists.list_named(session, project_id=1, name=name)
    assert found is not None
    return found.list_id


def shown(context: Context, name: str = "households") -> dict[str, ShownEntity]:
    """Return the entities of a list by id."""
    with context.database.read() as session:
        found = entity_lists.list_named(session, project_id=1, name=name)
        if found is None:
            return {}
        entities = list_entities.list_entities(session, found.list_id, keystore=context.keystore)
    return {one.id: one for one in entities}


def everything(folder: Path) -> bytes:
    """Return the bytes of every file in a folder."""
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
