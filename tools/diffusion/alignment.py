"""Which tokens of a text stand for which tokens of another: Needleman-Wunsch, as Prompt-to-Prompt aligns its prompts.

Hertz et al., arXiv 2208.01626, "prompt refinement". Knows token ids, no words and no networks.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

NEW = -1
"""The id of a token that stands for nothing in the other text: a subject's vector."""


def aligned(source: Sequence[int], target: Sequence[int]) -> list[int | None]:
    """For each target token the source token that it stands for, or None. Gap 0, match 1, mismatch -1.

    The longest common subsequence; of several, the one whose matches lie furthest to the left in the target.
    """
    score = [[0] * (len(target) + 1) for _ in range(len(source) + 1)]
    for i, s in enumerate(source, start=1):
        for j, t in enumerate(target, start=1):
            match = 1 if s == t != NEW else -1
            score[i][j] = max(score[i][j - 1], score[i - 1][j], score[i - 1][j - 1] + match)
    found: list[int | None] = [None] * len(target)
    i, j = len(source), len(target)
    while i and j:
        if score[i][j] == score[i][j - 1]:
            j -= 1
        elif score[i][j] == score[i - 1][j]:
            i -= 1
        else:
            i, j = i - 1, j - 1
            found[j] = i
    return found


def refinement(source: Sequence[int], target: Sequence[int], length: int) -> Tensor:
    """(length, length): [i, j] = 1 where target token j stands for source token i, padding for padding at its place."""
    alignment = torch.zeros(length, length)
    for j, i in enumerate(aligned(source, target)):
        if i is not None:
            alignment[i, j] = 1
    rest = torch.arange(max(len(source), len(target)), length)
    alignment[rest, rest] = 1
    return alignment
