"""What changed in the choices of a question."""

from collections.abc import Iterator, Mapping

from forms.evolution.aspects import Draft, Versions
from forms.evolution.conditions import normal
from forms.evolution.crosswalk import codes_of
from forms.evolution.wording import changed_pairs, is_equal_label, is_same_label
from forms.evolution.words import both, joined, phrase
from forms.model import Texts

Labels = Mapping[str, Texts]
SHOWN = 6
"""Choices that a sentence lists before it says how many more there are."""


def choice_changes(versions: Versions, old: str, new: str) -> Iterator[Draft]:
    """Yield what changed in the choices of a question that both versions have."""
    was, now = versions.before.questions[old], versions.after.questions[new]
    if was.choices is None or now.choices is None:
        return
    olds, news = codes_of(versions.before, old), codes_of(versions.after, new)
    if olds is None or news is None:
        if was.choices.list_name is not None and now.choices.list_name is not None and (olds is None) != (news is None):
            yield Draft(kind="choices-unknown", weight="needed")
    else:
        yield from _codes(olds, news)
    filters = (was.choices.nodeset, now.choices.nodeset)
    if normal(filters[0], old, versions.pairing.pairs) != normal(filters[1], new, {}) and any(map(_is_filter, filters)):
        yield Draft(kind="list-filter", weight="needed", details={"before": filters[0], "after": filters[1]})


def _is_filter(nodeset: str) -> bool:
    return "[" in nodeset


def _codes(olds: Labels, news: Labels) -> Iterator[Draft]:
    added = [code for code in news if code not in olds]
    removed = [code for code in olds if code not in news]
    renumbered = {
        code: twin for code in removed if (twin := _twin(olds[code], {other: news[other] for other in added}))
    }
    gone = [code for code in removed if code not in renumbered]
    changed = [code for code in olds if code in news and _means_another(code, olds, news)]
    reworded = [code for code in olds if code in news and code not in changed and changed_pairs(olds[code], news[code])]
    if added:
        yield _draft("choices-added", "safe", [(code, _choice(code, news[code])) for code in added])
    if gone:
        yield _draft("choices-removed", "needs-map", [(code, _choice(code, olds[code])) for code in gone])
    recoded = [
        (code, phrase("renumbered", code=code, old=both(olds[code]), new=twin)) for code, twin in renumbered.items()
    ] + [(code, _relabelled(code, olds, news)) for code in changed]
    if recoded:
        yield _draft("choices-recoded", "needs-map", recoded)
    if reworded:
        yield _draft("choice-labels", "safe", [(code, _relabelled(code, olds, news)) for code in reworded])


def _means_another(code: str, olds: Labels, news: Labels) -> bool:
    """Say whether a code has another label than before: an unlike one, or that of another code (Male and Female)."""
    before, after = olds[code], news[code]
    if not is_same_label(before, after):
        return True
    others = {other: olds[other] for other in olds if other != code}
    return not is_equal_label(before, after) and bool(_twin(after, others))


def _twin(label: Texts, others: Labels) -> str:
    return next((code for code, texts in others.items() if is_equal_label(label, texts)), "")


def _choice(code: str, label: Texts) -> Mapping[str, str]:
    return phrase("choice", code=code, old=both(label))


def _relabelled(code: str, olds: Labels, news: Labels) -> Mapping[str, str]:
    return phrase("relabelled", code=code, old=both(olds[code]), new=both(news[code]))


def _draft(kind: str, weight: str, said: list[tuple[str, Mapping[str, str]]]) -> Draft:
    phrases = [words for _, words in said[:SHOWN]]
    if len(said) > SHOWN:
        phrases.append({"en": f"and {len(said) - SHOWN} more", "fr": f"et {len(said) - SHOWN} autres"})
    return Draft(
        kind=kind,
        weight="needs-map" if weight == "needs-map" else "safe",
        words={"codes": joined(phrases, ", ")},
        codes=tuple(code for code, _ in said),
    )
