"""Where each address leads."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path, re_path

from api.documents import SchemaView, docs
from api.schedule import ApiNotFound
from web.views.login import staff_login

admin.site.site_header = admin.site.site_title = "Carillon"
admin.site.index_title = "Staff console"
admin.site.site_url = "/"
admin.site.enable_nav_sidebar = False  # the lists need the width

urlpatterns = [
    path("admin/login/", staff_login),
    path("admin/", include("monitoring.console")),  # its front page
    path("admin/", admin.site.urls),
    path("media/", include("media.urls")),
    path("api/v1/hooks/", include("api.hook_urls")),
    path("api/v1/", include("api.urls")),
    path("api/schema/", SchemaView.as_view(), name="api-schema"),
    path("api/docs/", docs, name="api-docs"),
    re_path(r"^api(/|$)", ApiNotFound.as_view()),
    path("", include("web.urls")),
]
handler404 = "api.problems.not_found"
handler500 = "api.problems.server_error"
