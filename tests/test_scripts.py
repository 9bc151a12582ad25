"""The commands behind the make targets refuse what cannot work, and say what to do."""

import fcntl
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def clone(tmp_path):
    """A bare copy of what the scripts need, in a place of any name: themselves and inventories, no running cloud."""
    root = tmp_path / "Mein Projekt für Kätzchen"
    shutil.copytree(ROOT / "scripts", root / "scripts")
    shutil.copy(ROOT / "pyproject.toml", root)
    for name in ("common", "local", "dev"):
        (root / "inventories" / name).mkdir(parents=True)
        if name != "common":
            (root / "inventories" / name / "environment.yml").touch()
    return root


def run(clone, *command, **environment):
    return subprocess.run(command, cwd=clone, env=os.environ | environment, capture_output=True, text=True, check=False)


def test_every_script_is_at_home_in_its_clone():
    scripts = {path.name: path.read_text() for path in (ROOT / "scripts").iterdir() if path.is_file()}
    goes_there = {name: text for name, text in scripts.items() if 'cd "$(dirname "$0")/.."' in text}
    assert len(goes_there) >= len(scripts) - 3  # what is sourced, and one each in Python and JavaScript
    first = re.compile(r'set -e?uo pipefail\ncd "\$\(dirname "\$0"\)/\.\."( \|\| exit)?\n\. scripts/at-home\n')
    assert [name for name, text in goes_there.items() if not first.search(text)] == []


@pytest.mark.parametrize("locale", [{"LC_ALL": "C"}, {"LC_ALL": "", "LANG": "xx_XX.UTF-8"}])
def test_ansible_reads_the_clones_configuration_in_any_locale_and_folder(clone, locale):
    """Debian has none of the locales that it was not told to make, and WSL and Vagrant let everybody write."""
    shutil.copy(ROOT / "ansible.cfg", clone)
    clone.chmod(0o777)
    ask = "ansible-config dump --only-changed && umask"
    done = run(clone, "sh", "-c", f"unset ANSIBLE_CONFIG; umask 077; exec scripts/with-environment dev sh -c '{ask}'", **locale)
    assert done.returncode == 0, done.stderr
    assert f"DEFAULT_ROLES_PATH({clone}/ansible.cfg) = ['{clone}/roles']" in done.stdout
    assert done.stdout.endswith("0022\n")


@pytest.mark.parametrize("name", ["prodution", "common", ""])
def test_an_unknown_environment_is_refused_with_the_known_ones(clone, name):
    done = run(clone, "scripts/with-environment", name, "true")
    assert done.returncode == 2
    assert done.stderr == f"There is no environment '{name}'; choose one of: dev local\n"


def test_ansible_reads_an_environment_over_what_all_share_without_being_told(clone):
    shutil.copy(ROOT / "ansible.cfg", clone)
    done = run(clone, "scripts/with-environment", "dev", "ansible-config", "dump", "--only-changed")
    assert f"['{clone}/inventories/common', '{clone}/inventories/dev']" in done.stdout, done.stderr


def test_the_rehearsal_must_run_before_commands_that_need_it(clone):
    done = run(clone, "scripts/with-environment", "local", "true")
    assert done.returncode == 2
    assert "make rehearse" in done.stderr


@pytest.mark.parametrize(
    ("said", "passed_on"), [("", "destroy_buckets="), ("no", "destroy_buckets="), ("yes", "destroy_buckets=with-all-versions")]
)
def test_a_teardown_takes_the_buckets_only_when_it_is_told_to(said, passed_on):
    # -o: without the installation of what it needs.
    told = {"CONFIRM": "dev", "BUCKETS": said}
    done = run(ROOT, "make", "-s", "-o", "setup", "destroy", "PLAYBOOK=echo", **told)
    assert (done.returncode, done.stdout.split()[-1]) == (0, passed_on), done.stderr
    assert "destroy_confirm=dev" in done.stdout


def test_a_teardown_does_not_guess_what_is_meant_by_the_buckets():
    done = run(ROOT, "make", "-s", "-o", "setup", "destroy", "PLAYBOOK=echo", CONFIRM="dev", BUCKETS="true")
    assert done.returncode != 0
    assert "say yes or no" in done.stderr
    assert "destroy_confirm" not in done.stdout


def test_clients_of_aws_are_patient_when_it_throttles(clone):
    read = "[client.get_config_variable(name) for name in ('retry_mode', 'max_attempts')]"
    ask = f"import botocore.session; client = botocore.session.get_session(); print(*{read})"
    told = {"AWS_RETRY_MODE": "", "AWS_MAX_ATTEMPTS": ""}
    assert run(clone, "scripts/with-environment", "dev", sys.executable, "-c", ask, **told).stdout == "standard 10\n"
    told = {"AWS_RETRY_MODE": "adaptive", "AWS_MAX_ATTEMPTS": "3"}
    assert run(clone, "scripts/with-environment", "dev", sys.executable, "-c", ask, **told).stdout == "adaptive 3\n"


def test_commands_for_the_rehearsal_get_its_endpoint(clone):
    (clone / ".localcloud").mkdir()
    (clone / ".localcloud/env").write_text("export AWS_ENDPOINT_URL=http://127.0.0.1:4566\n")
    done = run(clone, "scripts/with-environment", "local", "printenv", "AWS_ENDPOINT_URL")
    assert done.stdout == "http://127.0.0.1:4566\n"


def test_an_old_python_is_refused_by_name(clone, tmp_path):
    old = tmp_path / "bin" / "python3"
    old.parent.mkdir()
    # The first call asks for venv, the second for the version.
    old.write_text('#!/bin/sh\ncase "$2" in *version_info*) exit 1 ;; esac\necho "Python 3.9.2"\n')
    old.chmod(0o755)
    done = run(clone, "scripts/setup", "control", PATH=f"{old.parent}:{os.environ['PATH']}")
    assert done.returncode == 1
    oldest = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"].removeprefix(">=")
    assert f"Python {oldest} or newer is needed" in done.stderr


def test_missing_packages_are_named_when_only_root_could_install_them(clone, tmp_path):
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir()
    for name, body in {"id": "echo 1000", "dpkg-query": "exit 1"}.items():
        (bin_dir / name).write_text(f"#!/bin/sh\n{body}\n")
        (bin_dir / name).chmod(0o755)
    done = run(clone, "scripts/setup", "control", PATH=f"{bin_dir}:{os.environ['PATH']}")
    assert done.returncode == 1
    assert "podman" in done.stderr
    assert "apt-get install" in done.stderr


def test_a_second_rehearsal_at_the_same_time_is_refused(clone):
    (clone / "scripts/setup").write_text("#!/bin/sh\n")
    (clone / ".cache").mkdir()
    with (clone / ".cache/rehearse.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = run(clone, "scripts/rehearse")
    assert done.returncode == 1
    assert "Another rehearsal is running in this clone" in done.stderr


def stand_in(clone, name, body):
    """A command that takes the place of a real one, in a folder of the clone."""
    path = clone / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return {"PATH": f"{path.parent}:{os.environ['PATH']}"}


@pytest.mark.parametrize(("failing", "status"), [("", 0), ("--ignore=tests/delivery", 1), ("tests/delivery", 1)])
def test_unit_tests_pass_when_both_lanes_do_and_the_closing_lines_name_what_failed(clone, failing, status):
    said = 'echo "FAILED tests/test_a.py::test_b"; echo "=== 1 failed in 1.00s ==="; exit 1'
    path = stand_in(clone, "pytest", f'case " $* " in *" $FAILING "*) {said} ;; esac; echo "=== 1 passed in 1.00s ==="')
    done = run(clone, "scripts/test-unit", FAILING=failing or "nothing", **path)
    closing = done.stdout.split("==> Both lanes:")[1]
    assert (done.returncode, "FAILED tests/test_a.py::test_b" in closing) == (status, bool(status)), done.stdout
    assert closing.count("===") >= 3


@pytest.mark.parametrize(("first", "second", "status"), [("true", "true", 0), ("exit 3", "true", 3), ("true", "exit 4", 4)])
def test_commands_side_by_side_pass_when_both_do_and_all_that_they_say_is_shown(clone, first, second, status):
    done = run(clone, "scripts/side-by-side", f"echo one; {first}", f"echo two; {second}")
    assert (done.returncode, done.stdout.splitlines()[0]) == (status, "one")
    assert done.stdout.endswith("two\n")


def test_an_interruption_ends_both_of_two_commands_side_by_side(clone):
    command = "touch {0}.begun; trap 'touch {0}.ended' EXIT; sleep 60; true"
    begun, ended = ([clone / f"{name}.{state}" for name in ("one", "two")] for state in ("begun", "ended"))
    both = subprocess.Popen([clone / "scripts/side-by-side", command.format("one"), command.format("two")])
    try:
        while not all(file.exists() for file in begun):
            time.sleep(0.05)
        both.terminate()
        assert both.wait(timeout=30) == 130
    finally:
        both.kill()
    assert all(file.exists() for file in ended)


@pytest.mark.parametrize(
    ("environment", "status", "looked"), [("dev", 0, ""), ("dev", 4, "-m delivery running --env dev\n"), ("local", 4, "")]
)
def test_only_a_run_that_failed_in_aws_ends_with_what_costs_money(clone, environment, status, looked):
    (clone / ".localcloud").mkdir()
    (clone / ".localcloud/env").write_text("")
    stand_in(clone, "ansible-playbook", f'echo "$@"; exit {status}')
    path = stand_in(clone, "python", 'echo "$@"; exit 1')
    done = run(clone, "scripts/converge", environment, "site", "--check", **path)
    assert (done.returncode, done.stderr) == (status, looked)
    assert done.stdout == "playbooks/site.yml --check\n"


@pytest.mark.parametrize("port", ["0", "http", "-1"])
def test_the_service_is_started_on_no_port_that_nobody_could_ask(clone, port):
    done = run(clone, "scripts/serve", PORT=port)
    assert (done.returncode, done.stderr) == (2, f"PORT={port} is no port\n")


def test_the_packaged_model_is_served_until_the_command_is_interrupted():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    serving = subprocess.Popen(
        [ROOT / "scripts/serve"], env=os.environ | {"PORT": str(port)}, stdout=subprocess.PIPE, text=True
    )
    try:
        said = []
        for line in iter(serving.stdout.readline, ""):
            said.append(line)
            if "Stop it" in line:
                break
        (ask,) = [line.split(maxsplit=2)[2] for line in said if "Ask it" in line]
        answer = json.loads(subprocess.check_output(["bash", "-c", ask], cwd=ROOT))
        page = subprocess.check_output(["curl", "-s", url], text=True)
        serving.terminate()
        assert serving.wait(timeout=30) == 0
    finally:
        serving.kill()
    assert "cat" in answer["predictions"][0]["class"]
    assert "<html" in page


@pytest.fixture
def export(clone):
    """Run scripts/export-model in the clone, with an export that makes an empty bundle, and return what came of it."""
    for name in ("bundle", "training", "locks"):
        (clone / name).mkdir()
        (clone / name / "control.txt").write_text(name)
    (clone / "pyproject.toml").write_text("")
    path = stand_in(clone, "python", 'case "$*" in *verify*) exit 1 ;; *) for last; do :; done; mkdir -p "$last" ;; esac')

    def git(*arguments):
        subprocess.run(["git", *arguments], cwd=clone, check=True, capture_output=True)

    def export(**environment):
        nobody = {
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_SYSTEM": os.devnull,
            "GIT_CEILING_DIRECTORIES": str(clone.parent),
        }
        return run(clone, "scripts/export-model", **path, **nobody, **environment)

    export.git = git
    return export


def test_the_version_of_an_export_says_what_it_is_made_of(clone, export):
    export.git("init", "-q")
    (clone / "training/Größe.txt").write_text("one")
    done = export()
    assert done.returncode == 0, done.stderr
    first = done.stdout
    assert re.fullmatch(rf"{clone}/\.cache/bundles/efficientnet-lite0-1\.0\.0-export\.[0-9a-f]{{12}}\n", first)
    assert export(LC_ALL="C").stdout == first
    (clone / "training/Größe.txt").write_text("two")
    second = export().stdout
    assert second != first
    export.git("add", ".")
    (clone / "training/Größe.txt").unlink()  # in Git, and in the work tree no more
    assert export().stdout not in (first, second, "")


def test_an_export_removes_what_one_that_was_killed_has_left(clone, export):
    export.git("init", "-q")
    left = clone / ".cache/bundles/.export-683ophmh"
    left.mkdir(parents=True)
    (left / "model.safetensors").write_text("")
    done = export()
    assert done.returncode == 0, done.stderr
    assert {path.name for path in left.parent.iterdir()} == {".lock", Path(done.stdout.strip()).name}


@pytest.mark.parametrize(
    ("clone_is", "told", "said"),
    [
        ("an unpacked archive", {}, "not a git repository"),
        ("somebody else's", {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}, "dubious ownership"),
        ("empty", {}, "a clone"),
    ],
)
def test_nothing_is_exported_whose_version_would_say_nothing(clone, export, clone_is, told, said):
    if clone_is != "an unpacked archive":
        export.git("init", "-q")
    if clone_is == "empty":
        (clone / ".gitignore").write_text("*\n")
    done = export(**told)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert f"safe.directory '{clone}'" in done.stderr
    assert not (clone / ".cache").exists()


@pytest.fixture
def operations(clone):
    """The clone with an environment on AWS and the operations there are."""
    shutil.copytree(ROOT / "playbooks/operate", clone / "playbooks/operate", symlinks=True)
    return clone


@pytest.mark.parametrize("intent", ["restrat", "power", "../destroy", "tasks/choose_hosts", ""])
def test_an_unknown_operation_is_refused_with_the_known_ones(operations, intent):
    done = run(operations, "scripts/operate", "dev", intent)
    assert done.returncode == 2
    assert f"'{intent}'" in done.stderr
    assert {"restart", "drain", "terminate"} <= set(done.stderr.split())


@pytest.mark.parametrize("environment", ["../inventories/dev", "", ".", "nowhere"])
def test_an_operation_knows_its_environment_by_name(operations, environment):
    path = stand_in(operations, "ansible-playbook", "echo it ran")
    done = run(operations, "scripts/operate", environment, "status", **path)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"There is no environment '{environment}'; choose one of: dev local" in done.stderr


@pytest.mark.parametrize("said", ["CHECK=ja", "VERBOSE=1"])
def test_an_operation_takes_yes_or_no(operations, said):
    done = run(operations, "scripts/operate", "dev", "drain", said, **stand_in(operations, "ansible-playbook", "echo it ran"))
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"{said}: say yes or no\n")


@pytest.mark.parametrize(
    ("said", "passed_on", "output"),
    [
        ([], "", "pettracker.aws.operation"),
        (["VERBOSE=no", "CHECK=no"], "", "pettracker.aws.operation"),
        (["CHECK=yes"], "--check --diff", "pettracker.aws.operation"),
        (["VERBOSE=yes"], "-v", "default"),
        (["-vv"], "-vv", "default"),
        (["--", "--verbose"], "--verbose", "default"),
    ],
)
def test_an_operation_answers_people_unless_it_is_to_be_verbose(operations, said, passed_on, output):
    path = stand_in(
        operations, "ansible-playbook", 'shift 3; echo "$*/${OPERATION_NAME:-}/${ANSIBLE_STDOUT_CALLBACK:-default}"'
    )
    done = run(operations, "scripts/operate", "dev", "status", *said, **path)
    name = "status in dev" if output == "pettracker.aws.operation" else ""
    assert done.stdout == f"{passed_on}/{name}/{output}\n", done.stderr


# As ansible-core 2.19 tells it where there are no credentials; on a terminal, in colour.
NO_CREDENTIALS = """{on}[WARNING]: Failed to parse inventory with 'amazon.aws.plugins.inventory.aws_ec2' plugin: \
Failed to describe instances: Unable to locate credentials

<<< caused by >>>

Failed to describe instances: Unable to locate credentials
Origin: <inventory plugin>

[WARNING]: Failed to parse inventory with 'ansible.builtin.plugins.inventory.yaml' plugin: Not YAML inventory{off}
{on}[ERROR]: Completely failed to parse inventory source inventories/common/aws_ec2.yml{off}
"""


@pytest.mark.parametrize(("on", "off"), [("", ""), ("\033[1;35m", "\033[0m")])
def test_an_operation_says_in_one_line_that_the_hosts_cannot_be_listed(operations, on, off):
    (operations / "said").write_text(f"before\n{NO_CREDENTIALS.format(on=on, off=off)}after\n")
    path = stand_in(operations, "ansible-playbook", f"cat '{operations}/said' >&2; exit 1")
    done = run(operations, "scripts/operate", "dev", "status", **path)
    assert done.returncode == 1
    before, line, after = done.stderr.splitlines()
    assert (before, after) == ("before", "after")
    assert line.startswith(
        "status in dev: The hosts cannot be listed. Failed to describe instances: Unable to locate credentials."
    )
    assert run(operations, "scripts/operate", "dev", "status", "-v", **path).stderr == (operations / "said").read_text()
    path = stand_in(operations, "ansible-inventory", f"cat '{operations}/said' >&2; exit 1")
    done = run(operations, "scripts/session", "dev", "shell", "i-1", **path)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 3), done.stderr
    assert "shell in dev: The hosts cannot be listed." in done.stderr


@pytest.mark.parametrize(
    ("intent", "playbook", "state"),
    [("run", "run", None), ("stop", "power", "stopped"), ("release-address", "address", "absent")],
)
def test_an_operation_reaches_its_playbook_with_what_was_said_unchanged(operations, intent, playbook, state):
    path = stand_in(operations, "ansible-playbook", 'printf "%s\\0" "$@"')
    command = HOSTILE.format(operations / "was-here")
    done = run(operations, "scripts/operate", "dev", intent, f"COMMAND={command}", "CHECK=yes", "--", "-v", **path)
    arguments = done.stdout.split("\0")[:-1]
    assert arguments[:2] == [f"playbooks/operate/{playbook}.yml", "--extra-vars"]
    expected = {"operate_command": command} | ({"operate_state": state} if state else {})
    assert as_ansible_takes(arguments[2]) == expected
    assert not (operations / "was-here").exists()
    assert arguments[3:] == ["--check", "--diff", "-v"]


# What a shell, make or a template of Ansible would run.
HOSTILE = (
    "$(shell touch {0})$(touch {0})`touch {0}`;touch {0};$$(touch {0})'\"| x=${{#x}} "
    "{{{{ lookup('pipe', 'touch {0}') }}}} {{%\n é😀"
)


def as_ansible_takes(variables):
    """Return what ansible-playbook has from its option --extra-vars, as a template sees it."""
    names = list(json.loads(variables))
    asked = ["-i", "localhost,", "-c", "local", "-m", "ansible.builtin.debug", "-a", f"msg={{{{ [{','.join(names)}] }}}}"]
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible"), "localhost", *asked, "-e", variables],
        cwd="/",
        env={name: value for name, value in os.environ.items() if name != "ANSIBLE_CONFIG"},
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(zip(names, json.loads(done.stdout.partition("=>")[2])["msg"], strict=True))


def make(*arguments, **environment):
    """Run make as at a prompt: make that runs the tests would pass its own options on, and say which directory it enters."""
    here = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", "-s", "-o", "setup", *arguments], cwd=ROOT, env=here | environment, capture_output=True, text=True, check=True
    ).stdout


def test_make_hands_an_operation_only_what_was_typed():
    said = make("--dry-run", "operate", "DO=run", "COMMAND=echo 'a b'", HOST="my-laptop")
    assert said.split() == ["scripts/operate", '"$ENV"', '"${DO:-}"', '"COMMAND=$COMMAND"']


@pytest.mark.parametrize("place", ["command line", "environment"])
def test_make_takes_what_people_say_for_text(tmp_path, place):
    trace = tmp_path / "was-here"
    text = HOSTILE.format(trace)
    names = ("ENV", "KIND", "RELEASE", "SHARE", "CONFIG", "DATA", "NOBODY_KNOWS_THIS")
    said = dict.fromkeys(names, text) | {"EXPERIMENT": "-e a=b -v"}
    # It shows what it gets, and what the environment of recipes has.
    told = ['PLAYBOOK=printenv -0 ENV NOBODY_KNOWS_THIS; printf "%s\\0"']
    if place == "command line":
        told += [f"{name}={value}" for name, value in said.items()]
    shown = make("experiment", *told, **(said if place == "environment" else {})).split("\0")
    assert shown[:4] == [text, text, "playbooks/experiment.yml", "-e"]
    assert shown[5:] == ["-e", "a=b", "-v", ""]
    assert as_ansible_takes(shown[4]) == dict.fromkeys(("experiment_kind", "experiment_share", "candidate_release"), text)
    make("--dry-run", "plan", "train", "operate", "shell", "forward", "release", "destroy", *told)
    assert not trace.exists()


def test_recipes_take_no_value_from_people_but_through_the_shell():
    """What the Makefile names as $(NAME) is defined there, and not as a default that people may change."""
    text = re.sub(r"^#.*$", "", (ROOT / "Makefile").read_text(), flags=re.M)
    own = set(re.findall(r"^([A-Z_]+) :?= ", text, re.M)) | {"CURDIR", "MAKE", "MAKEFILE_LIST"}
    named = set(re.findall(r"(?<!\$)\$[({]([A-Z_]+)[)}]", text))
    assert {"PLAYBOOK", "MAKE"} <= named
    assert named - own == set()


# As ansible-inventory --list prints it: values that a plugin has read are marked as unsafe.
REGION = {"__ansible_unsafe": "eu-west-1"}
SESSION_INVENTORY = {"_meta": {"hostvars": {"i-0a": {"ec2_placement": {"region": REGION}}, "localhost": {}}}}


@pytest.fixture
def session(clone):
    """Run scripts/session with an AWS inventory of one host, and an AWS client that says how it was called."""
    (clone / "inventory.json").write_text(json.dumps(SESSION_INVENTORY))
    stand_in(clone, "aws", 'echo "$@"')
    path = stand_in(clone, "ansible-inventory", f"cat '{clone}/inventory.json'")
    return lambda *arguments: run(clone, "scripts/session", "dev", *arguments, **path)


def test_a_shell_on_aws_is_a_session_in_the_hosts_region(session):
    assert session("shell", "i-0a").stdout == "ssm start-session --region eu-west-1 --target i-0a\n"


def test_a_port_on_aws_comes_through_a_session(session):
    assert session("forward", "i-0a", "8080", "9000").stdout.endswith(
        "--document-name AWS-StartPortForwardingSession --parameters portNumber=8080,localPortNumber=9000\n"
    )
    assert "PORT=" in session("forward", "i-0a").stderr


def test_a_session_with_a_host_that_is_not_there_names_those_that_are(session):
    done = session("shell", "i-0b")
    assert done.returncode != 0
    assert "There is no host i-0b. There are: i-0a." in done.stderr
