"""Records survive kills, and answer for what determined them and for nothing else."""

import json

from flowedit_grag.report import measurements
from flowedit_grag.report.measurements import Records, weights


def test_what_determines_a_record_is_in_its_key(tmp_path):
    path = tmp_path / "reconstruction.jsonl"
    first = Records(path, {"section": "reconstruction", "options": {"steps": 2, "layers": (1, 2)}})
    first.add({"id": "a", "solver": "euler"}, psnr=22.3)
    other = Records(path, {"section": "reconstruction", "options": {"steps": 28, "layers": (1, 2)}})
    assert other.find(id="a", solver="euler") is None
    other.add({"id": "a", "solver": "euler"}, psnr=36.0)
    again = Records(path, {"section": "reconstruction", "options": {"steps": 2, "layers": (1, 2)}})
    assert again.find(id="a", solver="euler")["psnr"] == 22.3
    assert again.find(id="a", solver="midpoint") is None
    found = Records.read(path)
    assert [record["psnr"] for record in found] == [36.0, 22.3]  # what was asked for last is last
    assert found[0]["key"] != found[1]["key"]


def test_a_damaged_or_unfinished_line_is_dropped_and_made_again(tmp_path):
    path = tmp_path / "x.jsonl"
    records = Records(path, {})
    for index in range(3):
        assert records.add({"id": index}, values=[index]) == records.find(id=index)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(lines[0] + "[]\n" + "{broken\n" + lines[1] + lines[2][:-3])  # killed while writing the last line
    assert [record["id"] for record in Records.read(path)] == [0, 1]
    resumed = Records(path, {})
    assert [resumed.find(id=index) is None for index in range(3)] == [False, False, True]
    resumed.add({"id": 2}, values=[2])
    assert path.read_text() == "".join(lines)
    assert [json.loads(line)["values"] for line in lines] == [[0], [1], [2]]


def test_a_folder_without_measurements_has_none(tmp_path):
    assert Records.read(tmp_path / "nothing.jsonl") == []
    Records(tmp_path / "nothing.jsonl", {})
    assert not list(tmp_path.iterdir())


def test_weights_are_known_by_their_contents(tmp_path, monkeypatch):
    (adapter := tmp_path / "adapter").write_bytes(b"weights")
    before = weights("lab", str(adapter))
    adapter.write_bytes(b"others")
    after = weights("lab", str(adapter))
    assert before["lab"] == after["lab"]
    assert before[str(adapter)] != after[str(adapter)]
    monkeypatch.setattr(measurements, "commit", lambda model: f"{model}'s commit")
    assert weights("some/model") == {"some/model": "some/model's com"}
