"""The frame, the listing, the draw, and the tables that turn answers into figures: imported, hashed documents."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import BigInteger, Index, LargeBinary, Numeric, String
from sqlalchemy.orm import Mapped, mapped_column

from server.db.tables.accounts import FIRST_PROJECT
from server.db.tables.base import Base, Instant


class Document(Base):
    """An imported table, sealed, by the SHA-256 of its bytes; kind frame | listing | draw | rates | totals."""

    __tablename__ = "document"

    hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(200))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    rows: Mapped[int]
    imported_at: Mapped[datetime] = mapped_column(Instant)
    imported_by: Mapped[str] = mapped_column(String(200))


class FramePsu(Base):
    """A primary sampling unit of the frame; what follows `drawn` has a meaning for drawn units only."""

    __tablename__ = "frame_psu"

    psu: Mapped[str] = mapped_column(String(40), primary_key=True)
    stratum: Mapped[str] = mapped_column(String(100), index=True)
    province: Mapped[str] = mapped_column(String(100))
    area: Mapped[str] = mapped_column(String(40))
    frame_households: Mapped[int]
    stratum_frame_households: Mapped[int] = mapped_column(BigInteger)
    drawn: Mapped[bool]
    drawn_in_stratum: Mapped[int]
    certainty: Mapped[bool]
    segments: Mapped[int]
    replicate: Mapped[int | None]
    status: Mapped[str] = mapped_column(String(20))
    status_by: Mapped[str | None] = mapped_column(String(200))
    status_at: Mapped[datetime | None] = mapped_column(Instant)


class ListingClass(Base):
    """Households listed and drawn in one listing class of a drawn unit."""

    __tablename__ = "listing_class"

    psu: Mapped[str] = mapped_column(String(40), primary_key=True)
    listing_class: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    listed: Mapped[int]
    drawn: Mapped[int]


class DrawnHousehold(Base):
    """A household to visit; `sealed` holds who and where it is, `tag` is the HMAC of its key.

    There is one draw, and all of it is of one project: enumerators' codes and household keys mean something there only.
    """

    __tablename__ = "drawn_household"

    household_key: Mapped[str] = mapped_column(String(40), primary_key=True)
    psu: Mapped[str] = mapped_column(String(40), index=True)
    listing_class: Mapped[int]
    enumerator: Mapped[str] = mapped_column(String(200))
    tag: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    feed_position: Mapped[int] = mapped_column(BigInteger)
    project_id: Mapped[int] = mapped_column(default=FIRST_PROJECT, server_default=str(FIRST_PROJECT))

    __table_args__ = (Index(None, "enumerator", "feed_position"),)


class ExchangeRate(Base):
    """Units of local currency for one unit of a currency in a month (YYYY-MM)."""

    __tablename__ = "exchange_rate"

    currency: Mapped[str] = mapped_column(String(3), primary_key=True)
    month: Mapped[str] = mapped_column(String(7), primary_key=True)
    lcu_per_unit: Mapped[Decimal] = mapped_column(Numeric(24, 10, asdecimal=True))


class CalibrationTotal(Base):
    """Known households of a province and area, to which weights are post-stratified."""

    __tablename__ = "calibration_total"

    province: Mapped[str] = mapped_column(String(100), primary_key=True)
    area: Mapped[str] = mapped_column(String(40), primary_key=True)
    households: Mapped[int] = mapped_column(BigInteger)
