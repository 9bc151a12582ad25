"""What the repository promises about itself: pins that agree, commands that exist, links that lead somewhere."""

import configparser
import re
from importlib.metadata import requires, version
from pathlib import Path

import ansible_collections
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
# Of the commit that calls them.
OWN_WORKFLOWS = [f"./{path.relative_to(ROOT)}" for path in WORKFLOWS]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def make_targets() -> set[str]:
    """Targets that `make help` documents."""
    return set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.M))


def test_every_phony_target_is_documented():
    assert set(re.findall(r"^\.PHONY: (\S+)$", (ROOT / "Makefile").read_text(), re.M)) == make_targets()


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_workflow_steps_are_make_targets(workflow):
    jobs = yaml.safe_load(workflow.read_text())["jobs"].values()
    commands = [step["run"] for job in jobs for step in job.get("steps", []) if "run" in step]
    assert commands or all("uses" in job for job in jobs)
    for command in commands:
        words = re.sub(r"^sudo (-E|--preserve-env=\w+) ", "", command).split()
        assert words[0] == "make", command
        assert set(words[1:]) <= make_targets(), command


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_workflow_starts_without_permissions_and_pins_actions(workflow):
    content = yaml.safe_load(workflow.read_text())
    assert content["permissions"] == {}
    for reference in re.findall(r"uses: (\S+)", workflow.read_text()):
        assert reference in OWN_WORKFLOWS or re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", reference), reference


def test_galaxy_pins_are_the_collections_that_ansible_brings():
    for pin in yaml.safe_load((ROOT / "requirements.yml").read_text())["collections"]:
        namespace, name = pin["name"].split(".")
        (manifest,) = (
            file for path in ansible_collections.__path__ if (file := Path(path, namespace, name, "MANIFEST.json")).exists()
        )
        assert yaml.safe_load(manifest.read_text())["collection_info"]["version"] == pin["version"], pin["name"]


@pytest.mark.parametrize("package", ["ansible", "boto3", "moto", "molecule", "tornado", "openvino", "click"])
def test_installed_packages_are_the_locked_ones(package):
    lock = (ROOT / "locks/control.txt").read_text()
    assert re.search(rf"^{package}(\[[\w,]+\])?=={re.escape(version(package))} ", lock, re.M)


@pytest.mark.parametrize("package", ["torch", "torchvision"])
def test_pytorch_has_digests_of_its_own_for_the_version_that_is_pinned(package):
    lock = (ROOT / "locks/torch.txt").read_text()
    (locked,) = re.findall(rf"^{package}==(\S+) \\\n((?: +--hash=sha256:[0-9a-f]{{64}}(?: \\)?\n)+)", lock, re.M)
    assert version(package).partition("+")[0] == locked[0]
    assert f'"{package}=={locked[0]}"' in (ROOT / "pyproject.toml").read_text()
    # It is installed without what it needs: that is in the other lock, but for what only a GPU needs.
    others = (ROOT / "locks/control.txt").read_text() + (ROOT / "locks/torch.txt").read_text()
    for needed in requires(package) or []:
        name = re.match(r"[\w-]+", needed)
        assert "extra ==" in needed or (name and re.search(rf"^{name[0]}==", others, re.M | re.I)), needed
    # At least PyPI's builds and those of PyTorch's CPU index.
    assert locked[1].count("sha256:") > 20


def test_every_package_is_installed_by_its_digest():
    build = (ROOT / "inference/wheelhouse/archive.py").read_text()
    scripts = "".join(path.read_text() for path in (ROOT / "scripts").iterdir() if path.is_file()).replace("\\\n", " ")
    hashed = re.search(r"hashed=\((.*)\)", scripts)
    installed = re.findall(r"pip\"? install.*", scripts.replace('"${hashed[@]}"', hashed[1]))
    assert len(installed) >= 6
    assert [line for line in installed if "--require-hashes" not in line] == []
    # What builds the project's own wheel is the lock's, too.
    assert all("--no-build-isolation" in line for line in re.findall(r'_pip\("wheel".*', build))
    assert '_pip("wheel"' in build


def test_arguments_of_modules_are_in_no_journal_of_a_host():
    settings = configparser.ConfigParser()
    settings.read(ROOT / "ansible.cfg")
    assert settings.getboolean("defaults", "no_target_syslog")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_make_commands_in_documents_exist(page):
    named = set(re.findall(r"`?make ([a-z][a-z-]+)", "\n".join(re.findall(r"```.*?```|`[^`]+`", page.read_text(), re.S))))
    assert named <= make_targets()


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 80
