"""Elastic Load Balancing v2: what a balancer, a listener and a target group are like when nobody has set anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult
from moto.elbv2.models import ELBv2Backend, FakeListener, FakeLoadBalancer
from moto.elbv2.responses import ELBV2Response

from localcloud.corrections.patching import NOT_REPORTED, Difference, addition, correction

if TYPE_CHECKING:
    from localcloud.account import Account

DOCUMENTS = "https://docs.aws.amazon.com/elasticloadbalancing/latest/"
HEALTH_LOGS = Difference(
    "refuses to say where the logs of health checks go",
    aws=f"{DOCUMENTS}APIReference/API_LoadBalancerAttribute.html",
    upstream=NOT_REPORTED,
)
GROUP_ATTRIBUTES = Difference(
    "gives a new target group values for few attributes",
    aws=f"{DOCUMENTS}APIReference/API_TargetGroupAttribute.html",
    upstream=NOT_REPORTED,
)
LISTENER_ATTRIBUTES = Difference(
    "gives a listener of an application balancer the attributes of a network balancer's",
    aws=f"{DOCUMENTS}APIReference/API_ListenerAttribute.html",
    upstream=NOT_REPORTED,
)
CAPACITY = Difference(
    "reserves no capacity", aws=f"{DOCUMENTS}APIReference/API_ModifyCapacityReservation.html", upstream=NOT_REPORTED
)
MUTUAL = Difference(
    "forgets how a listener authenticates clients",
    aws=f"{DOCUMENTS}APIReference/API_MutualAuthenticationAttributes.html",
    upstream=NOT_REPORTED,
)
# "Certificates: the default certificate"; the others are those of DescribeListenerCertificates and stay.
DEFAULT_CERTIFICATE = Difference(
    "takes the other certificates of a listener away with its default one, and describes all where AWS describes that one",
    aws=f"{DOCUMENTS}APIReference/API_ModifyListener.html",
    upstream=NOT_REPORTED,
)

GROUP_DEFAULTS = {
    "load_balancing.algorithm.anomaly_mitigation": "off",
    "stickiness.app_cookie.cookie_name": "",
    "stickiness.app_cookie.duration_seconds": "86400",
    "stickiness.lb_cookie.duration_seconds": "86400",
    "target_group_health.dns_failover.minimum_healthy_targets.count": "1",
    "target_group_health.dns_failover.minimum_healthy_targets.percentage": "off",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count": "1",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": "off",
}
RESPONSE_HEADERS = (
    "access_control_allow_credentials",
    "access_control_allow_headers",
    "access_control_allow_methods",
    "access_control_allow_origin",
    "access_control_expose_headers",
    "access_control_max_age",
    "content_security_policy",
    "strict_transport_security",
    "x_content_type_options",
    "x_frame_options",
)
RENAMED_HEADERS = ("x_amzn_mtls_clientcert", "x_amzn_tls_cipher_suite", "x_amzn_tls_version")


def listener_attributes(protocol: str) -> dict[str, str]:
    """Return the attributes of a listener that nobody has set."""
    found = {"routing.http.response.server.enabled": "true"}
    found |= {f"routing.http.response.{header}.header_value": "" for header in RESPONSE_HEADERS}
    if protocol == "HTTPS":
        names = {header: header.replace("_", "-").title() for header in RENAMED_HEADERS}
        found |= {f"routing.http.request.{header}.header_name": name for header, name in names.items()}
    return found


def apply(_account: Account) -> None:
    """Correct what there is without being set, and keep what is."""
    logs = {f"health_check_logs.s3.{name}" for name in ("bucket", "prefix")}
    addition(FakeLoadBalancer, "VALID_ATTRS", HEALTH_LOGS)(FakeLoadBalancer.VALID_ATTRS | logs)
    path = "DescribeListenersOutput.Listeners.Listener.Certificates"
    transformers = ELBV2Response.RESPONSE_KEY_PATH_TO_TRANSFORMER
    addition(ELBV2Response, "RESPONSE_KEY_PATH_TO_TRANSFORMER", DEFAULT_CERTIFICATE)(
        {**transformers, path: lambda arns: [{"CertificateArn": arn} for arn in arns[:1]] or None}
    )

    @correction(ELBv2Backend, "create_target_group", GROUP_ATTRIBUTES)
    def have_all_attributes(original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
        group = original(self, *args, **kwargs)
        if group.protocol in ("HTTP", "HTTPS"):
            del group.attributes["waf.fail_open.enabled"]
            group.attributes |= GROUP_DEFAULTS
        return group

    @correction(FakeListener, "__init__", LISTENER_ATTRIBUTES)
    def have_attributes_of_its_type(original: Any, self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        if self.protocol in ("HTTP", "HTTPS"):
            self.attributes = listener_attributes(self.protocol)

    @correction(ELBV2Response, "modify_listener", MUTUAL, DEFAULT_CERTIFICATE)
    def keep_certificates_and_authentication(original: Any, self: Any) -> Any:
        arn, wanted = self._get_param("ListenerArn"), self._get_param("MutualAuthentication")
        (listener,) = self.elbv2_backend.describe_listeners(load_balancer_arn=None, listener_arns=[arn])
        others = listener.certificates[1:]
        answer = original(self)
        listener.certificates = [*listener.certificates[:1], *others]
        if wanted:
            listener.mutual_authentication = {"Mode": wanted["Mode"]} if wanted["Mode"] == "off" else dict(wanted)
        return answer

    @addition(ELBV2Response, "modify_capacity_reservation", CAPACITY)
    def modify_capacity_reservation(self: Any) -> ActionResult:
        (balancer,) = self.elbv2_backend.describe_load_balancers([self._get_param("LoadBalancerArn")], [])
        reset = self._get_param("ResetCapacityReservation")
        balancer.capacity = {} if reset else dict(self._get_param("MinimumLoadBalancerCapacity"))
        return self.describe_capacity_reservation()

    @addition(ELBV2Response, "describe_capacity_reservation", CAPACITY)
    def describe_capacity_reservation(self: Any) -> ActionResult:
        (balancer,) = self.elbv2_backend.describe_load_balancers([self._get_param("LoadBalancerArn")], [])
        reserved = getattr(balancer, "capacity", {})
        return ActionResult({"MinimumLoadBalancerCapacity": reserved} if reserved else {})
