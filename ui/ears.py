"""What sounds are understood as, worked out beside the page: a thread of its own, once for each sound.

The page never waits for it, as it may load torch and weights. Where nothing here can hear, nothing is said.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from agent.hearing import Heard, heard
from sessions.errors import PentimentoError
from sessions.store import Store
from tools import shelf

log = logging.getLogger(__name__)

Hear = Callable[[str, str], Heard | None]
"""`hear(session, sha256)`."""


class Ears:
    """Those of one owner; safe for several threads. `hear`: by default the best encoder on the shelf."""

    def __init__(self, store: Store, hear: Hear | None = None) -> None:
        self._hear = hear or (lambda session, sha256: heard(shelf.at(store.home), store, session, sha256))
        self._asked: dict[tuple[str, str], Future[Heard | None]] = {}
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="ears")

    def heard(self, session: str, sha256: str) -> Heard | None:
        """What a sound was understood as, where that is known by now; else it is listened to from now on."""
        with self._lock:
            if (session, sha256) not in self._asked:
                self._asked[session, sha256] = self._pool.submit(self._listen, session, sha256)
            asked = self._asked[session, sha256]
        return asked.result() if asked.done() else None

    @property
    def busy(self) -> bool:
        """Whether something is being listened to."""
        with self._lock:
            return not all(asked.done() for asked in self._asked.values())

    def _listen(self, session: str, sha256: str) -> Heard | None:
        try:
            return self._hear(session, sha256)
        except PentimentoError as error:
            log.info("nothing can be said of a sound: %s", error)
        except Exception:
            log.exception("a sound could not be listened to")
        return None
