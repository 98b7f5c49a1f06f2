"""The pure parts of the local stack: Kafka's and Weaviate's configuration, ports, options, settings."""

from __future__ import annotations

import os
import re
import shutil
import socket
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
import yaml

from schemas.cluster import Cluster
from schemas.errors import SettingsError, StackError
from schemas.settings.embedding import GeminiSettings
from schemas.settings.kafka import KafkaSettings
from schemas.settings.load import Settings, load_settings
from schemas.settings.weaviate import WeaviateSettings
from schemas.settings.zendesk import ZendeskSettings
from streams.kafka.topics import DEAD_LETTER_MAX_BYTES, MAX_MESSAGE_BYTES
from ticketstream.local.stack import kafka, layout, sample, weaviate
from ticketstream.local.stack.api import LocalStack
from ticketstream.local.stack.build import POM, Parts
from ticketstream.local.stack.environment import stack_environment, write_settings_file
from ticketstream.local.stack.layout import StackPaths, folder_size
from ticketstream.local.stack.options import StackOptions
from ticketstream.local.stack.planning import external_services, plan_spec, with_services
from ticketstream.local.stack.ports import FIRST, LAST, choose_ports, free_ports, is_free
from ticketstream.local.stack.records import StackSpec, read_spec, read_state, write_record

ROOT = Path(__file__).parents[4]
PORTS = {
    name: 20_000 + number for number, name in enumerate([*kafka.PORTS, *weaviate.PORTS, "zendesk", "gemini"])
}
PARTS = Parts(java=Path("/jre/java"), kafka_lib=Path("/cache/kafka"), weaviate_server=Path("/cache/weaviate"))


def properties(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines())


def test_kafka_listens_on_localhost_only() -> None:
    found = properties(kafka.server_properties(Path("/data"), PORTS))
    addresses = f"{found['listeners']},{found['advertised.listeners']}".split(",")
    assert all("://127.0.0.1:" in address for address in addresses)


def test_kafka_takes_the_largest_message_and_a_request_with_the_largest_dead_letter() -> None:
    found = properties(kafka.server_properties(Path("/data"), PORTS))
    assert int(found["replica.fetch.max.bytes"]) >= int(found["message.max.bytes"]) >= MAX_MESSAGE_BYTES
    assert int(found["socket.request.max.bytes"]) > DEAD_LETTER_MAX_BYTES


def test_a_path_reaches_kafka_unchanged_whatever_letters_it_has() -> None:
    found = properties(kafka.server_properties(Path("/Users/Zoë 😀/a\\b"), PORTS))
    assert found["log.dirs"] == r"/Users/Zo\u00eb \ud83d\ude00/a\\b"


def test_weaviate_listens_where_it_can_be_told_to_on_localhost_only() -> None:
    found = weaviate.environment(Path("/data"), PORTS, "secret")
    assert found["CLUSTER_BIND_ADDR"] == found["CLUSTER_ADVERTISE_ADDR"] == "127.0.0.1"
    assert found["DISABLE_TELEMETRY"] == "true"
    assert found["CLUSTER_BASIC_AUTH_PASSWORD"] == "secret"
    ports = [value for name, value in found.items() if name.endswith("_PORT")]
    assert len(ports) == len(set(ports)) == 5


def test_no_variable_of_ours_reaches_a_service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TICKETSTREAM_GEMINI__API_KEY", "private")
    monkeypatch.setenv("QUERY_DEFAULTS_LIMIT", "1")
    spec = StackSpec(options=StackOptions(sample=True), ports=PORTS)
    for service in with_services(StackPaths.of(tmp_path), spec, PARTS).services:
        assert "private" not in service.environment.values()
        assert service.environment.get("QUERY_DEFAULTS_LIMIT") != "1"


def test_versions_agree_everywhere() -> None:
    space = {"m": "http://maven.apache.org/POM/4.0.0"}
    versions = {
        dependency.findtext("m:artifactId", namespaces=space): dependency.findtext(
            "m:version", namespaces=space
        )
        for dependency in ElementTree.parse(POM).getroot().iterfind(".//m:dependency", space)  # noqa: S314
    }
    assert versions["kafka_2.13"] == kafka.VERSION
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert services["kafka"]["image"] == f"apache/kafka:{kafka.VERSION}"
    assert services["weaviate"]["image"].endswith(f"/weaviate:{weaviate.VERSION}")


def test_ports_stay_the_same_while_they_are_free(tmp_path: Path) -> None:
    names = ["kafka", "weaviate"]
    first = choose_ports(names, configured={}, remembered={}, running=[], data_dir=tmp_path)
    assert len(set(first.values())) == 2
    assert all(FIRST <= port <= LAST for port in first.values())
    assert choose_ports(names, configured={}, remembered=first, running=[], data_dir=tmp_path) == first
    with socket.create_server(("127.0.0.1", first["kafka"])):
        second = choose_ports(names, configured={}, remembered=first, running=[], data_dir=tmp_path)
        assert second["kafka"] not in first.values()
        assert second["weaviate"] == first["weaviate"]
        own = choose_ports(names, configured={}, remembered=first, running=["kafka"], data_dir=tmp_path)
        assert own == first


def test_stacks_of_two_folders_look_for_ports_in_different_places() -> None:
    def chosen(folder: str) -> int:
        return choose_ports(["x"], configured={}, remembered={}, running=[], data_dir=Path(folder))["x"]

    assert chosen("/data/a") != chosen("/data/b")


def test_ports_for_others_are_free_in_a_row_and_no_stack_s() -> None:
    ports = free_ports(6)
    assert ports == list(range(ports[0], ports[0] + 6))
    assert all(is_free(port) for port in ports)
    assert ports[-1] < FIRST


def test_a_configured_port_that_is_taken_is_named_with_its_owner(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert not is_free(port)
        with pytest.raises(StackError, match=rf"^port {port}, chosen for kafka, .*\(process {os.getpid()}\)"):
            choose_ports(["kafka"], configured={"kafka": port}, remembered={}, running=[], data_dir=tmp_path)
    with pytest.raises(StackError, match="cannot be used twice"):
        choose_ports(
            ["kafka", "weaviate"],
            configured={"kafka": port, "weaviate": port},
            remembered={},
            running=[],
            data_dir=tmp_path,
        )


def test_options_that_are_not_given_stay_as_they_run() -> None:
    running = StackOptions(sample=True, tickets=500, kafka_port=9092)
    assert StackOptions().over(running) == running
    assert StackOptions(tickets=0).over(running).tickets == 0
    assert StackOptions(tickets=0).over(running).sample is True


def test_settings_of_the_users_own_services_are_used_instead() -> None:
    given = Settings(
        kafka=KafkaSettings(bootstrap_servers="kafka:9092"),
        weaviate=WeaviateSettings(http_url="http://w:1", grpc_url="grpc://w:2"),
    )
    external = external_services(given, PORTS, sample_wanted=False)
    assert external == {"kafka": "kafka:9092", "weaviate": "http://w:1"}
    assert external_services(None, PORTS, sample_wanted=True) == {}


def test_settings_exported_from_an_earlier_up_are_not_taken_for_other_services(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = StackSpec(options=StackOptions(sample=True), ports=PORTS)
    for name, value in stack_environment(StackPaths.of(tmp_path), spec, None).items():
        monkeypatch.setenv(name, value)
    given = load_settings(local_stack=False)
    assert given.kafka.bootstrap_servers
    assert external_services(given, PORTS, sample_wanted=True) == {}


def test_half_a_weaviate_is_an_error_that_names_the_other_half() -> None:
    given = Settings(weaviate=WeaviateSettings(http_url="http://w:1"))
    with pytest.raises(SettingsError, match="TICKETSTREAM_WEAVIATE__GRPC_URL"):
        external_services(given, PORTS, sample_wanted=False)


def test_a_sample_zendesk_is_never_mixed_with_a_real_one() -> None:
    given = Settings(zendesk=ZendeskSettings(subdomain="real"))
    with pytest.raises(StackError, match="TICKETSTREAM_ZENDESK__SUBDOMAIN"):
        external_services(given, PORTS, sample_wanted=True)
    assert external_services(given, PORTS, sample_wanted=False) == {}


def test_a_key_of_the_user_is_not_sent_to_the_sample_gemini(tmp_path: Path) -> None:
    given = Settings(gemini=GeminiSettings.model_validate({"api_key": "private"}))
    external = external_services(given, PORTS, sample_wanted=True)
    paths = StackPaths.of(tmp_path)
    spec = plan_spec(paths, StackOptions(sample=True), StackSpec(), [], external)
    spec = with_services(paths, spec, PARTS)
    assert spec.service("gemini") is None
    found = stack_environment(paths, spec, given)
    assert not any(name.startswith("TICKETSTREAM_GEMINI__") for name in found)
    # Embedding a sample account would cost money: the user has to ask for it.
    assert found["TICKETSTREAM_EMBEDDING__PROVIDER"] == "local"


def test_the_settings_file_is_read_back_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = StackPaths.of(tmp_path / "it's \\ a $HOME #1")
    paths.prepare()
    spec = StackSpec(options=StackOptions(sample=True, sample_time_scale=10.0), ports=PORTS)
    write_settings_file(paths, stack_environment(paths, spec, None))
    assert paths.settings_file.stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv("TICKETSTREAM_DATA_DIR", str(paths.data_dir))
    settings = load_settings()
    assert settings.data_dir == paths.data_dir
    assert settings.cluster.servers == "127.0.0.1:20000"
    assert settings.weaviate_grpc_url == "grpc://127.0.0.1:20003"
    assert settings.account == "acme"
    assert settings.zendesk.requests_per_minute == 25_000
    assert settings.zendesk.incremental_requests_per_minute == 300


def test_the_number_of_partitions_is_remembered_over_a_new_start(tmp_path: Path) -> None:
    paths = StackPaths.of(tmp_path)
    paths.prepare()
    stack = LocalStack(tmp_path)
    write_record(paths.spec, StackSpec(ports=PORTS))
    write_settings_file(paths, {})
    stack.keep_partitions(Cluster("elsewhere:9092", 16), 16)
    assert read_spec(paths.spec) == StackSpec(ports=PORTS)
    stack.keep_partitions(Cluster(f"127.0.0.1:{PORTS['kafka']}", 16), 16)
    assert "TICKETSTREAM_KAFKA__PARTITIONS='16'" in paths.settings_file.read_text()
    again = plan_spec(paths, StackOptions(), read_spec(paths.spec), list(PORTS), {})
    assert stack_environment(paths, again, None)["TICKETSTREAM_KAFKA__PARTITIONS"] == "16"
    elsewhere = plan_spec(paths, StackOptions(), again, list(PORTS), {"kafka": "kafka:9092"})
    assert "TICKETSTREAM_KAFKA__PARTITIONS" not in stack_environment(paths, elsewhere, None)


def test_without_limits_the_settings_allow_everything() -> None:
    plan = sample.SamplePlan.of(StackOptions(sample_no_limits=True))
    assert plan.real_limit(10) >= 1_000_000
    assert "--no-limits" in sample.zendesk(StackPaths.of(Path("/d")), PORTS, plan).argv


def test_a_folder_that_cannot_be_written_or_a_full_disk_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StackError, match=r"file/data cannot be written .*TICKETSTREAM_DATA_DIR"):
        StackPaths.of(tmp_path / "file" / "data").prepare()
    with pytest.raises(StackError, match="comma"):
        StackPaths.of(tmp_path / "a,b").prepare()
    monkeypatch.setattr(layout, "MIN_FREE_BYTES", 1 << 60)
    with pytest.raises(StackError, match="is full"):
        StackPaths.of(tmp_path / "data").prepare()


def test_deleting_data_leaves_what_is_not_ours(tmp_path: Path) -> None:
    paths = StackPaths.of(tmp_path)
    paths.prepare()
    (tmp_path / "workers" / "0").mkdir(parents=True)
    (tmp_path / "letter.txt").touch()
    paths.delete_data()
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_the_size_of_a_folder_is_told_while_something_in_it_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("kept", "gone"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "log").write_bytes(b"x" * 10_000)
    size = folder_size(tmp_path)
    scan = os.scandir

    def deleting(folder: Any) -> Any:
        if str(folder).endswith("gone"):
            shutil.rmtree(folder)  # as Kafka deletes what is past its time
        return scan(folder)

    monkeypatch.setattr(os, "scandir", deleting)
    assert 10_000 <= folder_size(tmp_path) < size


def test_a_damaged_record_counts_as_none(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"ports": 3')
    assert read_spec(path) == StackSpec()
    assert read_state(path) is None
    write_record(path, StackSpec(ports=PORTS))
    assert read_spec(path).ports == PORTS
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.json"]


def test_the_fingerprint_survives_the_file(tmp_path: Path) -> None:
    paths = StackPaths.of(tmp_path)
    spec = with_services(paths, StackSpec(options=StackOptions(sample=True), ports=PORTS), PARTS)
    write_record(tmp_path / "spec.json", spec)
    assert read_spec(tmp_path / "spec.json") == spec
    for written, read in zip(spec.services, read_spec(tmp_path / "spec.json").services, strict=True):
        assert read.fingerprint() == written.fingerprint()
        assert read.fingerprint() != msgspec.structs.replace(read, paused=True).fingerprint()


def test_the_image_copies_only_files_that_exist_and_are_let_in() -> None:
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY"):
            for source in line.split()[1:-1]:
                assert (ROOT / source).exists()
                assert source in let_in


def test_locked_packages_are_pinned_by_hash_and_name_no_host() -> None:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    packages = [line for line in lines if re.match(r"[a-z0-9]", line)]
    assert len(packages) > 50
    assert all("==" in line and line.endswith("\\") for line in packages)
    assert not [line for line in lines if "://" in line or "index" in line.split("#")[0]]
