"""Labels of points stay apart and inside."""

from itertools import combinations

from molgen.report.labels import LETTER, LINE, place_labels


def test_a_lone_label_is_below_its_point():
    ((x, y),) = place_labels([(100, 50)], ["Li2O"], 300)
    assert x == 100
    assert 50 < y < 75


def test_crowded_labels_cover_neither_each_other_nor_points():
    points = [(100 + 14 * k, 100.0) for k in range(4)]
    texts = ["Li2O"] * 4
    placed = place_labels(points, texts, 400)
    for (x, y), (u, v) in combinations(placed, 2):
        assert abs(x - u) >= LETTER * 4 or abs(y - v) >= LINE
    for x, y in placed:
        assert all(abs(x - u) >= LETTER * 2 or abs(y - v) >= LINE / 2 for u, v in points)


def test_labels_stay_inside():
    for x, _ in place_labels([(2, 50), (298, 50)], ["LiFePO4"] * 2, 300):
        assert LETTER * 3.5 <= x <= 300 - LETTER * 3.5
