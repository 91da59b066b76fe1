"""Settings from the environment (`PENTIMENTO_…`) with defaults that need none. Read once, at the start of a face."""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_data_path
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Where the data lies, whose it is, and by which names the page is called.

    `hosts`: the names, separated by commas, that the page answers to besides this machine's own. `engine_minutes`: how
    long an engine that the command line started stays with nothing to do. `chat_model`: provider:model of a LangChain
    chat model that reads pictures; `tools.describing` asks it for words that the person did not say. `planner`: who
    understands messages, as `agent.runtime.planner_of` reads it; "" for rules and tools called by their names.
    """

    model_config = SettingsConfigDict(env_prefix="PENTIMENTO_", extra="ignore")

    home: Path = Field(default_factory=lambda: user_data_path("pentimento"))
    database_url: str = ""
    owner: str = "local"
    hosts: str = ""
    engine_minutes: float = 10.0
    chat_model: str = ""
    planner: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of `hosts`."""
        return tuple(name for one in self.hosts.split(",") if (name := one.strip()))
