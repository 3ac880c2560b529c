"""What a form says about itself beside its questions: entities, audit, preloads, submission and instance name.

Sources: ODK XForms specification, https://getodk.github.io/xforms-spec/, and its Entities extension,
https://getodk.github.io/xforms-spec/entities, versions 2022.1.0 to 2025.1.0.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from lxml import etree

from forms.documents import local_name
from forms.model import Bind, ModelNode, SetValue

ENTITIES_VERSIONS: Final = ("2022.1.0", "2023.1.0", "2024.1.0", "2025.1.0")
"""Versions whose meaning is implemented here; a form of another one is read by the same rules."""

_PRELOADS: Final[Mapping[tuple[str, str], str]] = {
    ("timestamp", "start"): "start",
    ("timestamp", "end"): "end",
    ("date", "today"): "today",
}
_ACTIONS: Final[Mapping[str, str]] = {"recordaudio": "background-audio", "setgeopoint": "start-geopoint"}


@dataclass(frozen=True, slots=True)
class EntityDeclaration:
    """An entity that each interview, or each row of a repeat, creates or updates.

    Expressions are XPath as written, empty where the form has none.

    Attributes:
        path: of the element ``entity``; ``scope`` is the root, group or repeat whose answers it takes.
        repeat: path of the innermost repeat it stands in; empty where an interview makes at most one.
        creates, updates: the form says that it creates, that it updates; with a condition where there is one.
        properties: name of the property → path of the question that is saved to it.
    """

    path: str
    scope: str
    repeat: str
    dataset: str
    creates: bool
    updates: bool
    id: str = ""
    create_if: str = ""
    update_if: str = ""
    base_version: str = ""
    trunk_version: str = ""
    branch_id: str = ""
    label: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Audit:
    """What the tablet logs while the form is filled; None where the form leaves it to the tablet."""

    path: str
    location_priority: str = ""
    location_min_interval_seconds: int | None = None
    location_max_age_seconds: int | None = None
    tracks_changes: bool = False
    change_reasons: str = ""
    identifies_user: bool = False


@dataclass(frozen=True, slots=True)
class Preload:
    """A node that the tablet fills without asking.

    Attributes:
        kind: ``start``, ``end``, ``today``, a property (``deviceid``, ``username``, ``phonenumber``, ``email``),
            ``background-audio`` or ``start-geopoint``; otherwise the two words of the form.
        quality: of a recording, as the form writes it.
    """

    path: str
    kind: str
    quality: str = ""


@dataclass(frozen=True, slots=True)
class Submission:
    """Where and how a finished interview is sent; ``auto_*`` are None where the tablet's setting decides."""

    action: str = ""
    method: str = ""
    public_key: str = ""
    auto_send: bool | None = None
    auto_delete: bool | None = None


@dataclass(frozen=True, slots=True)
class FormMetadata:
    """Everything of this module for one form; ``instance_name`` is an expression, empty where there is none."""

    xforms_version: str = ""
    entities_version: str = ""
    entities: tuple[EntityDeclaration, ...] = ()
    audit: Audit | None = None
    preloads: Mapping[str, Preload] = field(default_factory=dict)
    submission: Submission = field(default_factory=Submission)
    instance_name: str = ""


def read_metadata(
    model: etree._Element, root: ModelNode, binds: Mapping[str, Bind], actions: Iterable[SetValue]
) -> FormMetadata:
    """Read the metadata of a form from its model, its main instance, its binds and its actions."""
    versions = {_local(name): value for name, value in _attributes(model).items()}
    return FormMetadata(
        xforms_version=versions.get("xforms-version", ""),
        entities_version=versions.get("entities-version", ""),
        entities=tuple(_entities(root, binds, {action.target: action.value for action in actions})),
        audit=_audit(model, root),
        preloads={preload.path: preload for preload in _preloads(model, binds)},
        submission=_submission(model),
        instance_name=next((bind.calculate for path, bind in binds.items() if path.endswith("/meta/instanceName")), ""),
    )


def _entities(root: ModelNode, binds: Mapping[str, Bind], set_once: Mapping[str, str]) -> Iterator[EntityDeclaration]:
    found = [
        (node, repeat)
        for node, repeat in _with_repeat(root, "")
        if node.name == "entity" and node.path.endswith("/meta/entity") and _attribute(node, "dataset")
    ]
    scopes = {node.path.removesuffix("/meta/entity") for node, _ in found}
    for node, repeat in found:
        scope = node.path.removesuffix("/meta/entity")
        yield EntityDeclaration(
            path=node.path,
            scope=scope,
            repeat=repeat,
            dataset=_attribute(node, "dataset"),
            # 2022.1.0 knew creation only, and wrote no condition where every interview creates.
            creates=_has_attribute(node, "create") or not _has_attribute(node, "update"),
            updates=_has_attribute(node, "update"),
            id=_calculate(binds, f"{node.path}/@id") or set_once.get(f"{node.path}/@id", ""),
            create_if=_calculate(binds, f"{node.path}/@create"),
            update_if=_calculate(binds, f"{node.path}/@update"),
            base_version=_calculate(binds, f"{node.path}/@baseVersion"),
            trunk_version=_calculate(binds, f"{node.path}/@trunkVersion"),
            branch_id=_calculate(binds, f"{node.path}/@branchId"),
            label=_calculate(binds, f"{node.path}/label"),
            properties={
                bind.save_to: path for path, bind in binds.items() if bind.save_to and _innermost(path, scopes) == scope
            },
        )


def _innermost(path: str, scopes: set[str]) -> str:
    """Return the deepest scope around a path: 2025.1.0 lets a repeat and what it stands in declare an entity each."""
    return max((scope for scope in scopes if path.startswith(scope + "/")), key=len, default="")


def _with_repeat(node: ModelNode, repeat: str) -> Iterator[tuple[ModelNode, str]]:
    waiting = [(node, repeat)]
    while waiting:
        node, repeat = waiting.pop()
        yield node, repeat
        inner = node.path if node.kind == "repeat" else repeat
        waiting.extend((child, inner) for child in reversed(node.children))


def _audit(model: etree._Element, root: ModelNode) -> Audit | None:
    path = next((node.path for node, _ in _with_repeat(root, "") if node.path.endswith("/meta/audit")), None)
    if path is None:
        return None
    says = next((_attributes(bind) for bind in _named(model, "bind") if bind.get("nodeset") == path), {})
    rules = {_local(name): value for name, value in says.items()}
    return Audit(
        path=path,
        location_priority=rules.get("location-priority", ""),
        location_min_interval_seconds=_whole(rules.get("location-min-interval")),
        location_max_age_seconds=_whole(rules.get("location-max-age")),
        tracks_changes=rules.get("track-changes") == "true",
        change_reasons=rules.get("track-changes-reasons", ""),
        identifies_user=rules.get("identify-user") == "true",
    )


def _preloads(model: etree._Element, binds: Mapping[str, Bind]) -> Iterator[Preload]:
    for path, bind in binds.items():
        if bind.preload and bind.preload != "uid":
            pair = (bind.preload, bind.preload_params)
            if bind.preload == "property":
                yield Preload(path, bind.preload_params)
            else:
                yield Preload(path, _PRELOADS.get(pair) or " ".join(pair).strip())
    for element in model:
        kind = _ACTIONS.get(local_name(element))
        says = {_local(name): value for name, value in _attributes(element).items()}
        # Another event, or a place in the body, is an action of a question: the start of the form is what counts here.
        if kind is not None and says.get("ref") and says.get("event", "").startswith("odk-instance-"):
            yield Preload(says["ref"].strip(), kind, says.get("quality", ""))


def _submission(model: etree._Element) -> Submission:
    element = next(_named(model, "submission"), None)
    if element is None:
        return Submission()
    says = {_local(name): value for name, value in _attributes(element).items()}
    return Submission(
        action=says.get("action", ""),
        method=says.get("method", ""),
        public_key=says.get("base64RsaPublicKey", ""),
        auto_send=_truth(says.get("auto-send")),
        auto_delete=_truth(says.get("auto-delete")),
    )


def _calculate(binds: Mapping[str, Bind], path: str) -> str:
    bind = binds.get(path)
    return "" if bind is None else bind.calculate.strip()


def _attributes(element: etree._Element) -> dict[str, str]:
    return {str(name): str(value) for name, value in element.items()}


def _attribute(node: ModelNode, name: str) -> str:
    return next((value for full, value in node.attributes if _local(full) == name), "")


def _has_attribute(node: ModelNode, name: str) -> bool:
    return any(_local(full) == name for full, _ in node.attributes)


def _named(parent: etree._Element, name: str) -> Iterator[etree._Element]:
    return (child for child in parent if local_name(child) == name)


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None


def _truth(text: str | None) -> bool | None:
    return {"true": True, "1": True, "false": False, "0": False}.get((text or "").strip().lower())
