"""Runs can be paused by an alarm, and go on without the monitor that raised it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runs", "0003_erasurenotice")]
    operations = [
        migrations.AlterField(
            model_name="run",
            name="state",
            field=models.CharField(
                choices=[
                    ("queued", "queued"),
                    ("running", "running"),
                    ("paused", "paused"),
                    ("succeeded", "succeeded"),
                    ("failed", "failed"),
                    ("cancelled", "cancelled"),
                ],
                default="queued",
                max_length=16,
            ),
        ),
        migrations.AddField(model_name="run", name="alarms", field=models.JSONField(blank=True, default=list)),
        migrations.AddField(model_name="run", name="disarmed", field=models.JSONField(blank=True, default=list)),
        migrations.AddConstraint(
            model_name="run",
            constraint=models.CheckConstraint(
                condition=models.Q(("state", "paused"), _negated=True) | models.Q(("lease_until__isnull", True)),
                name="run_paused_free",
            ),
        ),
    ]
