"""Devices that take a person's pushes, over the API; their registration tokens are only written."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Role
from api.base import ApiView, as_uuid
from api.fields import Choice, Text, instant
from api.problems import invalid, unknown
from api.schema import operation
from api.serializers import StrictBody
from api.shapes import Shape, flag, identifier, moment, one_of, text
from notifications import targets
from notifications.models import Device

DEVICE = Shape(
    "Device",
    "An app on one phone or in one browser that takes somebody's pushes.",
    id=identifier("Its id."),
    platform=one_of(Device.Platform, "What it is."),
    name=text("As its owner knows it.", "Ada's phone"),
    last_seen_at=moment("When it was last registered."),
)
FORGOTTEN = Shape(
    "ForgottenDevice",
    "A device that takes no pushes any more.",
    id=identifier("Its id."),
    forgotten=flag("It is forgotten.", example=True),
)


class DeviceInput(StrictBody):
    """POST /devices."""

    token = Text(max_length=targets.TOKEN_CHARS, help_text="Firebase's registration token.")
    platform = Choice(Device.Platform, help_text="What it is.")
    name = Text(
        required=False, allow_blank=True, default="", max_length=100, help_text="As people know it."
    )


class DevicesBase(ApiView):
    """Everybody's devices are their own."""

    read_scope = write_scope = ""
    write_role = Role.VIEWER


class DevicesView(DevicesBase):
    """POST registers a device."""

    @operation(
        "register_device",
        "Register a device for pushes",
        tag="devices",
        body=DeviceInput,
        example={"token": "fcm-registration-token", "platform": "android", "name": "Ada's phone"},
        answers={200: DEVICE},
    )
    def post(self, request: Request) -> Response:
        """Register the caller's device, or note that it is still there: repeat it at each start.

        A token belongs to the last person who registered it. Keys and services without a person
        have no devices.
        """
        wish = self.read(DeviceInput)
        access = self.enter()
        if access.user is None:
            raise invalid("", "no_person", "Devices belong to people: call with a person's token.")
        with transaction.atomic():
            return self.answer(_device_json(targets.register_device(user=access.user, **wish)))


class DeviceView(DevicesBase):
    """DELETE forgets a device."""

    @operation(
        "forget_device",
        "Forget a device",
        tag="devices",
        answers={200: FORGOTTEN},
    )
    def delete(self, request: Request, device_id: str) -> Response:
        """Send the caller's device no more pushes."""
        access = self.enter()
        key = as_uuid(device_id)
        mine = Device.objects.filter(user=access.user, pk=key) if access.user and key else None
        if mine is None or not mine.delete()[0]:
            raise unknown("device_id", "device of yours")
        return Response({"id": str(key), "forgotten": True})


def _device_json(device: Device) -> dict[str, Any]:
    return {
        "id": str(device.pk),
        "platform": device.platform,
        "name": device.name,
        "last_seen_at": instant(device.last_seen_at),
    }
