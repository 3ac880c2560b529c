"""Why an arrival is not simply opened, for pages, programs and the command line: reasons of envelopes, of holds and more.

`server.folding.reasons` has those for which an envelope waits or was set aside; here are those of interviews, and what
a person can do with a click.
"""

# ruff: noqa: E501 -- a text is a line, so that two languages can be read side by side
from dataclasses import dataclass
from typing import Final

from server.folding import reasons

RELEASE: Final = "release"
WIPE: Final = "wipe"
SETTLE: Final = "settle"
RESOLVE: Final = "resolve"
NOTHING: Final = ""
BY_ITSELF: Final = "by-itself"


@dataclass(frozen=True, slots=True)
class ArrivalReason:
    """One reason.

    Attributes:
        action: what a person can do with a click: release, wipe, settle or resolve; ``by-itself`` where nobody has to do
            anything with it, empty where nothing can be done.
        en, fr: what happened, and what to do.
    """

    action: str
    en: tuple[str, str]
    fr: tuple[str, str]

    @property
    def ends_by_itself(self) -> bool:
        """Nobody has to decide."""
        return self.action == BY_ITSELF

    def text(self, language: str) -> tuple[str, str]:
        """Return what happened, and what to do."""
        return self.fr if language == "fr" else self.en


_ALTERED: Final = ArrivalReason(
    NOTHING,
    ("The bytes are not those that a tablet sealed.", "They are kept as they came. Ask the enumerator to send again; if it comes up often, look at the tablet."),
    ("Les octets ne sont pas ceux qu'une tablette a scellés.", "Ils sont gardés tels quels. Demandez un nouvel envoi ; si cela se répète, examinez la tablette."),
)  # fmt: skip
_NEWER: Final = ArrivalReason(
    NOTHING,
    ("It was sealed by a version that this server does not know.", "Update the server, then run passerelle rebuild."),
    ("Scellé par une version que ce serveur ne connaît pas.", "Mettez le serveur à jour, puis lancez passerelle rebuild."),
)  # fmt: skip
_OWN: Final[dict[str, ArrivalReason]] = {
    "received": ArrivalReason(
        BY_ITSELF,
        ("It has just come and is about to be opened.", "Nothing: a few seconds. If it stays, the worker does not run."),
        ("Il vient d'arriver et va être ouvert.", "Rien : quelques secondes. S'il reste ainsi, le processus d'ouverture ne tourne pas."),
    ),
    "media-missing": ArrivalReason(
        BY_ITSELF,
        ("Photos, recordings or other files that it names have not come yet.", "Nothing: ODK Collect sends them again by itself. Ask for a better connection if they stay out."),
        ("Des photos, sons ou fichiers qu'il cite ne sont pas encore arrivés.", "Rien : ODK Collect les renvoie de lui-même. Cherchez une meilleure connexion s'ils tardent."),
    ),
    "copy": ArrivalReason(
        BY_ITSELF,
        ("The same interview came once more.", "Nothing: it counts once."),
        ("Le même entretien est arrivé une fois de plus.", "Rien : il compte une fois."),
    ),
    "superseded": ArrivalReason(
        BY_ITSELF,
        ("A later version of this interview has come.", "Nothing: the later one counts, this one is kept."),
        ("Une version plus récente de cet entretien est arrivée.", "Rien : la plus récente compte, celle-ci est gardée."),
    ),
    "incomplete-history": ArrivalReason(
        BY_ITSELF,
        ("It edits a version that has not come yet. It counts already.", "Nothing: the earlier version joins it when it comes."),
        ("Il corrige une version qui n'est pas encore arrivée. Il compte déjà.", "Rien : la version antérieure le rejoindra à son arrivée."),
    ),
    "erased": ArrivalReason(
        BY_ITSELF,
        ("Its people have withdrawn their consent: what it held is erased for ever.", "Nothing: late copies are erased too, here and on tablets."),
        ("Les personnes ont retiré leur consentement : son contenu est effacé pour toujours.", "Rien : les copies tardives sont effacées aussi, ici et sur les tablettes."),
    ),
    "not-the-office": ArrivalReason(
        NOTHING,
        ("It claims to be a decision of the office, and the office did not sign it.", "Do not trust it; look at the tablet that brought it."),
        ("Il se dit décision du bureau, mais le bureau ne l'a pas signé.", "Ne vous y fiez pas ; examinez la tablette qui l'a apporté."),
    ),
    "K1": ArrivalReason(
        SETTLE,
        ("Its household key is not in the draw, or was drawn for another enumerator's unit.", "Find the right key on the assignment card: reassign; or exclude."),
        ("Sa clé de ménage n'est pas dans le tirage, ou est tirée pour l'unité d'un autre enquêteur.", "Trouvez la bonne clé sur la fiche : réaffectez ; ou écartez."),
    ),
    "K2": ArrivalReason(
        SETTLE,
        ("Two interviews have one household key.", "A mistyped key is likelier than a second visit: reassign one; or exclude the repeat."),
        ("Deux entretiens portent la même clé de ménage.", "Une clé mal saisie est plus probable qu'une seconde visite : réaffectez l'un ; ou écartez la répétition."),
    ),
    "K3": ArrivalReason(
        SETTLE,
        ("The answers say another mode (training, pilot, survey) than the seal.", "Exclude it, or keep it."),
        ("Les réponses indiquent un autre mode (formation, pilote, enquête) que le sceau.", "Écartez-le, ou gardez-le."),
    ),
    "E1": ArrivalReason(
        SETTLE,
        ("Recruitment costs out of proportion to the earnings, and nobody confirmed them.", "Ask again; keep it, or exclude it."),
        ("Des coûts de recrutement hors de proportion avec les gains, sans confirmation.", "Demandez de nouveau ; gardez-le, ou écartez-le."),
    ),
    "conflict": ArrivalReason(
        RESOLVE,
        ("Two people changed the same interview, each without the other's change.", "Look at both and choose the one that counts."),
        ("Deux personnes ont modifié le même entretien, chacune sans la modification de l'autre.", "Regardez les deux et choisissez celui qui compte."),
    ),
    "id-collision": ArrivalReason(
        RESOLVE,
        ("Two different interviews came under one instanceID.", "Look at both and choose the one that counts."),
        ("Deux entretiens différents sont arrivés sous un même instanceID.", "Regardez les deux et choisissez celui qui compte."),
    ),
    "mixed-projects": ArrivalReason(
        RESOLVE,
        ("Versions of one interview are of forms of different projects. Only somebody of all these projects sees it.", "Look at both and choose the one that counts; then ask who sent the other."),
        ("Les versions d'un même entretien relèvent de formulaires de projets différents. Seul un membre de tous ces projets le voit.", "Regardez-les et choisissez celle qui compte ; puis demandez qui a envoyé l'autre."),
    ),
    "mixed-modes": ArrivalReason(
        RESOLVE,
        ("Versions of one interview were sealed in different modes.", "Look at both and choose the one that counts."),
        ("Les versions d'un même entretien sont scellées dans des modes différents.", "Regardez-les et choisissez celle qui compte."),
    ),
    "cycle": ArrivalReason(
        RESOLVE,
        ("Versions of this interview each claim to edit the other.", "Look at them and choose the one that counts."),
        ("Les versions de cet entretien se disent chacune la correction de l'autre.", "Regardez-les et choisissez celle qui compte."),
    ),
    **dict.fromkeys(("malformed", "truncated", "trailing-bytes", "certificate-mismatch", "index-too-high", "too-large", "medium-altered"), _ALTERED),
    **dict.fromkeys(("unknown-suite", "unknown-version"), _NEWER),
}  # fmt: skip

WIPED_BY_CLICK: Final = frozenset({reasons.PLAINTEXT, reasons.BESIDE_CIPHERTEXT})
CODES: Final = (*(code for code in _OWN if _OWN[code].action in (SETTLE, RESOLVE)), *reasons.codes(), *_OWN)
"""Those that a person must look at first, in the order in which pages list them."""


def reason_of(code: str) -> ArrivalReason:
    """Return what a code means; one that this version does not know is called by its name."""
    own = _OWN.get(code)
    if own is not None:
        return own
    english, french = reasons.reason_text(code, "en"), reasons.reason_text(code, "fr")
    action = RELEASE if english.may_be_released else BY_ITSELF if english.ends_by_itself else NOTHING
    return ArrivalReason(
        action=WIPE if code in WIPED_BY_CLICK else action,
        en=(english.what, english.remedy),
        fr=(french.what, french.remedy),
    )
