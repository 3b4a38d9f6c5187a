from molgen.datasets.labels import distinct_labels


def test_labels_are_all_different():
    assert distinct_labels(["a b", "c", "c", ""]) == ["a_b", "c#1", "c#2", "#3"]
    assert distinct_labels([]) == []
