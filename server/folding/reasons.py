"""Why something that arrived is not simply opened: what happened, what to do, and whether it ends by itself.

One text a code and language, for pages, programs and the command line alike; docs/how-to/intake.md lists them.
"""

# ruff: noqa: E501 -- a text is a line, so that two languages can be read side by side
from dataclasses import dataclass
from typing import Final

RELEASE: Final = "release"
RETRY: Final = "retry"
SETTLE: Final = "settle"
RESOLVE: Final = "resolve"
NOTHING: Final = ""
BY_ITSELF: Final = "by-itself"

UNREADABLE_INSTANCE: Final = "unreadable-instance"
NO_INSTANCE_ID: Final = "no-instance-id"
PLAINTEXT: Final = "plaintext-on-encrypted-form"
BESIDE_CIPHERTEXT: Final = "plaintext-beside-ciphertext"


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason.

    Attributes:
        action: what a person can do with a click: release, retry, settle or resolve; ``by-itself`` where nobody has to
            do anything with it, empty where nothing can be done.
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


_ALTERED: Final = Reason(
    NOTHING,
    ("The bytes are not those that a tablet sealed.", "They are kept as they came. Ask the enumerator to send again; if it comes up often, look at the tablet."),
    ("Les octets ne sont pas ceux qu'une tablette a scellés.", "Ils sont gardés tels quels. Demandez un nouvel envoi ; si cela se répète, examinez la tablette."),
)  # fmt: skip
_UNREADABLE: Final = Reason(
    NOTHING,
    ("What was sent is not the XML of an interview.", "It is kept as it came and can be downloaded. Ask the enumerator to open the interview, finalise it again and send it."),
    ("Ce qui a été envoyé n'est pas le XML d'un entretien.", "C'est gardé tel quel et peut être téléchargé. Demandez à l'enquêteur d'ouvrir l'entretien, de le finaliser de nouveau et de l'envoyer."),
)  # fmt: skip
_NEWER: Final = Reason(
    RETRY,
    ("It was sealed by a version that this server does not know.", "Update the server, then try again."),
    ("Scellé par une version que ce serveur ne connaît pas.", "Mettez le serveur à jour, puis réessayez."),
)  # fmt: skip
_SERVER: Final = Reason(
    RETRY,
    ("It is intact, but the server met an error that nobody foresaw.", "Try again after an update; the server's log says where it happened."),
    ("Il est intact, mais le serveur a rencontré une erreur imprévue.", "Réessayez après une mise à jour ; le journal du serveur dit où."),
)  # fmt: skip

REASONS: Final[dict[str, Reason]] = {
    "received": Reason(
        BY_ITSELF,
        ("It has just come and is about to be opened.", "Nothing: a few seconds. If it stays, the worker does not run."),
        ("Il vient d'arriver et va être ouvert.", "Rien : quelques secondes. S'il reste ainsi, le processus d'ouverture ne tourne pas."),
    ),
    "waiting-for-key": Reason(
        BY_ITSELF,
        ("It is safe and sealed; the key store is locked.", "Start the server with its passphrase: it is opened by itself."),
        ("Il est en sûreté et scellé ; le coffre de clés est verrouillé.", "Démarrez le serveur avec sa phrase secrète : il s'ouvrira de lui-même."),
    ),
    "waiting-for-epoch": Reason(
        BY_ITSELF,
        ("The tablet's key of that day has not come yet.", "Nothing: the tablet sends it with its next exchange. Look after a tablet that stays silent."),
        ("La clé du jour de la tablette n'est pas encore arrivée.", "Rien : la tablette l'envoie à son prochain échange. Cherchez une tablette qui reste muette."),
    ),
    "waiting-for-form": Reason(
        BY_ITSELF,
        ("Its form version is not published here.", "Publish the form version: it is opened by itself."),
        ("La version de son formulaire n'est pas publiée ici.", "Publiez cette version : il s'ouvrira de lui-même."),
    ),
    "waiting-for-media": Reason(
        BY_ITSELF,
        ("It is encrypted, and the file that holds its answers has not come yet.", "Nothing: ODK Collect sends it again by itself, and it is opened then."),
        ("Il est chiffré, et le fichier qui contient ses réponses n'est pas encore arrivé.", "Rien : ODK Collect le renvoie de lui-même, et il s'ouvrira alors."),
    ),
    "waiting-for-odk-key": Reason(
        BY_ITSELF,
        ("It is encrypted by ODK Collect to a key that is not here.", "Bring the private key in: passerelle odk-key. It is opened by itself then."),
        ("ODK Collect l'a chiffré pour une clé qui n'est pas ici.", "Importez la clé privée : passerelle odk-key. Il s'ouvrira alors de lui-même."),
    ),
    "media-missing": Reason(
        BY_ITSELF,
        ("Photos, recordings or other files that it names have not come yet.", "Nothing: ODK Collect sends them again by itself. Ask for a better connection if they stay out."),
        ("Des photos, sons ou fichiers qu'il cite ne sont pas encore arrivés.", "Rien : ODK Collect les renvoie de lui-même. Cherchez une meilleure connexion s'ils tardent."),
    ),
    "copy": Reason(
        BY_ITSELF,
        ("The same interview came once more.", "Nothing: it counts once."),
        ("Le même entretien est arrivé une fois de plus.", "Rien : il compte une fois."),
    ),
    "superseded": Reason(
        BY_ITSELF,
        ("A later version of this interview has come.", "Nothing: the later one counts, this one is kept."),
        ("Une version plus récente de cet entretien est arrivée.", "Rien : la plus récente compte, celle-ci est gardée."),
    ),
    "incomplete-history": Reason(
        BY_ITSELF,
        ("It edits a version that has not come yet. It counts already.", "Nothing: the earlier version joins it when it comes."),
        ("Il corrige une version qui n'est pas encore arrivée. Il compte déjà.", "Rien : la version antérieure le rejoindra à son arrivée."),
    ),
    "unknown-form-version": Reason(
        BY_ITSELF,
        ("It is of a form or version that is not published here.", "Publish that form version: it is opened by itself."),
        ("Son formulaire, ou cette version, n'est pas publié ici.", "Publiez cette version : il s'ouvrira de lui-même."),
    ),
    "form-retired": Reason(
        RELEASE,
        ("Its form version was retired before it came.", "Release it if the interview was done in time."),
        ("La version de son formulaire était retirée avant son arrivée.", "Libérez-le si l'entretien a été fait à temps."),
    ),
    "after-revocation": Reason(
        RELEASE,
        ("It came after the tablet or the access was revoked.", "Ask the enumerator. Release it when you know that it is genuine; never for a stolen tablet."),
        ("Il est arrivé après la révocation de la tablette ou de l'accès.", "Demandez à l'enquêteur. Libérez-le si vous savez qu'il est authentique ; jamais pour une tablette volée."),
    ),
    "no-instance-id": Reason(
        RELEASE,
        ("It has no instanceID, so that repeats and edits of it cannot be told.", "Release it to take it under an id made from its content; mend the form."),
        ("Il n'a pas d'instanceID : ses répétitions et corrections ne se reconnaissent pas.", "Libérez-le pour le prendre sous un identifiant tiré de son contenu ; corrigez le formulaire."),
    ),
    "plaintext-beside-ciphertext": Reason(
        NOTHING,
        ("Beside the encrypted interview the tablet sent answers in clear, as ODK Collect does after a crash.", "The encrypted one counts. Wipe the clear copy once it is opened."),
        ("À côté de l'entretien chiffré, la tablette a envoyé des réponses en clair, comme ODK Collect après un arrêt brutal.", "Le chiffré compte. Effacez la copie en clair une fois qu'il est ouvert."),
    ),
    "wrong-form": Reason(
        NOTHING,
        ("The interview is of another form version than its envelope says.", "It is kept as it came. Look at the tablet that sealed it."),
        ("L'entretien est d'une autre version que ne le dit son enveloppe.", "Il est gardé tel quel. Examinez la tablette qui l'a scellé."),
    ),
    "wrong-instance-id": Reason(
        NOTHING,
        ("The interview has another instanceID than its envelope says.", "It is kept as it came. Look at the tablet that sealed it."),
        ("L'entretien porte un autre instanceID que son enveloppe.", "Il est gardé tel quel. Examinez la tablette qui l'a scellé."),
    ),
    "unknown-certificate": Reason(
        RETRY,
        ("No tablet of this office has the certificate that sealed it.", "If the database was restored, enrol the tablet again and try again; else do not trust it."),
        ("Aucune tablette de ce bureau n'a le certificat qui l'a scellé.", "Si la base a été restaurée, réinscrivez la tablette et réessayez ; sinon, ne vous y fiez pas."),
    ),
    "wrong-survey-key": Reason(
        RETRY,
        ("It is sealed to a key that this office does not name.", "If it is of another server, deliver it there; after restoring the key store, try again."),
        ("Il est scellé pour une clé que ce bureau ne connaît pas.", "S'il est d'un autre serveur, livrez-le là-bas ; après restauration du coffre, réessayez."),
    ),
    "not-the-office": Reason(
        NOTHING,
        ("It claims to be a decision of the office, and the office did not sign it.", "Do not trust it; look at the tablet that brought it."),
        ("Il se dit décision du bureau, mais le bureau ne l'a pas signé.", "Ne vous y fiez pas ; examinez la tablette qui l'a apporté."),
    ),
    "unreadable-instance": _UNREADABLE,
    **dict.fromkeys(("doctype", "no-form-id", "too-deep", "malformed"), _UNREADABLE),
    **dict.fromkeys(("signature-invalid", "altered-at-rest", "undecryptable", "truncated", "trailing-bytes"), _ALTERED),
    **dict.fromkeys(("certificate-mismatch", "index-too-high", "too-large", "medium-altered"), _ALTERED),
    **dict.fromkeys(("unknown-kind", "unknown-suite", "unknown-version", "unknown-dictionary"), _NEWER),
    **dict.fromkeys(("unforeseen", "cannot-be-folded", "unstorable-answers"), _SERVER),
    "plaintext-on-encrypted-form": Reason(
        RELEASE,
        ("It came in clear although its form is encrypted.", "The encrypted one usually follows: then wipe this one. Release it if it is all there is."),
        ("Il est arrivé en clair alors que son formulaire est chiffré.", "La version chiffrée suit d'habitude : effacez alors celle-ci. Libérez-la si rien d'autre n'existe."),
    ),
    "wiped": Reason(
        NOTHING,
        ("It was wiped; only its number stays.", "Nothing."),
        ("Il a été effacé ; seul son numéro reste.", "Rien."),
    ),
    "odk-undecryptable": Reason(
        BY_ITSELF,
        ("The file that ODK Collect encrypted was cut or damaged, or is of another key.", "Send it again from the tablet: another copy of the file opens it by itself."),
        ("Le fichier chiffré par ODK Collect a été coupé ou abîmé, ou relève d'une autre clé.", "Renvoyez-le de la tablette : une autre copie du fichier l'ouvre d'elle-même."),
    ),
    "odk-signature-invalid": Reason(
        BY_ITSELF,
        ("What was decrypted is not what ODK Collect signed.", "Send it again from the tablet: another copy of the file opens it by itself."),
        ("Ce qui a été déchiffré n'est pas ce qu'ODK Collect a signé.", "Renvoyez-le de la tablette : une autre copie du fichier l'ouvre d'elle-même."),
    ),
    "medium-missing": Reason(
        NOTHING,
        ("The file is not in the store.", "Restore the folder of blobs from a backup."),
        ("Le fichier n'est pas dans le magasin.", "Restaurez le dossier des blobs d'une sauvegarde."),
    ),
    "K1": Reason(
        SETTLE,
        ("Its household key is not in the draw, or was drawn for another enumerator's unit.", "Find the right key on the assignment card: reassign; or exclude."),
        ("Sa clé de ménage n'est pas dans le tirage, ou est tirée pour l'unité d'un autre enquêteur.", "Trouvez la bonne clé sur la fiche : réaffectez ; ou écartez."),
    ),
    "K2": Reason(
        SETTLE,
        ("Two interviews have one household key.", "A mistyped key is likelier than a second visit: reassign one; or exclude the repeat."),
        ("Deux entretiens portent la même clé de ménage.", "Une clé mal saisie est plus probable qu'une seconde visite : réaffectez l'un ; ou écartez la répétition."),
    ),
    "K3": Reason(
        SETTLE,
        ("The answers say another mode (training, pilot, survey) than the seal.", "Exclude it, or keep it."),
        ("Les réponses indiquent un autre mode (formation, pilote, enquête) que le sceau.", "Écartez-le, ou gardez-le."),
    ),
    "E1": Reason(
        SETTLE,
        ("Recruitment costs out of proportion to the earnings, and nobody confirmed them.", "Ask again; keep it, or exclude it."),
        ("Des coûts de recrutement hors de proportion avec les gains, sans confirmation.", "Demandez de nouveau ; gardez-le, ou écartez-le."),
    ),
    "conflict": Reason(
        RESOLVE,
        ("Two people changed the same interview, each without the other's change.", "Look at both and choose the one that counts."),
        ("Deux personnes ont modifié le même entretien, chacune sans la modification de l'autre.", "Regardez les deux et choisissez celui qui compte."),
    ),
    "id-collision": Reason(
        RESOLVE,
        ("Two different interviews came under one instanceID.", "Look at both and choose the one that counts."),
        ("Deux entretiens différents sont arrivés sous un même instanceID.", "Regardez les deux et choisissez celui qui compte."),
    ),
    "mixed-modes": Reason(
        RESOLVE,
        ("Versions of one interview were sealed in different modes.", "Look at both and choose the one that counts."),
        ("Les versions d'un même entretien sont scellées dans des modes différents.", "Regardez-les et choisissez celle qui compte."),
    ),
    "cycle": Reason(
        RESOLVE,
        ("Versions of this interview each claim to edit the other.", "Look at them and choose the one that counts."),
        ("Les versions de cet entretien se disent chacune la correction de l'autre.", "Regardez-les et choisissez celle qui compte."),
    ),
}  # fmt: skip

UNKNOWN: Final = _SERVER


def reason_of(code: str) -> Reason:
    """Return what a code means; of one that this version does not know, that the server met something unforeseen."""
    return REASONS.get(code, UNKNOWN)
