"""Django's generic classes under names that work at run time too (it cannot subscript them)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.core.paginator import Paginator
from django.forms import ModelForm

if TYPE_CHECKING:
    AnyModelAdmin = admin.ModelAdmin[Any]
    AnyTabularInline = admin.TabularInline[Any, Any]
    AnyModelForm = ModelForm[Any]
    AnyPaginator = Paginator[Any]
    AnyUserAdmin = UserAdmin[Any]
else:
    AnyModelAdmin = admin.ModelAdmin
    AnyTabularInline = admin.TabularInline
    AnyModelForm = ModelForm
    AnyPaginator = Paginator
    AnyUserAdmin = UserAdmin
