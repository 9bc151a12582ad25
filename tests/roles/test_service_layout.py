"""What a service is called, and so where it is on its hosts, is one value."""

import re
import subprocess
import sys
from pathlib import Path

from tests.roles.inventory_values import Values

ROOT = Path(__file__).parents[2]
ROLES = ("inference_service", "machine_image", "rollout", "cloudwatch_agent")


def first_boot(values: Values) -> str:
    script = (ROOT / "roles/inference_service/templates/first-boot.j2").read_text()
    return str(values.text(script))


def test_a_service_of_another_name_is_elsewhere_on_its_hosts() -> None:
    values = Values("production", service_name="cats")
    told = {
        "inference_service_directory": "/opt/cats",
        "inference_service_log_directory": "/var/log/cats",
        "machine_image_layout.first_boot": "/opt/cats/bin/first-boot",
        "machine_image_layout.config_directory": values["inference_service_config_directory"],
        "machine_image_layout.log_directory": values["inference_service_log_directory"],
        "machine_image_first_boot_user_data": "#!/bin/sh\nexec /opt/cats/bin/first-boot\n",
        "machine_image_layout.unit": "cats-inference.service",
        "operate_unit": "cats-inference.service",
        "rollout_bundle": values["__inference_service_bundle"],
        "rollout_python": values["__inference_service_venv_python"],
        "machine_image_layout.python": values["__inference_service_venv_python"],
        "cloudwatch_agent_log_files": [values["__inference_service_log"], values["__inference_service_notices_log"]],
    }
    assert {name: values[name] for name in told} == told
    assert "systemctl start --no-block cats-inference.service\n" in first_boot(values)


def test_the_script_of_the_first_boot_is_sound(tmp_path: Path) -> None:
    script = tmp_path / "first-boot"
    script.write_text(first_boot(Values("production")))
    subprocess.run([Path(sys.executable).with_name("shellcheck"), script], check=True)


def test_no_role_knows_the_name() -> None:
    said = re.compile(r"/(opt|etc|var/log)/pettracker\b(?!-)|pettracker-(inference|notices)\.service(?!\.j2)")
    files = [path for role in ROLES for path in sorted((ROOT / "roles" / role).rglob("*")) if path.is_file()]
    files += sorted((ROOT / "inventories/common").rglob("*.yml"))
    assert [str(path.relative_to(ROOT)) for path in files if said.search(path.read_text())] == []
