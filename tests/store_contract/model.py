"""What a session is, in memory and in sixty lines: the store must agree with this after any sequence of operations."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Line:
    """A branch: where it stands, and the moves that redo would invert, newest last."""

    head: str
    undone: list[str] = field(default_factory=list)


@dataclass
class Model:
    parents: dict[str, str | None] = field(default_factory=dict)
    turns: dict[str, str | None] = field(default_factory=dict)
    pixels: dict[str, bytes] = field(default_factory=dict)
    branches: dict[str, Line] = field(default_factory=dict)
    current: str | None = None

    def add(self, revision: str, parent: str | None, turn: str | None, pixels: bytes) -> None:
        if revision not in self.parents:
            self.parents[revision], self.turns[revision], self.pixels[revision] = parent, turn, pixels

    def stand(self, branch: str, head: str) -> None:
        self.branches[branch], self.current = Line(head), branch

    def undo(self, branch: str, by_step: bool) -> bool:
        here = self.branches[branch].head
        target = self.parents[here]
        while not by_step and target is not None and self.parents[target] is not None and self._same_turn(here, target):
            target = self.parents[target]
        return self._back(branch, target)

    def _same_turn(self, one: str, other: str) -> bool:
        return self.turns[one] is not None and self.turns[one] == self.turns[other]

    def reset(self, branch: str) -> bool:
        here = self.branches[branch].head
        root = here
        while (parent := self.parents[root]) is not None:
            root = parent
        return self._back(branch, root if root != here else None)

    def _back(self, branch: str, target: str | None) -> bool:
        if target is None:
            return False
        self.branches[branch].undone.append(self.branches[branch].head)
        self.branches[branch].head, self.current = target, branch
        return True

    def redo(self, branch: str) -> bool:
        if not self.branches[branch].undone:
            return False
        self.branches[branch].head, self.current = self.branches[branch].undone.pop(), branch
        return True
