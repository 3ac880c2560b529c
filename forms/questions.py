"""The questions of a form: every leaf that can hold an answer, with what the body says about it; and its notes."""

from collections.abc import Mapping
from typing import Final

from forms.choices import choice_source
from forms.documents import local_name
from forms.model import Bind, ModelNode, Question, Range, Texts
from forms.xform import Control, XFormParts

_NOT_PARAMETERS: Final = frozenset({"ref", "nodeset", "bind", "appearance", "start", "end", "step"})


def answerable(parts: XFormParts) -> dict[str, Question]:
    """Return the nodes that hold answers, by path in document order."""
    questions: dict[str, Question] = {}
    waiting = [parts.root]
    while waiting:
        node = waiting.pop()
        waiting.extend(reversed(node.children))
        control = parts.controls.get(node.path)
        if node.kind == "leaf" and not _is_silent(node, control):
            questions[node.path] = _question(node, control, parts)
    return questions


def _is_silent(node: ModelNode, control: Control | None) -> bool:
    """Say whether a leaf never holds an answer: a note, the audit file, the identity of the revision."""
    if "/meta/" in node.path:
        return node.name != "instanceName"
    is_note = control is not None and control.kind == "input" and bool(node.bind.readonly.strip() == "true()")
    return is_note and not (node.bind.calculate or node.bind.preload or node.default)


def _question(node: ModelNode, control: Control | None, parts: XFormParts) -> Question:
    if control is None:
        return Question(path=node.path, name=node.name, type=node.bind.type)
    texts: dict[str, Texts] = {}
    media: dict[str, Texts] = {}
    for child in control.element:
        name = local_name(child)
        if name in ("label", "hint") and name not in texts:
            texts[name] = parts.texts.of_element(child)
            media.update(parts.texts.forms_of(child))
    guidance = media.pop("guidance", {})
    return Question(
        path=node.path,
        name=node.name,
        type=node.bind.type,
        control=control.kind,
        labels=texts.get("label", {}),
        hints=texts.get("hint", {}),
        choices=choice_source(control),
        appearance=control.element.get("appearance") or "",
        guidance=guidance,
        media=media,
        range=_range(control),
        parameters=_parameters(control, parts.binds.get(node.path)),
    )


def _range(control: Control) -> Range | None:
    if control.kind != "range":
        return None
    ends = (control.element.get(name, default) for name, default in (("start", "0"), ("end", "10"), ("step", "1")))
    return Range(*ends)


def _parameters(control: Control, bind: Bind | None) -> dict[str, str]:
    says = {str(name).rpartition("}")[2]: str(value) for name, value in control.element.items()}
    says.update(() if bind is None else bind.parameters)
    return {name: value for name, value in says.items() if name not in _NOT_PARAMETERS}


def shown_only(parts: XFormParts, questions: Mapping[str, Question]) -> dict[str, Question]:
    """Return the controls that nobody answers (notes), by path in document order."""
    notes: dict[str, Question] = {}
    waiting = [parts.root]
    while waiting:
        node = waiting.pop()
        waiting.extend(reversed(node.children))
        control = parts.controls.get(node.path)
        if node.kind == "leaf" and control is not None and node.path not in questions:
            notes[node.path] = _question(node, control, parts)
    return notes
