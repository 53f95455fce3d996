"""quarantine of each centre"""

from alembic import op


revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None

OLD = 'uq_quarantine_system_kind_external_id'
NEW = 'uq_quarantine_system_kind_centre_external_id'


def upgrade() -> None:
    with op.batch_alter_table('quarantine', schema=None) as batch_op:
        batch_op.drop_constraint(OLD, type_='unique')
        batch_op.create_unique_constraint(NEW, ['system', 'kind', 'centre', 'external_id'])


def downgrade() -> None:
    # Two centres' records of one id cannot both be kept.
    op.execute(
        'DELETE FROM quarantine WHERE EXISTS (SELECT 1 FROM quarantine AS other'
        ' WHERE other.system = quarantine.system AND other.kind = quarantine.kind'
        ' AND other.external_id = quarantine.external_id AND other.id < quarantine.id)'
    )
    with op.batch_alter_table('quarantine', schema=None) as batch_op:
        batch_op.drop_constraint(NEW, type_='unique')
        batch_op.create_unique_constraint(OLD, ['system', 'kind', 'external_id'])
