"""The site's addresses. Those under oauth/ are registered at the networks, to the letter."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.views import LogoutView
from django.urls import path

from web.views import (
    choosing,
    connecting,
    connections,
    entering,
    frame,
    login,
    notifications,
    previews,
    security,
    setup,
    unsubscribing,
)

app_name = "web"

urlpatterns = [
    path("", frame.home, name="home"),
    path("login/", login.LoginPage.as_view(), name="login"),
    path("login/code/", login.code, name="code"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("workspace/", frame.switch_workspace, name="switch_workspace"),
    path("security/", security.security, name="security"),
    path("security/codes/", security.renew_codes, name="renew_codes"),
    path("security/off/", security.disable, name="disable_second_factor"),
    path("connections/", connections.list_connections, name="connections"),
    path("connections/new/<slug:slug>/", entering.new_connection, name="new_connection"),
    path("connections/choose/<uuid:pk>/", choosing.choose, name="choose"),
    path("connections/<uuid:pk>/pause/", connections.pause, name="pause"),
    path("connections/<uuid:pk>/resume/", connections.resume, name="resume"),
    path("connections/<uuid:pk>/disconnect/", connections.disconnect, name="disconnect"),
    path("notifications/settings/", notifications.settings_page, name="notifications"),
    path("notifications/hours/", notifications.hours, name="hours"),
    path("notifications/slack/", notifications.slack, name="slack"),
    path("notifications/<slug:channel>/code/", notifications.ask_for_code, name="ask_for_code"),
    path("notifications/<slug:channel>/confirm/", notifications.confirm_code, name="confirm_code"),
    path("notifications/<slug:channel>/forget/", notifications.forget_contact, name="forget"),
    path("notifications/unsubscribe/<str:token>/", unsubscribing.unsubscribe, name="unsubscribe"),
    path("setup/", setup.setup, name="setup"),
    path("setup/notifications/", previews.previews, name="previews"),
    path("setup/notifications/<str:event>/", previews.preview, name="preview"),
    path("setup/notifications/<str:event>/<slug:scheme>/", previews.mail, name="preview_mail"),
    path("oauth/login/<slug:backend>/", connecting.begin, name="begin"),
    path("oauth/complete/<slug:backend>/", connecting.complete, name="complete"),
    *(  # addresses of an older application that stay registered
        path(
            urlsplit(address).path.lstrip("/"),
            connecting.complete,
            {"backend": name},
            name="callback",
        )
        for name, address in settings.OAUTH_REDIRECT_URIS.items()
        if address
    ),
]
