"""Curves of losses are what the log says, and the picture has a line for each."""

import numpy as np
import pytest

from training import plots

LOG = """2026-01-01 00:00:00,000 vae step 10 loss 2.0000
2026-01-01 00:00:01,000 shard 1 of 2
2026-01-01 00:00:02,000 vae step 20 loss 1.0000
2026-01-01 00:00:03,000 base step 10 loss 0.5000
2026-01-01 00:00:04,000 vae step 20 loss 0.5000
2026-01-01 00:00:05,000 base stands at step 10 of 20
"""


def test_curves_are_what_the_log_says_and_what_was_done_again_counts_last(tmp_path):
    (tmp_path / "training.log").write_text(LOG)
    assert plots.curves([tmp_path / "training.log"]) == {"vae": [(10, 2.0), (20, 0.5)], "base": [(10, 0.5)]}


def test_a_falling_loss_falls_on_the_page():
    curve = [(step, 2.0 ** -(step / 100)) for step in range(10, 1000, 10)]
    page = np.asarray(plots.picture({"one": curve, "two": curve[::-1][:1]}))
    assert page.shape == (2 * plots.HEIGHT, plots.WIDTH, 3)
    thick = (page[: plots.HEIGHT] == (0xB5, 0x53, 0x2A)).all(-1)
    rows, columns = np.nonzero(thick)
    left, right = rows[columns < 200].mean(), rows[columns > 700].mean()
    assert right > left + 40


def test_a_running_mean_begins_where_the_losses_begin():
    assert plots.smoothed([(1, 4.0), (2, 4.0)])[-1] == (2, pytest.approx(4.0))
    assert plots.smoothed([(1, 4.0), (2, 0.0)])[-1] == (2, pytest.approx(4 * plots.SMOOTH))
