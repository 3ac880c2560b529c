"""Reading an XForm document into the parts of a form definition.

Elements are matched by local name: forms in the field bind the XForms, HTML and OpenRosa namespaces to any prefix.
Source: ODK XForms specification, https://getodk.github.io/xforms-spec/.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from lxml import etree

from forms.documents import DocumentError, local_name, parse_xml
from forms.metadata import FormMetadata, read_metadata
from forms.model import Bind, BodyItem, Group, ModelNode, Repeat, SecondaryInstance, SetValue, Texts
from forms.texts import TextTable

MAX_XFORM_BYTES: Final = 32 << 20
CONTROLS: Final = frozenset({"input", "select", "select1", "rank", "upload", "trigger", "range", "secret"})
_MEDIA_PARAMETERS: Final = ("max-pixels", "quality")
_XFORMS: Final = "http://www.w3.org/2002/xforms"
_OPENROSA: Final = "http://openrosa.org/javarosa"


class XFormError(Exception):
    """A document is not a form that can be used.

    Attributes:
        code: ``doctype``, ``too-large``, ``too-deep``, ``malformed``, ``not-an-xform``, ``no-form-id`` or
            ``broken-reference``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Control:
    """A control of the body with its element, for the parts read later (labels, choices)."""

    path: str
    kind: str
    element: etree._Element


@dataclass(frozen=True, slots=True)
class XFormParts:
    """What one reading of the document finds."""

    form_id: str
    version: str
    title: str
    root: ModelNode
    binds: Mapping[str, Bind]
    body: tuple[BodyItem, ...]
    controls: Mapping[str, Control]
    repeats: Mapping[str, Repeat]
    groups: Mapping[str, Group]
    metadata: FormMetadata
    instances: Mapping[str, SecondaryInstance]
    actions: tuple[SetValue, ...]
    texts: TextTable


def read_xform(xform: bytes) -> XFormParts:
    """Read an XForm.

    Raises:
        XFormError: the document is not a usable form; the message says why.
    """
    try:
        document = parse_xml(xform, max_bytes=MAX_XFORM_BYTES)
    except DocumentError as error:
        raise XFormError(error.code, error.message) from None
    model = _descendant(document, "model")
    body = _descendant(document, "body")
    if model is None or body is None:
        raise XFormError("not-an-xform", "The document has no model or no body: it is not an XForm.")
    return _Reader(document, model, body).parts()


class _Reader:
    """The state of one reading: the main instance, the bind ids and what the body has shown so far."""

    def __init__(self, document: etree._Element, model: etree._Element, body: etree._Element) -> None:
        self.document, self.model, self.body = document, model, body
        self.main = _main_instance(model)
        self.texts = TextTable.read(model)
        self.root_path = "/" + local_name(self.main)
        self.bind_ids: dict[str, str] = {}
        self.binds = self._read_binds()
        self.controls: dict[str, Control] = {}
        self.repeats: dict[str, Repeat] = {}
        self.groups: dict[str, Group] = {}
        self.actions: list[SetValue] = []

    def parts(self) -> XFormParts:
        items = tuple(self._read_body(self.body, self.root_path))
        self._read_actions(self.model, "")
        form_id = self.main.get("id") or _own_namespace(self.main)
        if not form_id:
            raise XFormError("no-form-id", "The main instance has no attribute id: the form has no form_id.")
        title = _descendant(self.document, "title")
        root = self._read_node(self.main, self.root_path)
        return XFormParts(
            form_id=form_id,
            version=self.main.get("version") or "",
            title=(title.text or "").strip() if title is not None else form_id,
            root=root,
            binds=self.binds,
            body=items,
            controls=self.controls,
            repeats=self.repeats,
            groups={path: group for path, group in self.groups.items() if path not in self.repeats},
            metadata=read_metadata(self.model, root, self.binds, self.actions),
            instances=_secondary_instances(self.model),
            actions=tuple(self.actions),
            texts=self.texts,
        )

    def _read_binds(self) -> dict[str, Bind]:
        binds: dict[str, Bind] = {}
        for element in _children(self.model, "bind"):
            nodeset = element.get("nodeset") or element.get("ref")
            if not nodeset:
                raise XFormError("broken-reference", f"A bind at line {element.sourceline} names no nodeset.")
            path = resolve(nodeset, self.root_path)
            if element.get("id"):
                self.bind_ids[element.get("id", "")] = path
            binds[path] = self._read_bind(element, path)
        return binds

    def _read_bind(self, element: etree._Element, path: str) -> Bind:
        attributes = {etree.QName(name).localname: str(value) for name, value in element.items()}
        return Bind(
            path=path,
            type=(attributes.get("type") or "string").rpartition(":")[2],
            relevant=attributes.get("relevant", ""),
            required=attributes.get("required", ""),
            constraint=attributes.get("constraint", ""),
            calculate=attributes.get("calculate", ""),
            readonly=attributes.get("readonly", ""),
            constraint_message=self._message(attributes.get("constraintMsg")),
            required_message=self._message(attributes.get("requiredMsg")),
            preload=attributes.get("preload", ""),
            preload_params=attributes.get("preloadParams", ""),
            pii=attributes.get("pii"),
            save_to=attributes.get("saveto", ""),
            parameters=tuple((name, attributes[name]) for name in _MEDIA_PARAMETERS if name in attributes),
        )

    def _message(self, text: str | None) -> Texts:
        return {} if text is None else self.texts.resolve(text)

    def _read_body(self, parent: etree._Element, context: str) -> Iterator[BodyItem]:
        for element in parent:
            name = local_name(element)
            if name in CONTROLS:
                path = self._reference(element, context)
                if path is None:
                    continue
                self.controls[path] = Control(path, name, element)
                self._read_actions(element, path)
                yield BodyItem("question", path)
            elif name == "repeat":
                yield self._read_repeat(element, context)
            elif name == "group":
                yield self._read_group(element, context)

    def _read_group(self, element: etree._Element, context: str) -> BodyItem:
        path = self._reference(element, context) or ""
        label = _child(element, "label")
        labels = {} if label is None else self.texts.of_element(label)
        if path:
            bind = self.binds.get(path)
            relevant = "" if bind is None else bind.relevant
            self.groups[path] = Group(path, labels, relevant, element.get("appearance") or "")
        return BodyItem("group", path, tuple(self._read_body(element, path or context)), labels=labels)

    def _read_repeat(self, element: etree._Element, context: str) -> BodyItem:
        nodeset = element.get("nodeset")
        if not nodeset:
            raise XFormError("broken-reference", f"A repeat at line {element.sourceline} names no nodeset.")
        path = resolve(nodeset, context)
        count = element.get(f"{{{_OPENROSA}}}count", "")
        around = element.getparent()
        label = _child(around, "label")
        labels = {} if label is None else self.texts.of_element(label)
        appearance = element.get("appearance") or ("" if around is None else around.get("appearance") or "")
        self.repeats[path] = Repeat(path, count, labels, appearance)
        self._read_actions(element, path)
        return BodyItem("repeat", path, tuple(self._read_body(element, path)), count)

    def _reference(self, element: etree._Element, context: str) -> str | None:
        bind = element.get("bind")
        if bind is not None:
            if bind not in self.bind_ids:
                raise XFormError("broken-reference", f"The body names the bind “{bind}”, which does not exist.")
            return self.bind_ids[bind]
        reference = element.get("ref") or element.get("nodeset")
        return resolve(reference, context) if reference else None

    def _read_actions(self, parent: etree._Element, source: str) -> None:
        for element in _children(parent, "setvalue"):
            target = element.get("ref") or self.bind_ids.get(element.get("bind", ""), "")
            events = tuple(
                (element.get("event") or element.get("{http://www.w3.org/2001/xml-events}event") or "").split()
            )
            if target and events:
                path = resolve(target, source or self.root_path)
                self.actions.append(SetValue(path, element.get("value", ""), element.text or "", events, source))

    def _read_node(self, element: etree._Element, path: str) -> ModelNode:
        children: list[ModelNode] = []
        for name, group in _by_name(element).items():
            child_path = f"{path}/{name}"
            templates = [child for child in group if child.get(f"{{{_OPENROSA}}}template") is not None]
            node = self._read_node((templates or group)[0], child_path)
            if child_path in self.repeats:
                rows = [_as_repeat(self._read_node(row, child_path), ()) for row in group if row not in templates]
                node = _as_repeat(node, tuple(rows))
            children.append(node)
        return ModelNode(
            name=local_name(element),
            path=path,
            kind="group" if children else "leaf",
            bind=self.binds.get(path) or Bind(path),
            children=tuple(children),
            default="" if children else (element.text or "").strip(),
            attributes=tuple(
                (name, element.get(name) or "")
                for name in map(str, element.keys())
                if not name.startswith(f"{{{_OPENROSA}}}")
            ),
            tag=str(element.tag),
        )


def resolve(reference: str, context: str) -> str:
    """Return the absolute path of a reference of the body or a bind, without prefixes and spaces."""
    steps = [step.strip().rpartition(":")[2] for step in reference.strip().split("/")]
    found = [] if reference.strip().startswith("/") else context.strip("/").split("/")
    for step in steps:
        if step == "..":
            found = found[:-1]
        elif step not in ("", "."):
            found.append(step)
    return "/" + "/".join(found)


def _as_repeat(node: ModelNode, rows: tuple[ModelNode, ...]) -> ModelNode:
    return ModelNode(
        name=node.name,
        path=node.path,
        kind="repeat",
        bind=node.bind,
        children=node.children,
        rows=rows,
        attributes=node.attributes,
        tag=node.tag,
    )


def _main_instance(model: etree._Element) -> etree._Element:
    for instance in _children(model, "instance"):
        for root in instance:
            return root
    raise XFormError("not-an-xform", "The model has no main instance.")


def _own_namespace(root: etree._Element) -> str:
    namespace = etree.QName(root).namespace or ""
    return "" if namespace == _XFORMS else namespace


def _secondary_instances(model: etree._Element) -> dict[str, SecondaryInstance]:
    found: dict[str, SecondaryInstance] = {}
    for instance in list(_children(model, "instance"))[1:]:
        name = instance.get("id")
        if name:
            found[name] = SecondaryInstance(name, instance.get("src") or "", next(iter(instance), None))
    return found


def _by_name(element: etree._Element) -> dict[str, list[etree._Element]]:
    found: dict[str, list[etree._Element]] = {}
    for child in element:
        found.setdefault(local_name(child), []).append(child)
    return found


def _children(parent: etree._Element, name: str) -> Iterator[etree._Element]:
    return (child for child in parent if local_name(child) == name)


def _child(parent: etree._Element | None, name: str) -> etree._Element | None:
    return None if parent is None else next(_children(parent, name), None)


def _descendant(parent: etree._Element, name: str) -> etree._Element | None:
    return next(parent.iter(f"{{*}}{name}"), None)
