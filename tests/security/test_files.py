"""Files come in by no form and no request, and go out as pictures, films or plain downloads."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
from django import forms
from django.contrib import admin
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import FileField
from django.test import Client

from media.models import Asset
from media.public import public_address
from tests.admin.console import client_of
from tests.api.client import keyed
from tests.factories import make_user, make_workspace

pytestmark = pytest.mark.django_db
HOME = "https://posts.example"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def served(settings: Any, folder: Path, name: str, mime_type: str, content: bytes) -> Any:
    """Return the answer at a file's public address."""
    settings.MEDIA_ROOT, settings.MEDIA_PUBLIC_URL = str(folder), HOME
    asset = Asset(workspace=make_workspace(), mime_type=mime_type, size_bytes=len(content))
    asset.file.save(name, ContentFile(content), save=True)
    answer = Client().get(public_address(asset).removeprefix(HOME))
    assert b"".join(answer.streaming_content) == content  # type: ignore[attr-defined]
    answer.close()
    return answer


@pytest.mark.parametrize(
    ("name", "mime_type"),
    [
        ("picture.svg", "image/svg+xml"),
        ("page.html", "text/html"),
        ("page.html", "Text/HTML; charset=utf-8"),
        ("page.xhtml", "application/xhtml+xml"),
        ("script.js", "text/javascript"),
        ("paper.pdf", "application/pdf"),
        ("what.ever", ""),
    ],
)
def test_what_a_browser_might_run_is_only_ever_downloaded(
    settings: Any, tmp_path: Path, name: str, mime_type: str
) -> None:
    answer = served(settings, tmp_path, name, mime_type, SVG)
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"].startswith("attachment")
    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("mime_type", ["image/jpeg", "image/png", "image/gif", "video/mp4"])
def test_pictures_and_films_are_what_they_say_and_nothing_more(
    settings: Any, tmp_path: Path, mime_type: str
) -> None:
    answer = served(settings, tmp_path, "a.bin", mime_type, SVG)  # a lie: nobody runs it
    assert answer["Content-Type"] == mime_type
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "..\\..\\boot.ini", "assets/../../x.png"]
)
def test_a_name_that_leads_elsewhere_is_refused(settings: Any, tmp_path: Path, name: str) -> None:
    settings.MEDIA_ROOT = str(tmp_path)
    asset = Asset(workspace=make_workspace(), mime_type="image/png", size_bytes=5)
    with pytest.raises(SuspiciousFileOperation):
        asset.file.save(name, ContentFile(b"bytes"), save=True)
    assert list(tmp_path.rglob("*.*")) == []


def test_a_file_s_name_leads_to_no_other_file_and_splits_no_header(
    settings: Any, tmp_path: Path
) -> None:
    settings.MEDIA_ROOT, settings.MEDIA_PUBLIC_URL = str(tmp_path), HOME
    asset = Asset(workspace=make_workspace(), mime_type="image/png", size_bytes=5)
    asset.file.save("a\r\nSet-Cookie: b=c.jpg", ContentFile(b"bytes"), save=True)
    stored = Path(asset.file.path).resolve()
    assert tmp_path.resolve() in stored.parents
    address = public_address(asset).removeprefix(HOME)
    ticket = address.split("/")[2]
    wishes = (address, f"/media/{ticket}/..%5C..%5Cmanage.py", f"/media/{ticket}/a%0d%0ab: c")
    answers = [Client().get(wish) for wish in wishes]
    for answer in answers:
        assert b"".join(answer.streaming_content) == b"bytes"  # type: ignore[attr-defined]
        assert "\n" not in str(answer.headers["Content-Disposition"])
        assert "Set-Cookie" not in answer.headers
    assert Client().get(f"/media/{ticket}/..%2F..%2Fmanage.py").status_code == 404
    for answer in answers:
        answer.close()


def test_no_form_of_the_console_takes_a_file() -> None:
    staff = make_user(is_staff=True, is_superuser=True)
    request = type("Request", (), {"user": staff, "GET": {}, "POST": {}, "method": "GET"})()
    holders = [
        m for m in admin.site._registry if any(isinstance(f, FileField) for f in m._meta.fields)
    ]
    assert holders == [Asset]
    registered = admin.site._registry[Asset]
    assert not registered.has_add_permission(request)
    assert not registered.has_change_permission(request)
    assert client_of(staff).get("/admin/media/asset/add/").status_code == 403


def test_no_form_of_the_site_takes_a_file() -> None:
    from web import forms as ours

    found = [
        form
        for _, form in inspect.getmembers(ours, inspect.isclass)
        if issubclass(form, forms.Form)
    ]
    assert found
    for form in found:
        fields = form.declared_fields.values()  # type: ignore[attr-defined]
        assert not [one for one in fields if isinstance(one, forms.FileField)], form


def test_the_api_takes_no_file() -> None:
    api = keyed(make_workspace())
    upload = SimpleUploadedFile("x.svg", SVG, "image/svg+xml")
    answer = Client().post("/api/v1/posts", {"file": upload}, headers=api.headers)
    assert answer.status_code == 415
