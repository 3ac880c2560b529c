"""Every code of the survey's checks with what it means, in English and French: one table for lists, pages and docs.

Source: the questionnaire's section 5. K1 to K3 are holds of the fold (`server.folding.holds`) and named here so that
people find all codes in one place. A letter behind a number (Q2b) is a second finding under the same heading.
"""

# ruff: noqa: E501 -- a text is a line, so that two languages can be read side by side
from dataclasses import dataclass
from typing import Final

from server.statistics.hh_remit.checks.finding import Severity


@dataclass(frozen=True, slots=True)
class Rule:
    """One code: its severity, and its text by language (``en``, ``fr``)."""

    code: str
    severity: Severity
    en: str
    fr: str

    def text(self, language: str) -> str:
        """Return what the code means in a language; English for any that is not here."""
        return self.fr if language == "fr" else self.en


_RULES: Final = (
    Rule("K1", "hold", "The household key is not in the draw, or was drawn for another enumerator's unit.", "La clé du ménage n'est pas dans le tirage, ou a été tirée pour l'unité d'un autre enquêteur."),
    Rule("K2", "hold", "Two interviews under one household key.", "Deux entretiens sous une même clé de ménage."),
    Rule("K3", "hold", "The mode of the form differs from the mode it was sealed in.", "Le mode du formulaire diffère du mode sous lequel il a été scellé."),
    Rule("K4", "supervisor", "The result says vacant or not a dwelling, but the listing found a household there.", "Le résultat dit vacant ou pas un logement, mais le dénombrement y a trouvé un ménage."),
    Rule("T1", "note", "The date of the interview is before the assignment, after the receipt, or more than 2 days from the tablet's clock.", "La date de l'entretien précède l'affectation, suit la réception, ou s'écarte de plus de 2 jours de l'horloge de la tablette."),
    Rule("T2", "error", "Dates that cannot follow each other: a job before the departure, a return before the job, or a worker younger than 13 at its start.", "Dates qui ne peuvent se suivre : un emploi avant le départ, un retour avant l'emploi, ou un travailleur de moins de 13 ans à son début."),
    Rule("R1", "error", "The household has no member of 15 or more, or its head is under 15.", "Le ménage n'a aucun membre de 15 ans ou plus, ou son chef a moins de 15 ans."),
    Rule("R1b", "note", "A child of the head is as old as the head or older, or a parent of the head as young or younger.", "Un enfant du chef a l'âge du chef ou plus, ou un parent du chef a son âge ou moins."),
    Rule("R2", "supervisor", "The household is smaller than 60 % of its size in the listing.", "Le ménage compte moins de 60 % de sa taille au dénombrement."),
    Rule("R2b", "supervisor", "Nobody abroad and nobody back, although the listing saw a migrant.", "Personne à l'étranger ni revenu, alors que le dénombrement a vu un migrant."),
    Rule("M1", "note", "Money came from another country than the one where the sender lives.", "L'argent est venu d'un autre pays que celui où vit l'expéditeur."),
    Rule("M2", "error", "Money came in a month before the sender left.", "De l'argent est arrivé un mois d'avant le départ de l'expéditeur."),
    Rule("M3", "error", "Money or goods were received, but no sender sent any.", "De l'argent ou des biens ont été reçus, mais aucun expéditeur n'en a envoyé."),
    Rule("M4", "note", "More than three times the year's consumption was received.", "Plus de trois fois la consommation de l'année a été reçue."),
    Rule("E1", "hold", "The recruitment costs are more than 30 or less than 0.1 months of earnings, and were not confirmed.", "Les coûts de recrutement dépassent 30 mois de salaire ou sont sous 0,1 mois, et n'ont pas été confirmés."),
    Rule("E2", "note", "The costs do not go with how the job was found: a lump sum for the visa although the employer hired directly, or an agency's fee without an agency.", "Les coûts ne vont pas avec la façon dont l'emploi a été trouvé : somme globale pour le visa alors que l'employeur a recruté directement, ou frais d'agence sans agence."),
    Rule("E3", "note", "Earnings abroad in local currency, or above 1 000 000 or below 3 000 in local currency.", "Salaire à l'étranger en monnaie locale, ou supérieur à 1 000 000 ou inférieur à 3 000 en monnaie locale."),
    Rule("E4", "flag", "More than half of a worker's costs are known by a band only, or not at all.", "Plus de la moitié des coûts d'un travailleur ne sont connus que par une tranche, ou pas du tout."),
    Rule("Q1", "score", "The interview was short: minutes.", "L'entretien a été court : minutes."),
    Rule("Q2", "score", "The position is far from the listing's point: metres, in hundreds.", "La position est loin du point du dénombrement : mètres, en centaines."),
    Rule("Q2b", "score", "The position is within 30 m of another household's: metres.", "La position est à moins de 30 m de celle d'un autre ménage : mètres."),
    Rule("Q3", "score", "The enumerator's share of round amounts is above the team's 95th percentile: share.", "La part de montants ronds de l'enquêteur dépasse le 95e centile de l'équipe : part."),
    Rule("Q4", "score", "At least 90 % of the answers equal those of another interview of the same enumerator: share.", "Au moins 90 % des réponses égalent celles d'un autre entretien du même enquêteur : part."),
    Rule("Q5", "score", "The enumerator's mean differs from that of the others in the same units: z-score.", "La moyenne de l'enquêteur diffère de celle des autres dans les mêmes unités : score z."),
)  # fmt: skip

RULES: Final = {rule.code: rule for rule in _RULES}
