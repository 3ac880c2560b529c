"""The supported front before a server that is measured: nginx with `deploy/nginx.conf`, TLS left out."""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

NGINX: Final = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
SITE: Final = Path(__file__).parents[1] / "deploy" / "nginx.conf"


@contextmanager
def fronted(server_port: int, folder: Path) -> Iterator[int]:
    """Run nginx before a server; give its port.

    Raises:
        RuntimeError: where there is no nginx.
    """
    if NGINX is None:
        raise RuntimeError("nginx is not here: apt install nginx-light")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    conf = _configured(folder, port, server_port)
    with subprocess.Popen([NGINX, "-c", str(conf), "-p", str(folder)]) as process:
        try:
            _wait(port)
            yield port
        finally:
            process.terminate()


def _configured(folder: Path, port: int, server_port: int) -> Path:
    site = SITE.read_text(encoding="utf-8")
    tls = site[site.rindex("server {") :]
    tls = re.sub(r"^\s*(ssl_\w+\s|listen \[::\]).*\n", "", tls, flags=re.MULTILINE)
    tls = tls.replace("listen 443 ssl;", f"listen 127.0.0.1:{port} backlog=1024;")
    tls = tls.replace("server_name survey.example;", "server_name localhost;")
    tls = re.sub(r"error_log \S+", f"error_log {folder}/front.log", tls)
    tls = tls.replace("/dev/shm/passerelle;", f"{folder}/bodies;")
    upstream = site[: site.index("server {\n    listen 80")].replace("127.0.0.1:8080;", f"127.0.0.1:{server_port};")
    temporary = "".join(f"  {kind}_temp_path {folder}/{kind};\n" for kind in ("proxy", "fastcgi", "uwsgi", "scgi"))
    user = "user root;\n" if os.getuid() == 0 else ""
    whole = folder / "nginx.conf"
    whole.write_text(
        f"{user}daemon off;\nworker_processes 1;\nworker_rlimit_nofile 8192;\npid {folder}/nginx.pid;\n"
        f"error_log {folder}/nginx.log;\nevents {{ worker_connections 4096; }}\n"
        f"http {{\n  access_log off;\n{temporary}{upstream}{tls}\n}}\n",
        encoding="utf-8",
    )
    return whole


def _wait(port: int) -> None:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("nginx did not start")
