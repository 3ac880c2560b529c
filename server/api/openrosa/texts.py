"""What the door says to the person who holds the tablet: one catalogue, in English and French.

Collect shows a message as it is. Each says what became of the form and what to do; none quotes what was sent.
"""

from collections.abc import Mapping
from typing import Final

from forms.instance import MAX_INSTANCE_BYTES
from server.errors import Problem

LANGUAGES: Final = ("en", "fr")
BETWEEN: Final = " / "

SAFE: Final = "safe"
PART: Final = "part"

TEXTS: Final[Mapping[str, Mapping[str, str]]] = {
    SAFE: {
        "en": "Safe on the server: {what}.",
        "fr": "En sûreté sur le serveur : {what}.",
    },
    PART: {
        "en": "Part received and safe: {what}. The rest follows.",
        "fr": "Partie reçue et en sûreté : {what}. La suite arrive.",
    },
    "not-found": {
        "en": "No app user has this token, or there is nothing under this address. Check the server's address in the"
        " settings, or scan the settings code again. The form stays on this device.",
        "fr": "Aucun utilisateur n'a ce jeton, ou il n'y a rien à cette adresse. Vérifiez l'adresse du serveur dans les"
        " paramètres, ou scannez de nouveau le code de configuration. Le formulaire reste sur cet appareil.",
    },
    "not-authenticated": {
        "en": "The server does not know this name and password. Check them in the settings, or scan the settings code"
        " again. The form stays on this device.",
        "fr": "Le serveur ne connaît pas ce nom et ce mot de passe. Vérifiez-les dans les paramètres, ou scannez de"
        " nouveau le code de configuration. Le formulaire reste sur cet appareil.",
    },
    "forbidden": {
        "en": "This access has been revoked, or does not reach this far: finished forms can still be sent, new ones are"
        " not given out. Ask your supervisor.",
        "fr": "Cet accès a été révoqué, ou ne va pas jusque-là : les formulaires terminés peuvent encore être envoyés,"
        " aucun nouveau n'est remis. Demandez à votre superviseur.",
    },
    "bad-request": {
        "en": "The server does not understand this request. Update the app, or ask the office.",
        "fr": "Le serveur ne comprend pas cette demande. Mettez l'application à jour, ou demandez au bureau.",
    },
    "method-not-allowed": {
        "en": "The server does not understand this request. Check the server's address in the settings.",
        "fr": "Le serveur ne comprend pas cette demande. Vérifiez l'adresse du serveur dans les paramètres.",
    },
    "length-required": {
        "en": "The request does not say how long it is; something between this device and the server has changed it."
        " Send the form again from another network.",
        "fr": "La demande n'indique pas sa longueur ; quelque chose entre cet appareil et le serveur l'a changée."
        " Renvoyez le formulaire depuis un autre réseau.",
    },
    "malformed": {
        "en": "The line was cut while the form was being sent. Nothing is lost: send it again.",
        "fr": "La liaison a été coupée pendant l'envoi du formulaire. Rien n'est perdu : renvoyez-le.",
    },
    "submission-unreadable": {
        "en": "What arrived holds no form (the part xml_submission_file is missing). Check the server's address in the"
        " settings and send the form again; it stays on this device.",
        "fr": "Ce qui est arrivé ne contient pas de formulaire (la partie xml_submission_file manque). Vérifiez"
        " l'adresse du serveur dans les paramètres et renvoyez le formulaire ; il reste sur cet appareil.",
    },
    "too-large": {
        "en": "This is more than the server takes: at most {form_mb} MB of answers in a form, {file_mb} MB in a file"
        " and {post_mb} MB at once. The form stays on this device: make the largest file smaller, or ask the office.",
        "fr": "C'est plus que ce que le serveur accepte : au plus {form_mb} Mo de réponses par formulaire, {file_mb} Mo"
        " par fichier et {post_mb} Mo à la fois. Le formulaire reste sur cet appareil : réduisez le plus grand fichier,"
        " ou demandez au bureau.",
    },
    "storage-full": {
        "en": "The server's disk is full. The form stays on this device: tell the office, and send it again later.",
        "fr": "Le disque du serveur est plein. Le formulaire reste sur cet appareil : prévenez le bureau, et"
        " renvoyez-le plus tard.",
    },
    "key-store-locked": {
        "en": "The server is locked and cannot give out this list. What this device has stays as it is. Ask the office"
        " to unlock the server.",
        "fr": "Le serveur est verrouillé et ne peut pas donner cette liste. Cet appareil garde ce qu'il a. Demandez au"
        " bureau de déverrouiller le serveur.",
    },
    "maintenance": {
        "en": "The server cannot write right now. The form stays on this device: send it again in some minutes.",
        "fr": "Le serveur ne peut pas écrire en ce moment. Le formulaire reste sur cet appareil : renvoyez-le dans"
        " quelques minutes.",
    },
    "rate-limited": {
        "en": "Too many attempts. Wait some minutes and try again; the form stays on this device.",
        "fr": "Trop de tentatives. Attendez quelques minutes et réessayez ; le formulaire reste sur cet appareil.",
    },
    "internal": {
        "en": "Something went wrong on the server. The form stays on this device: send it again later, and tell the"
        " office if this comes again.",
        "fr": "Une erreur s'est produite sur le serveur. Le formulaire reste sur cet appareil : renvoyez-le plus tard,"
        " et prévenez le bureau si cela se reproduit.",
    },
}
"""By language, under the name of what happened or the slug of a problem; what has no words of its own is `internal`."""

FORM: Final = {"en": "the form", "fr": "le formulaire"}
FORM_AND_FILES: Final = {"en": "the form and {count} file{s}", "fr": "le formulaire et {count} fichier{s}"}

FORM_BYTES: Final = MAX_INSTANCE_BYTES
FILE_BYTES: Final = 256 << 20
POST_BYTES: Final = 1 << 30


def received(language: str, *, file_count: int, is_part: bool) -> str:
    """Say what is safe on the server: the form, and how many of its files."""
    return BETWEEN.join(
        TEXTS[PART if is_part else SAFE][one].format(what=_what(one, file_count)) for one in _languages(language)
    )


def refusal(problem: Problem, language: str) -> str:
    """Say why something was refused, and what to do."""
    texts = TEXTS.get(problem.slug, TEXTS["internal"])
    limits = {"form_mb": FORM_BYTES >> 20, "file_mb": FILE_BYTES >> 20, "post_mb": POST_BYTES >> 20}
    return BETWEEN.join(texts[one].format(**limits) for one in _languages(language))


def _what(language: str, file_count: int) -> str:
    if not file_count:
        return FORM[language]
    return FORM_AND_FILES[language].format(count=file_count, s="" if file_count == 1 else "s")


def _languages(language: str) -> tuple[str, ...]:
    return (language,) if language in LANGUAGES else LANGUAGES
