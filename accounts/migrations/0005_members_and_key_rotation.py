"""Invitations, public ids of memberships, a second secret of keys, and the audit log's indexes."""

from __future__ import annotations

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import engine.ids


def give_public_ids(apps, schema_editor):
    memberships = apps.get_model("accounts", "Membership")
    for pk in memberships.objects.filter(public_id=None).values_list("pk", flat=True).iterator():
        memberships.objects.filter(pk=pk).update(public_id=engine.ids.uuid7())


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_audit_by_target_and_actor")]

    operations = [
        migrations.AddField(
            model_name="membership",
            name="public_id",
            field=models.UUIDField(null=True, editable=False),
        ),
        migrations.RunPython(give_public_ids, migrations.RunPython.noop),
        migrations.AddField(
            model_name="apikey",
            name="previous_sha256",
            field=models.CharField(blank=True, default="", editable=False, max_length=64),
        ),
        migrations.AddField(
            model_name="apikey",
            name="previous_until",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AlterField(
            model_name="membership",
            name="public_id",
            field=models.UUIDField(default=engine.ids.uuid7, editable=False, unique=True),
        ),
        migrations.CreateModel(
            name="Invitation",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=engine.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("email", models.EmailField(blank=True, default="", max_length=254)),
                ("external_id", models.CharField(blank=True, default="", max_length=255)),
                (
                    "role",
                    models.CharField(
                        choices=[
                            ("owner", "owner"),
                            ("editor", "editor"),
                            ("approver", "approver"),
                            ("viewer", "viewer"),
                        ],
                        max_length=16,
                    ),
                ),
                ("token_sha256", models.CharField(editable=False, max_length=64, unique=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("expires_at", models.DateTimeField()),
                ("accepted_at", models.DateTimeField(blank=True, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                (
                    "invited_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="invitations",
                        to="accounts.workspace",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="invitation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("email", ""), models.Q(("external_id", ""), _negated=True)),
                    models.Q(models.Q(("email", ""), _negated=True), ("external_id", "")),
                    _connector="OR",
                ),
                name="invitations_name_one_person",
            ),
        ),
        migrations.AddIndex(
            model_name="auditevent",
            index=models.Index(fields=["workspace", "id"], name="audit_of_workspace"),
        ),
    ]
