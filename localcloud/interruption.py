"""How a person, or a test, interrupts a host: through the API, as on AWS."""

import uuid

from localcloud.settings import Settings
from localcloud.status import client


def send_interruption(settings: Settings, instance_id: str) -> None:
    """Give an instance a Spot interruption notice, as an experiment of AWS's Fault Injection Service does."""
    fis = client(settings, "fis")
    arn = f"arn:aws:ec2:{settings.region}:{settings.account_id}:instance/{instance_id}"
    action = {
        "actionId": "aws:ec2:send-spot-instance-interruptions",
        "parameters": {"durationBeforeInterruption": "PT2M"},
        "targets": {"SpotInstances": "host"},
    }
    template = fis.create_experiment_template(
        clientToken=str(uuid.uuid4()),
        description="Interrupt one host",
        roleArn=f"arn:aws:iam::{settings.account_id}:role/localcloud",
        stopConditions=[{"source": "none"}],
        targets={"host": {"resourceType": "aws:ec2:spot-instance", "resourceArns": [arn], "selectionMode": "ALL"}},
        actions={"interrupt": action},
    )["experimentTemplate"]["id"]
    fis.start_experiment(clientToken=str(uuid.uuid4()), experimentTemplateId=template)
    fis.delete_experiment_template(id=template)
