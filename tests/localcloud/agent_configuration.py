"""The agent's configuration, as the project's role writes it."""

import json
from typing import Any

FULL: dict[str, Any] = {
    "agent": {"metrics_collection_interval": 10, "run_as_user": "cwagent", "region": "us-east-1"},
    "metrics": {
        "namespace": "PetTracker/ML",
        "append_dimensions": {"AutoScalingGroupName": "${aws:AutoScalingGroupName}", "InstanceId": "${aws:InstanceId}"},
        "aggregation_dimensions": [["AutoScalingGroupName"], []],
        "force_flush_interval": 5,
        "metrics_collected": {
            "mem": {"measurement": ["mem_used_percent"]},
            "disk": {"measurement": ["used_percent"], "resources": ["/"], "drop_device": True},
            "statsd": {
                "service_address": "127.0.0.1:8125",
                "metrics_collection_interval": 20,
                "metrics_aggregation_interval": 0,
            },
        },
    },
    "logs": {
        "logs_collected": {
            "files": {
                "collect_list": [
                    {
                        "file_path": "/var/log/pettracker/inference.log",
                        "log_group_name": "/pettracker/ml-server",
                        "log_stream_name": "{instance_id}",
                        "retention_in_days": 30,
                        "timezone": "UTC",
                    }
                ]
            }
        }
    },
}


def configuration(**changes: Any) -> str:
    return json.dumps(FULL | changes)
