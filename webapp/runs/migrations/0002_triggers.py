"""Snapshots can't change; each event of a run is announced on the channel ``run_events`` as ``run_id:seq``."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION aval_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER snapshot_immutable BEFORE UPDATE OR TRUNCATE ON runs_datasetsnapshot
    FOR EACH STATEMENT EXECUTE FUNCTION aval_refuse_change();

CREATE FUNCTION aval_announce_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('run_events', NEW.run_id || ':' || NEW.seq);
    RETURN NULL;
END $$;

CREATE TRIGGER run_event_announced AFTER INSERT ON runs_runevent
    FOR EACH ROW EXECUTE FUNCTION aval_announce_event();
"""

BACKWARD = """
DROP TRIGGER run_event_announced ON runs_runevent;
DROP FUNCTION aval_announce_event();
DROP TRIGGER snapshot_immutable ON runs_datasetsnapshot;
DROP FUNCTION aval_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("runs", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
