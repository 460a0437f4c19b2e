"""Projections show every passage once, keep neighbours together, and join translations."""

from __future__ import annotations

import numpy as np
import pytest
from figure_toys import LANGUAGES, headline, vectors
from matplotlib.colors import to_rgb

from hybridlib import figures
from hybridlib.errors import InputError
from hybridlib.figures.vectors import nearest_shares, neighbour_map


def test_projection_has_every_passage_once_and_joins_translations(drawn):
    points, _, _ = vectors()
    expected = neighbour_map(points)
    ax = drawn("language_projection").axes[0]
    clouds = {cloud.get_label(): cloud for cloud in ax.collections}
    counts = {code: len(cloud.get_offsets()) for code, cloud in clouds.items()}
    assert counts == dict.fromkeys(LANGUAGES, 5)
    np.testing.assert_allclose(clouds["en"].get_offsets(), expected[1::3])
    colour = to_rgb(figures.language_style("en")[0])
    np.testing.assert_allclose(colour, clouds["en"].get_facecolor()[0, :3])

    joined = ax.get_lines()
    assert [line.get_label() for line in joined] == ["_p0", "_p1"]
    np.testing.assert_allclose(joined[0].get_xydata()[1::3], expected[:3])


def clumps(of: np.ndarray) -> np.ndarray:
    """Vectors close to one of several directions, by the number of the clump."""
    rng = np.random.default_rng(0)
    return 10 * np.eye(12)[of] + rng.normal(size=(len(of), 12)) / 10


def test_passages_lie_by_language_or_by_content():
    languages = np.repeat(np.arange(8), 8)
    contents = np.tile(np.arange(8), 8)
    for labels, expected in ((languages, (1, 0)), (contents, (0, 1))):
        of_clump = clumps(labels)
        assert nearest_shares(of_clump, languages, contents) == pytest.approx(expected)
        # In the picture, too, the nearest passage is of the same clump.
        of_picture, _ = nearest_shares(neighbour_map(of_clump), labels, labels)
        assert of_picture == pytest.approx(1)


def test_the_headline_counts_neighbours_and_equally_near_ones_share_a_vote():
    points = np.array([[0.0, 0], [0, 0], [0, 0], [9, 0]])
    shares = nearest_shares(points, ["a", "a", "b", "b"], list("1232"))
    assert shares == pytest.approx((1 / 3, 1 / 12))
    fig = figures.language_projection(points, ["a", "a", "b", "b"], list("1234"), "hybrid")
    assert headline(fig).startswith("hybrid: 33% of passages lie beside one of their language, 0%")


def test_two_projections_are_of_their_own_vectors():
    before, languages, groups = vectors()
    after = before[:, ::-1] * np.array([1, 2, 3, 4, 5, 6])
    fig = figures.language_projections(before, after, languages, groups)
    titles = [ax.get_title().split("\n")[0] for ax in fig.axes]
    assert titles == ["before training", "after training"]
    single = figures.language_projection(after, languages, groups)
    offsets = single.axes[0].collections[0].get_offsets()
    np.testing.assert_allclose(fig.axes[1].collections[0].get_offsets(), offsets)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "vectors",
    [np.ones((6, 4)), np.full((2, 3), 0.1), np.zeros((4, 3)), np.eye(2), np.arange(3.0)[:, None]],
)
def test_equal_and_few_vectors_give_a_sound_figure(vectors):
    languages = LANGUAGES * 2
    fig = figures.language_projection(
        vectors, languages[: len(vectors)], [str(row) for row in range(len(vectors))]
    )
    places = np.concatenate([cloud.get_offsets() for cloud in fig.axes[0].collections])
    assert places.shape == (len(vectors), 2)
    assert np.isfinite(places).all()


@pytest.mark.filterwarnings("error")
def test_numbers_that_are_not_finite_are_one_clear_error():
    points, languages, groups = vectors()
    points[3, 1] = np.nan
    points[7, 0] = np.inf
    with pytest.raises(InputError, match=r"2 of 15 vectors .* first at position 3; the encoder"):
        figures.language_projection(points, languages, groups)
    with pytest.raises(InputError, match="2 of 15 vectors"):
        figures.language_projections(vectors()[0], points, languages, groups)
