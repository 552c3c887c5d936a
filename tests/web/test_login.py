"""Logging in: the second factor, guessing slowed down, nothing told to who only guesses names."""

from __future__ import annotations

import re
from binascii import unhexlify
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts import second_factor
from accounts.models import AuditEvent, User
from tests.factories import make_user
from tests.web.browsers import browser_of, text_of

pytestmark = pytest.mark.django_db
PASSWORD = "a long pass phrase"
STEP = 30  # seconds


def code_of(user: User, *, ahead: int = 0) -> str:
    """Return what the person's app shows `ahead` steps from now."""
    device = TOTPDevice.objects.get(user=user)
    return f"{totp(unhexlify(device.key), t0=-ahead * STEP):06d}"


def enrol(browser: Client, user: User) -> list[str]:
    """Set up a second factor through the page; returns the recovery codes."""
    page = browser.get("/security/")
    assert "data:image/svg+xml" in page.content.decode()
    done = browser.post("/security/", {"code": code_of(user)})
    assert "Your second factor is on" in text_of(done)
    return re.findall(r"<code>([a-z0-9]{5}-[a-z0-9]{5})</code>", done.content.decode())


def logged_in_by_password(user: User) -> Client:
    client = Client()
    given = {"username": user.username, "password": PASSWORD}
    assert client.post("/login/", given).status_code == 302
    return client


def forget_wrong_codes(user: User) -> None:
    TOTPDevice.objects.filter(user=user).update(
        throttling_failure_count=0, throttling_failure_timestamp=None, last_t=-1
    )


def test_a_second_factor_is_set_up_and_asked_for_from_then_on(
    browser: Client, member: User
) -> None:
    codes = enrol(browser, member)
    assert len(codes) == len(set(codes)) == 10
    assert browser.get("/connections/").status_code == 200  # this session has shown its code

    other = logged_in_by_password(member)
    answer = other.get("/connections/?state=all")
    assert answer["Location"] == "/login/code/?next=%2Fconnections%2F%3Fstate%3Dall"
    wrong = other.post("/login/code/", {"code": "000000", "next": "/connections/"})
    assert "does not fit" in text_of(wrong)
    forget_wrong_codes(member)
    right = other.post("/login/code/", {"code": code_of(member), "next": "/connections/"})
    assert right["Location"] == "/connections/"
    assert other.get("/connections/").status_code == 200


def test_a_code_works_once(browser: Client, member: User) -> None:
    enrol(browser, member)
    again = logged_in_by_password(member).post("/login/code/", {"code": code_of(member)})
    assert "was used before" in text_of(again)


def test_recovery_codes_log_in_once_each_and_are_stored_as_digests(
    browser: Client, member: User
) -> None:
    codes = enrol(browser, member)
    client = logged_in_by_password(member)
    written = codes[0].replace("-", " ").upper()  # as people type it
    assert client.post("/login/code/", {"code": written}).status_code == 302
    assert client.get("/connections/").status_code == 200
    used = logged_in_by_password(member).post("/login/code/", {"code": codes[0]})
    assert used.status_code == 200
    assert second_factor.recovery_codes_left(member) == 9
    kept = {
        token
        for device in member.staticdevice_set.all()
        for token in device.token_set.values_list("token", flat=True)
    }
    assert not kept & {code.replace("-", "") for code in codes}


def test_guessing_codes_is_slowed_down(browser: Client, member: User) -> None:
    enrol(browser, member)
    client = logged_in_by_password(member)
    client.post("/login/code/", {"code": "000000"})
    said = text_of(client.post("/login/code/", {"code": code_of(member, ahead=1)}))
    assert "wait a little" in said


@pytest.mark.parametrize("address", ["/", "/setup/", "/admin/", "/security/", "/connections/"])
def test_without_the_code_no_page_opens(browser: Client, member: User, address: str) -> None:
    User.objects.filter(pk=member.pk).update(is_staff=True, is_superuser=True)
    enrol(browser, member)
    answer = logged_in_by_password(member).get(address)
    assert answer["Location"].startswith("/login/code/")


def test_without_the_code_the_api_refuses_the_session(browser: Client, member: User) -> None:
    enrol(browser, member)
    half = logged_in_by_password(member).get("/api/v1/me")
    assert half.status_code == 401
    assert half.json()["code"] == "second_factor_needed"
    assert browser.get("/api/v1/me").status_code == 200


def test_the_password_is_asked_again_before_it_is_switched_off(
    browser: Client, member: User
) -> None:
    codes = enrol(browser, member)
    refused = browser.post("/security/off/", {"password": "no"})
    assert refused.status_code == 422
    assert "That is not your password" in text_of(refused)
    renewed = browser.post("/security/codes/", {"password": PASSWORD})
    assert "worth nothing" in text_of(renewed)
    with pytest.raises(second_factor.CodeRefused):
        second_factor.verify(member, codes[0])
    browser.post("/security/off/", {"password": PASSWORD})
    assert not second_factor.has_second_factor(member)
    assert logged_in_by_password(member).get("/connections/").status_code == 200
    done = set(
        AuditEvent.objects.filter(target=f"user:{member.pk}").values_list("action", flat=True)
    )
    assert {
        "second_factor.enabled",
        "second_factor.codes_renewed",
        "second_factor.disabled",
    } <= done


def test_staff_can_be_made_to_have_one(settings: Any) -> None:
    settings.STAFF_NEED_SECOND_FACTOR = True
    staff = make_user(is_staff=True, is_superuser=True, password=PASSWORD)
    browser = browser_of(staff)
    assert browser.get("/admin/")["Location"] == "/security/"
    assert "set yours up first" in text_of(browser.get("/security/"))
    enrol(browser, staff)
    assert browser.get("/admin/").status_code == 200


def test_an_administrator_resets_the_second_factor_of_somebody_who_lost_it(
    browser: Client, member: User
) -> None:
    enrol(browser, member)
    staff = browser_of(make_user(is_staff=True, is_superuser=True))
    page = staff.get(f"/admin/accounts/user/{member.pk}/change/")
    assert "Reset second factor" in page.content.decode()
    staff.post(
        "/admin/accounts/user/act/reset_second_factor/",
        {"ids": str(member.pk), "reason": "lost the phone, seen in person"},
    )
    assert not second_factor.has_second_factor(member)
    event = AuditEvent.objects.get(action="second_factor.disabled")
    assert event.reason == "lost the phone, seen in person"
    assert staff.get("/admin/otp_totp/totpdevice/").status_code == 404


@pytest.mark.parametrize("is_known", [True, False])
def test_guessing_a_password_is_stopped_whether_or_not_the_login_exists(
    member: User, settings: Any, *, is_known: bool
) -> None:
    name = member.username if is_known else "nobody-here"
    client = Client()
    for _ in range(settings.AXES_FAILURE_LIMIT - 1):
        wrong = client.post("/login/", {"username": name, "password": "wrong"})
        assert "Please enter a correct username and password" in text_of(wrong)
    stopped = client.post("/login/", {"username": name, "password": "wrong"})
    assert stopped.status_code == 429
    assert stopped["Retry-After"] == "900"
    assert "Wait 15 minutes" in text_of(stopped)
    right = client.post("/login/", {"username": name, "password": PASSWORD})
    assert right.status_code == 429  # even the right password has to wait
    assert AuditEvent.objects.filter(action="login.locked_out").exists()


def test_others_still_log_in_while_one_address_is_stopped(member: User, settings: Any) -> None:
    for _ in range(settings.AXES_FAILURE_LIMIT + 1):
        Client(REMOTE_ADDR="203.0.113.9").post(
            "/login/", {"username": member.username, "password": "wrong"}
        )
    given = {"username": member.username, "password": PASSWORD}
    assert Client(REMOTE_ADDR="203.0.113.9").post("/login/", given).status_code == 429
    assert Client(REMOTE_ADDR="198.51.100.4").post("/login/", given).status_code == 302


def test_after_the_pause_the_right_password_works(member: User, settings: Any) -> None:
    from axes.models import AccessAttempt

    for _ in range(settings.AXES_FAILURE_LIMIT):
        Client().post("/login/", {"username": member.username, "password": "wrong"})
    AccessAttempt.objects.update(
        attempt_time=timezone.now() - settings.LOGIN_PAUSE - timedelta(seconds=1)
    )
    logged_in_by_password(member)


def test_the_proxy_s_word_about_addresses_counts_only_where_it_is_trusted(
    member: User, settings: Any
) -> None:
    forged = {"HTTP_X_FORWARDED_FOR": "198.51.100.1, 203.0.113.7", "REMOTE_ADDR": "10.0.0.1"}
    given = {"username": member.username, "password": PASSWORD}
    Client(**forged).post("/login/", given)
    settings.TRUST_PROXY_HEADERS = True
    Client(**forged).post("/login/", given)
    seen = AuditEvent.objects.filter(action="login.succeeded").order_by("at")
    assert [event.target for event in seen] == ["address:10.0.0.1", "address:203.0.113.7"]


def test_the_console_has_no_login_of_its_own(member: User) -> None:
    answer = Client().get("/admin/login/?next=/admin/scheduling/")
    assert answer["Location"] == "/login/?next=%2Fadmin%2Fscheduling%2F"
    refused = browser_of(member).get("/admin/", follow=True)
    assert refused.status_code == 403
    assert "for staff" in text_of(refused)
