"""Copies what a training job has left in S3, on the controller."""

import json
import shutil
from pathlib import Path
from typing import Any

import boto3
import click

# What a run says of itself; training.run, which writes it, imports torch.
_RUN_FILE = "run.json"


def fetch(bucket: str, prefix: str, directory: Path) -> int:
    """Copy a run below a prefix into a directory, which then has all of it or is as before; return how many files.

    Nothing is copied where that run is there already. Another run that is there is kept, under the name `<directory>.<its id>`.

    Raises:
        click.ClickException: there is nothing.
    """
    s3: Any = boto3.client("s3")
    known = directory / _RUN_FILE
    if known.is_file() and _content(s3, bucket, f"{prefix}/{_RUN_FILE}") == known.read_bytes():
        return 0
    part = directory.with_name(f".{directory.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    count = 0
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/"):
        for item in page.get("Contents", []):
            target = (part / item["Key"].removeprefix(f"{prefix}/")).resolve()
            if not target.is_relative_to(part.resolve()):
                raise click.ClickException(f"s3://{bucket}/{item['Key']} is no place in a directory")
            target.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(bucket, item["Key"], str(target))
            count += 1
    if not count:
        raise click.ClickException(f"s3://{bucket}/{prefix}/ holds nothing")
    if directory.exists():
        directory.rename(_aside(directory))
    part.replace(directory)
    return count


def _content(s3: Any, bucket: str, key: str) -> bytes | None:
    try:
        body: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except s3.exceptions.NoSuchKey:
        return None
    return body


def _aside(directory: Path) -> Path:
    """Return where a run's directory may be kept: a name that nothing has."""
    try:
        name = f"{directory.name}.{json.loads((directory / _RUN_FILE).read_bytes())['run_id']}"
    except (OSError, ValueError, KeyError):  # an interrupted copy of somebody's, or no run at all
        name = f"{directory.name}.unknown"
    place, number = directory.with_name(name), 1
    while place.exists():
        number += 1
        place = directory.with_name(f"{name}.{number}")
    return place
