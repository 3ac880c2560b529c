"""What opening a batch of envelopes needs from the database, read once for all of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from forms.package import LISTS
from server.db.queries import form_media, opening
from server.db.queries.opening import StoredEnvelope
from sync_protocol.envelope import NO_HASH


@dataclass(frozen=True, slots=True)
class Material:
    """What a batch of envelopes needs from the database, by hash."""

    certificates: Mapping[bytes, bytes]
    epochs: Mapping[bytes, bytes]
    xforms: Mapping[bytes, bytes]
    revoked: Mapping[bytes, datetime] = field(default_factory=dict)
    retired: Mapping[bytes, datetime] = field(default_factory=dict)
    names: Mapping[tuple[str, str], bytes] = field(default_factory=dict)
    media: Mapping[bytes, Mapping[str, bytes]] = field(default_factory=dict)
    projects: Mapping[bytes, int] = field(default_factory=dict)

    @classmethod
    def of_keys(cls, session: Session, batch: Sequence[StoredEnvelope]) -> "Material":
        """Read what it takes to decrypt a batch, and no forms: for looking at what has been let in."""
        return cls(
            certificates=opening.certificate_documents(session, _known(one.certificate_hash for one in batch)),
            epochs=opening.epoch_bodies(session, _known(one.epoch_hash for one in batch), with_held=True),
            xforms={},
        )

    @classmethod
    def load(cls, session: Session, batch: Sequence[StoredEnvelope], *, known_forms: Iterable[bytes]) -> "Material":
        """Read what a batch names; form versions that are known already are left out.

        Submissions that came before their form was published name it inside only: for them all versions are read.
        """
        forms = {stored.form_version_hash for stored in batch if stored.form_version_hash is not None}
        names = opening.form_names(session) if NO_HASH in forms else {}
        wanted = forms.union(names.values()).difference(known_forms)
        return cls(
            certificates=opening.certificate_documents(session, _known(one.certificate_hash for one in batch)),
            epochs=opening.epoch_bodies(session, _known(one.epoch_hash for one in batch)),
            xforms=opening.xforms(session, wanted),
            media=form_media.contents(session, wanted, LISTS),
            revoked=opening.revocations(session),
            retired=opening.retirements(session),
            names=names,
            projects=opening.form_projects(session),
        )


def _known(hashes: Iterable[bytes | None]) -> Iterable[bytes]:
    return (digest for digest in hashes if digest is not None)
