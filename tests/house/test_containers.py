"""The containers, as far as can be told without running them: what they are made of, who they are, what they keep."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import typer
import yaml

from tests.needs import need
from tools import packs
from ui.cli import app

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
SERVICES = yaml.safe_load(COMPOSE)["services"]
SECRET = {"POSTGRES_PASSWORD": "secret"}


def instructions() -> list[tuple[str, str]]:
    """(name, arguments) of each instruction of the Dockerfile, continued lines joined, comments left out."""
    lines = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines if line.strip())]


def last_stage() -> list[tuple[str, str]]:
    found = instructions()
    return found[max(number for number, (name, _) in enumerate(found) if name == "FROM") :]


def last(name: str) -> str:
    return [rest for found, rest in last_stage() if found == name][-1]


def compose(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = ["docker", "compose", "--project-directory", str(ROOT), "--env-file", os.devnull, *arguments]
    clean = {name: value for name, value in os.environ.items() if name not in SECRET}
    return subprocess.run(command, env=clean | environment, capture_output=True, text=True, cwd=ROOT)


# The image


def test_everything_the_image_is_built_from_is_there_and_reaches_the_builder():
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] == "!"}
    copied = {
        source
        for name, rest in instructions()
        if name == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    }
    assert copied == let_in
    assert not [source for source in copied if not (ROOT / source).exists()]


def test_every_package_is_in_the_image():
    packages = re.search(r"^packages = (\[.*\])$", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    copied = {rest for name, rest in instructions() if name == "COPY"}
    assert {f"{package} {package}" for package in json.loads(packages[1])} <= copied


def test_the_image_has_no_compiler_and_is_nobody_important():
    assert "--constraint constraints.txt" in DOCKERFILE
    assert not re.search(r"gcc|g\+\+|build-essential|-dev\b", str(last_stage()))
    assert last("USER") not in ("root", "0")


def test_the_image_says_what_is_in_the_command_line():
    words = json.loads(last("CMD"))
    assert words[:2] == ["pentimento", "ui"]
    command = typer.main.get_command(app).commands[words[1]]
    options = command.make_context("ui", list(words[2:])).params
    assert (options["host"], options["port"], options["browser"]) == ("0.0.0.0", int(last("EXPOSE")), False)


def test_the_image_asks_for_the_health_address_that_the_page_has():
    assert f"http://127.0.0.1:{last('EXPOSE')}/healthz" in last("HEALTHCHECK")
    assert '"/healthz"' in (ROOT / "ui/server.py").read_text(encoding="utf-8")


# The services


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_can_do_little_and_is_watched(name):
    service = SERVICES[name]
    assert service["read_only"] is True and "/tmp" in service["tmpfs"]
    assert service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"] not in ("root", "0") and service["mem_limit"] and "privileged" not in service
    assert "healthcheck" in service or ("build" in service and last("HEALTHCHECK"))


def test_what_is_kept_is_kept_in_named_volumes():
    kept = {name: [volume.split(":") for volume in service["volumes"]] for name, service in SERVICES.items()}
    weights = [["data", "/data"], ["models", "/models"]]
    database = [["database", "/var/lib/postgresql/data"]]
    assert kept == {"app": [["data", "/data"]], "db": database, "gpu": weights, "models": weights}
    assert set(yaml.safe_load(COMPOSE)["volumes"]) == {"data", "database", "models"}
    assert SERVICES["app"]["environment"]["PENTIMENTO_HOME"] == last("VOLUME") == "/data"


def test_the_page_is_for_this_machine_and_the_database_for_the_page():
    assert SERVICES["app"]["ports"] == SERVICES["gpu"]["ports"] == ["127.0.0.1:8501:8501"]
    assert "ports" not in SERVICES["db"] and SERVICES["db"]["networks"] == ["inside"]
    assert yaml.safe_load(COMPOSE)["networks"]["inside"] == {"internal": True}


def test_the_page_waits_for_a_database_that_answers():
    assert SERVICES["app"]["depends_on"] == {"db": {"condition": "service_healthy"}}
    assert SERVICES["db"]["image"].startswith("postgres:15") and "pg_isready" in SERVICES["db"]["healthcheck"]["test"]
    assert SERVICES["app"]["environment"]["PENTIMENTO_DATABASE_URL"] == "postgresql+psycopg://pentimento@db/pentimento"


def test_networks_and_their_weights_are_for_those_who_ask():
    assert [name for name, service in SERVICES.items() if "profiles" in service] == ["gpu", "models"]
    assert {SERVICES[name]["build"]["args"]["EXTRAS"] for name in ("gpu", "models")} == {"neural,postgres,ui"}
    assert "ARG EXTRAS=postgres,ui" in DOCKERFILE and '".[${EXTRAS}]"' in DOCKERFILE and "/models" in DOCKERFILE


def test_the_page_with_networks_has_the_device_and_waits_for_the_weights():
    [device] = SERVICES["gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    assert SERVICES["gpu"]["depends_on"]["models"] == {"condition": "service_completed_successfully"}
    assert SERVICES["gpu"]["environment"]["HF_HOME"] == SERVICES["models"]["environment"]["HF_HOME"] == "/models"
    assert SERVICES["gpu"]["environment"] | SERVICES["app"]["environment"] == SERVICES["gpu"]["environment"]


def test_the_weights_are_pulled_once_by_a_command_that_there_is():
    words = SERVICES["models"]["command"]
    assert SERVICES["models"]["restart"] == "no" and words[0] == "pentimento"
    pull = typer.main.get_command(app).commands[words[1]].commands[words[2]]
    assert packs.sources(pull.make_context("pull", list(words[3:])).params["what"])
    assert "PENTIMENTO_ACCEPT_LICENCES=" in (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()


def test_no_password_is_known_beforehand():
    given = {value for service in SERVICES.values() for name, value in service["environment"].items() if "PASS" in name}
    assert given == {"${POSTGRES_PASSWORD:?set it in .env}"}
    assert "POSTGRES_PASSWORD=" in (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    assert ".env" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


@pytest.fixture
def plugin() -> None:
    found = shutil.which("docker") is not None and compose("version").returncode == 0
    need(found, "COMPOSE", "This needs docker's plugin compose (apt-get install docker-compose-plugin).")


@pytest.mark.usefixtures("plugin")
def test_compose_itself_understands_it():
    understood = compose("config", "--format", "json", **SECRET)
    assert understood.returncode == 0, understood.stderr
    assert json.loads(understood.stdout)["services"]["app"]["environment"]["PGPASSWORD"] == "secret"


@pytest.mark.usefixtures("plugin")
def test_compose_itself_refuses_to_go_on_without_a_password():
    refused = compose("config")
    assert refused.returncode != 0 and "set it in .env" in refused.stderr
