"""Chain events by digests, and let no role but the owner's function delete one.

Each new event is queued for its seal by a trigger. All earlier events are queued here, and are sealed as they are found.
"""

# ruff: noqa: S608  # all that stands in these statements is our own

import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from portal.migrations._locks import wait_briefly

# %(schema)s is the tables' schema. Functions that run as the owner find their tables there and nowhere else: a caller
# could put a table of the same name into a schema of its own.
POSTGRESQL = """
CREATE FUNCTION queue_audit_event() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = %(schema)s, pg_temp AS $$
BEGIN INSERT INTO portal_unsealedevent (event_id) VALUES (NEW.id); RETURN NULL; END $$;

CREATE FUNCTION refuse_audit_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('latchkey.pruning', true) = 'on'
    AND current_user = (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = TG_RELID)
  THEN RETURN OLD; END IF;
  RAISE EXCEPTION 'audit events are append-only' USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE FUNCTION prune_audit_chain(chain text, up_to bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = %(schema)s, pg_temp AS $$
DECLARE last portal_auditseal; pruned bigint;
BEGIN
  SELECT * INTO last FROM portal_auditseal WHERE organization_id = chain AND seq = up_to AND event_id IS NOT NULL;
  IF NOT FOUND THEN RETURN 0; END IF;
  IF EXISTS (
    SELECT FROM portal_auditseal AS seal JOIN portal_auditevent AS event ON event.id = seal.event_id
    WHERE seal.organization_id = chain AND seal.seq <= up_to AND event.at > now() - interval '30 days'
  ) THEN
    RAISE EXCEPTION 'audit events of the last 30 days are kept' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  PERFORM set_config('latchkey.pruning', 'on', true);
  WITH gone AS (DELETE FROM portal_auditseal WHERE organization_id = chain AND seq <= up_to RETURNING event_id)
  DELETE FROM portal_auditevent WHERE id IN (SELECT event_id FROM gone);
  GET DIAGNOSTICS pruned = ROW_COUNT;
  PERFORM set_config('latchkey.pruning', 'off', true);
  INSERT INTO portal_auditseal (organization_id, seq, digest, sealed_at)
  VALUES (chain, up_to, last.digest, last.sealed_at);
  RETURN pruned;
END $$;
REVOKE ALL ON FUNCTION prune_audit_chain(text, bigint) FROM PUBLIC;

DROP TRIGGER audit_no_delete ON portal_auditevent;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON portal_auditevent FOR EACH ROW EXECUTE FUNCTION refuse_audit_delete();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON portal_auditevent EXECUTE FUNCTION refuse_audit_change();
CREATE TRIGGER audit_queue AFTER INSERT ON portal_auditevent FOR EACH ROW EXECUTE FUNCTION queue_audit_event();
CREATE TRIGGER audit_no_update BEFORE UPDATE ON portal_auditseal FOR EACH ROW EXECUTE FUNCTION refuse_audit_change();
CREATE TRIGGER audit_no_delete BEFORE DELETE ON portal_auditseal FOR EACH ROW EXECUTE FUNCTION refuse_audit_delete();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON portal_auditseal EXECUTE FUNCTION refuse_audit_change();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON portal_unsealedevent EXECUTE FUNCTION refuse_audit_change();
"""
POSTGRESQL_BACK = """
DROP TRIGGER audit_queue ON portal_auditevent;
DROP TRIGGER audit_no_truncate ON portal_auditevent;
DROP TRIGGER audit_no_delete ON portal_auditevent;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON portal_auditevent FOR EACH ROW EXECUTE FUNCTION refuse_audit_change();
DROP TRIGGER audit_no_update ON portal_auditseal;
DROP TRIGGER audit_no_delete ON portal_auditseal;
DROP TRIGGER audit_no_truncate ON portal_auditseal;
DROP TRIGGER audit_no_truncate ON portal_unsealedevent;
DROP FUNCTION queue_audit_event();
DROP FUNCTION refuse_audit_delete();
DROP FUNCTION prune_audit_chain(text, bigint);
"""
REFUSE = " BEGIN SELECT RAISE(ABORT, 'audit events are append-only'); END"
# REPLACE deletes without asking the triggers on DELETE; those on INSERT are asked before it does.
SQLITE = {
    "audit_no_replace": "BEFORE INSERT ON portal_auditevent WHEN EXISTS"
    f" (SELECT 1 FROM portal_auditevent WHERE id = NEW.id OR public_id = NEW.public_id){REFUSE}",
    "audit_queue": "AFTER INSERT ON portal_auditevent"
    " BEGIN INSERT INTO portal_unsealedevent (event_id) VALUES (NEW.id); END",
    "audit_seal_no_replace": "BEFORE INSERT ON portal_auditseal WHEN EXISTS (SELECT 1 FROM portal_auditseal WHERE"
    f" id = NEW.id OR event_id = NEW.event_id OR (organization_id = NEW.organization_id AND seq = NEW.seq)){REFUSE}",
    "audit_seal_no_update": f"BEFORE UPDATE ON portal_auditseal{REFUSE}",
    "audit_seal_no_delete": f"BEFORE DELETE ON portal_auditseal{REFUSE}",
}


def add(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    connection = schema_editor.connection
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT quote_ident(current_schema())")
            (schema,) = cursor.fetchone()
        schema_editor.execute(POSTGRESQL % {"schema": schema}, params=None)
    else:
        for name, rest in SQLITE.items():
            schema_editor.execute(f"CREATE TRIGGER {name} {rest}", params=None)
    schema_editor.execute("INSERT INTO portal_unsealedevent (event_id) SELECT id FROM portal_auditevent")


def drop(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(POSTGRESQL_BACK, params=None)
    else:
        for name in SQLITE:
            schema_editor.execute(f"DROP TRIGGER {name}")


class Migration(migrations.Migration):
    dependencies = [("portal", "0009_unwanted_mails")]
    operations = [
        migrations.RunPython(wait_briefly, migrations.RunPython.noop),
        migrations.CreateModel(
            name="UnsealedEvent",
            fields=[
                (
                    "event",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        primary_key=True,
                        related_name="unsealed",
                        serialize=False,
                        to="portal.auditevent",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="AuditSeal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("organization_id", models.CharField(blank=True, max_length=32)),
                ("seq", models.PositiveBigIntegerField()),
                ("digest", models.BinaryField(max_length=32)),
                ("sealed_at", models.DateTimeField(db_index=True)),
                (
                    "event",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="seal",
                        to="portal.auditevent",
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("organization_id", "seq"), name="audit_seal_once")],
            },
        ),
        migrations.RunPython(add, drop),
    ]
