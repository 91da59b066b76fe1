"""R6. History is an algebra: after any operations the store is as the model says, and nothing is ever gone."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from sessions import commits, history, moves, turns, upkeep
from sessions.errors import HeadMoved, NothingToUndo
from sessions.fsck import fsck
from sessions.identity import new_id
from sessions.store import Store
from tests import making
from tests.store_contract.model import Model

SHADES = st.integers(0, 5)
TURNS = (None, "one", "two", "three")
ANY = st.integers(0, 10**6)


def machine(folder: Path, url: str) -> type[RuleBasedStateMachine]:
    class Machine(RuleBasedStateMachine):
        """Every run has a data folder of its own. Few pictures and turns, so that the same step often comes again."""

        @initialize(shade=SHADES)
        def begin(self, shade: int) -> None:
            self.store = Store(folder / new_id(), url)
            self.session = self.store.create_session("cat.png").id
            self.model = Model()
            for turn in filter(None, TURNS):
                turns.begin(self.store, making.planned(self.session, turn, "main"), turn)
            self.upload(shade)

        @rule(shade=SHADES)
        def upload(self, shade: int) -> None:
            root, branch = making.upload(self.store, self.session, making.picture(shade))
            standing = [name for name, line in self.model.branches.items() if line.head == root.id]
            if standing:
                assert branch in standing
            else:
                self.model.add(root.id, None, root.turn, making.picture(shade).pixels.tobytes())
                self.model.stand(branch, root.id)

        def pick(self, number: int) -> str:
            return sorted(self.model.branches)[number % len(self.model.branches)]

        def draft(self, head: str, shade: int, turn: str | None) -> commits.Draft:
            kept = self.store.keep(self.session, making.picture(shade))
            return commits.Draft(kept, (head,), making.step(head, shade), turn=turn)

        @rule(at=ANY, shade=SHADES, turn=st.sampled_from(TURNS))
        def append(self, at: int, shade: int, turn: str | None) -> None:
            branch = self.pick(at)
            head = self.model.branches[branch].head
            made = commits.append(self.store, self.session, branch, self.draft(head, shade, turn), head)
            self.model.add(made.id, head, turn, making.picture(shade).pixels.tobytes())
            self.model.stand(branch, made.id)

        @rule(at=ANY, shade=SHADES, turn=st.sampled_from(TURNS))
        def fork(self, at: int, shade: int, turn: str | None) -> None:
            head = sorted(self.model.parents)[at % len(self.model.parents)]
            made, branch = commits.append_on_new_branch(self.store, self.session, "try", self.draft(head, shade, turn))
            self.model.add(made.id, head, turn, making.picture(shade).pixels.tobytes())
            self.model.stand(branch, made.id)

        @rule(at=ANY, old=ANY, shade=SHADES)
        def append_on_an_old_head(self, at: int, old: int, shade: int) -> None:
            branch = self.pick(at)
            head = sorted(self.model.parents)[old % len(self.model.parents)]
            if head != self.model.branches[branch].head:
                with pytest.raises(HeadMoved):
                    commits.append(self.store, self.session, branch, self.draft(head, shade, None), head)

        @rule(at=ANY, by_step=st.booleans())
        def undo(self, at: int, by_step: bool) -> None:
            branch = self.pick(at)
            self.agree(
                lambda: moves.undo(self.store, self.session, branch, step=by_step), self.model.undo(branch, by_step)
            )

        @rule(at=ANY)
        def redo(self, at: int) -> None:
            branch = self.pick(at)
            self.agree(lambda: moves.redo(self.store, self.session, branch), self.model.redo(branch))

        @rule(at=ANY)
        def reset(self, at: int) -> None:
            branch = self.pick(at)
            self.agree(lambda: moves.reset(self.store, self.session, branch), self.model.reset(branch))

        def agree(self, verb, expected: bool) -> None:
            if expected:
                verb()
            else:
                with pytest.raises(NothingToUndo):
                    verb()

        @rule(at=ANY)
        def undo_then_redo_changes_nothing(self, at: int) -> None:
            branch = self.pick(at)
            before = moves.branch(self.store, self.session, branch).head
            if self.model.undo(branch, False):
                moves.undo(self.store, self.session, branch)
                assert moves.redo(self.store, self.session, branch).head == before
                self.model.redo(branch)

        @rule(at=ANY)
        def switch(self, at: int) -> None:
            self.model.current = self.pick(at)
            moves.switch(self.store, self.session, self.model.current)

        @rule(at=ANY)
        def branch(self, at: int) -> None:
            head = sorted(self.model.parents)[at % len(self.model.parents)]
            self.model.stand(moves.create_branch(self.store, self.session, "here", head, exact=False).name, head)

        @precondition(lambda self: hasattr(self, "session"))
        @rule()
        def collect(self) -> None:
            list(upkeep.gc(self.store))

        @invariant()
        def the_store_is_as_the_model_says(self) -> None:
            if hasattr(self, "model"):
                graph = history.graph(self.store, self.session)
                assert graph.branches == {name: line.head for name, line in self.model.branches.items()}
                assert graph.current == self.model.current
                assert {r.id: (r.parents[0] if r.parents else None) for r in graph.revisions} == self.model.parents
                undone = self.model.branches[self.model.current].undone
                assert graph.undone == (undone[-1] if undone else None)

        def teardown(self) -> None:
            if hasattr(self, "model"):
                for revision, pixels in self.model.pixels.items():
                    image = self.store.revision(self.session, revision).image
                    assert self.store.picture(self.session, image).pixels.tobytes() == pixels
                assert not [problem for problem in fsck(self.store, self.session) if problem.damage]
                self.store.close()

    return Machine


def run(url: str, runs: int, operations: int) -> None:
    quiet = settings(
        max_examples=runs,
        stateful_step_count=operations,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    with making.memory_folder() as folder:
        run_state_machine_as_test(machine(folder, url), settings=quiet)


def test_any_short_story(url):
    run(url, runs=6, operations=20)


@pytest.mark.reliability
def test_any_story(url):
    run(url, runs=500, operations=50)
