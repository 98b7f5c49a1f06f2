"""A real Prometheus with the project's own configuration and rules, pointed at a desk of the tests."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import yaml

from ticketstream.local.stack.ports import free_ports
from ticketstream.operations.orphans import dies_with_parent

FOLDER = Path(__file__).parents[2] / "prometheus"
DASHBOARDS = FOLDER.parent / "grafana" / "dashboards"
INSTALL = "Prometheus is missing: apt-get install prometheus"
_READY_SECONDS = 30.0


def panel_expressions() -> list[str]:
    """Return the expressions of all panels, with every account, worker and topic chosen."""
    found = []
    for path in sorted(DASHBOARDS.glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            found += [target["expr"] for target in panel.get("targets") or ()]
    return [re.sub(r"\$(account|worker|topic)", ".*", one).replace("$__rate_interval", "1m") for one in found]


class Prometheus:
    """A process ``prometheus``; ``targets`` are the addresses to scrape, by job."""

    def __init__(self, folder: Path, targets: Mapping[str, Sequence[str]], key: str = "") -> None:
        program = shutil.which("prometheus")
        assert program is not None, INSTALL
        folder.mkdir()
        config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
        config["global"] |= {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["rule_files"] = [str(FOLDER / pattern) for pattern in config["rule_files"]]
        (folder / "key").write_text(key)
        for job in config["scrape_configs"]:
            job["static_configs"] = [{"targets": list(targets.get(job["job_name"], ()))}]
            if "authorization" in job:
                job["authorization"]["credentials_file"] = str(folder / "key")
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    program,
                    f"--config.file={folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={folder / 'data'}",
                    f"--web.listen-address={self.url.removeprefix('http://')}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=dies_with_parent(),
            )
        self._client = httpx.Client(base_url=self.url, timeout=30, trust_env=False)
        self._until_ready()

    def _until_ready(self) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while True:
            assert self._process.poll() is None and time.monotonic() < deadline, self._log.read_text()
            try:
                if self._client.get("/-/ready").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)

    def query(self, expression: str) -> list[Any]:
        """Return the series of an expression now; fails for one that cannot be read."""
        answer = self._client.post("/api/v1/query", data={"query": expression}).json()
        assert answer["status"] == "success", f"{expression}: {answer.get('error')}"
        result: list[Any] = answer["data"]["result"]
        return result

    def value(self, expression: str) -> float:
        """Return the only value of an expression; 0 where there is none."""
        result = self.query(expression)
        assert len(result) <= 1, expression
        return float(result[0]["value"][1]) if result else 0.0

    def get(self, path: str) -> Any:
        """Return the data of another call of the API."""
        return self._client.get(path).json()["data"]

    def stop(self) -> None:
        """End it."""
        self._client.close()
        self._process.terminate()
        self._process.wait(20)
