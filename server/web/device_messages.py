"""The words of the pages about tablets and about what takes two people, in English and French."""

# ruff: noqa: E501 -- a message is a line, so that two languages can be read side by side
from typing import Final

from server.services.device_words import backlog_words
from server.web.messages import french_spaces
from sync_protocol.messages import Backlog

DEVICE_MESSAGES: Final[dict[str, dict[str, str]]] = {
    "en": {
        "devices": "Tablets", "devices_lead": "Tablets with our own app: who has each, when it was last here, and what it still has to send.",
        "no_devices": "No tablet is enrolled yet.", "device": "Tablet", "state": "State", "enumerator": "Enumerator", "team": "Team", "role": "Role", "project": "Project",
        "last_seen": "Last here", "never": "never", "backlog": "Still to send", "nothing_known": "–",
        "clock": "Clock",
        "active": "in use", "revoked": "revoked", "wipe_proposed": "wipe proposed", "wipe_ordered": "wipe ordered", "old_keys": "old keys", "set_aside": "{n} set aside", "enumerator_role": "enumerator", "supervisor_role": "supervisor",
        "utc": "UTC", "since": "Enrolled", "back": "All tablets", "keys": "Keys", "keys_new": "newest", "keys_old": "older ones, of keyring {n}",
        "enrol": "Enrol a tablet", "enrol_text": "Makes a code that lets in one tablet, once, within 14 days. On the tablet: open the app, choose Enrol, scan.",
        "enumerator_hint": "code of who will use it", "make_code": "Make the code", "bad_enrolment": "A code is missing, too long or has characters that cannot be stored, or the project is archived.",
        "code": "Enrolment code", "code_text": "On the tablet of {enumerator}: open the app, choose Enrol, and scan. The code lets one tablet in and is shown this once.", "code_alt": "QR code that enrols a tablet of {enumerator}", "link": "The same as a link, for typing in or sending on a safe way",
        "revoke": "Revoke", "revoke_text": "For a tablet that is lost or stolen. From its next contact on it gets nothing more. What it still sends is kept apart until a person lets it in. This cannot be taken back: a tablet that turns up is enrolled anew.", "revoke_now": "Revoke at once",
        "release": "What came after the revocation", "release_text": "{n} envelopes came after the revocation. Let them in when you know that they are genuine: a person of the office held the tablet, and no thief.", "release_button": "Let all of it in",
        "wipe": "Wipe", "wipe_text": "Removes answers, keys and drafts from the tablet once all that it holds has been receipted. It takes two people: you propose, another manager or an administrator agrees.", "note": "Why", "wipe_propose": "Propose to wipe it",
        "wipe_waiting": "It is proposed to wipe this tablet: another person agrees under", "wipe_done": "The tablet is ordered to wipe itself. It does so at its next contact, when all that it holds has been receipted.",
        "locked": "The server is locked: proposals need it to be started with its passphrase.",
        "done_revoked": "Revoked.", "done_released": "Let in. The server opens it in a moment.", "done_proposed": "Proposed. Another person agrees or declines.", "done_agreed": "Agreed and decided.", "done_declined": "Declined.",
        "proposals": "Proposals", "proposals_lead": "What takes two people: to erase an interview, and to wipe a tablet. Who proposes cannot agree.", "no_proposals": "Nothing has been proposed.",
        "erase": "Erase an interview", "proposed_by": "Proposed by {name}, {when}", "decided_by": "{state} by {name}, {when}", "proposed": "open", "agreed": "agreed", "declined": "declined",
        "erase_text": "All versions of the interview, its files, and what was made of them are removed for ever, here and on tablets. Published figures stay.", "agree": "Agree", "decline": "Decline", "take_back": "Take back", "own": "You proposed this: another person agrees.",
        "same_person": "Who proposed it cannot agree to it: this takes two people.", "decided": "Somebody has decided it meanwhile.", "grown": "Something was added to this interview after it was proposed: decline, look at it, and propose anew.", "not_all_seen": "This interview is connected with some of another project or team: who agrees must see all of them.", "sealed_note": "sealed until the server is started with its passphrase",
    },
    "fr": {
        "devices": "Tablettes", "devices_lead": "Tablettes avec notre application : qui a chacune, sa dernière venue, et ce qu'elle doit encore envoyer.",
        "no_devices": "Aucune tablette n'est encore inscrite.", "device": "Tablette", "state": "État", "enumerator": "Enquêteur", "team": "Équipe", "role": "Rôle", "project": "Projet",
        "last_seen": "Dernière venue", "never": "jamais", "backlog": "Reste à envoyer", "nothing_known": "–",
        "clock": "Horloge",
        "active": "en service", "revoked": "révoquée", "wipe_proposed": "effacement proposé", "wipe_ordered": "effacement ordonné", "old_keys": "anciennes clés", "set_aside": "{n} mises de côté", "enumerator_role": "enquêteur", "supervisor_role": "contrôleur",
        "utc": "UTC", "since": "Inscrite", "back": "Toutes les tablettes", "keys": "Clés", "keys_new": "les dernières", "keys_old": "d'un trousseau antérieur, le {n}",
        "enrol": "Inscrire une tablette", "enrol_text": "Fabrique un code qui admet une tablette, une fois, pendant 14 jours. Sur la tablette : ouvrir l'application, choisir Inscrire, lire le code.",
        "enumerator_hint": "code de la personne qui l'utilisera", "make_code": "Fabriquer le code", "bad_enrolment": "Un code manque, est trop long ou contient des caractères qu'on ne peut pas garder, ou le projet est archivé.",
        "code": "Code d'inscription", "code_text": "Sur la tablette de {enumerator} : ouvrir l'application, choisir Inscrire, lire le code. Il admet une tablette et n'est montré que cette fois.", "code_alt": "Code QR qui inscrit une tablette de {enumerator}", "link": "Le même en lien, à saisir ou à transmettre par une voie sûre",
        "revoke": "Révoquer", "revoke_text": "Pour une tablette perdue ou volée. Dès son prochain contact, elle ne reçoit plus rien. Ce qu'elle envoie encore est mis de côté jusqu'à ce qu'une personne l'admette. On ne peut pas revenir là-dessus : une tablette retrouvée est inscrite à nouveau.", "revoke_now": "Révoquer aussitôt",
        "release": "Arrivé après la révocation", "release_text": "{n} enveloppes sont arrivées après la révocation. Admettez-les quand vous savez qu'elles sont authentiques : une personne du bureau tenait la tablette, et non un voleur.", "release_button": "Tout admettre",
        "wipe": "Effacer", "wipe_text": "Enlève de la tablette les réponses, les clés et les brouillons, dès que tout ce qu'elle porte a reçu son accusé. Il faut deux personnes : vous proposez, un autre responsable ou un administrateur accepte.", "note": "Pourquoi", "wipe_propose": "Proposer l'effacement",
        "wipe_waiting": "L'effacement de cette tablette est proposé : une autre personne accepte sous", "wipe_done": "La tablette a l'ordre de s'effacer. Elle le fait à son prochain contact, dès que tout ce qu'elle porte a reçu son accusé.",
        "locked": "Le serveur est verrouillé : il faut le démarrer avec sa phrase secrète pour proposer.",
        "done_revoked": "Révoquée.", "done_released": "Admis. Le serveur l'ouvre dans un instant.", "done_proposed": "Proposé. Une autre personne accepte ou refuse.", "done_agreed": "Accepté et décidé.", "done_declined": "Refusé.",
        "proposals": "Propositions", "proposals_lead": "Ce qui demande deux personnes : effacer un entretien, effacer une tablette. Qui propose ne peut pas accepter.", "no_proposals": "Rien n'a été proposé.",
        "erase": "Effacer un entretien", "proposed_by": "Proposé par {name}, {when}", "decided_by": "{state} par {name}, {when}", "proposed": "ouverte", "agreed": "acceptée", "declined": "refusée",
        "erase_text": "Toutes les versions de l'entretien, ses fichiers et ce qui en a été tiré sont enlevés pour toujours, ici et sur les tablettes. Les chiffres publiés restent.", "agree": "Accepter", "decline": "Refuser", "take_back": "Retirer", "own": "Vous l'avez proposé : une autre personne accepte.",
        "same_person": "Qui a proposé ne peut pas accepter : il faut deux personnes.", "decided": "Quelqu'un a décidé entre-temps.", "grown": "Quelque chose s'est ajouté à cet entretien après la proposition : refusez, regardez-le et proposez de nouveau.", "not_all_seen": "Cet entretien est lié à d'autres, d'un autre projet ou d'une autre équipe : qui accepte doit les voir tous.", "sealed_note": "scellé tant que le serveur n'est pas démarré avec sa phrase secrète",
    },
}  # fmt: skip


def device_word(language: str, key: str, **values: object) -> str:
    """Return a text of the table, with its values in place."""
    text = DEVICE_MESSAGES[language][key]
    if language == "fr":
        text = french_spaces(text)
    return text.format(**values) if values else text


def backlog_text(language: str, backlog: Backlog | None) -> str:
    """Return `backlog_words` as a page sets it."""
    text = backlog_words(language, backlog)
    return french_spaces(text) if language == "fr" else text
