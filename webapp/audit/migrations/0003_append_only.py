"""The audit log is append-only, for the owner of the tables too."""

from django.db import migrations

FORWARD = """
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_auditevent
    FOR EACH STATEMENT EXECUTE FUNCTION aval_refuse_change();
"""

BACKWARD = "DROP TRIGGER audit_append_only ON audit_auditevent;"


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_initial"), ("runs", "0002_triggers")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
