"""``passerelle serve`` and ``passerelle worker``: the server, and what opens envelopes and runs the schedule."""

import os
import shutil
import signal
import socket
import sys
import threading
from pathlib import Path

import click

from server.cli.desk import DATA, Desk, pass_desk
from server.cli.edge import Refusal

HOST = "127.0.0.1"


@click.command(
    epilog="""\b
Examples:
  passerelle --data survey serve
  passerelle --data survey serve --host 0.0.0.0 --port 8080 --base-url https://survey.example
"""
)
@click.option("--host", metavar="HOST", help="Address to serve on; 127.0.0.1, or PASSERELLE_BIND, if not given.")
@click.option("--port", type=click.IntRange(1, 65535), metavar="PORT", help="Port to serve on; 8080 if not given.")
@click.option("--base-url", metavar="URL", help="How tablets reach this server, for links.")
@click.option("--processes", type=click.IntRange(1, 64), help="Web processes: 1 on SQLite, one a core on PostgreSQL.")
@click.option("--threads", type=click.IntRange(1, 256), default=16, show_default=True, help="Threads of each process.")
@click.option("--no-worker", is_flag=True, help="Do not open envelopes nor run the schedule here.")
@pass_desk
def serve(
    desk: Desk,
    host: str | None,
    port: int | None,
    base_url: str | None,
    processes: int | None,
    threads: int,
    no_worker: bool,
) -> None:
    """Serve tablets, statisticians and the console over HTTP.

    Opens envelopes and runs the schedule too, in a process of its own, unless --no-worker is given. Put a buffering
    front with TLS (nginx, Caddy) before it when it serves more than this machine.
    """
    from server.cli.gunicorn_server import Office, ServeOptions

    config = desk.config()
    _share_counters(config.data_dir, port or config.bind.rpartition(":")[2])
    _check(desk)
    own_host, _, own_port = config.bind.rpartition(":")
    bind = f"{host or own_host}:{port or own_port}"
    is_sqlite = config.database_url.startswith("sqlite")
    if is_sqlite and (processes or 1) > 1:
        raise Refusal("SQLite takes one web process: leave --processes out, or use PostgreSQL.")
    os.environ[DATA] = str(config.data_dir)
    os.environ["PASSERELLE_BIND"] = bind
    if base_url:
        os.environ["PASSERELLE_BASE_URL"] = base_url
    options = ServeOptions(
        bind=bind,
        processes=1 if is_sqlite else processes or os.cpu_count() or 1,
        threads=threads,
        worker=None if no_worker else worker_command(config.data_dir),
    )
    click.echo(f"Serving {config.data_dir} on http://{bind}/ (stop with Ctrl-C)", err=True)
    Office(options).run()


@click.command(
    epilog="""\b
Example:
  passerelle --data survey worker
"""
)
@click.option("--parent", type=int, hidden=True, help="End when this process, which started us, ends.")
@pass_desk
def worker(desk: Desk, parent: int | None) -> None:
    """Open envelopes and run the schedule, without serving HTTP.

    Any number may run beside the web processes: a lease in the database has each job done once.
    """
    from server import logs
    from server.cli.parentage import end_with
    from server.jobs import run_worker

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if parent is not None:
        end_with(parent)
    with desk.context() as context:
        logs.configure(context.config.log)
        run_worker(context, stop)


def register(main: click.Group) -> None:
    """Add the commands to the top group."""
    main.add_command(serve)
    main.add_command(worker)


def worker_command(data_dir: Path) -> tuple[str, ...]:
    """Return the command line of a worker that ends with this process."""
    return (
        sys.executable, "-m", "server.cli", "--data", str(data_dir), "worker", "--parent", str(os.getpid()),
    )  # fmt: skip


def _share_counters(data_dir: Path, port: object) -> None:
    """Give the processes of this server a folder where each counts, emptied of what a former one counted.

    Before the metrics are imported: they look once where to count.
    """
    if not data_dir.is_dir():
        return
    folder = data_dir / "metrics" / f"{socket.gethostname()[:100]}-{port}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


def _check(desk: Desk) -> None:
    """Open the instance once before serving, so that what is wrong is one line here and not a dying web process.

    Brings the database to the newest schema: after an update, starting is all that is to be done.
    """
    from server.migrations import refuse_newer, upgrade

    with desk.context() as context:
        refuse_newer(context.database)
        upgrade(context.database)
        if not context.config.backups:
            click.echo(
                "PASSERELLE_BACKUPS=off: tablets are told that there are no backups, and delete by receipts alone. "
                "What this disk loses is lost.",
                err=True,
            )
        if context.keystore.is_locked:
            click.echo(
                "The key store is locked: tablets can sync, and envelopes wait unopened until the server is started "
                "with PASSERELLE_PASSPHRASE set.",
                err=True,
            )
