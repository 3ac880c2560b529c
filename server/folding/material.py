"""What opening a batch of envelopes needs from the database, read once for all of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from forms.package import LISTS
from server.db.queries import form_media, opening
from server.db.queries.opening import StoredEnvelope
from sync_protocol.envelope import NO_HASH, named_dictionary


@dataclass(frozen=True, slots=True)
class Material:
    """What a batch of envelopes needs from the database, by hash.

    Attributes:
        dictionaries: with which interviews of the batch were deflated.
        projects: of form versions.
        device_projects: of devices, by certificate.
        app_user_projects: of app users, by number.
    """

    certificates: Mapping[bytes, bytes]
    epochs: Mapping[bytes, bytes]
    xforms: Mapping[bytes, bytes]
    revoked: Mapping[bytes, datetime] = field(default_factory=dict)
    retired: Mapping[bytes, datetime] = field(default_factory=dict)
    names: Mapping[tuple[str, str], bytes] = field(default_factory=dict)
    media: Mapping[bytes, Mapping[str, bytes]] = field(default_factory=dict)
    projects: Mapping[bytes, int] = field(default_factory=dict)
    device_projects: Mapping[bytes, int] = field(default_factory=dict)
    app_user_projects: Mapping[int, int] = field(default_factory=dict)
    dictionaries: Mapping[bytes, bytes] = field(default_factory=dict)

    @classmethod
    def of_keys(cls, session: Session, batch: Sequence[StoredEnvelope]) -> "Material":
        """Read what it takes to decrypt a batch, and no forms: for looking at what has been let in."""
        return cls(
            certificates=opening.certificate_documents(session, _known(one.certificate_hash for one in batch)),
            epochs=opening.epoch_bodies(session, _known(one.epoch_hash for one in batch), with_held=True),
            xforms={},
            dictionaries=form_media.dictionaries(session, _dictionaries(batch)),
        )

    @classmethod
    def load(cls, session: Session, batch: Sequence[StoredEnvelope], *, known_forms: Iterable[bytes]) -> "Material":
        """Read what a batch names; form versions that are known already are left out.

        Submissions that came before their form was published name it inside only: for them all versions are read.
        """
        forms = {stored.form_version_hash for stored in batch if stored.form_version_hash is not None}
        names = opening.form_names(session) if NO_HASH in forms else {}
        wanted = forms.union(names.values()).difference(known_forms)
        certificates = {one.certificate_hash for one in batch if one.certificate_hash is not None}
        app_users = {one.app_user_id for one in batch if one.app_user_id is not None}
        return cls(
            certificates=opening.certificate_documents(session, certificates),
            epochs=opening.epoch_bodies(session, _known(one.epoch_hash for one in batch)),
            xforms=opening.xforms(session, wanted),
            media=form_media.contents(session, wanted, LISTS),
            revoked=opening.revocations(session),
            retired=opening.retirements(session),
            names=names,
            projects=opening.form_projects(session),
            device_projects=opening.device_projects(session, certificates),
            app_user_projects=opening.app_user_projects(session, app_users),
            dictionaries=form_media.dictionaries(session, _dictionaries(batch)),
        )

    def is_from_elsewhere(self, stored: StoredEnvelope, form_version_hash: bytes) -> bool:
        """Say whether the app user who sent it, or the device that sealed it, is of another project than its form."""
        if stored.app_user_id is None:
            sender = self.device_projects.get(stored.certificate_hash or b"")
        else:
            sender = self.app_user_projects.get(stored.app_user_id)
        own = self.projects.get(form_version_hash)
        return sender is not None and own is not None and sender != own


def _dictionaries(batch: Iterable[StoredEnvelope]) -> frozenset[bytes]:
    return frozenset(named_dictionary(one.body) for one in batch) - {NO_HASH}


def _known(hashes: Iterable[bytes | None]) -> Iterable[bytes]:
    return (digest for digest in hashes if digest is not None)
