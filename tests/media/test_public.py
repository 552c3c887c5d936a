"""Files that the networks fetch themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.base import ContentFile
from django.test import Client

from media.public import LIFE, public_address
from tests.factories import make_workspace

if TYPE_CHECKING:
    from media.models import Asset

pytestmark = pytest.mark.django_db
HOME = "https://posts.example"


@pytest.fixture
def asset(settings: Any, tmp_path: Any) -> Asset:
    from media.models import Asset

    settings.MEDIA_ROOT, settings.MEDIA_PUBLIC_URL = str(tmp_path), HOME
    found = Asset(
        workspace=make_workspace(),
        kind="image",
        mime_type="image/jpeg",
        size_bytes=5,
        source_url="https://elsewhere.example/o.jpg",
    )
    found.file.save("bell täge.jpg", ContentFile(b"bytes"), save=True)
    return found


def path_of(address: str) -> str:
    assert address.startswith(HOME)
    assert address.isascii()
    return address.removeprefix(HOME)


def test_anybody_with_the_address_gets_the_file_and_nothing_else(asset: Asset) -> None:
    answer = Client().get(path_of(public_address(asset)))
    assert b"".join(answer.streaming_content) == b"bytes"  # type: ignore[attr-defined]
    assert answer["Content-Type"] == "image/jpeg"
    assert answer["Content-Length"] == "5"
    assert "sandbox" in answer["Content-Security-Policy"]
    assert "Set-Cookie" not in answer
    head = Client().head(path_of(public_address(asset)))
    assert (head.status_code, head["Content-Length"]) == (200, "5")
    for one in (answer, head):
        one.close()


def test_a_false_or_old_address_leads_nowhere(asset: Asset, monkeypatch: Any) -> None:
    address = path_of(public_address(asset))
    forged = address.replace(str(asset.pk)[:8], "00000000")
    assert Client().get(forged).status_code == 404
    assert Client().post(address).status_code == 405
    monkeypatch.setattr("media.public.LIFE", -LIFE)
    assert Client().get(address).status_code == 404


def test_a_file_that_is_gone_is_not_found(asset: Asset) -> None:
    address = path_of(public_address(asset))
    asset.file.storage.delete(asset.file.name)
    assert Client().get(address).status_code == 404


def test_without_a_public_address_the_files_own_source_serves(asset: Asset, settings: Any) -> None:
    settings.MEDIA_PUBLIC_URL = ""
    assert public_address(asset) == "https://elsewhere.example/o.jpg"
    asset.source_url = ""
    assert public_address(asset) == ""
