"""Is it alive, is it ready, how is it: for whoever watches the server."""

import hmac

from flask import Blueprint, Response, current_app, jsonify, request

from server import metrics
from server.api import watching
from server.api.auth import caller_by_token
from server.api.readiness import Readiness
from server.context import current, own_auth, public, roles
from server.context.access import ADMINISTRATOR
from server.db.queries import feed
from server.errors import Forbidden, NotAuthenticated

EXTENSION = "passerelle_readiness"

blueprint = Blueprint("health", __name__)
blueprint.before_app_request(watching.begin)
blueprint.after_app_request(watching.told)
blueprint.record(lambda state: state.app.extensions.update({EXTENSION: Readiness()}))


@blueprint.get("/health")
@public
def health() -> dict[str, str]:
    """Say that the database answers, and whether the key store is locked, or sealed: without survey keys."""
    context = current()
    with context.database.read() as session:
        feed.head(session)
    keystore = context.keystore
    return {
        "status": "ok",
        "key_store": "locked" if keystore.is_locked else "sealed" if keystore.is_sealed else "unlocked",
    }


@blueprint.get("/ready")
@public
def ready() -> tuple[Response, int]:
    """Say whether what tablets bring can be stored now, and if not, why."""
    readiness: Readiness = current_app.extensions[EXTENSION]
    reasons = readiness.reasons(current())
    if reasons:
        return jsonify(status="not-ready", reasons=list(reasons)), 503
    return jsonify(status="ready"), 200


@blueprint.get("/metrics")
@own_auth
def prometheus() -> Response:
    """Return the figures for Prometheus: to an administrator's token, or to the token of the settings."""
    _let_in_watchers()
    context = current()
    response = Response(metrics.render(watching.gauges(context.status())), content_type=metrics.MEDIA_TYPE)
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/api/v1/status")
@roles("administrator")
def status() -> dict[str, object]:
    """Return what is wrong, in codes and words, and the figures behind it."""
    return current().status().members()


def _let_in_watchers() -> None:
    """Let a program in by a bearer token.

    Raises:
        NotAuthenticated, Forbidden: it has none that opens this.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise NotAuthenticated("metrics need a bearer token: an administrator's, or that of PASSERELLE_METRICS_TOKEN")
    own = current().config.metrics_token
    if own is not None and hmac.compare_digest(token.strip().encode(), own.encode()):
        return
    if caller_by_token(token.strip()).role != ADMINISTRATOR:
        raise Forbidden("metrics are for administrators: they are of all projects")
