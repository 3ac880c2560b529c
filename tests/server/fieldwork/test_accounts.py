import pytest

from server.context import Context
from server.db.queries import accounts as queries
from server.db.queries import audit
from server.errors import BadRequest, Conflict, LoginInvalid, NotFound
from server.services import accounts, api_tokens
from tests.office import NOW

PASSWORD = "correct horse battery"


@pytest.fixture
def amina(context: Context) -> Context:
    with context.database.transaction() as session:
        accounts.add_user(session, name="amina", role="manager", password=PASSWORD, actor="root", now=NOW)
        accounts.add_user(session, name="job", role="statistician", password=None, actor="root", now=NOW)
    return context


def test_name_and_password_let_their_user_in(amina: Context) -> None:
    with amina.database.read() as session:
        assert accounts.log_in(session, name=" amina ", password=PASSWORD).role == "manager"


@pytest.mark.parametrize("name", ["amina", "nobody", "job"])
def test_wrong_password_unknown_name_and_missing_password_are_told_alike(amina: Context, name: str) -> None:
    with amina.database.read() as session, pytest.raises(LoginInvalid, match=r"^Name or password is wrong\.$"):
        accounts.log_in(session, name=name, password="guess")


def test_only_hashes_are_kept(amina: Context) -> None:
    with amina.database.transaction() as session:
        token = api_tokens.issue_token(session, name="job", actor="root", now=NOW)
        stored = queries.user_by_token(session, api_tokens.token_hash(token), now=NOW)
        assert stored is not None
        assert stored.name == "job"
        user = queries.user_by_name(session, "amina")
        assert user is not None
        assert user.password_hash is not None
        assert user.password_hash.startswith("$argon2id$")
        assert not any(token in entry.detail + entry.subject for entry in audit.latest(session))


def test_a_revoked_token_lets_nobody_in(amina: Context) -> None:
    with amina.database.transaction() as session:
        token = api_tokens.issue_token(session, name="job", actor="root", now=NOW)
        assert api_tokens.revoke_tokens(session, name="job", actor="root", now=NOW) == 1
        assert queries.user_by_token(session, api_tokens.token_hash(token), now=NOW) is None
        assert [user.tokens for user in accounts.list_users(session, now=NOW)] == [0, 0]


def test_another_password_ends_the_first(amina: Context) -> None:
    with amina.database.transaction() as session:
        accounts.set_password(session, name="amina", password="another good one", actor="root", now=NOW)
        with pytest.raises(LoginInvalid):
            accounts.log_in(session, name="amina", password=PASSWORD)


@pytest.mark.parametrize(
    ("name", "role", "password", "problem"),
    [
        ("amina", "manager", None, Conflict),
        ("", "manager", None, BadRequest),
        ("bo", "king", None, BadRequest),
        ("bo", "manager", "short", BadRequest),
    ],
)
def test_an_account_that_makes_no_sense_is_refused(
    amina: Context, name: str, role: str, password: str | None, problem: type[Exception]
) -> None:
    with amina.database.read() as session, pytest.raises(problem):
        accounts.add_user(session, name=name, role=role, password=password, actor="root", now=NOW)


def test_a_token_for_nobody_is_refused(amina: Context) -> None:
    with amina.database.read() as session, pytest.raises(NotFound, match="user list"):
        api_tokens.issue_token(session, name="nobody", actor="root", now=NOW)
