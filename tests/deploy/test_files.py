"""The files under deploy/ name what exists, give the worker its time to end, and keep no secret."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands
from django.urls import resolve

from engine.probe import Probe
from monitoring.middleware import VIEWS
from tests.environment import ROOT, declared_variables

DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
DOCKERFILE = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
PROCFILE = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
FOREIGN = re.compile(r"(PATH|PYTHON|PIP_|POSTGRES_)[A-Z_]*")  # Python's, pip's and the image's own
GRACE = settings.SHUTDOWN_GRACE.total_seconds()
LONG_RUNNING = ("web", "worker")


def manifests() -> Iterator[dict[str, Any]]:
    for path in sorted((DEPLOY / "k8s").glob("*.yaml")):
        yield from yaml.safe_load_all(path.read_text())


MANIFESTS = list(manifests())
PODS: dict[str, dict[str, Any]] = {
    manifest["metadata"]["name"]: manifest["spec"]["template"]["spec"]
    for manifest in MANIFESTS
    if manifest["kind"] in {"Deployment", "Job"}
}


def unit(path: Path) -> dict[str, list[str]]:
    """Return the settings of a systemd unit; a name may stand several times."""
    found: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        if line and line[0] not in "#[":
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def commands() -> dict[str, list[str]]:
    """Return every command line under deploy/, by where it stands."""
    found = {
        f"compose {name}": service["command"]
        for name, service in COMPOSE["services"].items()
        if "command" in service and "image" in service and service["image"] == "carillon"
    }
    for name, pod in PODS.items():
        for container in pod["containers"]:
            if "command" in container:
                found[f"k8s {name}"] = container["command"]
    for path in UNITS:
        found[path.name] = shlex.split(unit(path)["ExecStart"][0])
    found["image"] = json.loads(re.search(r"^CMD (\[.+\])$", DOCKERFILE, re.MULTILINE)[1])
    return found


def variables() -> set[str]:
    """Return every environment variable that is set or read under deploy/."""
    names = set(re.findall(r"\$\{([A-Z_]+)", (DEPLOY / "compose.yaml").read_text()))
    for service in COMPOSE["services"].values():
        names |= service.get("environment", {}).keys()
    for manifest in MANIFESTS:
        names |= manifest.get("data", {}).keys() | manifest.get("stringData", {}).keys()
    for pod in PODS.values():
        for container in pod["containers"]:
            names |= {entry["name"] for entry in container.get("env", [])}
    for path in UNITS:
        for line in unit(path).get("Environment", []):
            names |= {part.partition("=")[0] for part in shlex.split(line)}
        names |= set(re.findall(r"\$\{([A-Z_]+)\}", path.read_text()))
    for line in re.findall(r"^ENV (.+)$", DOCKERFILE, re.MULTILINE):
        names |= {part.partition("=")[0] for part in shlex.split(line)}
    return names


def test_every_variable_is_one_of_ours_or_of_the_images_used() -> None:
    named = variables()
    assert {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "CREDENTIAL_KEYS"} <= named
    assert {name for name in named if not FOREIGN.fullmatch(name)} <= set(declared_variables())


def test_every_command_exists_and_web_is_started_as_in_the_procfile() -> None:
    assert len(commands()) == 8
    web = without_address(shlex.split(PROCFILE["web"]))
    for where, command in commands().items():
        assert isinstance(command, list), f"{where}: the shell form swallows signals"
        if "manage.py" in command:
            assert command[command.index("manage.py") + 1] in get_commands(), where
        else:
            assert without_address(command[command.index("gunicorn") :]) == web, where


def without_address(command: list[str]) -> list[str]:
    """Return the command without what it binds to."""
    if "--bind" not in command:
        return command
    place = command.index("--bind")
    return command[:place] + command[place + 2 :]


@pytest.mark.parametrize("part", LONG_RUNNING)
def test_whoever_ends_it_waits_longer_than_the_shutdown_grace(part: str) -> None:
    grace = re.fullmatch(r"(\d+)s", COMPOSE["services"][part]["stop_grace_period"])
    assert grace
    assert int(grace[1]) > GRACE
    assert PODS[f"carillon-{part}"]["terminationGracePeriodSeconds"] > GRACE
    service = unit(DEPLOY / "systemd" / f"carillon-{part}.service")
    assert int(service["TimeoutStopSec"][0]) > GRACE
    assert service["KillMode"] == ["mixed"]
    assert service["Restart"] == ["always"]


def test_migrations_are_over_before_anything_else_starts() -> None:
    for part in LONG_RUNNING:
        needs = COMPOSE["services"][part]["depends_on"]
        assert needs["migrate"]["condition"] == "service_completed_successfully"
        after = unit(DEPLOY / "systemd" / f"carillon-{part}.service")["After"][0].split()
        assert "carillon-migrate.service" in after
    migrate = COMPOSE["services"]["migrate"]
    assert migrate["depends_on"]["postgres"]["condition"] == "service_healthy"


def test_probes_ask_what_the_site_answers() -> None:
    (web,) = PODS["carillon-web"]["containers"]
    paths = {web["readinessProbe"]["httpGet"]["path"]}
    assert web["livenessProbe"]["httpGet"]["path"] in VIEWS
    paths |= set(re.findall(r"'(/api/[^']+)'", DOCKERFILE))
    assert {resolve(path).func.view_class.__name__ for path in paths} == {"HealthView"}
    host = {h["name"]: h["value"] for h in web["readinessProbe"]["httpGet"]["httpHeaders"]}["Host"]
    (config,) = [m["data"] for m in MANIFESTS if m["kind"] == "ConfigMap"]
    assert host in config["ALLOWED_HOSTS"].split(",")


def test_probes_of_the_worker_ask_its_own_door() -> None:
    (worker,) = PODS["carillon-worker"]["containers"]
    (port,) = worker["ports"]
    assert {e["name"]: e["value"] for e in worker["env"]} == {
        "HEALTH_CHECK_HOST": "0.0.0.0",  # noqa: S104 - probes come from the node
        "HEALTH_CHECK_PORT": str(port["containerPort"]),
    }
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = worker[name]["httpGet"]
        assert asked["port"] == port["name"]
        assert Probe(pulse=lambda: None, silence=lambda: 0.0).answer(asked["path"])[0] != 404
    check = COMPOSE["services"]["worker"]["healthcheck"]["test"]
    assert importlib.util.find_spec(check[check.index("-m") + 1])


def test_nothing_runs_as_root_or_may_become_root() -> None:
    assert re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE) == ["10001:10001"]
    for pod in PODS.values():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert not pod["automountServiceAccountToken"]
        for container in pod["containers"]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["resources"]["limits"]
    for path in UNITS:
        assert unit(path)["User"] == ["carillon"]
        assert unit(path)["NoNewPrivileges"] == ["yes"]


def test_no_secret_is_written_down_and_none_gets_into_the_image() -> None:
    (secret,) = [m["stringData"] for m in MANIFESTS if m["kind"] == "Secret"]
    assert all("replace-me" in value for value in secret.values())
    left_out = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    assert {".env", ".git", "var"} <= set(left_out)
    assert "POSTGRES_PASSWORD:?" in (DEPLOY / "compose.yaml").read_text()


def test_selectors_find_their_pods() -> None:
    labels = {
        m["metadata"]["name"]: m["spec"]["template"]["metadata"]["labels"]
        for m in MANIFESTS
        if m["kind"] == "Deployment"
    }
    for manifest in MANIFESTS:
        name, spec = manifest["metadata"]["name"], manifest.get("spec", {})
        assert manifest["apiVersion"]
        if manifest["kind"] == "Deployment":
            assert spec["selector"]["matchLabels"] == labels[name]
        if manifest["kind"] == "Service":
            assert spec["selector"] == labels[name]
