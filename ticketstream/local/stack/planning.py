"""What a stack consists of, decided from its options, what ran before and the user's own settings."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

import msgspec

from schemas.errors import StackError
from schemas.settings.load import PREFIX, Settings
from ticketstream.local.stack import kafka, sample, weaviate
from ticketstream.local.stack.build import Parts
from ticketstream.local.stack.layout import StackPaths
from ticketstream.local.stack.options import StackOptions
from ticketstream.local.stack.ports import HOST, choose_ports
from ticketstream.local.stack.records import ServiceSpec, StackSpec


def external_services(
    given: Settings | None, own_ports: Mapping[str, int], sample_wanted: bool
) -> dict[str, str]:
    """Return the addresses of services that the user's settings name, by service.

    A setting that names this stack's own port (exported from an earlier ``up``) counts as not set.
    Raises StackError when a sample Zendesk is asked for beside settings of another one.
    """
    if given is None:
        return {}
    found: dict[str, str] = {}
    if given.kafka.bootstrap_servers and not _is_own(given.kafka.bootstrap_servers, "kafka", own_ports):
        found["kafka"] = given.kafka.bootstrap_servers
    if given.weaviate.http_url and not _is_own(given.weaviate.http_url, "weaviate", own_ports):
        found["weaviate"] = given.weaviate.http_url
        _ = given.weaviate_grpc_url  # raises when only one of the two is set
    if sample_wanted:
        own = given.zendesk.base_url and _is_own(given.zendesk.base_url, "zendesk", own_ports)
        if (given.zendesk.base_url or given.zendesk.subdomain) and not own:
            variable = "BASE_URL" if given.zendesk.base_url else "SUBDOMAIN"
            raise StackError(
                f"--sample starts a sample Zendesk, but {PREFIX}ZENDESK__{variable} names another one: "
                "unset it, or leave --sample out"
            )
        gemini_url = given.gemini.base_url
        if given.gemini.api_key and not (gemini_url and _is_own(gemini_url, "gemini", own_ports)):
            found["gemini"] = gemini_url or "Google's own address"
    return found


def _is_own(address: str, name: str, own_ports: Mapping[str, int]) -> bool:
    return address.rpartition("://")[2].rstrip("/") == f"{HOST}:{own_ports.get(name)}"


def plan_spec(
    paths: StackPaths, options: StackOptions, before: StackSpec, running: list[str], external: dict[str, str]
) -> StackSpec:
    """Return the stack without its services: options, ports, what is external.

    ``before`` is what was asked for last, ``running`` names the services of it that run now. Raises
    StackError when a configured port is taken.
    """
    names: list[str] = []
    if "kafka" not in external:
        names += kafka.PORTS
    if "weaviate" not in external:
        names += weaviate.PORTS
    if options.sample:
        names += ["zendesk"] if "gemini" in external else ["zendesk", "gemini"]
    held = [name for name in names if any(name == own or name.startswith(f"{own}-") for own in running)]
    ports = choose_ports(
        names,
        configured=options.configured_ports(),
        remembered=before.ports,
        running=held,
        data_dir=paths.data_dir,
    )
    return StackSpec(
        options=options,
        # Ports of what is not wanted now are remembered for when it is.
        ports={**before.ports, **ports},
        external=external,
        cluster_password=before.cluster_password or secrets.token_hex(16),
        partitions=before.partitions,
    )


def with_services(paths: StackPaths, spec: StackSpec, parts: Parts) -> StackSpec:
    """Return the stack with its services; those whose parts are None are not started."""
    services: list[ServiceSpec] = []
    if parts.java and parts.kafka_lib:
        services.append(kafka.service(paths, spec.ports, java=parts.java, lib=parts.kafka_lib))
    if parts.weaviate_server:
        password = spec.cluster_password
        services.append(
            weaviate.service(paths, spec.ports, server=parts.weaviate_server, cluster_password=password)
        )
    if spec.options.sample:
        plan = sample.SamplePlan.of(spec.options)
        services.append(sample.zendesk(paths, spec.ports, plan))
        if "gemini" not in spec.external:
            services.append(sample.gemini(paths, spec.ports, plan))
    return msgspec.structs.replace(spec, services=services)
