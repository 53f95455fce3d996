"""runs that run"""

from alembic import op
import sqlalchemy as sa


revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None

RUNS = sa.text("status = 'running'")


def upgrade() -> None:
    with op.batch_alter_table('run', schema=None) as batch_op:
        batch_op.create_index('ix_run_running', ['centre'], unique=False, sqlite_where=RUNS, postgresql_where=RUNS)


def downgrade() -> None:
    with op.batch_alter_table('run', schema=None) as batch_op:
        batch_op.drop_index('ix_run_running')
