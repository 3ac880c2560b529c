"""The app factory: puts doors, console and context together; no IO beyond opening the key store."""

from collections.abc import Callable
from typing import Any

from flask import Flask, Request
from flask import request as flask_request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from werkzeug.middleware.proxy_fix import ProxyFix

from server.api import (
    app_users,
    auth,
    codebooks,
    devices,
    entities,
    estimates,
    evolution,
    fieldwork,
    findings,
    forms,
    health,
    openrosa,
    problems,
    projects,
    proposals,
    submission_decisions,
    submissions,
    sync,
    sync_media,
    tablet_settings,
    users,
)
from server.api.bodies import MemoryRequest
from server.api.openrosa.unchanged import Unchanged
from server.config import Config
from server.context import Context
from server.context.instance import EXTENSION
from server.context.login import LONGEST_SESSION
from server.web import (
    account_pages,
    app_user_pages,
    device_pages,
    form_pages,
    intake_actions,
    intake_pages,
    pages,
    people_pages,
)

DOORS = (
    sync,
    sync_media,
    forms,
    codebooks,
    evolution,
    fieldwork,
    findings,
    entities,
    estimates,
    users,
    projects,
    app_users,
    devices,
    tablet_settings,
    health,
    problems,
    pages,
    form_pages,
    account_pages,
    people_pages,
    app_user_pages,
    device_pages,
    intake_pages,
    intake_actions,
    submissions,
    submission_decisions,
    proposals,
)


class ConsoleSessions(SecureCookieSessionInterface):
    """Sessions of the console: a request without a cookie, as tablets send them, makes nobody read one."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Return the session of a request."""
        if "HTTP_COOKIE" not in request.environ:
            return self.session_class()
        return super().open_session(app, request)

    def get_cookie_secure(self, app: Flask) -> bool:
        """Keep a cookie that is set over https from ever going out in clear."""
        return super().get_cookie_secure(app) or flask_request.is_secure


class PasserelleApp(Flask):
    """A Flask app whose requests stay in memory."""

    request_class = MemoryRequest
    session_interface = ConsoleSessions()

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return the view as it is: none is a coroutine, and asking costs each request a part of its time."""
        return func


def create_app(config: Config, context: Context | None = None) -> Flask:
    """Make an app of the settings, or of a context that is open already.

    Raises:
        KeyStoreError: when there is no key store, or the passphrase is wrong.
        DatabaseUnusable: when SQLite is too old.
    """
    app = PasserelleApp("server", static_folder=None)
    opened = context or Context.open(config)
    app.extensions[EXTENSION] = opened
    app.config.update(
        SECRET_KEY=opened.keystore.session_secret,
        MAX_CONTENT_LENGTH=None,  # each door sets its own; MemoryRequest has the default
        MAX_FORM_MEMORY_SIZE=None,
        SESSION_COOKIE_NAME="passerelle",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_SECURE=(config.base_url or "").startswith("https://"),
        PERMANENT_SESSION_LIFETIME=LONGEST_SESSION,
    )
    app.wsgi_app = Unchanged(app.wsgi_app, opened)  # type: ignore[method-assign]
    if config.proxies:
        # Only what our own proxies wrote: whatever a client claims of itself stands further left in the headers.
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=config.proxies, x_proto=config.proxies)  # type: ignore[method-assign]
    app.before_request(opened.refresh_keys)
    auth.register(app)
    problems.register(app)
    for door in DOORS:
        app.register_blueprint(door.blueprint)
    openrosa.register(app)
    return app
