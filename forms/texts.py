"""The texts of a form in all its languages: itext translations and plain labels."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lxml import etree

from forms.documents import local_name
from forms.model import Texts


@dataclass(frozen=True, slots=True)
class TextTable:
    """The itext block of a form.

    Attributes:
        languages: in the order of the document; empty where the form has no translations.
        default_language: the one marked as default, else the first, else ``""``.
        texts: text id → language → text.
        forms: text id → form (``guidance``, ``image``, ``audio``, ``video``, ``big-image``) → language → text.
    """

    languages: tuple[str, ...]
    default_language: str
    texts: Mapping[str, Texts]
    forms: Mapping[str, Mapping[str, Texts]] = field(default_factory=dict)

    @classmethod
    def read(cls, model: etree._Element) -> "TextTable":
        """Read the itext block of a model."""
        languages: list[str] = []
        texts: dict[str, dict[str, str]] = {}
        forms: dict[str, dict[str, dict[str, str]]] = {}
        default = ""
        for translation in model.iter("{*}translation", "translation"):
            language = translation.get("lang") or ""
            languages.append(language)
            if translation.get("default") is not None:
                default = language
            for text in translation:
                value = _plain_value(text)
                if value is not None:
                    texts.setdefault(text.get("id") or "", {})[language] = value
                for form, its_value in _other_values(text):
                    forms.setdefault(text.get("id") or "", {}).setdefault(form, {})[language] = its_value
        return cls(tuple(languages), default or (languages[0] if languages else ""), texts, forms)

    def resolve(self, text: str) -> Texts:
        """Return the translations of ``jr:itext('id')``, or a plain text in every language."""
        stripped = text.strip()
        if stripped.startswith("jr:itext("):
            return self.texts.get(_text_id(stripped), {})
        return dict.fromkeys(self.languages or ("",), text)

    def of_element(self, element: etree._Element) -> Texts:
        """Return the texts of a label or hint element."""
        reference = element.get("ref")
        if reference is not None and reference.strip().startswith("jr:itext("):
            return self.resolve(reference)
        return self.resolve(flat_text(element).strip())

    def forms_of(self, element: etree._Element) -> Mapping[str, Texts]:
        """Return the other forms of the text of a label or hint element: media files and guidance."""
        reference = (element.get("ref") or "").strip()
        if not reference.startswith("jr:itext("):
            return {}
        return self.forms.get(_text_id(reference), {})


def flat_text(element: etree._Element) -> str:
    """Return the text of a label, with each ``<output value="x"/>`` shown as ``{x}``."""
    parts = [element.text or ""]
    for child in element:
        if local_name(child) == "output":
            parts.append("{" + (child.get("value") or child.get("ref") or "").strip() + "}")
        else:
            parts.append(flat_text(child))
        parts.append(child.tail or "")
    return "".join(parts)


def _plain_value(text: etree._Element) -> str | None:
    for value in text:
        if value.get("form") is None:
            return flat_text(value).strip()
    return None


def _other_values(text: etree._Element) -> list[tuple[str, str]]:
    return [(value.get("form") or "", flat_text(value).strip()) for value in text if value.get("form") is not None]


def _text_id(reference: str) -> str:
    return reference[len("jr:itext(") :].rstrip(")").strip().strip("'\"")
