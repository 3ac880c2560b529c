"""All tables, one module an aggregate."""

from server.db.tables.accounts import ApiToken, FailedLogin, Project, ProjectMember, User
from server.db.tables.audit import Audit
from server.db.tables.base import Base
from server.db.tables.checks import CheckScore, InterviewCheck
from server.db.tables.devices import (
    AppUser,
    AppUserForm,
    Certificate,
    Device,
    EnrolmentToken,
    FeedHead,
    KeyringDocument,
)
from server.db.tables.entities import (
    Entity,
    EntityChange,
    EntityHolder,
    EntityList,
    EntitySnapshot,
    EntityVersion,
    FormEntityList,
)
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
from server.db.tables.interviews import (
    Attachment,
    Decision,
    Interview,
    ManifestMedium,
    MicrodataPart,
    OdkKey,
    Revision,
    RevisionParent,
    Verdict,
    WantedMedium,
)
from server.db.tables.statistics import EstimateRun, Release, Schedule
from server.db.tables.sync import Backup, Erasure, Proposal, ReturnedInterview, SealedDraft, Upload

__all__ = [
    "ApiToken",
    "AppUser",
    "AppUserForm",
    "Attachment",
    "Audit",
    "Backup",
    "Base",
    "CalibrationTotal",
    "Certificate",
    "CheckScore",
    "Decision",
    "Device",
    "Document",
    "DrawnHousehold",
    "EnrolmentToken",
    "Entity",
    "EntityChange",
    "EntityHolder",
    "EntityList",
    "EntitySnapshot",
    "EntityVersion",
    "Envelope",
    "Erasure",
    "EstimateRun",
    "ExchangeRate",
    "FailedLogin",
    "FeedHead",
    "Form",
    "FormEntityList",
    "FormEvent",
    "FormMedium",
    "FormMediumContent",
    "FormVersion",
    "FramePsu",
    "Interview",
    "InterviewCheck",
    "KeyringDocument",
    "ListingClass",
    "ManifestMedium",
    "MicrodataPart",
    "OdkKey",
    "Project",
    "ProjectMember",
    "Proposal",
    "Release",
    "ReturnedInterview",
    "Revision",
    "RevisionParent",
    "Schedule",
    "SealedDraft",
    "Upload",
    "User",
    "Verdict",
    "WantedMedium",
]
