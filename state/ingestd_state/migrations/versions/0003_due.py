"""What is to be looked at again is found by an index, however many documents there are."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

SET = sa.text("recheck_at IS NOT NULL")


def upgrade() -> None:
    """Add the index."""
    op.create_index(
        op.f("ix_documents_recheck_at"),
        "documents",
        ["recheck_at"],
        sqlite_where=SET,
        postgresql_where=SET,
    )
