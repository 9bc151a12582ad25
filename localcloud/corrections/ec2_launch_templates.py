"""EC2 launch templates: their versions, and when describes show them."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import InvalidLaunchTemplateNameNotFoundError, InvalidLaunchTemplateVersionNotFound
from moto.ec2.models.launch_templates import LaunchTemplate, LaunchTemplateBackend
from moto.ec2.responses.launch_templates import LaunchTemplates
from moto.ec2.utils import parse_user_data

from localcloud.corrections.patching import NOT_REPORTED, Difference, addition, correction

if TYPE_CHECKING:
    from localcloud.account import Account
    from localcloud.consistency import Consistency

API = "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/"
USER_DATA = Difference(
    "reads the user data of a template's first version only, and then cannot launch groups from later ones",
    aws=API + "API_RequestLaunchTemplateData.html",
    upstream=NOT_REPORTED,
)
SOURCE = Difference(
    "lets a new version inherit nothing from its SourceVersion",
    aws=API + "API_CreateLaunchTemplateVersion.html",
    upstream=NOT_REPORTED,
)
# In a version's TagSpecifications they would belong to what is launched.
OWN_TAGS = Difference(
    "copies the tags of a template into its first version", aws=API + "API_CreateLaunchTemplate.html", upstream=NOT_REPORTED
)
LATER_TAGS = Difference(
    "shows for good the tags that a template was made with", aws=API + "API_CreateTags.html", upstream=NOT_REPORTED
)
NEWS = Difference(
    "shows and knows new templates and new versions at once",
    aws="https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html",
    upstream=NOT_REPORTED,
)


def apply(account: Account) -> None:
    """Correct what goes into the versions of a launch template, and let describes lag behind."""
    _correct_versions(account.consistency)
    _lag_behind(account.consistency)


def _correct_versions(consistency: Consistency) -> None:
    def template_data(self: Any) -> dict[str, Any]:
        data: dict[str, Any] = copy.deepcopy(self._get_param("LaunchTemplateData", {}))
        if "UserData" in data:
            data["UserData"] = parse_user_data(data["UserData"])
        return data

    def created_by(self: Any) -> str:
        return f"arn:{self.partition}:iam::{self.current_account}:root"

    current = property(lambda self: self.get_tags(), lambda _, __: None)
    addition(LaunchTemplate, "tags", LATER_TAGS)(current)

    @addition(LaunchTemplates, "create_launch_template", OWN_TAGS)
    def create_launch_template(self: Any) -> Any:
        tags = self._parse_tag_specification()
        self.error_on_dryrun()
        template = self.ec2_backend.create_launch_template(
            self._get_param("LaunchTemplateName"), self._get_param("VersionDescription"), template_data(self), tags
        )
        return ActionResult(
            {
                "LaunchTemplate": {
                    "CreateTime": template.create_time,
                    "CreatedBy": created_by(self),
                    "DefaultVersionNumber": template.default_version_number,
                    "LatestVersionNumber": template.latest_version_number,
                    "LaunchTemplateId": template.id,
                    "LaunchTemplateName": template.name,
                    "Tags": template.tags,
                }
            }
        )

    @addition(LaunchTemplates, "create_launch_template_version", USER_DATA, SOURCE, NEWS)
    def create_launch_template_version(self: Any) -> Any:
        backend = self.ec2_backend
        name = self._get_param("LaunchTemplateName")
        template_id = self._get_param("LaunchTemplateId")
        template = backend.get_launch_template_by_name(name) if name else backend.get_launch_template(template_id)
        source = self._get_param("SourceVersion")
        inherited = copy.deepcopy(template.get_version(source).data) if source else {}
        self.error_on_dryrun()
        version = template.create_version(inherited | template_data(self), self._get_param("VersionDescription"))
        consistency.made((template.id, version.number))
        return ActionResult(
            {
                "LaunchTemplateVersion": {
                    "CreateTime": version.create_time,
                    "CreatedBy": created_by(self),
                    "DefaultVersion": template.is_default(version),
                    "LaunchTemplateData": version.data,
                    "LaunchTemplateId": template.id,
                    "LaunchTemplateName": template.name,
                    "VersionDescription": version.description,
                    "VersionNumber": version.number,
                }
            }
        )


def _lag_behind(consistency: Consistency) -> None:
    def latest_version(self: Any) -> Any:
        return next(version for version in reversed(self.versions) if not consistency.hidden((self.id, version.number)))

    addition(LaunchTemplate, "latest_version", NEWS)(latest_version)

    @correction(LaunchTemplate, "get_version", NEWS)
    def get_version(original: Any, self: Any, number: Any) -> Any:
        version = latest_version(self) if str(number).lower() == "$latest" else original(self, number)
        if consistency.hidden((self.id, version.number)):
            raise InvalidLaunchTemplateVersionNotFound(template_id=self.id, version=number)
        return version

    @correction(LaunchTemplateBackend, "describe_launch_templates", NEWS)
    def describe_launch_templates(original: Any, self: Any, **wanted: Any) -> Any:
        found = original(self, **wanted)
        shown = [template for template in found if not consistency.hidden(template.id)]
        if len(shown) < len(found) and wanted.get("template_names"):
            raise InvalidLaunchTemplateNameNotFoundError
        return shown

    @correction(LaunchTemplateBackend, "modify_launch_template", NEWS)
    def modify_launch_template(original: Any, self: Any, **wanted: Any) -> Any:
        name, number = wanted.get("template_name"), wanted["default_version"]
        identity = self.launch_template_name_to_ids.get(name) if name else wanted.get("template_id")
        if consistency.is_new((identity, int(number))):
            raise InvalidLaunchTemplateVersionNotFound(template_id=identity, version=number)
        return original(self, **wanted)
