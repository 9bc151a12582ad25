"""The report is one file that asks nobody for anything, whatever classes and files are called."""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from bundle.preprocessing import Preprocessing
from tests.training.evaluation.runs import answers, config, data, finished
from training.data.items import GreyPhotos, Rows
from training.evaluation import answers as answering
from training.evaluation.measure import evaluate
from training.evaluation.plots import draw_all, history_plot, shown_in_matrix
from training.evaluation.record import read_evaluation
from training.evaluation.report import add_latency, read_history
from training.run import Run, RunError

HOSTILE = '<script>alert("1")</script>&$x^2$'


class _Elements(HTMLParser):
    """The elements of a page, with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def _report(run: Run) -> tuple[str, _Elements]:
    page = (run.evaluation / "report.html").read_text()
    return page, _Elements(page)


@pytest.fixture(name="photos", scope="module")
def _photos(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Evaluate a run of grey photos, whose network tells only dark from bright."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 120)
    pixels = random.integers(0, 170, (120, 28, 28)) + 85 * labels[:, None, None]
    preprocessing = Preprocessing(resize_shorter_side=28, interpolation="bilinear", crop=28)
    shown = np.where(random.random(120) < 0.15, 1 - labels, labels)
    photos = GreyPhotos(pixels.astype(np.uint8), shown, [f"{HOSTILE}/{i}.jpg" for i in range(120)], preprocessing)
    measured = replace(data(["dark", "bright"]), validation=photos, test=photos, feature_names=[])
    run = finished(tmp_path_factory.mktemp("photos"), measured, mean=[0.5] * 3, std=[0.1] * 3)
    image = {"kind": "image", "preprocessing": preprocessing.model_dump()}
    run.write_config(config(2, input=image, data={"source": "fashion-mnist"}, network={"backbone": "torchvision/resnet18"}))

    network = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(3, 2))
    with torch.no_grad():
        network[2].weight.copy_(torch.tensor([[-1.0] * 3, [1.0] * 3]))
        network[2].bias.zero_()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(answering, "build", lambda *_: SimpleNamespace(module=network))
        patched.setattr(answering, "load_file", lambda _: network.state_dict())
        evaluate(run, measured)
    return run


@pytest.fixture(name="rows", scope="module")
def _rows(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Evaluate a run of rows, one of whose classes has a name that is up to something."""
    measured = data([HOSTILE, "cat"])
    run = finished(tmp_path_factory.mktemp("rows"), measured)
    evaluate(run, measured)
    return run


def test_names_of_classes_are_only_names(rows: Run) -> None:
    page, elements = _report(rows)
    assert elements.named("script") == []
    assert HOSTILE in elements.text
    assert HOSTILE not in page
    for plot in rows.evaluation.glob("*.svg"):
        tags = {element.tag.rpartition("}")[2] for element in ElementTree.parse(plot).iter()}  # noqa: S314
        assert "script" not in tags
    # Not taken for a formula either.
    assert "$x^2$" in (rows.evaluation / "classes.svg").read_text()


def test_photos_of_the_worst_mistakes_are_shown(photos: Run) -> None:
    evaluation = read_evaluation(photos)
    assert 5 < len(evaluation.mistakes) <= 25
    page, elements = _report(photos)
    shown = [each for each in elements.named("img") if str(each["src"]).startswith("data:image/jpeg")]
    assert len(shown) == len(evaluation.mistakes) == len(list((photos.evaluation / "mistakes").iterdir()))
    worst = evaluation.mistakes[0]
    assert shown[0]["alt"] == f"{worst.id}: {worst.truth}, taken for {worst.answer}"
    assert elements.named("script") == []
    assert "<script>" not in page
    assert (photos.evaluation / "mistakes.png").stat().st_size > 10_000


@pytest.mark.parametrize("kind", ["photos", "rows"])
def test_the_page_needs_nothing_from_elsewhere_and_lets_nothing_in(kind: str, request: pytest.FixtureRequest) -> None:
    page, elements = _report(request.getfixturevalue(kind))
    policy = next(each["content"] for each in elements.named("meta") if "http-equiv" in each)
    style = re.search("<style>(.*)</style>", page, re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy == (f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'")
    for tag, attributes in elements.found:
        assert "style" not in attributes, tag
        for name in ("src", "href", "action", "data"):
            assert str(attributes.get(name) or "data:").startswith("data:"), (tag, name)
    assert all(each["alt"] for each in elements.named("img"))
    assert elements.named("html") == [{"lang": "en"}]
    assert len(elements.named("h1")) == 1
    assert all(each.get("scope") for each in elements.named("th"))


def test_it_says_what_was_measured_on_what(rows: Run) -> None:
    _, elements = _report(rows)
    lineage = rows.lineage()
    for fact in (
        "300 rows of the test split",
        lineage.data_digest,
        lineage.run_id,
        lineage.code_revision,
        "train 50, validation 200, test 300",
        "learning_rate: 0.1",
        hashlib.sha256(rows.weights.read_bytes()).hexdigest(),
        "torch 2.13.0",
        "95 % interval",
    ):
        assert fact in elements.text, fact


def test_speeds_are_added_and_shown_and_replace_earlier_ones(tmp_path: Path, undrawn: None) -> None:
    measured = data(["cat", "dog"])
    run = finished(tmp_path, measured)
    before = evaluate(run, measured)
    add_latency(run, {"torch-fp32": {"items_per_second": 3.0, "chosen": True}})
    added = add_latency(run, {"openvino-int8": {"items_per_second": 812.5, "agreement": 0.995, "chosen": True}})
    assert read_evaluation(run) == added == before.model_copy(update={"latency": added.latency})
    _, elements = _report(run)
    assert "openvino-int8" in elements.text
    assert "812.5" in elements.text
    assert "torch-fp32" not in elements.text


def test_speeds_are_not_added_to_an_evaluation_of_other_weights(tmp_path: Path, undrawn: None) -> None:
    measured = data(["cat", "dog"])
    run = finished(tmp_path, measured)
    evaluate(run, measured)
    run.weights.write_bytes(b"others")
    with pytest.raises(RunError, match="other weights"):
        add_latency(run, {})


def test_a_history_that_is_missing_or_cut_off_is_no_obstacle(rows: Run, tmp_path: Path) -> None:
    run = finished(tmp_path, data(["cat", "dog"]))
    with run.history_file.open("a") as history:
        history.write('{"epoch": 3, "tr')
    assert [line["epoch"] for line in read_history(run)] == [1, 2]
    run.history_file.unlink()
    assert read_history(run) == []
    assert history_plot([], 2) is None
    # Plots are of this evaluation or gone.
    draw_all(read_evaluation(rows), read_history(rows), 2, tmp_path)
    assert (tmp_path / "history.svg").is_file()
    draw_all(read_evaluation(rows), [], 2, tmp_path)
    assert not (tmp_path / "history.svg").exists()


def test_many_classes_leave_the_report_readable(tmp_path: Path) -> None:
    names = [f"class number {index} of many" for index in range(300)]
    logits, labels = answers(300, 900, 0.8)
    # Two classes, far from one another, that are taken for one another.
    logits[labels == 7, 250] += 9
    measured = data(names, validation=Rows(logits, labels, [str(i) for i in range(900)]))
    measured = replace(measured, test=measured.validation)
    run = finished(tmp_path, measured)
    evaluation = evaluate(run, measured)
    assert {7, 250} < set(shown_in_matrix(evaluation))
    assert len(shown_in_matrix(evaluation)) == 40
    page, elements = _report(run)
    assert "Drawn are the 40 of 300 classes, those that are confused most often" in elements.text
    assert f"All {len(names)} classes as a table" in elements.text
    assert len(page) < 1_000_000
    assert (run.evaluation / "confusion.svg").stat().st_size < 200_000
