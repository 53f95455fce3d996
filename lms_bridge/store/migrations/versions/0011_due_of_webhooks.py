"""what is due for one webhook, without a look at the others'"""

from alembic import op

import sqlalchemy as sa


revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None

NAME, WHERE = 'ix_webhook_delivery_due', sa.text('delivered_at IS NULL')


def upgrade() -> None:
    op.drop_index(NAME, 'webhook_delivery')
    op.create_index(NAME, 'webhook_delivery', ['webhook_id', 'next_attempt'], unique=False, sqlite_where=WHERE, postgresql_where=WHERE)


def downgrade() -> None:
    op.drop_index(NAME, 'webhook_delivery')
    op.create_index(NAME, 'webhook_delivery', ['next_attempt'], unique=False, sqlite_where=WHERE, postgresql_where=WHERE)
