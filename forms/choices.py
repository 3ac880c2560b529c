"""Choice lists: inline items, and secondary instances that itemsets point to."""

import re
from collections.abc import Mapping
from typing import Final

from lxml import etree

from forms.documents import local_name
from forms.model import Choice, ChoiceSource, SecondaryInstance
from forms.texts import TextTable
from forms.xform import Control

_FROM_INSTANCE: Final = re.compile(r"(?:randomize\s*\(\s*)?instance\s*\(\s*['\"]([^'\"]+)['\"]\s*\)")


def choice_source(control: Control) -> ChoiceSource | None:
    """Say where the choices of a control come from; None where it has none."""
    for element in control.element:
        name = local_name(element)
        if name == "itemset":
            nodeset = (element.get("nodeset") or "").strip()
            match = _FROM_INSTANCE.match(nodeset)
            return ChoiceSource(
                list_name=match.group(1) if match else None,
                nodeset=nodeset,
                value_ref=_reference(element, "value", "name"),
                label_ref=_reference(element, "label", "label"),
                is_filtered="[" in nodeset,
            )
        if name == "item":
            return ChoiceSource(list_name=control.path, value_ref="value")
    if control.kind in ("select", "select1", "rank"):
        return ChoiceSource(list_name=control.path, value_ref="value")
    return None


def inline_choices(control: Control, texts: TextTable) -> tuple[Choice, ...]:
    """Read the items written inside a control."""
    return tuple(_inline_choice(element, texts) for element in control.element if local_name(element) == "item")


def listed_choices(instance: SecondaryInstance, source: ChoiceSource, texts: TextTable) -> tuple[Choice, ...] | None:
    """Read the items of a secondary instance; None where its file is not here."""
    if instance.root is None:
        return None
    choices: list[Choice] = []
    for item in instance.root:
        columns = {local_name(child): child.text or "" for child in item}
        if source.value_ref in columns:
            media = texts.forms.get(columns.get("itextId", ""), {})
            choices.append(Choice(columns[source.value_ref], _labels(columns, source, texts), columns, media))
    return tuple(choices)


def _labels(columns: Mapping[str, str], source: ChoiceSource, texts: TextTable) -> Mapping[str, str]:
    if "itextId" in columns:
        return texts.texts.get(columns["itextId"], {})
    return texts.resolve(columns.get(source.label_ref, ""))


def _inline_choice(item: etree._Element, texts: TextTable) -> Choice:
    value, labels, media = "", {}, {}
    for child in item:
        if local_name(child) == "value":
            value = (child.text or "").strip()
        elif local_name(child) == "label":
            labels, media = dict(texts.of_element(child)), dict(texts.forms_of(child))
    return Choice(value, labels, media=media)


def _reference(itemset: etree._Element, name: str, otherwise: str) -> str:
    for child in itemset:
        if local_name(child) == name:
            return re.sub(r"^jr:itext\(|\)$", "", (child.get("ref") or otherwise).strip()).strip()
    return otherwise
