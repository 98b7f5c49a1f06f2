"""``docker-compose.yml`` holds what compose, the settings, the mounted files and Prometheus know."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from schemas.settings.load import Settings

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"


def checked(path: Path) -> subprocess.CompletedProcess[str]:
    """Hold a file against the schema of the Compose Specification, which check-jsonschema ships."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_it_is_what_compose_takes() -> None:
    done = checked(COMPOSE)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("stop_grace_period: 60s", "stop_grace: 60s"),
        ("condition: service_healthy", "condition: healthy"),
        ("depends_on: [prometheus]", "depends_on: {prometheus: yes}"),
    ],
)
def test_what_compose_does_not_take_is_seen(tmp_path: Path, right: str, wrong: str) -> None:
    text = COMPOSE.read_text()
    assert right in text
    changed = tmp_path / "docker-compose.yml"
    changed.write_text(text.replace(right, wrong))
    assert checked(changed).returncode == 1


def test_compose_sets_only_settings_that_exist_and_mounts_files_that_exist() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    known = {
        f"TICKETSTREAM_{group}__{field}".upper()
        for group, group_field in Settings.model_fields.items()
        for field in getattr(group_field.annotation, "model_fields", {})
    } | {f"TICKETSTREAM_{name}".upper() for name in Settings.model_fields}
    used = set(re.findall(r"TICKETSTREAM_[A-Z_]+", text))
    assert used
    assert used <= known
    document = yaml.safe_load(text)
    for service in document["services"].values():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            assert (ROOT / source).exists() if source.startswith(".") else source in document["volumes"]
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:")
        for needed in service.get("depends_on", []):
            assert needed in document["services"]
        assert set(service.get("secrets", [])) <= set(document["secrets"])
    assert (ROOT / "Dockerfile").exists()


def test_in_compose_prometheus_and_grafana_find_what_they_are_told_of() -> None:
    document = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    services = document["services"]
    scraped = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())
    targets = {
        job["job_name"]: [one for group in job["static_configs"] for one in group["targets"]]
        for job in scraped["scrape_configs"]
    }
    worker = services["worker"]
    first = int(worker["environment"]["TICKETSTREAM_METRICS_PORT"])
    count = int(worker["command"][worker["command"].index("--workers") + 1])
    assert targets["ticketstream"] == [f"worker:{first + number}" for number in range(count)]
    assert targets["ticketstream-serve"] == [
        f"serve:{services['serve']['environment']['TICKETSTREAM_HTTP__PORT']}"
    ]
    assert worker["environment"]["TICKETSTREAM_METRICS_HOST"] == "0.0.0.0"
    mounts = {
        service: dict(reversed(mount.split(":")[:2]) for mount in services[service]["volumes"])
        for service in ("prometheus", "grafana")
    }
    rules = {f"/etc/prometheus/{pattern.partition('/')[0]}" for pattern in scraped["rule_files"]}
    assert {"/etc/prometheus/prometheus.yml", *rules} <= set(mounts["prometheus"])
    (source,) = yaml.safe_load((ROOT / "grafana/provisioning/datasources/prometheus.yml").read_text())[
        "datasources"
    ]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load((ROOT / "grafana/provisioning/dashboards/ticketstream.yml").read_text())[
        "providers"
    ]
    assert mounts["grafana"][provider["options"]["path"]] == "./grafana/dashboards"
    grafana = services["grafana"]["environment"]
    assert grafana["GF_AUTH_ANONYMOUS_ENABLED"] == "false"
    home = Path(grafana["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (ROOT / "grafana" / "dashboards" / home.name).exists()
    # No password has a default, and each is one of .env.
    assert grafana["GF_SECURITY_ADMIN_PASSWORD"].startswith("${GRAFANA_ADMIN_PASSWORD:?")
    assert document["secrets"]["api_key"] == {"environment": "TICKETSTREAM_HTTP__API_KEY"}
    key_file = scraped["scrape_configs"][1]["authorization"]["credentials_file"]
    assert key_file == "/run/secrets/api_key" and "api_key" in services["prometheus"]["secrets"]
