"""Small hostile histories: few names, so that edits meet, collide and run in circles."""

from hypothesis import strategies as st

from sync_protocol.reconcile import Revision


def named_id(name: str) -> bytes:
    """Return an instanceID that reads as its name."""
    return name.encode().ljust(16, b"\x00")


def revision(
    name: str,
    *parents: str,
    answers: str = "",
    role: str = "enumerator",
    envelope: str = "",
    mode: str = "survey",
    form: int = 0,
    project: int = 0,
) -> Revision:
    """Make a revision whose parts read as the names they were given."""
    return Revision(
        instance_id=named_id(name),
        answers_hash=(answers or name).encode().ljust(32, b"\x00"),
        parents=tuple(named_id(parent) for parent in parents),
        envelope_id=(envelope or name + answers).encode().ljust(32, b"\x00"),
        form_version_hash=bytes([form]) * 32,
        role=role,
        mode=mode,
        project=project,
    )


names = st.sampled_from("abcdefgh")
revisions = st.builds(
    lambda name, parents, answers, role, envelope, mode, form, project: revision(
        name, *parents, answers=answers, role=role, envelope=envelope, mode=mode, form=form, project=project
    ),
    names,
    st.lists(names, max_size=3),
    st.sampled_from(["", "x", "y"]),
    st.sampled_from(["enumerator", "supervisor", "manager", "visitor"]),
    st.text("0123456789", min_size=1, max_size=4),
    st.sampled_from(["survey", "survey", "survey", "pilot", "training", "rehearsal"]),
    st.integers(0, 2),
    st.sampled_from([1, 1, 1, 2, 3]),
)
histories = st.lists(revisions, min_size=1, max_size=12)
