"""A Llama on llama.cpp: a GGUF file, with embeddings spliced into its input and hidden states read out.

A GGUF file is parsed by code that trusts it: only files that a register names may come here (`tools.weights`). Knows no
tokenizer; samples nothing.
"""

from __future__ import annotations

import ctypes
import logging
import os
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from weakref import finalize

import numpy as np

from agent.llm import CONTEXT, NOTHING, Floats, Reading, gguf, reading, require_room
from sessions.errors import BadWeights, MissingWeights, OutOfMemory, ToolFailed

log = logging.getLogger(__name__)

BATCH = 256
"""Positions that are decoded at once."""
WARNING = 3
"""The level from which on llama.cpp's own words are kept in our log."""


class LlamaCpp:
    """A loaded GGUF file; its memory comes back with the last of itself and its threads.

    `exact`: keys and values in full precision, at twice their memory.
    """

    def __init__(self, file: Path, threads: int, exact: bool) -> None:
        self.name = file.stem
        self.threads = threads
        self.exact = exact
        self.model = _loaded(file)
        finalize(self, library().llama_model_free, self.model)
        self.width = int(library().llama_model_n_embd(self.model))
        self.vocabulary = int(library().llama_vocab_n_tokens(library().llama_model_get_vocab(self.model)))
        self.context = min(int(library().llama_model_n_ctx_train(self.model)), CONTEXT)
        self._table = gguf.embeddings(file)

    def embeddings(self, ids: Sequence[int]) -> Floats:
        """Rows of the input table, float32 (len(ids), width)."""
        return self._table(ids)

    def open(self) -> LlamaCppThread:
        """A conversation of its own, empty; OutOfMemory where there is no room for its keys and values."""
        return LlamaCppThread(self)


class LlamaCppThread:
    """One conversation's keys and values; their memory comes back when the thread goes."""

    def __init__(self, llm: LlamaCpp) -> None:
        self._llm = llm
        self._context = library().llama_init_from_model(llm.model, _parameters(llm))
        if not self._context:
            raise OutOfMemory("There is not enough memory for another conversation.", "Close other programs.")
        finalize(self, _freed, self._context, llm)
        self._memory = library().llama_get_memory(self._context)

    @property
    def length(self) -> int:
        """Positions that are fed."""
        return int(library().llama_memory_seq_pos_max(self._memory, 0)) + 1

    def feed(self, ids: Sequence[int], spliced: Mapping[int, Floats] = NOTHING, read: Sequence[int] = ()) -> Reading:
        """As `Thread.feed`."""
        require_room(self.length, len(ids), self._llm.context)
        states: dict[int, Floats] = {}
        for start in range(0, len(ids), BATCH):
            part = ids[start : start + BATCH]
            rows = {offset: spliced[start + offset] for offset in range(len(part)) if start + offset in spliced}
            marks = [mark for mark in read if start <= mark < start + len(part)]
            self._decode(part, rows, bool(marks))
            states |= {mark: self._state(mark - start) for mark in marks}
        found = np.array([states[mark] for mark in read], np.float32).reshape(-1, self._llm.width)
        return reading(found, self._logits())

    def rewind(self, length: int) -> None:
        """Keep the first `length` positions; BadWeights for the kinds of model that cannot forget only a part."""
        if not library().llama_memory_seq_rm(self._memory, 0, length, -1):
            raise BadWeights(f"{self._llm.name} cannot go back in what it has read.", "Choose another model.")

    def _decode(self, ids: Sequence[int], rows: Mapping[int, Floats], states: bool) -> None:
        """Feed one batch. A batch has tokens or embeddings: where a row is spliced in, all go as embeddings."""
        batch = library().llama_batch(n_tokens=len(ids))
        if rows:
            inputs = np.ascontiguousarray(self._llm.embeddings(ids))
            for offset, row in rows.items():
                inputs[offset] = row
            batch.embd = inputs.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        else:
            batch.token = (ctypes.c_int32 * len(ids))(*ids)
        library().llama_set_embeddings(self._context, states)  # every position of the batch then computes its logits
        if code := library().llama_decode(self._context, batch):
            raise ToolFailed(f"The planner's model could not go on (llama.cpp: {code}).")

    def _state(self, offset: int) -> Floats:
        return _copied(library().llama_get_embeddings_ith(self._context, offset), self._llm.width)

    def _logits(self) -> Floats:
        return _copied(library().llama_get_logits_ith(self._context, -1), self._llm.vocabulary)


def load(file: Path, threads: int | None = None, exact: bool = False) -> LlamaCpp:
    """The model in a GGUF file; on as many processors as torch where no number of `threads` is said.

    MissingWeights where llama.cpp or the file is not there, BadWeights where llama.cpp refuses it.
    """
    return LlamaCpp(file, threads or _processors(), exact)


@cache
def library() -> Any:
    """llama.cpp's functions, silent; MissingWeights, with the command that builds it, where it is not installed."""
    if find_spec("llama_cpp") is None:
        raise MissingWeights("A planner from a GGUF file needs llama.cpp.", "pip install 'pentimento[llama]'")
    from llama_cpp import llama_cpp

    llama_cpp.llama_log_set(_listener(llama_cpp.llama_log_callback), ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()
    return llama_cpp


@cache
def _listener(kind: Any) -> Any:
    """What llama.cpp calls with its words; kept here, since it calls until the process ends."""

    def note(level: int, text: bytes, _: Any) -> None:
        if level >= WARNING:
            log.debug("%s", text.decode(errors="replace").rstrip())

    return kind(note)


def _processors() -> int:
    """As torch counts them: OMP_NUM_THREADS where that is said, else all that this process may use."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    if said.isdecimal() and int(said):
        return int(said)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _loaded(file: Path) -> Any:
    if not file.is_file():
        raise MissingWeights(f"The weight file {file} is gone.", "pentimento models doctor")
    model = library().llama_model_load_from_file(os.fsencode(file), library().llama_model_default_params())
    if not model:
        raise BadWeights(f"llama.cpp cannot load {file.name}.", "pentimento models doctor")
    return model


def _parameters(llm: LlamaCpp) -> Any:
    """How a conversation is kept: the whole context, and states of single positions."""
    parameters = library().llama_context_default_params()
    parameters.n_ctx = llm.context
    parameters.n_batch = parameters.n_ubatch = BATCH
    parameters.n_threads = parameters.n_threads_batch = llm.threads
    parameters.pooling_type = library().LLAMA_POOLING_TYPE_NONE
    parameters.embeddings = True
    if llm.exact:
        parameters.type_k = parameters.type_v = library().GGML_TYPE_F32
        parameters.flash_attn_type = library().LLAMA_FLASH_ATTN_TYPE_DISABLED
    return parameters


def _freed(context: Any, _: LlamaCpp) -> None:
    """Give a conversation's memory back; the model, held until here, goes after it."""
    library().llama_free(context)


def _copied(numbers: Any, length: int) -> Floats:
    return np.ctypeslib.as_array(numbers, (length,)).copy()
