"""Orphans, collections that are to be filled anew, and how a source is watched."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the tables and the column."""
    op.create_table(
        "collections",
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("refill_since", sa.Float(), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_collections")),
    )
    op.create_table(
        "orphans",
        sa.Column("collection", sa.String(length=512), nullable=False),
        sa.Column("slot", sa.String(length=512), nullable=False),
        sa.PrimaryKeyConstraint("collection", "slot", name=op.f("pk_orphans")),
    )
    op.add_column("sources", sa.Column("watching", sa.Text(), server_default="", nullable=False))
