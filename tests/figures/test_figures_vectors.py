"""Projections show every passage once, and join translations."""

from __future__ import annotations

import numpy as np
from figure_toys import LANGUAGES, vectors
from matplotlib.colors import to_rgb

from hybridlib import figures


def test_projection_has_every_passage_once_and_joins_translations(drawn):
    points, _, _ = vectors()
    ax = drawn("language_projection").axes[0]
    clouds = {cloud.get_label(): cloud for cloud in ax.collections}
    counts = {code: len(cloud.get_offsets()) for code, cloud in clouds.items()}
    assert counts == dict.fromkeys(LANGUAGES, 5)

    centred = points - points.mean(0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    expected = np.abs(centred @ axes[:2].T)
    np.testing.assert_allclose(np.abs(clouds["en"].get_offsets()), expected[1::3], atol=1e-9)
    colour = to_rgb(figures.language_style("en")[0])
    np.testing.assert_allclose(colour, clouds["en"].get_facecolor()[0, :3])

    joined = ax.get_lines()
    assert [line.get_label() for line in joined] == ["_p0", "_p1"]
    np.testing.assert_allclose(np.abs(joined[0].get_xydata()[1::3]), expected[:3], atol=1e-9)


def test_two_projections_have_components_of_their_own():
    before, languages, groups = vectors()
    after = before[:, ::-1] * np.array([1, 2, 3, 4, 5, 6])
    fig = figures.language_projections(before, after, languages, groups)
    assert [ax.get_title() for ax in fig.axes] == ["before training", "after training"]
    single = figures.language_projection(after, languages, groups)
    offsets = single.axes[0].collections[0].get_offsets()
    np.testing.assert_allclose(fig.axes[1].collections[0].get_offsets(), offsets)
