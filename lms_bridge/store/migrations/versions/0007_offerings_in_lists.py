"""offerings in lists"""

from alembic import op
import sqlalchemy as sa


revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
AT_ACADEMY = sa.text("system || ':' || kind = 'academy:offering'")


def upgrade() -> None:
    op.create_table('offering_in_list',
    sa.Column('offering_id', ID, autoincrement=False, nullable=False),
    sa.Column('shown', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['offering_id'], ['offering.id'], name=op.f('fk_offering_in_list_offering_id')),
    sa.PrimaryKeyConstraint('offering_id', name=op.f('pk_offering_in_list'))
    )
    with op.batch_alter_table('centre', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_centre_region'), ['region', 'code'], unique=False)

    with op.batch_alter_table('link', schema=None) as batch_op:
        batch_op.create_index('ix_link_catalogue', ['record_id', 'acknowledged'], unique=False, sqlite_where=AT_ACADEMY, postgresql_where=AT_ACADEMY)


def downgrade() -> None:
    with op.batch_alter_table('link', schema=None) as batch_op:
        batch_op.drop_index('ix_link_catalogue')

    with op.batch_alter_table('centre', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_centre_region'))

    op.drop_table('offering_in_list')
