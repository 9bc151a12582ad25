#!/usr/bin/python

from datetime import UTC, datetime
from functools import partial
from itertools import product
from operator import itemgetter
from typing import Any

from ..module_utils import training_instances as jobs
from ..module_utils.kinds.finding import pages
from ..module_utils.module import Module, Result, run_module
from ..module_utils.propagation import NEW_PROFILE, once_known
from ..module_utils.state import error_code
from ..module_utils.vcpu_quotas import ON_DEMAND, SPOT, USED_UP, code_of, page

DOCUMENTATION = r"""
module: training_instance
short_description: Finds, starts and ends the instance of a training job
description:
  - A job has one instance at a time, found by its tags C(Role=training) and C(Job). M(amazon.aws.ec2_spot_instance) makes a new
    request each time.
  - Two controllers that start the same job at once get the same instance, since their requests carry the same client token.
  - The root volume is encrypted, instance metadata needs a token, there is no public address, and a host that shuts itself down
    is terminated.
options:
  state: {type: str, choices: [present, absent, reaped], default: present, description: "V(present) finds the job's instance or
    starts it. V(absent) terminates whatever the job still has. V(reaped) terminates every training instance of the environment
    that runs for longer than its tag C(MaximumHours) says."}
  job: {type: str, description: "Name of the job. Needed unless O(state=reaped)."}
  tags: {type: dict, required: true, description: "Tags of all that it starts, C(Project) and C(Environment) among them."}
  market: {type: str, choices: [spot, on-demand], default: spot, description: "Where the instance is bought."}
  on_demand_fallback: {type: bool, default: false, description: "Start an on-demand instance when no zone has Spot capacity."}
  image_id: {type: str, description: "Image that the instance starts from."}
  instance_type: {type: str, description: "Type of the instance."}
  subnet_ids: {type: list, elements: str, description: "Private subnets, tried in this order while zones lack capacity."}
  security_group_id: {type: str, description: "Security group without ingress."}
  instance_profile: {type: str, description: "Name of the instance profile."}
  root_device: {type: str, default: /dev/xvda, description: "Root device of the image."}
  root_gigabytes: {type: int, default: 32, description: "Size of the root volume."}
  user_data: {type: str, description: "What the instance runs at its first boot, 16384 bytes at most."}
  maximum_hours: {type: float, default: 24, description: "Hours after which O(state=reaped) takes the instance for forgotten."}
extends_documentation_fragment: [pettracker.aws.module]
"""

EXAMPLES = r"""
- name: Start the instance of a job, or find it
  pettracker.aws.training_instance:
    job: pets-0f3c
    tags: {Project: pettracker, Environment: dev}
    image_id: ami-0123456789abcdef0
    instance_type: c5.2xlarge
    subnet_ids: [subnet-1, subnet-2]
    security_group_id: sg-1
    instance_profile: pettracker-dev-training
    user_data: "#cloud-config"
"""

RETURN = r"""
instance_id: {type: str, returned: always, description: "The job's instance, if there is one afterwards."}
market: {type: str, returned: with O(state=present), description: "Where it was bought, V(spot) or V(on-demand)."}
ended: {type: list, elements: str, returned: always, description: "Instances that were terminated."}
"""

STARTING = ("image_id", "instance_type", "subnet_ids", "security_group_id", "instance_profile", "user_data")
# Client tokens that may be taken by instances which EC2 has forgotten: it keeps tokens for a day.
GENERATIONS = 50


def found(ec2: Any, wanted: list[dict[str, Any]]) -> list[jobs.Instance]:
    """Returns the instances that the filters describe, the oldest first."""
    reservations = pages(ec2, "describe_instances", "Reservations", Filters=wanted)
    return sorted((each for group in reservations for each in group["Instances"]), key=itemgetter("LaunchTime"))


def start(module: Module, ec2: Any) -> jobs.Instance:
    """Starts the instance in the first market and subnet that have capacity; fails the module where none has."""
    parameters, refused = module.params, {}
    job, kind, market = parameters["job"], parameters["instance_type"], parameters["market"]
    markets = [market, ON_DEMAND] if parameters["on_demand_fallback"] and market == SPOT else [market]
    earlier = [each["InstanceId"] for each in found(ec2, jobs.filters(parameters["tags"], job, ["terminated"]))]
    for market, subnet_id in product(markets, parameters["subnet_ids"]):
        try:
            if started := start_at(ec2, parameters, market, subnet_id, earlier):
                return started
            refused[f"{market} in {subnet_id}"] = f"{GENERATIONS} instances of this job were started within a day"
            break
        except Exception as error:
            if error_code(error) not in (*jobs.NO_CAPACITY, *USED_UP):
                raise
            refused[f"{market} in {subnet_id}"] = str(error_code(error))
    said = "; ".join(f"{place}: {reason}" for place, reason in refused.items())
    if set(refused.values()) <= set(USED_UP):
        quotas = [page(code, module.region) for code in (code_of(kind, market) for market in markets) if code]
        module.fail_json(
            msg=f"The account's quota of vCPUs does not allow a {kind} for the job {job} ({said}), and waiting does not change "
            f"that. Ask AWS for more ({' or '.join(quotas) or 'Service Quotas, Amazon EC2'}), choose a smaller type, or end "
            f"what else of the account runs in {module.region}."
        )
    module.fail_json(
        msg=f"EC2 has no {kind} for the job {job} now ({said}). Run the same again later, choose another type, or take an "
        "on-demand instance."
    )
    raise AssertionError  # fail_json does not return


def start_at(ec2: Any, parameters: dict[str, Any], market: str, subnet_id: str, earlier: list[str]) -> jobs.Instance | None:
    """Starts the instance in one subnet, or returns the one that another controller has just started; None without a token."""
    wanted = jobs.request(parameters, market, subnet_id)
    for generation in range(GENERATIONS):
        token = jobs.client_token(parameters["job"], market, subnet_id, earlier, generation)
        try:
            answer = once_known(partial(ec2.run_instances, ClientToken=token, **wanted), NEW_PROFILE)
        except Exception as error:
            if error_code(error) != jobs.TOKEN_TAKEN:
                raise
            running = found(ec2, jobs.filters(parameters["tags"], parameters["job"], jobs.ALIVE))
            if running:
                return running[-1]
        else:
            started: jobs.Instance = answer["Instances"][0]
            if started["State"]["Name"] in jobs.ALIVE:
                return started
    return None


def end(module: Module, ec2: Any, identities: list[str]) -> Result:
    """Terminates instances and returns the result."""
    if identities and not module.check_mode:
        ec2.terminate_instances(InstanceIds=identities)
    return {"changed": bool(identities), "instance_id": "", "ended": identities}


def run(module: Module) -> Result:
    """Returns the result; fails the module when a parameter is missing or there is no capacity."""
    parameters, ec2 = module.params, module.client("ec2")
    tags, job, state = parameters["tags"], parameters["job"], parameters["state"]
    if {"Project", "Environment"} - set(tags):
        module.fail_json(msg="tags must have Project and Environment: the instance is found by them")
    if state == "reaped":
        return end(module, ec2, jobs.overdue(found(ec2, jobs.filters(tags)), datetime.now(UTC)))
    if not job:
        module.fail_json(msg=f"state {state} needs job")
    if state == "absent":
        return end(module, ec2, [each["InstanceId"] for each in found(ec2, jobs.filters(tags, job))])
    if running := found(ec2, jobs.filters(tags, job, jobs.ALIVE)):
        instance = running[-1]
        return {"changed": False, "instance_id": instance["InstanceId"], "market": jobs.market_of(instance), "ended": []}
    if missing := [name for name in STARTING if not parameters[name]]:
        module.fail_json(msg=f"an instance must be started, and these are missing: {', '.join(missing)}")
    if problem := jobs.too_long(parameters["user_data"]):
        module.fail_json(msg=problem)
    if module.check_mode:
        return {"changed": True, "instance_id": "", "market": parameters["market"], "ended": []}
    instance = start(module, ec2)
    return {"changed": True, "instance_id": instance["InstanceId"], "market": jobs.market_of(instance), "ended": []}


if __name__ == "__main__":
    # User data carries addresses whose bearer may fetch the code.
    run_module(DOCUMENTATION, run, "Could not look after the training instance", no_log={"user_data": True})
