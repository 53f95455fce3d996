"""every attempt to tell a webhook, and its secret before this one"""

from alembic import op

import sqlalchemy as sa


revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.create_table('webhook_attempt',
    sa.Column('id', ID, autoincrement=True, nullable=False),
    sa.Column('delivery_id', ID, nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('milliseconds', sa.Integer(), nullable=False),
    sa.Column('status', sa.Integer(), nullable=False),
    sa.Column('code', sa.String(length=40), server_default='', nullable=False),
    sa.Column('error', sa.String(length=255), server_default='', nullable=False),
    sa.ForeignKeyConstraint(['delivery_id'], ['webhook_delivery.id'], name=op.f('fk_webhook_attempt_delivery_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_webhook_attempt'))
    )
    with op.batch_alter_table('webhook_attempt', schema=None) as batch_op:
        batch_op.create_index('ix_webhook_attempt_delivery_id', ['delivery_id', 'id'], unique=False)

    with op.batch_alter_table('webhook', schema=None) as batch_op:
        batch_op.add_column(sa.Column('old_secret', sa.LargeBinary(), nullable=True))
        batch_op.add_column(sa.Column('old_until', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('rest_until', sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table('webhook', schema=None) as batch_op:
        batch_op.drop_column('rest_until')
        batch_op.drop_column('old_until')
        batch_op.drop_column('old_secret')

    op.drop_table('webhook_attempt')
