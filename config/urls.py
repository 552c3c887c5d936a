"""Where each address leads."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from scheduling.api.schedule import ApiNotFound

admin.site.site_header = admin.site.site_title = "Carillon"
admin.site.index_title = "Staff console"
admin.site.site_url = None  # there is no site for users yet
admin.site.enable_nav_sidebar = False  # the lists need the width

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),  # where e-mails' PUBLIC_URL leads
    path("admin/", admin.site.urls),
    path("media/", include("media.urls")),
    path("api/v1/", include("scheduling.api.urls")),
    re_path(r"^api(/|$)", ApiNotFound.as_view()),
]
handler404 = "scheduling.api.problems.not_found"
handler500 = "scheduling.api.problems.server_error"
