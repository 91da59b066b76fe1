"""Where the eye goes: how likely each superpixel is to belong to the picture's main subject, from colour and place.

Bottom-up only; does not know what anything is. The cues and their sources stand at `cues`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tools.grounding.superpixels import Superpixels, Values, geodesic

SIGMA_PATH = 10.0
"""Lab distance up to which a path counts as staying in one thing (Zhu et al. use 7 … 15)."""
SIGMA_COLOUR = 15.0
"""Lab distance up to which two places count as of one colour."""
SIGMA_PLACE = 0.25
"""How far contrast reaches, in longer sides (Zhu et al.)."""
SMOOTH, BACKGROUND_WEIGHT = 0.1, 5.0
"""μ and λ of Zhu et al.'s published program."""


@dataclass(frozen=True, eq=False)
class Saliency:
    """`subject`: (n,) how likely each superpixel is the subject's, 0…1, all cues weighed. `contrast`: (n,) 0…1, what
    Zhu et al.'s method alone says."""

    subject: Values
    contrast: Values


# Logistic regression of "is the subject's" on the cues over every second photo of the ECSSD data set (Yan et al.,
# Hierarchical Saliency Detection, CVPR 2013): mean, standard deviation and weight of each. No photo of the benchmark or
# of the tests is among them.
WEIGHTS = {
    "contrast": (0.188, 0.258, 0.37),
    "inward": (0.331, 0.232, 0.39),
    "spread": (0.769, 0.099, -0.84),
    "central colour": (0.887, 0.140, 0.77),
    "low": (0.004, 0.579, 0.69),
    "very low": (0.253, 0.324, -0.29),
    "sideways": (0.503, 0.287, -0.45),
    "cut off": (0.158, 0.229, 0.43),
    "on two sides": (0.439, 0.240, -0.58),
    "frequency": (0.382, 0.179, 0.30),
}
BIAS = -2.05


def saliency(s: Superpixels) -> Saliency:
    """The main subject's likelihood over the superpixels of a picture."""
    linked, small = _links(s)
    geo = geodesic(np.maximum(s.colour_distance - small, 0), linked)
    contrast = _optimised(s, _background(s, geo))
    logit = BIAS + sum(
        weight * (cue - mean) / deviation
        for cue, (mean, deviation, weight) in zip(cues(s, geo, contrast).values(), WEIGHTS.values(), strict=True)
    )
    return Saliency(1 / (1 + np.exp(-logit)), contrast)


def cues(s: Superpixels, geo: Values, contrast: Values) -> dict[str, Values]:
    """Each (n,): `geo` is the (n, n) geodesic colour distance, `contrast` the saliency of `_optimised`."""
    border = s.sides.any(axis=0)
    alike = np.exp(-(s.colour_distance**2) / (2 * SIGMA_COLOUR**2))  # (n, n)
    share = alike * s.pixels / s.pixels.sum()
    frequency = share.sum(axis=1)
    centre = s.place * 2 - 1  # x and y, −1 … 1
    mass = share @ centre / frequency[:, None]  # where a colour lies, and how widely: Liu et al., CVPR 2007, 3.3
    spread = np.sqrt(np.maximum((share @ centre**2 / frequency[:, None] - mass**2).sum(axis=1), 0))
    sides = np.sort(alike @ (s.sides / s.sides.sum(axis=1, keepdims=True)).T, axis=1)  # (n, 4)
    return {
        "contrast": contrast,
        "inward": 1 - np.abs(centre).max(axis=1),
        "spread": spread,
        "central colour": np.exp(-2 * (mass**2).sum(axis=1)),
        "low": centre[:, 1],
        "very low": np.maximum(centre[:, 1], 0),
        "sideways": np.abs(centre[:, 0]),
        "cut off": scaled(geo[:, border].min(axis=1)),  # Wei et al., Geodesic Saliency, ECCV 2012
        "on two sides": sides[:, 2],
        "frequency": frequency,
    }


def scaled(values: Values) -> Values:
    """Stretched to 0 … 1; all 0 where all are alike."""
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


def _links(s: Superpixels) -> tuple[np.ndarray, float]:
    """(n, n) neighbours, border superpixels being all linked; and the colour step that noise makes, to be ignored."""
    border = s.sides.any(axis=0)
    linked = s.neighbours | np.logical_and.outer(border, border)
    np.fill_diagonal(linked, False)
    nearest = np.where(s.neighbours, s.colour_distance, np.inf).min(axis=1)
    nearest = nearest[np.isfinite(nearest)]
    return linked, float(np.median(nearest)) if nearest.size else 0.0


def _background(s: Superpixels, geo: Values) -> Values:
    """(n,) w = 1 − exp(−BndCon² / 2), 0…1, the likelihood to be background.

    Boundary connectivity BndCon = Len_bnd / √Area: how much of the soft region around a superpixel lies on the border.
    Zhu, Liang, Wei, Sun, Saliency Optimization from Robust Background Detection, CVPR 2014, equations 3–6.
    """
    same = np.exp(-(geo**2) / (2 * SIGMA_PATH**2))
    connectivity = same[:, s.sides.any(axis=0)].sum(axis=1) / np.sqrt(same.sum(axis=1))
    return np.asarray(1 - np.exp(-(connectivity**2) / 2))


def _optimised(s: Superpixels, background: Values) -> Values:
    """(n,) what fits background and contrast and is smooth within colours; Zhu et al., equations 7 and 9."""
    near = np.exp(-(s.distance**2) / (2 * SIGMA_PLACE**2))
    foreground = scaled((s.colour_distance * near * background).sum(axis=1))
    border = s.sides.any(axis=0)
    reach = s.neighbours | (s.neighbours.astype(float) @ s.neighbours.astype(float) > 0)
    reach |= np.logical_and.outer(border, border)
    np.fill_diagonal(reach, False)
    w = np.where(reach, np.exp(-(s.colour_distance**2) / (2 * SIGMA_PATH**2)) + SMOOTH, 0)
    laplacian = np.diag(w.sum(axis=1)) - w
    weights = laplacian + np.diag(BACKGROUND_WEIGHT * background + foreground + 1e-9)
    return scaled(np.linalg.solve(weights, foreground))
