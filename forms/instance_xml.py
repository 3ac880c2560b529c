"""Writing the XML of a finished interview, as Collect does: relevant nodes only, metadata filled in."""

from typing import Final
from xml.sax.saxutils import escape, quoteattr

from forms.tree import LiveTree
from forms.xpath.nodes import Node, Spec

_XFORMS: Final = "http://www.w3.org/2002/xforms"
_RETURN: Final = {"\r": "&#13;"}


def write_instance(tree: LiveTree, *, instance_id: str, deprecated_id: str | None) -> bytes:
    """Return the XML of an interview in UTF-8; a form without a meta block gets one for its instanceID."""
    parts: list[str] = []
    root = tree.root
    meta = root.children.get("meta")
    if meta:
        _set(meta[0], "instanceID", instance_id)
        if deprecated_id is not None:
            _set(meta[0], "deprecatedID", deprecated_id)
    _write(tree, root, "", parts)
    if not meta:
        parts.insert(-1, _meta_block(instance_id, deprecated_id))
    return ("<?xml version='1.0' encoding='UTF-8'?>" + "".join(parts)).encode()


def _set(meta: Node, name: str, text: str) -> None:
    found = meta.children.get(name)
    if not found:
        tag = meta.spec.tag.rpartition("}")[0] if meta.spec is not None else ""
        spec = Spec(name, "", parent=meta.spec, tag=f"{tag}}}{name}" if tag else name)
        found = meta.children[name] = [Node(name, meta, spec, meta.rows)]
    found[0].text = text
    found[0].typed = text


def _write(tree: LiveTree, node: Node, outer: str, parts: list[str]) -> None:
    spec = node.spec
    if spec is None or not tree.is_relevant(node):
        return
    namespace = _namespace(spec.tag)
    attributes = "".join(f" {name}={quoteattr(value)}" for name, value in spec.attributes if name[0] != "{")
    declared = f" xmlns={quoteattr(namespace)}" if namespace != outer else ""
    opening = f"<{spec.name}{declared}{attributes}"
    if not spec.children:
        text = tree.text(node)
        if not text:
            parts.append(f"{opening}/>")
            return
        parts.append(f"{opening}>{escape(text, _RETURN)}</{spec.name}>")
        return
    parts.append(f"{opening}>")
    for group in node.children.values():
        for child in group:
            _write(tree, child, namespace, parts)
    parts.append(f"</{spec.name}>")


def _namespace(tag: str) -> str:
    namespace = tag[1:].partition("}")[0] if tag.startswith("{") else ""
    return "" if namespace == _XFORMS else namespace


def _meta_block(instance_id: str, deprecated_id: str | None) -> str:
    deprecated = f"<deprecatedID>{escape(deprecated_id)}</deprecatedID>" if deprecated_id is not None else ""
    return f"<meta><instanceID>{escape(instance_id)}</instanceID>{deprecated}</meta>"
