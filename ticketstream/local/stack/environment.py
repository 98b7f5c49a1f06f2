"""The settings that reach a stack, and the file in which the other commands find them."""

from __future__ import annotations

from schemas.settings.load import PREFIX, Settings
from ticketstream.local.stack.layout import StackPaths
from ticketstream.local.stack.options import StackOptions
from ticketstream.local.stack.ports import HOST
from ticketstream.local.stack.records import StackSpec, write_private
from ticketstream.local.stack.sample import API_KEY, SamplePlan


def stack_environment(paths: StackPaths, spec: StackSpec, given: Settings | None) -> dict[str, str]:
    """Return the variables that reach this stack; ``given`` are the user's own settings, if they count."""
    ports, external = spec.ports, spec.external
    values = {"DATA_DIR": str(paths.data_dir)}
    values["KAFKA__BOOTSTRAP_SERVERS"] = external.get("kafka") or f"{HOST}:{ports['kafka']}"
    if spec.partitions and "kafka" not in external:
        values["KAFKA__PARTITIONS"] = str(spec.partitions)
    if given and "weaviate" in external:
        values["WEAVIATE__HTTP_URL"] = external["weaviate"]
        values["WEAVIATE__GRPC_URL"] = given.weaviate_grpc_url
    else:
        values["WEAVIATE__HTTP_URL"] = f"http://{HOST}:{ports['weaviate']}"
        values["WEAVIATE__GRPC_URL"] = f"grpc://{HOST}:{ports['weaviate-grpc']}"
    if spec.options.sample:
        values |= _sample(spec.options, spec)
        values["EMBEDDING__PROVIDER"] = (given.embedding.provider if given else None) or "local"
    return {PREFIX + name: value for name, value in values.items()}


def _sample(options: StackOptions, spec: StackSpec) -> dict[str, str]:
    from ticketstream.local.sample.zendesk import DEFAULT_OAUTH_TOKEN

    plan = SamplePlan.of(options)
    incremental = plan.real_limit(plan.incremental_requests_per_minute)
    values = {
        "ZENDESK__SUBDOMAIN": plan.account,
        "ZENDESK__BASE_URL": f"http://{HOST}:{spec.ports['zendesk']}",
        "ZENDESK__OAUTH_TOKEN": DEFAULT_OAUTH_TOKEN,
        "ZENDESK__REQUESTS_PER_MINUTE": str(plan.real_limit(plan.requests_per_minute)),
        "ZENDESK__INCREMENTAL_REQUESTS_PER_MINUTE": str(incremental),
        "ZENDESK__POLL_SECONDS": str(plan.poll_seconds),
    }
    if "gemini" not in spec.external:
        requests, tokens = plan.embedding_requests_per_minute, plan.embedding_tokens_per_minute
        values |= {
            "GEMINI__API_KEY": API_KEY,
            "GEMINI__BASE_URL": f"http://{HOST}:{spec.ports['gemini']}",
            "EMBEDDING__REQUESTS_PER_MINUTE": str(plan.real_limit(requests)),
            "EMBEDDING__TOKENS_PER_MINUTE": str(plan.real_limit(tokens)),
        }
    return values


def write_settings_file(paths: StackPaths, environment: dict[str, str]) -> None:
    """Write the variables for the other commands, readable by the owner only. Raises OSError."""
    lines = "".join(f"{name}={_quoted(value)}\n" for name, value in environment.items())
    write_private(paths.settings_file, b"# Written by `ticketstream up`.\n" + lines.encode())


def _quoted(value: str) -> str:
    """Return a value as python-dotenv reads it back unchanged."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
