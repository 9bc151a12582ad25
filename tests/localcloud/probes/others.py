"""Probes of the other services."""

import functools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import trustme

from localcloud import settings as constants
from localcloud.corrections import (
    acm,
    budgets,
    cloudwatch,
    constraints,
    elbv2,
    elbv2_settings,
    iam,
    iam_identity_providers,
    logs,
    metric_alarms,
    s3,
    s3_configurations,
    s3_lifecycle,
    service_linked_roles,
    session_manager,
)
from tests.localcloud.probing import LACKING, Api, probe, taken

OWN_BUDGET = {"AccountId": constants.ACCOUNT_ID, "BudgetName": "monthly"}
BUDGET: dict[str, Any] = {
    "BudgetName": "monthly",
    "BudgetType": "COST",
    "TimeUnit": "MONTHLY",
    "BudgetLimit": {"Amount": "100", "Unit": "USD"},
}
NOTIFICATION = {"NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN", "Threshold": 80.0}
SUBSCRIBER = {"SubscriptionType": "EMAIL", "Address": "ann@example.com"}
METRIC: dict[str, Any] = {"Namespace": "Test", "MetricName": "Latency"}
ALARM = METRIC | {
    "AlarmName": "slow",
    "ComparisonOperator": "GreaterThanThreshold",
    "EvaluationPeriods": 1,
    "Period": 60,
    "Threshold": 1.0,
}
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}]})


@functools.cache
def certificate(kind: trustme.KeyType = trustme.KeyType.RSA) -> dict[str, bytes]:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", key_type=kind)
    return {
        "Certificate": issued.cert_chain_pems[0].bytes(),
        "PrivateKey": issued.private_key_pem.bytes(),
        "CertificateChain": authority.cert_pem.bytes(),
    }


@probe(acm.CHAIN, moto=2, aws=1)
def the_chain_of_an_imported_certificate(api: Api) -> Any:
    arn = api("acm").import_certificate(**certificate())["CertificateArn"]
    return api("acm").get_certificate(CertificateArn=arn)["CertificateChain"].count("BEGIN CERTIFICATE")


@probe(acm.LISTED, moto=1, aws=0)
def the_list_of_certificates(api: Api) -> Any:
    api("acm").import_certificate(**certificate(trustme.KeyType.ECDSA))
    return len(api("acm").list_certificates()["CertificateSummaryList"])


@probe(acm.KEPT_TAGS, moto=0, aws=1)
def the_tags_of_a_certificate_that_is_imported_anew(api: Api) -> Any:
    arn = api("acm").import_certificate(**certificate(), Tags=[{"Key": "a", "Value": "b"}])["CertificateArn"]
    api("acm").import_certificate(**certificate(), CertificateArn=arn)
    return len(api("acm").list_tags_for_certificate(CertificateArn=arn)["Tags"])


def create_budget(api: Api, changes: dict[str, Any], **more: Any) -> None:
    api("budgets").create_budget(AccountId=constants.ACCOUNT_ID, Budget=BUDGET | changes, **more)


@probe(budgets.FILTER, moto=True, aws=False)
def a_budget_whose_filter_nobody_asks_for(api: Api) -> Any:
    by_tag = {"Tags": {"Key": "Project", "Values": ["a"], "MatchOptions": ["EQUALS"]}}
    create_budget(api, {"FilterExpression": by_tag, "Metrics": ["UnblendedCost"]})
    return "FilterExpression" in api("budgets").describe_budget(**OWN_BUDGET)["Budget"]


@probe(budgets.UPDATES, moto=LACKING, aws=True)
def a_new_limit_of_a_budget(api: Api) -> Any:
    create_budget(api, {})
    new = BUDGET | {"BudgetLimit": {"Amount": "250", "Unit": "USD"}}
    return taken(lambda: api("budgets").update_budget(AccountId=constants.ACCOUNT_ID, NewBudget=new))


@probe(budgets.SUBSCRIBERS, moto=LACKING, aws=[SUBSCRIBER])
def who_is_told_of_a_budget(api: Api) -> Any:
    create_budget(api, {}, NotificationsWithSubscribers=[{"Notification": NOTIFICATION, "Subscribers": [SUBSCRIBER]}])
    asked = OWN_BUDGET | {"Notification": NOTIFICATION}
    return api("budgets").describe_subscribers_for_notification(**asked)["Subscribers"]


@probe(budgets.TAGS, moto=LACKING, aws=[{"Key": "a", "Value": "b"}])
def the_tags_of_a_budget(api: Api) -> Any:
    create_budget(api, {}, ResourceTags=[{"Key": "a", "Value": "b"}])
    arn = f"arn:aws:budgets::{constants.ACCOUNT_ID}:budget/monthly"
    return api("budgets").list_tags_for_resource(ResourceARN=arn)["ResourceTags"]


@probe(budgets.ACTIONS, moto=LACKING, aws=["STANDBY"])
def what_a_budget_does_when_it_is_used_up(api: Api) -> Any:
    create_budget(api, {})
    applied = {"IamActionDefinition": {"PolicyArn": "arn:aws:iam::aws:policy/AWSDenyAll", "Roles": ["service"]}}
    api("budgets").create_budget_action(
        **OWN_BUDGET,
        **{"NotificationType": "ACTUAL", "ActionType": "APPLY_IAM_POLICY", "Definition": applied},
        ActionThreshold={"ActionThresholdValue": 100.0, "ActionThresholdType": "PERCENTAGE"},
        ExecutionRoleArn=f"arn:aws:iam::{constants.ACCOUNT_ID}:role/budgets",
        ApprovalModel="AUTOMATIC",
        Subscribers=[SUBSCRIBER],
    )
    actions = api("budgets").describe_budget_actions_for_budget(**OWN_BUDGET)["Actions"]
    return [action["Status"] for action in actions]


@probe(s3_configurations.CONFIGURATIONS, moto=["BucketOwner", "NoSuchBucket"], aws=["Requester", True])
def what_else_a_bucket_is_configured_with(api: Api) -> Any:
    client = api("s3")
    client.create_bucket(Bucket="models")
    client.put_bucket_request_payment(Bucket="models", RequestPaymentConfiguration={"Payer": "Requester"})
    client.put_bucket_metrics_configuration(Bucket="models", Id="all", MetricsConfiguration={"Id": "all"})
    payer = client.get_bucket_request_payment(Bucket="models").get("Payer", "BucketOwner")
    client.delete_bucket_metrics_configuration(Bucket="models", Id="all")
    return [payer, taken(lambda: client.get_bucket_versioning(Bucket="models"))]


def times() -> dict[str, datetime]:
    now = datetime.now(UTC)
    return {"StartTime": now - timedelta(minutes=5), "EndTime": now + timedelta(minutes=5)}


def put(api: Api, value: float, *names: str) -> None:
    dimensions = [{"Name": name, "Value": "x"} for name in names]
    data = [{"MetricName": "Latency", "Value": value, "Dimensions": dimensions}]
    api("cloudwatch").put_metric_data(Namespace="Test", MetricData=data)


def got(api: Api, stat: str, *names: str) -> list[float]:
    metric = METRIC | {"Dimensions": [{"Name": name, "Value": "x"} for name in names]}
    query = {"Id": "q", "MetricStat": {"Metric": metric, "Period": 3600, "Stat": stat}}
    answer = api("cloudwatch").get_metric_data(MetricDataQueries=[query], **times())
    return list(answer["MetricDataResults"][0]["Values"])


@probe(cloudwatch.SERIES, moto=[1.0], aws=[3.0])
def dimensions_in_any_order(api: Api) -> Any:
    put(api, 1.0, "A", "B")
    put(api, 2.0, "B", "A")
    return got(api, "Sum", "A", "B")


@probe(cloudwatch.EXTENDED, moto=TypeError.__name__, aws=[7.0])
def a_percentile(api: Api) -> Any:
    put(api, 7.0)
    return got(api, "p99")


@probe(cloudwatch.EXTENDED_POINTS, moto=[{}], aws=[{"p99": 7.0}])
def a_percentile_of_data_points(api: Api) -> Any:
    put(api, 7.0)
    answer = api("cloudwatch").get_metric_statistics(**METRIC, **times(), Period=3600, ExtendedStatistics=["p99"])
    return [one.get("ExtendedStatistics", {}) for one in answer["Datapoints"]]


@probe(cloudwatch.UNKNOWN_STATISTICS, moto=[], aws="ValidationError")
def a_percentile_that_there_cannot_be(api: Api) -> Any:
    return got(api, "p101")


@probe(metric_alarms.REQUESTS, moto=True, aws="ValidationError")
def an_alarm_on_more_than_all_data_points(api: Api) -> Any:
    return taken(lambda: api("cloudwatch").put_metric_alarm(**ALARM, Statistic="Average", DatapointsToAlarm=2))


@probe(metric_alarms.STATES, moto="OK", aws="INSUFFICIENT_DATA")
def the_state_of_a_new_alarm(api: Api) -> Any:
    api("cloudwatch").put_metric_alarm(**ALARM, Statistic="Average")
    return api("cloudwatch").describe_alarms()["MetricAlarms"][0]["StateValue"]


@probe(metric_alarms.EXTENDED, moto="InvalidParameterValue", aws=True)
def an_alarm_on_a_trimmed_mean(api: Api) -> Any:
    return taken(lambda: api("cloudwatch").put_metric_alarm(**ALARM, ExtendedStatistic="tm90"))


@probe(metric_alarms.HISTORY, moto=LACKING, aws=[])
def the_history_of_alarms(api: Api) -> Any:
    return api("cloudwatch").describe_alarm_history()["AlarmHistoryItems"]


@probe(constraints.MODEL, moto=True, aws="InvalidParameterException")
def a_log_group_with_a_blank(api: Api) -> Any:
    return taken(lambda: api("logs").create_log_group(logGroupName="/a b"))


def balancer(api: Api) -> dict[str, str]:
    subnets = [one["SubnetId"] for one in api("ec2").describe_subnets()["Subnets"][:2]]
    (made,) = api("elbv2").create_load_balancer(Name="service", Subnets=subnets)["LoadBalancers"]
    return {"LoadBalancerArn": made["LoadBalancerArn"]}


@probe(elbv2.ATTRIBUTES, moto=None, aws="3600")
def an_attribute_that_nobody_has_set(api: Api) -> Any:
    attributes = api("elbv2").describe_load_balancer_attributes(**balancer(api))["Attributes"]
    return {one["Key"]: one["Value"] for one in attributes}.get("client_keep_alive.seconds")


@probe(elbv2.PROTECTION, moto=True, aws="OperationNotPermitted")
def deleting_a_protected_balancer(api: Api) -> Any:
    own = balancer(api)
    protection = {"Key": "deletion_protection.enabled", "Value": "true"}
    api("elbv2").modify_load_balancer_attributes(**own, Attributes=[protection])
    return taken(lambda: api("elbv2").delete_load_balancer(**own))


@probe(elbv2.USERS, moto=1, aws=0)
def the_balancers_of_a_group_whose_listener_is_gone(api: Api) -> Any:
    own = balancer(api)
    vpc = api("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    (group,) = api("elbv2").create_target_group(Name="g", Protocol="HTTP", Port=80, VpcId=vpc)["TargetGroups"]
    forward = [{"Type": "forward", "TargetGroupArn": group["TargetGroupArn"]}]
    made = api("elbv2").create_listener(**own, Protocol="HTTP", Port=80, DefaultActions=forward)
    api("elbv2").delete_listener(ListenerArn=made["Listeners"][0]["ListenerArn"])
    return len(api("elbv2").describe_target_groups()["TargetGroups"][0]["LoadBalancerArns"])


@probe(elbv2_settings.HEALTH_LOGS, moto="InvalidConfigurationRequest", aws=True)
def where_the_logs_of_health_checks_go(api: Api) -> Any:
    prefix = {"Key": "health_check_logs.s3.prefix", "Value": "checks"}
    return taken(lambda: api("elbv2").modify_load_balancer_attributes(**balancer(api), Attributes=[prefix]))


def group(api: Api) -> str:
    vpc = api("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    (made,) = api("elbv2").create_target_group(Name="g", Protocol="HTTP", Port=80, VpcId=vpc)["TargetGroups"]
    return str(made["TargetGroupArn"])


@probe(elbv2_settings.GROUP_ATTRIBUTES, moto=None, aws="86400")
def an_attribute_of_a_group_that_nobody_has_set(api: Api) -> Any:
    attributes = api("elbv2").describe_target_group_attributes(TargetGroupArn=group(api))["Attributes"]
    return {one["Key"]: one["Value"] for one in attributes}.get("stickiness.lb_cookie.duration_seconds")


def listener(api: Api, *certificates: str) -> dict[str, str]:
    secure = {"Protocol": "HTTPS", "Certificates": [{"CertificateArn": arn} for arn in certificates]}
    made = api("elbv2").create_listener(
        **balancer(api),
        **(secure if certificates else {"Protocol": "HTTP"}),
        Port=443,
        DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}],
    )
    return {"ListenerArn": made["Listeners"][0]["ListenerArn"]}


@probe(elbv2_settings.LISTENER_ATTRIBUTES, moto=None, aws="true")
def an_attribute_of_a_listener_that_nobody_has_set(api: Api) -> Any:
    attributes = api("elbv2").describe_listener_attributes(**listener(api))["Attributes"]
    return {one["Key"]: one["Value"] for one in attributes}.get("routing.http.response.server.enabled")


@probe(elbv2_settings.CAPACITY, moto=LACKING, aws=100)
def the_capacity_that_is_reserved(api: Api) -> Any:
    own = balancer(api)
    api("elbv2").modify_capacity_reservation(**own, MinimumLoadBalancerCapacity={"CapacityUnits": 100})
    return api("elbv2").describe_capacity_reservation(**own)["MinimumLoadBalancerCapacity"]["CapacityUnits"]


@probe(elbv2_settings.MUTUAL, moto=None, aws="passthrough")
def how_a_listener_authenticates_clients(api: Api) -> Any:
    own = listener(api, api("acm").import_certificate(**certificate())["CertificateArn"])
    api("elbv2").modify_listener(**own, MutualAuthentication={"Mode": "passthrough"})
    (found,) = api("elbv2").describe_listeners(ListenerArns=[own["ListenerArn"]])["Listeners"]
    return found.get("MutualAuthentication", {}).get("Mode")


@probe(elbv2_settings.DEFAULT_CERTIFICATE, moto=1, aws=2)
def the_certificates_of_a_listener_with_another_default(api: Api) -> Any:
    first, other = (api("acm").import_certificate(**certificate())["CertificateArn"] for _ in range(2))
    own = listener(api, first)
    api("elbv2").add_listener_certificates(**own, Certificates=[{"CertificateArn": other}])
    api("elbv2").modify_listener(**own, Certificates=[{"CertificateArn": first}])
    return len(api("elbv2").describe_listener_certificates(**own)["Certificates"])


def policy(api: Api) -> dict[str, str]:
    return {"PolicyArn": api("iam").create_policy(PolicyName="p", PolicyDocument=POLICY)["Policy"]["Arn"]}


@probe(iam.NEEDED, moto=True, aws="DeleteConflict")
def deleting_a_policy_that_a_role_has(api: Api) -> Any:
    own = policy(api)
    api("iam").create_role(RoleName="r", AssumeRolePolicyDocument="{}")
    api("iam").attach_role_policy(RoleName="r", **own)
    return taken(lambda: api("iam").delete_policy(**own))


@probe(iam.BOUNDS, moto=0, aws=1)
def who_is_bounded_by_a_policy(api: Api) -> Any:
    own = policy(api)
    api("iam").create_role(RoleName="r", AssumeRolePolicyDocument="{}", PermissionsBoundary=own["PolicyArn"])
    asked = own | {"PolicyUsageFilter": "PermissionsBoundary"}
    return len(api("iam").list_entities_for_policy(**asked)["PolicyRoles"])


@probe(iam.NEWS, moto=True, aws="NoSuchEntity")
def a_role_with_a_new_policy(api: Api) -> Any:
    api.lag()
    own = policy(api)
    api("iam").create_role(RoleName="r", AssumeRolePolicyDocument="{}")
    return taken(lambda: api("iam").attach_role_policy(RoleName="r", **own))


@probe(s3.CONDITIONS, moto="403", aws=b"1")
def a_bucket_that_denies_requests_without_tls(api: Api) -> Any:
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": ["arn:aws:s3:::models", "arn:aws:s3:::models/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    api("s3").create_bucket(Bucket="models")
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    api("s3").put_bucket_policy(Bucket="models", Policy=document)
    api("s3").put_object(Bucket="models", Key="a", Body=b"1")
    return api("s3").get_object(Bucket="models", Key="a")["Body"].read()


@probe(s3_lifecycle.RULES, moto=True, aws="InvalidArgument")
def a_rule_that_expires_objects_after_no_day(api: Api) -> Any:
    api("s3").create_bucket(Bucket="models")
    rule = {"ID": "a", "Filter": {"Prefix": ""}, "Status": "Enabled", "Expiration": {"Days": 0}}
    put_rules = api("s3").put_bucket_lifecycle_configuration
    return taken(lambda: put_rules(Bucket="models", LifecycleConfiguration={"Rules": [rule]}))


def roles(api: Api) -> list[str]:
    return [one["RoleName"] for one in api("iam").list_roles()["Roles"]]


@probe(service_linked_roles.FIRST_CALL, moto=[], aws=["AWSServiceRoleForElasticLoadBalancing"])
def the_roles_of_an_account_with_a_balancer(api: Api) -> Any:
    balancer(api)
    return roles(api)


@probe(service_linked_roles.NAMES, moto=["AWSServiceRoleForspot"], aws=["AWSServiceRoleForEC2Spot"])
def the_role_of_spot_instances(api: Api) -> Any:
    api("iam").create_service_linked_role(AWSServiceName="spot.amazonaws.com")
    return roles(api)


@probe(session_manager.SESSIONS, moto=LACKING, aws="notconnected")
def whether_a_session_could_start(api: Api) -> Any:
    made = api("ec2").run_instances(MinCount=1, MaxCount=1, ImageId=api.image)["Instances"][0]["InstanceId"]
    return api("ssm").get_connection_status(Target=made)["Status"]


@probe(logs.RESOURCE_TYPE, moto=0, aws=1)
def the_log_groups_with_a_tag(api: Api) -> Any:
    api("logs").create_log_group(logGroupName="/service", tags={"Project": "pettracker"})
    found = api("resourcegroupstaggingapi").get_resources(
        ResourceTypeFilters=["logs:log-group"], TagFilters=[{"Key": "Project", "Values": ["pettracker"]}]
    )
    return len(found["ResourceTagMappingList"])


@probe(iam_identity_providers.AUDIENCES, moto=LACKING, aws=["a", "b"])
def the_audiences_of_an_identity_provider(api: Api) -> Any:
    arn = api("iam").create_open_id_connect_provider(Url="https://issuer.example.com", ClientIDList=["a"])
    one = {"OpenIDConnectProviderArn": arn["OpenIDConnectProviderArn"]}
    api("iam").add_client_id_to_open_id_connect_provider(**one, ClientID="b")
    return sorted(api("iam").get_open_id_connect_provider(**one)["ClientIDList"])
