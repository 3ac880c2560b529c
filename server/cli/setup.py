"""``passerelle init``: keys, database and first administrator."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from server.cli.desk import Desk, actor, json_option, pass_desk, print_json
from server.cli.edge import Refusal

if TYPE_CHECKING:
    from server.db.engine import Database

ROOT_KEY_FILE = "office-root-key.pem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Initialised:
    """What `init` made; password and token are shown this once."""

    data: Path
    root_key: Path
    server_id: str
    administrator: str
    password: str
    token: str


@click.command(
    epilog="""\b
Examples:
  passerelle --data survey init
  PASSERELLE_PASSPHRASE=… passerelle --data survey init --root-key /media/usb/office-root-key.pem
"""
)
@click.option("--admin", default="admin", show_default=True, metavar="NAME", help="Name of the first administrator.")
@click.option(
    "--root-key", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help=f"Where to write the office root key; FOLDER/{ROOT_KEY_FILE} if not given.",
)  # fmt: skip
@click.option(
    "--ask-passphrase", is_flag=True, help="Ask for a passphrase that wraps the keys (or set PASSERELLE_PASSPHRASE)."
)
@json_option
@pass_desk
def init(desk: Desk, admin: str, root_key: Path | None, ask_passphrase: bool, as_json: bool) -> None:
    """Make the keys, the database and the first administrator of an office.

    Password and token of the administrator are shown this once. Without a passphrase the keys that open interviews are
    wrapped by a key file beside them; with one, by the passphrase, which the server then needs at every start.
    """
    made = _initialise(desk, admin, root_key, ask_passphrase=ask_passphrase)
    if as_json:
        print_json(made)
        return
    click.echo(f"Made an office in {made.data} (server id {made.server_id}).\n")
    click.echo(f"  administrator  {made.administrator}")
    click.echo(f"  password       {made.password}")
    click.echo(f"  API token      {made.token}")
    click.echo("                 Both are shown this once: write them down.\n")
    click.echo(f"  root key       {made.root_key}")
    click.echo("                 It can name new keys of this office, and no command here needs it from day to day.")
    click.echo("                 It belongs OFFLINE: move it to two USB sticks in two safes, and delete it here.\n")
    click.echo("Next: publish a form with `passerelle form publish`, then `passerelle serve`.")


def register(main: click.Group) -> None:
    """Add the command to the top group."""
    main.add_command(init)


def _initialise(desk: Desk, admin: str, root_key: Path | None, *, ask_passphrase: bool) -> Initialised:
    from server import migrations
    from server.clock import utc_now
    from server.db.engine import Database
    from server.db.queries import devices
    from server.keystore import KeyStore
    from server.keystore.files import SERVICE_FILE
    from server.services import accounts, api_tokens

    config = desk.config()
    if (config.keys_dir / SERVICE_FILE).exists():
        raise Refusal(
            f"there is an office in {config.data_dir} already; nothing was changed. Give another --data FOLDER."
        )
    passphrase = config.passphrase
    if ask_passphrase:
        passphrase = click.prompt("Passphrase", hide_input=True, confirmation_prompt=True, err=True)
    config.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    root_key = (root_key or config.data_dir / ROOT_KEY_FILE).absolute()
    database = Database(config.database_url)
    try:
        migrations.upgrade(database)
        _refuse_a_used_database(database)
        now = utc_now()
        keystore = KeyStore.create(config.keys_dir, passphrase, root_key, now=now)
        password = accounts.generated_password()
        with database.transaction() as session:
            devices.keep_keyring(session, serial=keystore.keyring.serial, document=keystore.keyring_document)
            accounts.add_user(session, name=admin, role="administrator", password=password, actor=actor(), now=now)
            token = api_tokens.issue_token(session, name=admin, actor=actor(), now=now)
    finally:
        database.dispose()
    return Initialised(
        data=config.data_dir,
        root_key=root_key,
        server_id=keystore.server_id,
        administrator=admin,
        password=password,
        token=token,
    )


def _refuse_a_used_database(database: "Database") -> None:
    """Refuse a database that another office works with: its rows are sealed under keys that are elsewhere."""
    from server.clock import utc_now
    from server.services import accounts

    with database.read() as session:
        if accounts.list_users(session, now=utc_now()):
            raise Refusal(
                "the database of PASSERELLE_DATABASE_URL belongs to an office already; no key was made. "
                "Restore that office's keys folder, or give an empty database."
            )
