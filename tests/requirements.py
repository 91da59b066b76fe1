"""Every promise (R1 … R27) and what holds it: tests, or the part of the product it still waits for.

`tests/house/test_requirements.py` fails on an unknown id, a test that does not exist, and a promise that waits for
a part which exists by now.
"""

from typing import NamedTuple

IDS = tuple(f"R{number}" for number in range(1, 28))


class Held(NamedTuple):
    """Held now, by these tests (file::function)."""

    tests: tuple[str, ...]
    waits: tuple[str, ...] = ()
    """Files of the product without which a part of the promise cannot be tested yet."""


PROMISES: dict[str, Held] = {
    "R1": Held(
        (
            "tests/reliability/test_kill.py",
            "tests/reliability/test_engine_kill.py",
            "tests/agent/test_assistant.py",
            "tests/agent/test_merging.py",
        )
    ),
    "R2": Held(("tests/reliability/test_faults.py",)),
    "R3": Held(("tests/reliability/test_mutants.py",)),
    "R4": Held(("tests/reliability/test_powercut.py",)),
    "R5": Held(("tests/reliability/test_damage.py",)),
    "R6": Held(("tests/store_contract/test_machine.py",)),
    "R7": Held(("tests/reliability/test_gc_race.py",)),
    "R8": Held(("tests/reliability/test_disk_full.py",)),
    "R9": Held(("tests/reliability/test_backup.py",)),
    "R10": Held(("tests/reliability/test_migrations.py",)),
    "R11": Held(("tests/agent/test_replay.py", "tests/reliability/test_neural.py")),
    "R12": Held(("tests/reliability/test_concurrency.py",)),
    "R13": Held(("tests/reliability/test_concurrency.py", "tests/agent/test_assistant.py")),
    "R14": Held(("tests/store_contract/test_ownership.py", "tests/ui/test_server.py"), ("ui/mcp_server.py",)),
    "R15": Held(("tests/reliability/test_fairness.py",), ("ui/access.py",)),
    "R16": Held(
        (
            "tests/sessions/test_intake.py",
            "tests/reliability/hostile/test_fuzz_intake.py",
            "tests/reliability/hostile/test_intake.py",
            "tests/reliability/hostile/test_weights.py",
        ),
    ),
    "R17": Held(
        (
            "tests/sessions/test_intake.py",
            "tests/reliability/hostile/test_intake.py",
            "tests/reliability/hostile/test_memory.py",
        )
    ),
    "R18": Held(
        ("tests/reliability/hostile/test_memory.py", "tests/reliability/hostile/test_page_health.py"),
    ),
    "R19": Held(("tests/ui/test_pictures.py",)),
    "R20": Held(("tests/reliability/hostile/test_plans.py", "tests/agent/test_grammar.py")),
    "R21": Held(("tests/reliability/hostile/test_injection.py",)),
    "R22": Held(
        (
            "tests/house/test_house.py::test_weights_are_opened_in_one_place",
            "tests/reliability/hostile/test_weights.py",
            "tests/tools/test_shelf.py::test_one_bit_is_enough_to_be_refused",
            "tests/tools/test_shelf.py::test_a_stranger_among_the_files_is_missing_before_its_header_is_read",
        )
    ),
    "R23": Held((), ("ui/mcp_server.py",)),
    "R24": Held(("tests/reliability/test_neural.py", "tests/agent/test_engine.py")),
    "R25": Held(("tests/agent/test_assistant.py", "tests/ui/test_cli.py", "tests/reliability/test_cancel.py")),
    "R26": Held(("tests/reliability/test_long.py",)),
    "R27": Held(("tests/ui/test_server.py",)),
}
