"""How much comes through the door: bytes, pixels, seconds, characters, and what the decoder may use up.

Numbers only; `intake`, `words` and `decode_worker` hold them.
"""

from __future__ import annotations

PICTURE_BYTES = 50_000_000
PIXELS = 64 * 2**20
"""64 binary megapixels (8 192²): the sensors sold as "64 megapixels" give 64.1 to 64.5 million pixels."""
SIDE = 16_384

SOUND_BYTES = 20_000_000
SOUND_SECONDS = 60
SOUND_RATE = 192_000
SOUND_CHANNELS = 8

MESSAGE_CHARACTERS = 4_000
NAME_CHARACTERS = 200
"""Of a session, an upload, a revision."""
ATTACHMENTS = 8

DECODER_MEMORY = 1_536 * 2**20
"""Address space of one decode worker in bytes; the largest legal picture of each format fits."""
DECODER_CPU_SECONDS = 10
DECODER_WALL_SECONDS = 30
DECODERS = 2
"""Workers at one time in one process, so that a burst of uploads cannot take the whole machine's memory."""
ANSWER_LINE = 65_536
"""The longest first line of a worker's answer in bytes; pixels or FLAC follow it."""
