"""Settings, read once from the environment. No secret has a default."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DATABASE_FILE = "passerelle.db"
DEFAULT_BIND = "127.0.0.1:8080"
RESTORING_FILE = "restore-unfinished"
"""In a data folder while a backup is restored into it: nobody may serve it yet."""
DEFAULT_KEEP = 14
DEFAULT_DAYS = 90
SHORTEST_TOKEN = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What one device may bring in one day (UTC): more than any tablet makes, less than fills a disk.

    Attributes:
        envelopes, envelope_bytes: of envelopes, whosever they are.
        media_bytes: of parts of media.
    """

    envelopes: int = 20_000
    envelope_bytes: int = 1 << 30
    media_bytes: int = 8 << 30


class ConfigError(Exception):
    """A setting is missing or cannot be meant; the message says which, and what to set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Settings of one instance.

    Attributes:
        data_dir: key store, microdata and, by default, the database.
        database_url: an SQLAlchemy URL, sqlite:/// or postgresql+psycopg://.
        passphrase: opens the key store when it was made with one; None otherwise.
        bind: host:port to serve on.
        base_url: how tablets reach this server, for links; None to take it from the request.
        quota: of each device.
        proxies: how many proxies of ours stand before it: what that many say of address and scheme is believed.
        backups: whether this office makes backups; one that does not lets tablets delete by receipts alone.
        backup_dir: where the worker makes a backup a day; None for none.
        backup_keep: how many of those it keeps.
        backup_days: after how many days one of those goes in any case: until then an erased interview is in it.
        metrics_token: lets a program read the metrics; None for administrators only.
        log: json | text.
    """

    data_dir: Path
    database_url: str
    passphrase: str | None = None
    bind: str = DEFAULT_BIND
    base_url: str | None = None
    proxies: int = 0
    quota: Quota = Quota()
    backups: bool = True
    backup_dir: Path | None = None
    backup_keep: int = DEFAULT_KEEP
    backup_days: int = DEFAULT_DAYS
    metrics_token: str | None = None
    log: str = "text"

    @classmethod
    def in_directory(cls, data_dir: Path, *, passphrase: str | None = None) -> "Config":
        """Return the settings of a data directory with its own SQLite database."""
        return cls(data_dir=data_dir, database_url=_sqlite_url(data_dir), passphrase=passphrase)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Config":
        """Read settings from the environment.

        Raises:
            ConfigError: when PASSERELLE_DATA is missing or a value cannot be meant.
        """
        data = environ.get("PASSERELLE_DATA", "").strip()
        if not data:
            raise ConfigError("PASSERELLE_DATA is not set: it names the folder that holds keys, database and microdata")
        data_dir = Path(data).absolute()
        return cls(
            data_dir=data_dir,
            database_url=_database_url(environ.get("PASSERELLE_DATABASE_URL") or _sqlite_url(data_dir)),
            passphrase=environ.get("PASSERELLE_PASSPHRASE") or None,
            bind=_bind(environ.get("PASSERELLE_BIND") or DEFAULT_BIND),
            base_url=(environ.get("PASSERELLE_BASE_URL") or "").rstrip("/") or None,
            proxies=_proxies(environ.get("PASSERELLE_PROXIES", "").strip() or "0"),
            quota=_quota(environ),
            backups=_one_of(environ, "PASSERELLE_BACKUPS", ("on", "off")) == "on",
            backup_dir=_folder(environ.get("PASSERELLE_BACKUP_DIR", "")),
            backup_keep=_count(environ, "PASSERELLE_BACKUP_KEEP", DEFAULT_KEEP),
            backup_days=_count(environ, "PASSERELLE_BACKUP_DAYS", DEFAULT_DAYS),
            metrics_token=_token(environ.get("PASSERELLE_METRICS_TOKEN", "").strip()),
            log=_one_of(environ, "PASSERELLE_LOG", ("text", "json")),
        )

    @property
    def keys_dir(self) -> Path:
        """Where the key store lies."""
        return self.data_dir / "keys"

    @property
    def microdata_dir(self) -> Path:
        """Where the encrypted Parquet parts lie."""
        return self.data_dir / "microdata"

    @property
    def blobs_dir(self) -> Path:
        """Where sealed media lie."""
        return self.data_dir / "blobs"


def _sqlite_url(data_dir: Path) -> str:
    return f"sqlite:///{data_dir / DATABASE_FILE}"


def _database_url(url: str) -> str:
    """Accept the usual spellings of PostgreSQL's URL; psycopg 3 is the driver."""
    for prefix in ("postgres://", "postgresql://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    if not url.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise ConfigError("PASSERELLE_DATABASE_URL must begin with sqlite:/// or postgresql+psycopg://")
    return url


def _proxies(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 3):
        raise ConfigError(f"PASSERELLE_PROXIES is how many proxies of yours stand before the server, not {text!r}")
    return int(text)


def _quota(environ: Mapping[str, str]) -> Quota:
    names = ("envelopes", "envelope_bytes", "media_bytes")
    given = {name: environ.get(f"PASSERELLE_QUOTA_{name.upper()}", "").strip() for name in names}
    for name, text in given.items():
        if text and not (text.isascii() and text.isdecimal() and int(text[:19]) > 0 and len(text) < 16):
            raise ConfigError(f"PASSERELLE_QUOTA_{name.upper()} is a number above 0, not {text!r}")
    return Quota(**{name: int(text) for name, text in given.items() if text})


def _bind(bind: str) -> str:
    host, colon, port = bind.rpartition(":")
    if not colon or not host or not port.isdigit():
        raise ConfigError(f"PASSERELLE_BIND must read host:port, not {bind!r}")
    return bind


def _one_of(environ: Mapping[str, str], name: str, values: tuple[str, ...]) -> str:
    """Return a setting that is one of some words; the first when it is not set."""
    value = environ.get(name, "").strip() or values[0]
    if value not in values:
        raise ConfigError(f"{name} is {' or '.join(values)}, not {value!r}")
    return value


def _count(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name, "").strip() or str(default)
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < 6 and int(text) > 0):
        raise ConfigError(f"{name} is a number from 1 to 99999, not {text!r}")
    return int(text)


def _folder(text: str) -> Path | None:
    return Path(text.strip()).absolute() if text.strip() else None


def _token(text: str) -> str | None:
    if text and len(text) < SHORTEST_TOKEN:
        raise ConfigError(f"PASSERELLE_METRICS_TOKEN needs {SHORTEST_TOKEN} characters or more, by chance")
    return text or None
