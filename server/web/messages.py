"""The words of the pages in English and French, and numbers as each language writes them."""

# ruff: noqa: E501 -- a message is a line, so that two languages can be read side by side
import re
from collections.abc import Iterable
from math import isfinite
from typing import Final

LANGUAGES: Final = ("en", "fr")

MESSAGES: Final[dict[str, dict[str, str]]] = {
    "en": {
        "devices": "Tablets",
        "about": "What these figures are",
        "about_text": "They are estimates from a probability sample of households. Each interview is weighted by how its household came into the sample, for those that did not answer, and to the known number of households of its province and area. The line through each dot is its 95% interval: what sampling alone leaves uncertain.",
        "about_limits": "A migrant is reported by the household he or she lived in just before leaving; households that left as a whole are not in these figures.",
        "account": "Signed in as {name}",
        "alarms": "The server needs you",
        "all_hidden": "all {n} hidden: too few cases",
        "area": "Area",
        "area_1": "Urban", "area_2": "Rural",
        "between": "95% interval {low} to {high}",
        "by_enumerator": "By enumerator",
        "by_psu": "By primary sampling unit",
        "cases": "{n} cases",
        "columns_hidden": "Every figure is in the downloads too.",
        "complete": "Complete", "closed": "closed", "open": "open", "lost": "lost",
        "cut_off": "interviews received until {date}",
        "csv": "Figures as CSV", "json": "Figures as JSON",
        "domain": "Domain",
        "drawn": "Drawn",
        "enumerator": "Enumerator",
        "estimate": "Estimate",
        "fieldwork": "Fieldwork",
        "fieldwork_text": "Every drawn household sends one interview, whatever came of the visits. One that has sent none is pending.",
        "findings": "What checking found", "code": "Code", "severity": "Severity", "number": "Number", "meaning": "Meaning",
        "findings_text": "Every interview is held against the rules of its form and of the survey after it has come in. A finding refuses nothing: holds wait for a decision, all else is for a look.",
        "no_findings": "Nothing was found.", "unchecked": "{n} interviews wait to be checked.",
        "severity_hold": "Hold", "severity_error": "Error", "severity_supervisor": "Supervisor", "severity_note": "Note", "severity_flag": "Flag", "severity_score": "Score",
        "flag_E": "use with care", "flag_F": "too uncertain", "flag_hidden": "hidden", "flag_ok": "",
        "flag_ok_long": "reliable", "flag_E_long": "use with care: the sampling error is large",
        "flag_F_long": "too uncertain to rely on", "flag_hidden_long": "hidden: too few cases",
        "forms": "Forms",
        "head": "Sex of the head", "head_1": "Man", "head_2": "Woman",
        "held": "Held", "held_hint": "an interview waits for a person's decision",
        "hidden": "hidden",
        "home": "Results",
        "intake": "Intake",
        "interval": "95% interval",
        "key": "How to read it",
        "sealed": "Interviews are not opened on this server: the office’s own machine has the keys, and counts them. What arrives is kept sealed.",
        "locked": "The key store is locked: outcomes are not shown until the server is started with its passphrase. Nothing is lost.",
        "log_in": "Log in", "log_out": "Log out", "log_out_ends": "Logging out ends all your sessions, on every machine.",
        "name": "Name", "password": "Password",
        "login_text": "For supervisors, survey managers and administrators.",
        "login_wrong": "Name or password is wrong.", "login_slow": "Too many attempts. Wait a minute and try again.",
        "form_old": "The page was too old. Try again.",
        "made": "Made data.", "made_text": "{country} does not exist and nobody was interviewed. Every household was made by a programme whose truth is known; it stands beside the estimates.",
        "million": "{value} million",
        "cases_column": "Cases", "note": "Note",
        "national": "Country",
        "none_title": "No figures yet", "none_text": "No release has been published. Fieldwork goes on below.",
        "no_frame": "No sample has been imported yet.",
        "not_eligible": "Not eligible", "not_met": "Not met or unable", "office": "Office",
        "outcomes": "Outcomes", "outside": "{n} interviews have a household key outside the draw; they are held and weigh nothing.",
        "partial": "Partial", "pending": "Pending", "province": "Province", "psu": "Unit", "received": "Received",
        "refused": "Refused", "rel_number": "Release {n}", "rel_published": "published {date}",
        "skip": "Skip to the content", "status": "Status",
        "summary": "National estimates of labour migration, remittances and what it costs to find work abroad.",
        "table": "The same as a table",
        "team": "Made with Passerelle",
        "title": "Labour migration and remittances",
        "total": "All",
        "truth": "Known truth:", "truth_text": "as households report it {reported}; in reality {real}. What lies between the two no weight can repair.",
        "MIG-01": "Households with a member abroad",
        "MIG-01_text": "Households from which somebody now lives abroad, of all households.",
        "REM-01": "Households that receive remittances",
        "REM-01_text": "Households that received money or goods from abroad in the last 12 months, of all households.",
        "REM-02": "Received by a household in a year",
        "REM-02_text": "Average received in cash and kind over 12 months, US dollars, per household that receives.",
        "REM-04": "Received by the whole country in a year",
        "REM-04_text": "Total that households received from non-resident senders over 12 months, US dollars.",
        "RCT-01": "Cost of finding work abroad",
        "RCT-01_text": "What a worker paid for the first job abroad, in months of that job's first earnings (SDG 10.7.1).",
        "stat_mean": "mean", "stat_median": "median", "stat_p80": "80th percentile", "stat_total": "total", "stat_proportion": "share",
        "unit_share": "per cent of households", "unit_USD": "US dollars", "unit_months": "months of earnings",
        "by_domain": "{title}: {statistic} by area, sex of the head and province",
        "chart_desc": "National estimate {value}. {rows} rows; the lowest figure shown is {low}, the highest {high}; {hidden} rows are hidden. The table below has every figure.",
    },
    "fr": {
        "devices": "Tablettes",
        "about": "Ce que sont ces chiffres",
        "about_text": "Ce sont des estimations issues d'un échantillon probabiliste de ménages. Chaque entretien est pondéré selon la façon dont son ménage a été tiré, pour ceux qui n'ont pas répondu, et calé sur le nombre connu de ménages de sa province et de son milieu. Le trait qui traverse chaque point est son intervalle à 95 % : ce que le seul tirage laisse incertain.",
        "about_limits": "Un migrant est déclaré par le ménage où il vivait juste avant son départ ; les ménages partis en entier ne sont pas dans ces chiffres.",
        "account": "Connecté : {name}",
        "alarms": "Le serveur a besoin de vous",
        "all_hidden": "tous masqués ({n}) : trop peu de cas",
        "area": "Milieu",
        "area_1": "Urbain", "area_2": "Rural",
        "between": "intervalle à 95 % : {low} à {high}",
        "by_enumerator": "Par enquêteur",
        "by_psu": "Par unité primaire",
        "cases": "{n} cas",
        "columns_hidden": "Tous les chiffres sont aussi dans les fichiers.",
        "complete": "Complets", "closed": "close", "open": "ouverte", "lost": "perdue",
        "cut_off": "entretiens reçus jusqu'au {date}",
        "csv": "Chiffres en CSV", "json": "Chiffres en JSON",
        "domain": "Domaine",
        "drawn": "Tirés",
        "enumerator": "Enquêteur",
        "estimate": "Estimation",
        "fieldwork": "Collecte",
        "fieldwork_text": "Chaque ménage tiré envoie un entretien, quel que soit le résultat des visites. Celui qui n'en a pas envoyé est en attente.",
        "findings": "Ce que le contrôle a trouvé", "code": "Code", "severity": "Gravité", "number": "Nombre", "meaning": "Signification",
        "findings_text": "Chaque entretien est confronté aux règles de son formulaire et de l'enquête après son arrivée. Un constat ne refuse rien : les entretiens retenus attendent une décision, le reste est à regarder.",
        "no_findings": "Rien n'a été trouvé.", "unchecked": "{n} entretiens attendent d'être contrôlés.",
        "severity_hold": "Retenu", "severity_error": "Erreur", "severity_supervisor": "Superviseur", "severity_note": "Note", "severity_flag": "Marque", "severity_score": "Score",
        "flag_E": "prudence", "flag_F": "trop incertain", "flag_hidden": "masqué", "flag_ok": "",
        "flag_ok_long": "fiable", "flag_E_long": "à utiliser avec prudence : l'erreur d'échantillonnage est grande",
        "flag_F_long": "trop incertain pour s'y fier", "flag_hidden_long": "masqué : trop peu de cas",
        "forms": "Formulaires",
        "head": "Sexe du chef de ménage", "head_1": "Homme", "head_2": "Femme",
        "held": "Retenus", "held_hint": "un entretien attend la décision d'une personne",
        "hidden": "masqué",
        "home": "Résultats",
        "intake": "Arrivées",
        "interval": "Intervalle à 95 %",
        "key": "Comment lire",
        "sealed": "Les entretiens ne sont pas ouverts sur ce serveur : la machine du bureau a les clés, et les compte. Ce qui arrive est gardé scellé.",
        "locked": "Le coffre de clés est verrouillé : les résultats des visites ne sont pas montrés avant que le serveur ait reçu sa phrase secrète. Rien n'est perdu.",
        "log_in": "Se connecter", "log_out": "Se déconnecter",
        "log_out_ends": "Se déconnecter met fin à toutes vos sessions, sur chaque appareil.",
        "name": "Nom", "password": "Mot de passe",
        "login_text": "Pour les contrôleurs, les responsables d'enquête et les administrateurs.",
        "login_wrong": "Nom ou mot de passe incorrect.", "login_slow": "Trop d'essais. Attendez une minute et recommencez.",
        "form_old": "La page était trop ancienne. Recommencez.",
        "made": "Données fabriquées.", "made_text": "{country} n'existe pas et personne n'a été interrogé. Chaque ménage est l'œuvre d'un programme dont la vérité est connue ; elle figure à côté des estimations.",
        "million": "{value} millions",
        "cases_column": "Cas", "note": "Note",
        "national": "Pays",
        "none_title": "Pas encore de chiffres", "none_text": "Aucune publication n'a encore été faite. La collecte continue ci-dessous.",
        "no_frame": "Aucun échantillon n'a encore été importé.",
        "not_eligible": "Hors champ", "not_met": "Non rencontrés ou inaptes", "office": "Bureau",
        "outcomes": "Résultats des visites", "outside": "{n} entretiens portent une clé de ménage hors du tirage ; ils sont retenus et ne pèsent rien.",
        "partial": "Partiels", "pending": "En attente", "province": "Province", "psu": "Unité", "received": "Reçus",
        "refused": "Refus", "rel_number": "Publication {n}", "rel_published": "parue le {date}",
        "skip": "Aller au contenu", "status": "État",
        "summary": "Estimations nationales de la migration de travail, des transferts et du coût de la recherche d'un emploi à l'étranger.",
        "table": "Les mêmes chiffres en tableau",
        "team": "Réalisé avec Passerelle",
        "title": "Migration de travail et transferts",
        "total": "Ensemble",
        "truth": "Vérité connue :", "truth_text": "telle que déclarée {reported} ; en réalité {real}. Aucun poids ne répare ce qui les sépare.",
        "MIG-01": "Ménages ayant un membre à l'étranger",
        "MIG-01_text": "Ménages dont quelqu'un vit maintenant à l'étranger, sur l'ensemble des ménages.",
        "REM-01": "Ménages qui reçoivent des transferts",
        "REM-01_text": "Ménages ayant reçu de l'argent ou des biens de l'étranger au cours des 12 derniers mois, sur l'ensemble des ménages.",
        "REM-02": "Reçu par ménage et par an",
        "REM-02_text": "Moyenne reçue en espèces et en nature sur 12 mois, en dollars des États-Unis, par ménage qui reçoit.",
        "REM-04": "Reçu par le pays entier en un an",
        "REM-04_text": "Total reçu par les ménages de personnes non résidentes sur 12 mois, en dollars des États-Unis.",
        "RCT-01": "Coût de la recherche d'un emploi à l'étranger",
        "RCT-01_text": "Ce qu'un travailleur a payé pour son premier emploi à l'étranger, en mois de ses premiers gains (ODD 10.7.1).",
        "stat_mean": "moyenne", "stat_median": "médiane", "stat_p80": "80e centile", "stat_total": "total", "stat_proportion": "part",
        "unit_share": "pour cent des ménages", "unit_USD": "dollars des États-Unis", "unit_months": "mois de gains",
        "by_domain": "{title} : {statistic} par milieu, sexe du chef et province",
        "chart_desc": "Estimation nationale {value}. {rows} lignes ; le chiffre le plus bas montré est {low}, le plus haut {high} ; {hidden} lignes sont masquées. Le tableau ci-dessous donne tous les chiffres.",
    },
}  # fmt: skip

NARROW_SPACE: Final = "\N{NARROW NO-BREAK SPACE}"
# French sets a space before high punctuation, and a line must not break there.
_FRENCH_SPACE: Final = re.compile(r" (?=[:;?!%»])")
DASH: Final = "\N{EN DASH}"


def choose_language(asked: str | None, accepted: Iterable[str]) -> str:
    """Return the language asked for in the address, else the first the browser prefers (fr-CA is fr), else English."""
    wanted = [asked or "", *(tag.partition("-")[0].lower() for tag in accepted)]
    return next((language for language in wanted if language in LANGUAGES), "en")


def word(language: str, key: str, **values: object) -> str:
    """Return a text of the table, with its values in place."""
    text = MESSAGES[language][key]
    if language == "fr":
        text = french_spaces(text)
    return text.format(**values) if values else text


def french_spaces(text: str) -> str:
    """Return a French text whose high punctuation no line break tears off."""
    return _FRENCH_SPACE.sub(NARROW_SPACE, text)


def number(value: float, language: str, *, decimals: int = 0) -> str:
    """Write a number as the language does: 1,862.5 or 1 862,5."""
    if not isfinite(value):
        return DASH
    text = f"{value:,.{decimals}f}"
    return text.translate({ord(","): NARROW_SPACE, ord("."): ","}) if language == "fr" else text


def quantity(value: float, unit: str, language: str) -> str:
    """Write an estimate in its unit: a share as per cent, dollars, or months."""
    if unit == "share":
        sign = "%" if language == "en" else f"{NARROW_SPACE}%"
        return number(100 * value, language, decimals=1) + sign
    if unit == "USD":
        if abs(value) >= 1e5:
            return word(language, "million", value=number(value / 1e6, language, decimals=2 if abs(value) < 1e7 else 1))
        return number(value, language)
    return number(value, language, decimals=2)


def short_quantity(value: float, unit: str, language: str) -> str:
    """Write a value of an axis."""
    if unit == "share":
        return number(100 * value, language) + ("%" if language == "en" else f"{NARROW_SPACE}%")
    if unit == "USD" and abs(value) >= 1e5:
        return number(value / 1e6, language, decimals=1) + f"{NARROW_SPACE}M"
    return number(value, language, decimals=0 if value == int(value) else 1)
