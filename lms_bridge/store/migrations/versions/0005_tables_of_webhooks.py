"""tables of webhooks"""

from alembic import op

import sqlalchemy as sa


revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.create_table('untold_change',
    sa.Column('id', ID, autoincrement=True, nullable=False),
    sa.Column('kind', sa.String(length=12), server_default='', nullable=False),
    sa.Column('record_id', ID, nullable=False),
    sa.Column('was_shown', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_untold_change'))
    )
    with op.batch_alter_table('untold_change', schema=None) as batch_op:
        batch_op.create_index('ix_untold_change_record', ['kind', 'record_id'], unique=False)

    op.create_table('asked_run',
    sa.Column('centre', sa.String(length=40), nullable=False),
    sa.Column('flows', sa.String(length=60), nullable=False),
    sa.Column('asked_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('asked_by', sa.String(length=100), server_default='', nullable=False),
    sa.Column('submitted_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('centre', 'flows', name=op.f('pk_asked_run'))
    )
    with op.batch_alter_table('webhook', schema=None) as batch_op:
        batch_op.add_column(sa.Column('failing_since', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('reason', sa.String(length=255), server_default='', nullable=False))

    with op.batch_alter_table('webhook_delivery', schema=None) as batch_op:
        batch_op.add_column(sa.Column('message', sa.String(length=60), server_default='', nullable=False))
        batch_op.add_column(sa.Column('attempted_at', sa.DateTime(timezone=True), nullable=True))
        batch_op.create_index('ix_webhook_delivery_webhook_id', ['webhook_id', 'id'], unique=False)


def downgrade() -> None:
    with op.batch_alter_table('webhook_delivery', schema=None) as batch_op:
        batch_op.drop_index('ix_webhook_delivery_webhook_id')
        batch_op.drop_column('attempted_at')
        batch_op.drop_column('message')

    with op.batch_alter_table('webhook', schema=None) as batch_op:
        batch_op.drop_column('reason')
        batch_op.drop_column('failing_since')

    op.drop_table('asked_run')
    with op.batch_alter_table('untold_change', schema=None) as batch_op:
        batch_op.drop_index('ix_untold_change_record')

    op.drop_table('untold_change')
