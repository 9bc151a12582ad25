"""The serving benchmark's arithmetic, tables and set-up; no server is started."""

import json
import math
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import psutil
import pytest

from benchmarks.serving import report
from benchmarks.serving.apps import torchserve_app
from benchmarks.serving.contenders import BARE, CONTENDERS, FLASK, OURS, Contender
from benchmarks.serving.load import Answer, Request, body_of, parse_wrk, summary
from benchmarks.serving.overload import judge
from benchmarks.serving.processes import ContenderError, Memory, processor_seconds, running, wait_until_answering
from benchmarks.serving.rounds import Result, run_rounds, try_configurations
from benchmarks.serving.statistics import (
    Load,
    lowest_p99_ratio,
    median_load,
    open_loop_rate,
    percentile,
    ratio_of_paired_rounds,
)

REPOSITORY = Path(__file__).parents[2]


def named(name: str) -> Contender:
    return next(contender for contender in CONTENDERS if contender.name == name)


def measured(contender: Contender, *rates: float, p99: float = 0.1, large: float = 1.0) -> Result:
    result = Result(contender, contender.configurations[0])
    result.rounds["small"] = [Load(rate, p99 / 2, p99) for rate in rates]
    result.rounds["large"] = [Load(large, p99, p99) for _ in rates]
    result.rounds["open"] = [Load(rate, p99 / 2, p99, rate=rate) for rate in rates]
    return result


@pytest.mark.parametrize(("percent", "expected"), [(50, 50), (99, 99), (100, 100), (1, 1), (0, 1)])
def test_percentile_is_the_nearest_rank(percent: float, expected: int) -> None:
    assert percentile(list(range(100, 0, -1)), percent) == expected


def test_percentile_of_one_value_is_that_value_and_of_none_an_error() -> None:
    assert percentile([7.0], 99) == 7.0
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


def test_rounds_are_summed_up_by_medians_but_every_error_counts() -> None:
    loads = [Load(10, 0.1, 0.9, errors=1), Load(30, 0.3, 0.2), Load(20, None, 0.4, errors=2)]
    assert median_load(loads) == Load(20, 0.2, 0.4, errors=3)
    assert median_load([]) is None


def test_a_ratio_is_taken_within_each_round_so_that_a_slow_spell_hits_both() -> None:
    ours, theirs = [Load(100), Load(10), Load(90)], [Load(50), Load(5), Load(60)]
    assert ratio_of_paired_rounds(ours, theirs) == 2.0
    assert ratio_of_paired_rounds(ours, []) is None
    assert ratio_of_paired_rounds(ours, [Load(0), Load(0), Load(0)]) is None


def test_p99_is_held_against_the_lowest_of_all_peers() -> None:
    assert lowest_p99_ratio(Load(1, p99=0.1), [Load(1, p99=0.5), Load(1, p99=0.2), None]) == 2.0
    assert lowest_p99_ratio(Load(1, p99=0.1), [Load(1)]) is None


def test_arrivals_come_at_the_rate_of_the_best_peer_unless_a_contender_is_slower() -> None:
    assert open_loop_rate(200, 100) == 70
    assert open_loop_rate(10, 100) == 7
    assert open_loop_rate(10, None) == 7


def test_wrk_counts_lost_requests_and_other_statuses_as_errors() -> None:
    line = '{"requests": 100, "microseconds": 2000000, "p50": 40000, "p99": 90000, "status": 20, "lost": 3}'
    assert parse_wrk(line) == Load(40.0, 0.04, 0.09, errors=23)


def test_a_backlog_that_is_answered_late_is_no_throughput() -> None:
    answers = [Answer(due=number / 10, latency=number, status=200, retry_after=False) for number in range(10)]
    load = summary(answers, rate=10, seconds=1)
    assert load.requests_per_second == pytest.approx(10 / 9.9)
    assert load.p99 == 9


def test_latencies_of_refusals_are_errors_not_figures() -> None:
    answers = [Answer(0, 0.5, 200, False), Answer(0, 0.001, 503, True), Answer(0, 30.0, 0, False)]
    assert summary(answers, 3, 1) == Load(1.0, 0.5, 0.5, errors=2, rate=3)


def test_a_form_holds_the_photo_in_its_field() -> None:
    assert body_of(b"photo", None) == (b"photo", "image/jpeg")
    body, content_type = body_of(b"photo", "file")
    boundary = content_type.partition("boundary=")[2]
    assert body.startswith(f"--{boundary}\r\n".encode())
    assert body.endswith(f"\r\n--{boundary}--\r\n".encode())
    assert b'name="file"' in body and b"\r\n\r\nphoto\r\n" in body


GOOD = [Answer(0, 0.1, 200, False), Answer(0, 0.001, 503, True)]


@pytest.mark.parametrize(
    ("answers", "health", "after", "held"),
    [
        (GOOD, [0.01], 95, [True, True, True, True]),
        ([*GOOD, Answer(0, 0.1, 503, False)], [0.01], 95, [False, True, True, True]),
        ([*GOOD, Answer(0, 30, 0, False)], [0.01], 95, [False, True, True, True]),
        ([*GOOD, Answer(0, 0.1, 500, True)], [0.01], 95, [False, True, True, True]),
        ([Answer(0, 11, 200, False)], [0.01], 95, [True, False, True, True]),
        (GOOD, [0.01, 0.06], 95, [True, True, False, True]),
        (GOOD, [], 80, [True, True, False, False]),
        ([GOOD[1]], [math.inf], 95, [False, False, False, True]),
    ],
)
def test_overload_is_judged_by_each_promise(answers: list[Answer], health: list[float], after: float, held: list[bool]) -> None:
    assert [verdict.held for verdict in judge(answers, health, 100, after)] == held


def test_goals_compare_with_the_best_peer_of_each_kind() -> None:
    results = [
        measured(OURS, 100, p99=0.1, large=20),
        measured(BARE, 125),
        measured(FLASK, 10, p99=2, large=4),
        measured(named("mosec int8"), 50, p99=0.3, large=10),
        measured(named("LitServe int8"), 40, p99=0.2, large=16),
        measured(named("mosec reader"), 80, p99=0.4),
    ]
    reached = {goal.text: (goal.reached, goal.met) for goal in report.goals(results)}
    assert reached["640x480: requests per second, times Flask"] == (10, True)
    assert reached["640x480: times the best peer around the same engine"] == (2, True)
    assert reached["640x480: times the best peer with the same engine and decoding"] == (1.25, True)
    assert reached["640x480: share of what engine and decoding reach without HTTP"] == (0.8, False)
    assert reached["640x480: lowest p99 of any peer, times ours"] == (2, True)
    assert reached["12 MP: requests per second, times Flask"] == (5, True)
    assert reached["12 MP: times the best peer around the same engine"] == (1.25, True)


def test_what_was_not_measured_is_a_missed_goal_and_a_dash() -> None:
    results = [measured(OURS, 100), Result(FLASK, FLASK.configurations[0], problems=["did not start"])]
    assert not any(goal.met for goal in report.goals(results))
    text = report.markdown(results, "now", None, 2)
    assert "**Flask eager** failed:\n\n```\ndid not start\n```" in text
    row = next(line for line in report.table(results).splitlines() if line.startswith("| Flask"))
    assert "(**failed**, see below) | - | - |" in row


def test_the_limit_of_every_server_is_what_the_engine_alone_costs() -> None:
    bare = measured(BARE, 125)
    bare.rounds["small"] = [Load(125, processor_seconds=0.016)]
    said = report.limit([bare, measured(OURS, 100), measured(named("mosec int8"), 50)], 2)
    assert "take 16.0 ms" in said
    assert "more than 125 a second on 2 cores, 2.50 times the best peer" in said
    assert report.limit([measured(OURS, 100), measured(BARE, 125)], 2) == ""


def test_a_process_is_charged_for_what_its_children_spend() -> None:
    busy = "import time\nwhile time.process_time() < 0.3: pass"
    parent = f"import subprocess, sys, time; subprocess.run([sys.executable, '-c', {busy!r}]); print(flush=True); time.sleep(9)"
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            process.stdout.readline()
            assert processor_seconds(process.pid) >= 0.3
        finally:
            process.kill()


def test_every_row_of_the_table_has_the_header_s_columns() -> None:
    lines = report.table([measured(OURS, 100), measured(BARE, 125), measured(FLASK, 10)]).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert "| 1.25 |" in lines[3]


def test_the_page_keeps_what_people_wrote_around_the_figures() -> None:
    page = (REPOSITORY / "docs" / "serving-benchmark.md").read_text(encoding="utf-8")
    replaced = report.replace_figures(report.replace_figures(page, "figures", "NEW"), "overload", "OTHER")
    assert f"{report.BEGIN}\nNEW\n{report.END}" in replaced
    assert "<!-- overload: begin -->\nOTHER\n<!-- overload: end -->" in replaced
    assert replaced.startswith(page.partition(report.BEGIN)[0])
    with pytest.raises(ValueError, match="lacks"):
        report.replace_figures("nothing", "figures", "NEW")


def test_the_json_holds_every_round() -> None:
    document = json.loads(report.as_json([measured(OURS, 100, 110)], "now"))
    rounds = document["contenders"][0]["rounds"]["small"]
    assert [load["requests_per_second"] for load in rounds] == [100, 110]


def test_contenders_have_names_of_their_own_and_configurations_that_differ() -> None:
    assert len({contender.name for contender in CONTENDERS}) == len(CONTENDERS)
    for contender in CONTENDERS:
        labels = [configuration.label for configuration in contender.configurations]
        assert len(set(labels)) == len(labels)


def test_a_contender_that_does_not_start_is_reported_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def service(result: Result, *_: object) -> None:
        if result.contender is FLASK:
            raise ContenderError("it ended")
        result.rounds["small"].append(Load(50))

    monkeypatch.setattr("benchmarks.serving.rounds._measure_service", service)
    results = [Result(contender, contender.configurations[0]) for contender in (FLASK, OURS)]
    said: list[str] = []
    run_rounds(results, None, 1, 3, said.append)  # type: ignore[arg-type]
    assert results[0].problems == ["it ended"]
    assert len(results[1].rounds["small"]) == 3
    assert any("FAILED: it ended" in line for line in said)


def test_the_fastest_configuration_is_kept_also_for_this_project_s_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    mosec, reader = named("mosec int8"), named("mosec reader")
    fastest = mosec.configurations[2]

    def service(result: Result, *_: object) -> None:
        result.rounds["small"].append(Load(80 if result.configuration is fastest else 40))

    monkeypatch.setattr("benchmarks.serving.rounds._measure_service", service)
    results = [Result(contender, contender.configurations[0]) for contender in (mosec, reader)]
    try_configurations(results, None, 1, lambda _: None)  # type: ignore[arg-type]
    assert results[0].configuration is fastest
    assert results[1].configuration is fastest
    assert results[0].tried[fastest.label] == 80
    assert not results[0].rounds["small"]


SERVER = """
import http.server, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200); self.end_headers(); self.wfile.write(str(child.pid).encode())
    def log_message(self, *args): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
open(sys.argv[1], "w").write(str(server.server_port))
server.serve_forever()
"""


def test_a_contender_is_ended_with_all_that_it_started_and_its_memory_is_measured(tmp_path: Path) -> None:
    body, port_file = tmp_path / "body", tmp_path / "port"
    body.write_bytes(b"photo")
    with running((psutil.Process().exe(), "-c", SERVER, str(port_file)), {}) as (pid, log, scratch):
        while not (port_file.exists() and port_file.read_text()):
            assert psutil.pid_exists(pid)
        request = Request(f"http://127.0.0.1:{port_file.read_text()}/", body, "image/jpeg")
        wait_until_answering(pid, log, request)
        memory = Memory(pid)
        memory.start()
        while not memory.peak_bytes:
            assert psutil.pid_exists(pid)
        memory.end()
        child = int(urllib.request.urlopen(request.url, data=b"photo").read())
        assert psutil.pid_exists(child)
    assert not psutil.pid_exists(pid)
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE
    assert not scratch.exists()


def test_a_contender_that_ends_at_once_is_reported_with_its_log(tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes(b"photo")
    command = ("sh", "-c", "echo no such module; exit 1")
    with (
        running(command, {}) as (pid, log, _),
        pytest.raises(ContenderError, match=r"(?s)it ended; its log ends:.*no such module"),
    ):
        wait_until_answering(pid, log, Request("http://127.0.0.1:9/", body, "image/jpeg"))


def test_torchserve_listens_on_loopback_only(tmp_path: Path) -> None:
    properties = torchserve_app.configuration(8500, workers=2, batch=4)
    assert re.findall(r"address=(\S+)", properties) == [f"http://127.0.0.1:{8500 + offset}" for offset in range(3)]
    torchserve_app.write_store(tmp_path)
    assert (tmp_path / "store" / "resnet" / "MAR-INF" / "MANIFEST.json").is_file()
    assert (tmp_path / "store" / "resnet" / "handler.py").is_file()
