"""The words of the pages about people, projects and app users, in English and French."""

# ruff: noqa: E501 -- a message is a line, so that two languages can be read side by side
from typing import Final

from server.web.messages import french_spaces

PEOPLE_MESSAGES: Final[dict[str, dict[str, str]]] = {
    "en": {
        "people": "People", "people_lead": "Who may do what here, and whose rows each sees.",
        "name": "Name", "role": "Role", "sees": "Sees", "state": "State", "tokens": "Tokens", "since": "Since",
        "enumerator": "Enumerator", "supervisor": "Supervisor", "manager": "Manager", "statistician": "Statistician", "administrator": "Administrator",
        "active": "active", "disabled": "shut out", "revoked": "revoked", "archived": "archived", "expired": "over",
        "every_project": "every project", "no_project": "no project", "team": "Team", "team_of": "team {code}", "code_of": "enumerator {code}",
        "add_person": "Add a person", "add": "Add",
        "role_text": "Everybody sees the projects they are in; of these, a supervisor one team, and an enumerator only what they brought themselves. An administrator sees all.",
        "team_hint": "of a supervisor; empty for all teams", "enumerator_code": "Enumerator's code", "enumerator_hint": "of an enumerator", "app_user_code_hint": "of who uses the tablet",
        "projects": "Projects", "in_every_project": "Every project, also later ones",
        "shown_once": "Shown this once: write it down, or pass it on now.", "password_of": "Password of {name}", "token_of": "API token of {name}",
        "back_people": "All people", "rights": "What {name} may do and sees", "save": "Save",
        "password": "Password", "password_text": "A new password is made and shown once. It ends every session of {name}.", "make_password": "Make a new password",
        "access": "Access", "disable": "Shut out at once", "disable_text": "Password, tokens and sessions stop at this moment.", "enable": "Let in again", "enable_text": "Password and tokens work again; sessions stay ended.",
        "tokens_text": "For programs: sent as Authorization: Bearer. Only a hash is kept.", "no_tokens": "There is no token.",
        "label": "What it is for", "days": "Valid for (days)", "days_hint": "empty: for ever", "make_token": "Make a token", "until": "Until", "id": "Id", "revoke": "Revoke", "for_ever": "for ever", "made": "Made",
        "account": "Your account", "account_text": "{name}, {role}.", "own_password": "Another password", "own_password_text": "It has at least 10 characters. Every other session of yours ends.",
        "present": "Present password", "chosen": "New password", "change": "Change", "changed": "You have a new password.",
        "name_taken": "There is somebody of this name already. Choose another one.", "bad_person": "A name, team or code is missing, too long or has characters that cannot be stored.",
        "last_administrator": "That did not fit: somebody else changed it meanwhile, or nobody would be left who can administer.",
        "wrong_present": "The present password is wrong.", "short_password": "A password has at least 10 characters.", "slow": "Too many attempts. Wait a minute and try again.",
        "project_text": "Forms, app users and tablets belong to one project. In an archived one nothing is published or given out; what tablets still send is taken.",
        "add_project": "Add a project", "rename": "Rename", "archive": "Archive", "reopen": "Reopen", "new_name": "New name",
        "project_taken": "There is a project of this name already, or the name is empty. Choose another one.",
        "app_users": "App users", "app_users_lead": "Who sends with ODK Collect: one app user for each tablet. Its settings code is scanned in Collect, once.",
        "no_app_users": "There is no app user yet.", "project": "Project", "mode": "Mode", "survey": "survey", "training": "training", "pilot": "pilot",
        "forms": "Forms", "forms_all": "every form", "forms_some": "{n} chosen",
        "add_app_user": "Add an app user", "language": "Language of messages", "both": "both", "create": "Create and show the code",
        "app_user_taken": "There is an app user of this name already on this server, or the project is archived. Choose another one.",
        "bad_app_user": "A name or code is missing, too long or has characters that cannot be stored.",
        "code_of_settings": "Settings code", "code_text": "In ODK Collect: Add project, and scan. It lets one tablet in as {name} and is shown this once.",
        "code_alt": "QR code with the settings of ODK Collect for {name}", "address": "Server address, for typing in", "username": "User name",
        "new_code_text": "A new code takes the place of the one before: a tablet that used it must scan again.", "with_password": "Name and password in the place of an address with a token", "make_code": "Make a new code",
        "back_app_users": "All app users", "given": "Forms that it is given", "given_text": "Submissions of any form are taken, whatever is chosen here.", "given_every": "Every form of the project, also later ones", "no_forms": "The project has no form yet.",
        "revoke_text": "At once: it is given nothing any more. What the tablet has finished by then is still taken.", "revoke_now": "Revoke at once",
        "new_form_hint": "of a new form; a known one stays where it is", "all_projects": "All projects", "show": "Show", "show_project": "Project shown",
    },
    "fr": {
        "people": "Personnes", "people_lead": "Qui peut faire quoi ici, et ce que voit chaque personne.",
        "name": "Nom", "role": "Rôle", "sees": "Voit", "state": "État", "tokens": "Jetons", "since": "Depuis",
        "enumerator": "Enquêteur", "supervisor": "Contrôleur", "manager": "Responsable d'enquête", "statistician": "Statisticien", "administrator": "Administrateur",
        "active": "actif", "disabled": "exclu", "revoked": "révoqué", "archived": "archivé", "expired": "échu",
        "every_project": "tous les projets", "no_project": "aucun projet", "team": "Équipe", "team_of": "équipe {code}", "code_of": "enquêteur {code}",
        "add_person": "Ajouter une personne", "add": "Ajouter",
        "role_text": "Chacun voit les projets dont il fait partie ; le contrôleur, une seule équipe ; l'enquêteur, seulement ce qu'il a apporté. Un administrateur voit tout.",
        "team_hint": "d'un contrôleur ; vide pour toutes les équipes", "enumerator_code": "Code de l'enquêteur", "enumerator_hint": "d'un enquêteur", "app_user_code_hint": "de la personne qui utilise la tablette",
        "projects": "Projets", "in_every_project": "Tous les projets, ceux à venir aussi",
        "shown_once": "Montré cette seule fois : notez-le ou transmettez-le maintenant.", "password_of": "Mot de passe de {name}", "token_of": "Jeton d'API de {name}",
        "back_people": "Toutes les personnes", "rights": "Ce que {name} peut faire et voit", "save": "Enregistrer",
        "password": "Mot de passe", "password_text": "Un nouveau mot de passe est fabriqué et montré une fois. Il met fin à toutes les sessions de {name}.", "make_password": "Fabriquer un mot de passe",
        "access": "Accès", "disable": "Exclure aussitôt", "disable_text": "Mot de passe, jetons et sessions s'arrêtent à l'instant.", "enable": "Réadmettre", "enable_text": "Mot de passe et jetons servent de nouveau ; les sessions restent closes.",
        "tokens_text": "Pour les programmes : envoyés comme Authorization: Bearer. Seule une empreinte est gardée.", "no_tokens": "Il n'y a pas de jeton.",
        "label": "Pour quel usage", "days": "Valable (jours)", "days_hint": "vide : sans fin", "make_token": "Fabriquer un jeton", "until": "Jusqu'au", "id": "Numéro", "revoke": "Révoquer", "for_ever": "sans fin", "made": "Fabriqué",
        "account": "Votre compte", "account_text": "{name}, {role}.", "own_password": "Changer de mot de passe", "own_password_text": "Il a au moins 10 caractères. Vos autres sessions prennent fin.",
        "present": "Mot de passe actuel", "chosen": "Nouveau mot de passe", "change": "Changer", "changed": "Vous avez un nouveau mot de passe.",
        "name_taken": "Une personne porte déjà ce nom. Choisissez-en un autre.", "bad_person": "Un nom, une équipe ou un code manque, est trop long ou contient des caractères qu'on ne peut pas garder.",
        "last_administrator": "Cela n'allait pas : quelqu'un l'a changé entre-temps, ou il ne resterait personne pour administrer.",
        "wrong_present": "Le mot de passe actuel est faux.", "short_password": "Un mot de passe a au moins 10 caractères.", "slow": "Trop d'essais. Attendez une minute et recommencez.",
        "project_text": "Formulaires, utilisateurs mobiles et tablettes appartiennent à un projet. Dans un projet archivé, rien n'est publié ni distribué ; ce que les tablettes envoient encore est pris.",
        "add_project": "Ajouter un projet", "rename": "Renommer", "archive": "Archiver", "reopen": "Rouvrir", "new_name": "Nouveau nom",
        "project_taken": "Un projet porte déjà ce nom, ou le nom est vide. Choisissez-en un autre.",
        "app_users": "Utilisateurs mobiles", "app_users_lead": "Qui envoie avec ODK Collect : un utilisateur mobile par tablette. Son code de réglages se lit une fois dans Collect.",
        "no_app_users": "Il n'y a pas encore d'utilisateur mobile.", "project": "Projet", "mode": "Mode", "survey": "enquête", "training": "formation", "pilot": "pilote",
        "forms": "Formulaires", "forms_all": "tous", "forms_some": "{n} choisis",
        "add_app_user": "Ajouter un utilisateur mobile", "language": "Langue des messages", "both": "les deux", "create": "Créer et montrer le code",
        "app_user_taken": "Un utilisateur mobile de ce serveur porte déjà ce nom, ou le projet est archivé. Choisissez-en un autre.",
        "bad_app_user": "Un nom ou un code manque, est trop long ou contient des caractères qu'on ne peut pas garder.",
        "code_of_settings": "Code de réglages", "code_text": "Dans ODK Collect : ajouter un projet, puis lire le code. Il admet une tablette comme {name} et n'est montré que cette fois.",
        "code_alt": "Code QR avec les réglages d'ODK Collect pour {name}", "address": "Adresse du serveur, à saisir", "username": "Nom d'utilisateur",
        "new_code_text": "Un nouveau code prend la place du précédent : une tablette qui s'en servait doit lire le nouveau.", "with_password": "Nom et mot de passe au lieu d'une adresse avec jeton", "make_code": "Fabriquer un code",
        "back_app_users": "Tous les utilisateurs mobiles", "given": "Formulaires qu'il reçoit", "given_text": "Les envois de tout formulaire sont pris, quel que soit le choix fait ici.", "given_every": "Tous les formulaires du projet, ceux à venir aussi", "no_forms": "Le projet n'a pas encore de formulaire.",
        "revoke_text": "Aussitôt : plus rien ne lui est distribué. Ce que la tablette a terminé d'ici là est encore pris.", "revoke_now": "Révoquer aussitôt",
        "new_form_hint": "d'un nouveau formulaire ; un connu reste où il est", "all_projects": "Tous les projets", "show": "Montrer", "show_project": "Projet montré",
    },
}  # fmt: skip


def people_word(language: str, key: str, **values: object) -> str:
    """Return a text of the table, with its values in place."""
    text = PEOPLE_MESSAGES[language][key]
    if language == "fr":
        text = french_spaces(text)
    return text.format(**values) if values else text
