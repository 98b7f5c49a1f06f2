"""Settings that the user's environment and ``.env`` have no part in: a demo never meets a real account."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from schemas.settings.load import Settings


class _Isolated(Settings):
    """Read from what is passed and from the file that is named, and from nothing else."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del settings_cls, env_settings, file_secret_settings  # pydantic passes them by name
        return init_settings, dotenv_settings


def isolated_settings(file: Path | None = None, **values: Any) -> Settings:
    """Return the settings in ``file`` (as ``ticketstream up`` writes one) and ``values``, which win."""
    options: dict[str, Any] = {"_env_file": file, **values}
    return _Isolated(**options)
