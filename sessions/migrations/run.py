"""Apply the missing migrations inside the caller's transaction, so that an upgrade is all or nothing."""

from __future__ import annotations

from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Bring the schema to `revision`. Twice is a no-op; several processes at once wait for one another."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    script = ScriptDirectory.from_config(config)
    with EnvironmentContext(config, script, fn=lambda rev, _: script._upgrade_revs(revision, rev)) as environment:
        environment.configure(connection, transactional_ddl=True)
        environment.run_migrations()
