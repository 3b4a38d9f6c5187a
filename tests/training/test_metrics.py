import csv

from molgen.training.metrics import MetricsFile


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_rows_are_on_disk_at_once_and_columns_grow(tmp_path):
    metrics = MetricsFile(tmp_path / "metrics.csv")
    metrics.write(1, {"train_loss": 0.5})
    assert rows(metrics.path) == [{"step": "1", "train_loss": "0.5"}]
    metrics.write(2, {"train_loss": 0.25, "valid_loss": 1 / 3})
    metrics.write(3, {"train_loss": 0.125})
    assert rows(metrics.path) == [
        {"step": "1", "train_loss": "0.5", "valid_loss": ""},
        {"step": "2", "train_loss": "0.25", "valid_loss": "0.333333"},
        {"step": "3", "train_loss": "0.125", "valid_loss": ""},
    ]


def test_resuming_drops_what_will_be_written_again(tmp_path):
    path = tmp_path / "metrics.csv"
    first = MetricsFile(path)
    for step in range(1, 6):
        first.write(step, {"train_loss": step, **({"valid_loss": step} if step == 4 else {})})
    resumed = MetricsFile(path, resume_step=3)
    assert [row["step"] for row in rows(path)] == ["1", "2", "3"]
    resumed.write(4, {"train_loss": 40})
    assert rows(path)[-1] == {"step": "4", "train_loss": "40", "valid_loss": ""}


def test_half_a_last_row_is_dropped(tmp_path):
    """A machine that lost power may leave part of a row behind."""
    path = tmp_path / "metrics.csv"
    path.write_text("step,train_loss\n1,0.5\n2,0.4\n\n3")
    MetricsFile(path, resume_step=2)
    assert [row["step"] for row in rows(path)] == ["1", "2"]


def test_a_new_run_starts_an_empty_file(tmp_path):
    path = tmp_path / "metrics.csv"
    MetricsFile(path).write(1, {"a": 1})
    MetricsFile(path)
    assert path.read_text().split() == ["step"]
