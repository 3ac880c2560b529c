"""Why an envelope waits or is held, in words a person can act on: one catalogue for pages and the command line.

Each reason says what happened, what the office can do, and whether it ends by itself when the missing thing comes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from server.db.queries.opening import OTHER_PROJECT, WIPED

UNREADABLE_INSTANCE: Final = "unreadable-instance"
NO_INSTANCE_ID: Final = "no-instance-id"
PLAINTEXT: Final = "plaintext-on-encrypted-form"
BESIDE_CIPHERTEXT: Final = "plaintext-beside-ciphertext"
LANGUAGES: Final = ("en", "fr")


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason in one language.

    Attributes:
        what: what happened.
        remedy: what the office can do.
        ends_by_itself: nobody has to release it, once what is missing comes.
        may_be_released: releasing it lets it in.
    """

    what: str
    remedy: str
    ends_by_itself: bool = False
    may_be_released: bool = False


def reason_text(code: str | None, language: str = "en") -> Reason:
    """Return a reason in a language; one that is not in the catalogue as what it is called."""
    language = language if language in LANGUAGES else "en"
    text = _CATALOGUE.get(code or "")
    if text is None:
        return Reason(_UNKNOWN[language].format(code=code or "?"), _LOOK[language])
    place = LANGUAGES.index(language)
    return Reason(text.what[place], text.remedy[place], text.ends_by_itself, text.may_be_released)


def codes() -> tuple[str, ...]:
    """Return every reason of the catalogue."""
    return tuple(_CATALOGUE)


@dataclass(frozen=True, slots=True)
class _Text:
    """English and French, in the order of `LANGUAGES`."""

    what: tuple[str, str]
    remedy: tuple[str, str]
    ends_by_itself: bool = False
    may_be_released: bool = False


_UNKNOWN: Final = {"en": "Set aside: {code}.", "fr": "Mis de côté : {code}."}
_LOOK: Final = {
    "en": "Nothing is lost. Tell whoever runs the server, with the number of the envelope.",
    "fr": "Rien n’est perdu. Prévenez la personne qui gère le serveur, avec le numéro de l’enveloppe.",
}
_ASK: Final = (_LOOK["en"], _LOOK["fr"])
_DAMAGED: Final = (
    "Keep it; if the tablet still has the interview, send it again from there.",
    "Gardez-le ; si la tablette a encore l’entretien, renvoyez-le de là.",
)
_SUSPECT: Final = (
    "Find out who sent it. It stays stored and never counts.",
    "Cherchez qui l’a envoyé. Il reste conservé et ne compte jamais.",
)
_CATALOGUE: Final[Mapping[str, _Text]] = {
    "waiting-for-epoch": _Text(
        (
            "The key of the tablet’s day has not come yet.",
            "La clé du jour de la tablette n’est pas encore arrivée.",
        ),
        ("Nothing: the tablet sends it with its next exchange.", "Rien : la tablette l’envoie au prochain échange."),
        ends_by_itself=True,
    ),
    "waiting-for-form": _Text(
        ("Its form version is not here yet.", "Sa version de formulaire n’est pas encore ici."),
        ("Publish that version of the form.", "Publiez cette version du formulaire."),
        ends_by_itself=True,
    ),
    "waiting-for-key": _Text(
        ("The key store is locked.", "Le coffre des clés est fermé."),
        (
            "Start the server or the worker with PASSERELLE_PASSPHRASE.",
            "Démarrez le serveur ou le worker avec PASSERELLE_PASSPHRASE.",
        ),
        ends_by_itself=True,
    ),
    "listed": _Text(
        (
            "It is whole, and this server has not the keys to open it.",
            "Il est entier, et ce serveur n’a pas les clés pour l’ouvrir.",
        ),
        (
            "Open it on the office’s own machine, which has the survey keys: it is in the next backup.",
            "Ouvrez-le sur la machine du bureau qui a les clés d’enquête : il est dans la prochaine sauvegarde.",
        ),
        ends_by_itself=True,
    ),
    "waiting-for-media": _Text(
        (
            "ODK Collect encrypted it, and the file with the answers has not come yet.",
            "ODK Collect l’a chiffré, et le fichier des réponses n’est pas encore arrivé.",
        ),
        (
            "Nothing: the tablet sends it when it next has a network. If the tablet is lost, so are the answers.",
            "Rien : la tablette l’envoie dès qu’elle a du réseau. Si elle est perdue, les réponses le sont aussi.",
        ),
        ends_by_itself=True,
    ),
    "waiting-for-odk-key": _Text(
        (
            "ODK Collect encrypted it to a key of the office that is not here.",
            "ODK Collect l’a chiffré avec une clé de l’institut qui n’est pas ici.",
        ),
        (
            "Import the private key of the form: passerelle odk-key import private.pem.",
            "Importez la clé privée du formulaire : passerelle odk-key import private.pem.",
        ),
        ends_by_itself=True,
    ),
    "unknown-dictionary": _Text(
        (
            "It was packed with a file of its form that is not here, as after a restore from an old backup.",
            "Il a été compressé avec un fichier de son formulaire qui n’est pas ici, comme après une restauration.",
        ),
        (
            "Publish that version with the release of Passerelle that published it before, or restore a newer backup.",
            "Publiez-la avec la version de Passerelle qui l’avait publiée, ou restaurez une sauvegarde plus récente.",
        ),
        ends_by_itself=True,
    ),
    "unknown-form-version": _Text(
        (
            "No version of a form published here has this name.",
            "Aucune version de formulaire publiée ici ne porte ce nom.",
        ),
        (
            "Publish that form and version; what waits for it is then opened.",
            "Publiez ce formulaire et cette version ; ce qui l’attend est alors ouvert.",
        ),
        ends_by_itself=True,
    ),
    "form-retired": _Text(
        ("It came after its form version was retired.", "Il est arrivé après le retrait de sa version de formulaire."),
        ("Release it if it is an interview of the survey.", "Libérez-le s’il s’agit d’un entretien de l’enquête."),
        may_be_released=True,
    ),
    OTHER_PROJECT: _Text(
        (
            "Its tablet or app user belongs to another project than its form.",
            "Sa tablette ou son utilisateur appartient à un autre projet que son formulaire.",
        ),
        (
            "Release it if that project was meant to collect for yours; else ask who gave it the form.",
            "Libérez-le si cet autre projet devait collecter pour le vôtre ; sinon, cherchez d’où il vient.",
        ),
        may_be_released=True,
    ),
    "after-revocation": _Text(
        (
            "It came after its tablet or app user was revoked.",
            "Il est arrivé après la révocation de sa tablette ou de son utilisateur.",
        ),
        (
            "Release it when you know that it is genuine, not sent by a thief.",
            "Libérez-le si vous savez qu’il est authentique et ne vient pas d’un voleur.",
        ),
        may_be_released=True,
    ),
    UNREADABLE_INSTANCE: _Text(
        (
            "What came is not a readable form: it was cut or damaged on the tablet.",
            "Ce qui est arrivé n’est pas un formulaire lisible : il a été coupé ou abîmé sur la tablette.",
        ),
        (
            "Look at it as it came. The interview may have to be asked again, or be finalised again on the tablet.",
            "Regardez-le tel qu’il est arrivé. L’entretien est peut-être à refaire, ou à finaliser de nouveau.",
        ),
    ),
    NO_INSTANCE_ID: _Text(
        ("The submission has no instanceID.", "L’envoi n’a pas d’instanceID."),
        (
            "Release it to take it under an id made from its content. A repeat of it is known as one.",
            "Libérez-le pour le prendre sous un identifiant tiré de son contenu. Ses répétitions sont reconnues.",
        ),
        may_be_released=True,
    ),
    PLAINTEXT: _Text(
        (
            "It came in clear although its form is encrypted.",
            "Il est arrivé en clair alors que son formulaire est chiffré.",
        ),
        (
            "The encrypted one usually follows: then wipe this one. Release it if it is all there is.",
            "La version chiffrée suit d’habitude : effacez alors celle-ci. Libérez-la si rien d’autre n’existe.",
        ),
        may_be_released=True,
    ),
    BESIDE_CIPHERTEXT: _Text(
        (
            "A file came in clear beside the encrypted ones; it is sealed here and is not read.",
            "Un fichier est arrivé en clair à côté des fichiers chiffrés ; il est scellé ici et n’est pas lu.",
        ),
        (
            "Wipe it when the encrypted files are all here: passerelle odk-key wipe-plaintext.",
            "Effacez-le quand tous les fichiers chiffrés sont là : passerelle odk-key wipe-plaintext.",
        ),
    ),
    WIPED: _Text(
        ("It was wiped; only its number stays.", "Il a été effacé ; seul son numéro reste."),
        ("Nothing.", "Rien."),
    ),
    "odk-undecryptable": _Text(
        (
            "The file that ODK Collect encrypted was cut or damaged, or is of another key.",
            "Le fichier chiffré par ODK Collect a été coupé ou abîmé, ou relève d’une autre clé.",
        ),
        (
            "Send it again from the tablet: another copy of the file opens it by itself.",
            "Renvoyez-le de la tablette : une autre copie du fichier l’ouvre d’elle-même.",
        ),
        ends_by_itself=True,
    ),
    "odk-signature-invalid": _Text(
        (
            "What was decrypted is not what ODK Collect signed.",
            "Ce qui a été déchiffré n’est pas ce qu’ODK Collect a signé.",
        ),
        (
            "Send it again from the tablet: another copy of the file opens it by itself.",
            "Renvoyez-le de la tablette : une autre copie du fichier l’ouvre d’elle-même.",
        ),
        ends_by_itself=True,
    ),
    "wrong-form": _Text(
        (
            "Its answers are of another form version than it says outside.",
            "Ses réponses sont d’une autre version de formulaire que celle indiquée à l’extérieur.",
        ),
        _SUSPECT,
    ),
    "wrong-instance-id": _Text(
        (
            "It has another instanceID inside than it says outside.",
            "Son instanceID à l’intérieur n’est pas celui indiqué à l’extérieur.",
        ),
        _SUSPECT,
    ),
    "signature-invalid": _Text(
        ("Its signature is not that of the device.", "Sa signature n’est pas celle de l’appareil."), _SUSPECT
    ),
    "unknown-certificate": _Text(
        ("No device of this office sealed it.", "Aucun appareil de cet institut ne l’a scellé."),
        (
            "After a restore, let the tablet that sealed it sync: it makes itself known again, and this is opened by "
            "itself. Else find out who sent it. It stays stored.",
            "Après une restauration, faites synchroniser la tablette qui l’a scellé : elle se fait reconnaître, et il "
            "est ouvert de lui-même. Sinon, cherchez qui l’a envoyé. Il reste conservé.",
        ),
    ),
    "undecryptable": _Text(
        ("It was altered, or sealed under another key.", "Il a été altéré, ou scellé avec une autre clé."), _DAMAGED
    ),
    "altered-at-rest": _Text(
        (
            "The stored bytes are not those that were received.",
            "Les octets conservés ne sont pas ceux qui ont été reçus.",
        ),
        ("Restore it from a backup, and look at the disk.", "Restaurez-le d’une sauvegarde, et contrôlez le disque."),
    ),
    "medium-missing": _Text(
        ("The file is not in the store.", "Le fichier n’est pas dans le magasin."),
        ("Restore the folder of blobs from a backup.", "Restaurez le dossier des blobs d’une sauvegarde."),
    ),
    "wrong-survey-key": _Text(
        (
            "It was sealed to a key that is not of this office.",
            "Il a été scellé avec une clé qui n’est pas de cet institut.",
        ),
        _SUSPECT,
    ),
    "unknown-kind": _Text(
        (
            "This version of the server does not know what it is.",
            "Cette version du serveur ne sait pas de quoi il s’agit.",
        ),
        (
            "Update the server; then it is opened by `passerelle rebuild`.",
            "Mettez le serveur à jour ; `passerelle rebuild` l’ouvre ensuite.",
        ),
    ),
    "cannot-be-folded": _Text(
        ("Its answers could not be stored.", "Ses réponses n’ont pas pu être enregistrées."),
        _ASK,
        may_be_released=True,
    ),
    "unstorable-answers": _Text(
        ("Its answers could not be written as columns.", "Ses réponses n’ont pas pu être écrites en colonnes."),
        _ASK,
        may_be_released=True,
    ),
    "unforeseen": _Text(
        ("Opening it failed in a way that nobody foresaw.", "Son ouverture a échoué d’une façon imprévue."),
        _ASK,
        may_be_released=True,
    ),
}
