"""Measurements of what Carillon promises; never part of the tests' verdict."""

from __future__ import annotations
