"""All tables, one module an aggregate."""

from server.db.tables.accounts import ApiToken, User
from server.db.tables.audit import Audit
from server.db.tables.base import Base
from server.db.tables.devices import AppUser, Certificate, Device, EnrolmentToken, FeedHead, KeyringDocument
from server.db.tables.envelopes import Envelope
from server.db.tables.fieldwork import (
    CalibrationTotal,
    Document,
    DrawnHousehold,
    ExchangeRate,
    FramePsu,
    ListingClass,
)
from server.db.tables.forms import Form, FormEvent, FormMedium, FormMediumContent, FormVersion
from server.db.tables.interviews import Decision, Interview, MicrodataPart, Revision, RevisionParent, Verdict
from server.db.tables.statistics import EstimateRun, Release, Schedule

__all__ = [
    "ApiToken",
    "AppUser",
    "Audit",
    "Base",
    "CalibrationTotal",
    "Certificate",
    "Decision",
    "Device",
    "Document",
    "DrawnHousehold",
    "EnrolmentToken",
    "Envelope",
    "EstimateRun",
    "ExchangeRate",
    "FeedHead",
    "Form",
    "FormEvent",
    "FormMedium",
    "FormMediumContent",
    "FormVersion",
    "FramePsu",
    "Interview",
    "KeyringDocument",
    "ListingClass",
    "MicrodataPart",
    "Release",
    "Revision",
    "RevisionParent",
    "Schedule",
    "User",
    "Verdict",
]
