"""The one error tree. Each class is a kind of failure that a face can explain; nothing here logs or retries.

PentimentoError            everything we raise on purpose: `code`, a sentence, and a hint at the next step
├── Refused                the door did not take a file or a message (R16, R17)
│   ├── UnsupportedFormat      not a picture or sound of a kind we open
│   ├── Damaged                truncated, malformed, or not what it claims to be
│   ├── TooLarge               bytes, pixels, side, seconds, characters or attachments above the limit
│   └── DecoderFailed          the decode worker died or ran out of its time or memory
├── NotFound               no such session, revision, branch, asset or turn (or it belongs to someone else)
├── Ambiguous              a reference fits more than one thing; `candidates` says which
├── HeadMoved              compare-and-set lost: somebody else moved the branch first
├── NothingToUndo          undo at a root, redo with nothing undone
├── NameTaken              a branch or tag of that name exists, or the name is not allowed
├── TurnBusy               the turn is being run by another process right now
├── StorageError           the disk or the database failed
│   ├── StorageFull            no space left
│   ├── BlobMissing            a picture's bytes are not where the database says
│   └── BlobDamaged            bytes do not match their hash
├── SchemaTooNew           the data folder was written by a newer Pentimento
├── PlanError              a plan names an unknown tool, or arguments that do not fit it
├── ChatModelError         a chat model cannot be opened, or does not answer: no such model, no key, no network
└── EditError              a tool could not do its work
    ├── NotGrounded            the words of a region cannot be found in this picture
    ├── Unsure                 a mask was found but below the confidence needed; carries the mask to show
    ├── BadArguments           the arguments are legal but not for this picture
    ├── Cancelled              the person, or a signal, stopped it
    ├── MissingWeights         the weights a tool needs are not on this machine; the hint is the command that gets them
    ├── BadWeights             weights that are damaged, foreign, or not what their place asks for
    ├── OutsideWorld           a picture of a kind that these weights were never shown
    ├── OutOfMemory            the device ran out of memory; what was loaded has been let go
    ├── NotFinite              a network's numbers became infinite or undefined
    └── ToolFailed             a defect in a tool, turned into a sentence
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class PentimentoError(Exception):
    """Base of the tree. `code` is stable and public; `hint` names the next thing to try."""

    code = "error"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class Refused(PentimentoError):
    code = "refused"


class UnsupportedFormat(Refused):
    code = "unsupported_format"


class Damaged(Refused):
    code = "damaged_file"


class TooLarge(Refused):
    code = "too_large"


class DecoderFailed(Refused):
    code = "decoder_failed"


class NotFound(PentimentoError):
    code = "not_found"


class Ambiguous(PentimentoError):
    code = "ambiguous"

    def __init__(self, message: str, hint: str = "", candidates: Sequence[str] = ()) -> None:
        super().__init__(message, hint)
        self.candidates = tuple(candidates)


class HeadMoved(PentimentoError):
    code = "head_moved"


class NothingToUndo(PentimentoError):
    code = "nothing_to_undo"


class NameTaken(PentimentoError):
    code = "name_taken"


class TurnBusy(PentimentoError):
    code = "turn_busy"


class StorageError(PentimentoError):
    code = "storage"


class StorageFull(StorageError):
    code = "storage_full"


class BlobMissing(StorageError):
    code = "blob_missing"


class BlobDamaged(StorageError):
    code = "blob_damaged"


class SchemaTooNew(PentimentoError):
    code = "schema_too_new"


class PlanError(PentimentoError):
    code = "plan"


class ChatModelError(PentimentoError):
    code = "chat_model"


class EditError(PentimentoError):
    code = "edit"


class NotGrounded(EditError):
    code = "not_grounded"


class Unsure(EditError):
    """A mask below the needed confidence (0…1). `mask`: uint8 (H, W), 255 = inside; `shown`: a picture of it."""

    code = "unsure"

    def __init__(
        self, message: str, hint: str = "", confidence: float = 0.0, mask: Any = None, shown: Any = None
    ) -> None:
        super().__init__(message, hint)
        self.confidence = confidence
        self.mask = mask
        self.shown = shown


class BadArguments(EditError):
    code = "bad_arguments"


class Cancelled(EditError):
    code = "cancelled"


class MissingWeights(EditError):
    code = "missing_weights"


class BadWeights(EditError):
    code = "bad_weights"


class OutsideWorld(EditError):
    code = "outside_world"


class OutOfMemory(EditError):
    code = "out_of_memory"


class NotFinite(EditError):
    code = "not_finite"


class ToolFailed(EditError):
    code = "tool_failed"
