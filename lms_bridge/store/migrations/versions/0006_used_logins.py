"""used logins"""

from alembic import op
import sqlalchemy as sa


revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('lti_used_login',
    sa.Column('expires', sa.BigInteger(), nullable=False),
    sa.Column('nonce', sa.String(length=40), nullable=False),
    sa.PrimaryKeyConstraint('expires', 'nonce', name=op.f('pk_lti_used_login')),
    sqlite_with_rowid=False
    )


def downgrade() -> None:
    op.drop_table('lti_used_login')
