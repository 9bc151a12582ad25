"""What S3 describes a bucket with, configuration by configuration.

The actions of the calls: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
"""

from typing import Any

from .fields import FIXED, IDENTITY, META, UNSET, Answer, Default, Foreign, Ignored, Marks, compared, each

PAGES = each(META, "ContinuationToken NextContinuationToken IsTruncated")
ROOT = Foreign("the root user of the account, who alone can change it")
LOCK: Marks = {"ObjectLockEnabled": Ignored("nobody can take it away; what it does to objects is in the rule"), "Rule": UNSET}
NOTIFICATIONS = {
    **each(UNSET, "TopicConfigurations QueueConfigurations LambdaFunctionConfigurations"),
    # An empty structure says that all events go to EventBridge.
    **compared(event_bridge="EventBridgeConfiguration"),
}
WEBSITE = each(UNSET, "RedirectAllRequestsTo IndexDocument ErrorDocument RoutingRules")

ANSWERS = (
    Answer(
        "GetBucketEncryption",
        "ServerSideEncryptionConfiguration.Rules",
        {
            "ApplyServerSideEncryptionByDefault": compared(encryption="SSEAlgorithm", kms_key_id="KMSMasterKeyID"),
            **compared(bucket_key="BucketKeyEnabled"),
            # S3 refuses keys that a writer brings along, unless somebody lets them in; it says nothing of older buckets.
            # https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-s3-c-encryption-setting-faq.html
            "BlockedEncryptionTypes": {"EncryptionType": Default(["SSE-C"])},
        },
    ),
    Answer("GetBucketVersioning", "", {**compared(versioning="Status"), "MFADelete": ROOT}),
    Answer(
        "GetBucketLifecycleConfiguration",
        "",
        {
            **compared(lifecycle="Rules"),
            # The default: API_PutBucketLifecycleConfiguration.html
            "TransitionDefaultMinimumObjectSize": Default("all_storage_classes_128K"),
        },
    ),
    Answer("GetPublicAccessBlock", "", compared(public_access_blocked="PublicAccessBlockConfiguration")),
    Answer("GetBucketOwnershipControls", "OwnershipControls", compared(ownership="Rules")),
    Answer("GetBucketPolicy", "", compared(policy="Policy")),
    Answer(
        "GetBucketAcl",
        "",
        {
            "Owner": IDENTITY,
            "Grants": {
                "Grantee": {
                    "DisplayName": IDENTITY,
                    "EmailAddress": Ignored("a way to name an account that S3 never answers with"),
                    **compared(grants="ID URI"),
                    "Type": Ignored("follows from which name there is"),
                },
                **compared(grants="Permission"),
            },
        },
    ),
    Answer("GetBucketCors", "", {"CORSRules": UNSET}),
    Answer("GetBucketLogging", "", {"LoggingEnabled": UNSET}),
    Answer("GetBucketNotificationConfiguration", "", NOTIFICATIONS, under="notifications"),
    Answer("GetBucketReplication", "", {"ReplicationConfiguration": UNSET}),
    Answer("GetBucketWebsite", "", WEBSITE, under="website"),
    Answer("GetBucketRequestPayment", "", {"Payer": Default("BucketOwner")}, under="request_payment"),
    Answer("GetBucketAccelerateConfiguration", "", {**compared(accelerated="Status"), "RequestCharged": META}),
    Answer("GetObjectLockConfiguration", "ObjectLockConfiguration", LOCK, under="object_lock"),
    Answer("GetBucketTagging", "", compared(tags="TagSet")),
    Answer("ListBucketInventoryConfigurations", "", PAGES | {"InventoryConfigurationList": UNSET}),
    Answer("ListBucketAnalyticsConfigurations", "", PAGES | {"AnalyticsConfigurationList": UNSET}),
    Answer("ListBucketMetricsConfigurations", "", PAGES | {"MetricsConfigurationList": UNSET}),
    Answer("ListBucketIntelligentTieringConfigurations", "", PAGES | {"IntelligentTieringConfigurationList": UNSET}),
    # Knows the configurations of GetBucketMetadataTableConfiguration as well.
    Answer("GetBucketMetadataConfiguration", "GetBucketMetadataConfigurationResult", {"MetadataConfigurationResult": UNSET}),
    Answer("GetBucketAbac", "AbacStatus", {"Status": Default("Disabled")}, under="abac"),
    Answer("GetBucketLocation", "", {"LocationConstraint": FIXED}),
)

# What S3 refuses an answer with where nobody has configured anything.
NOTHING = {
    "GetBucketEncryption": "ServerSideEncryptionConfigurationNotFoundError",
    "GetBucketLifecycleConfiguration": "NoSuchLifecycleConfiguration",
    "GetPublicAccessBlock": "NoSuchPublicAccessBlockConfiguration",
    "GetBucketOwnershipControls": "OwnershipControlsNotFoundError",
    "GetBucketPolicy": "NoSuchBucketPolicy",
    "GetBucketCors": "NoSuchCORSConfiguration",
    "GetBucketReplication": "ReplicationConfigurationNotFoundError",
    "GetBucketWebsite": "NoSuchWebsiteConfiguration",
    "GetObjectLockConfiguration": "ObjectLockConfigurationNotFoundError",
    "GetBucketTagging": "NoSuchTagSet",
    "GetBucketMetadataConfiguration": "MetadataConfigurationNotFound",
}

# What S3 answers where a region or a partition does not know a configuration yet.
UNKNOWN = ("MethodNotAllowed", "NotImplemented", "UnsupportedArgument", "UnsupportedOperation", "XNotImplemented")

PUBLIC_ACCESS_BLOCK = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
OWNER = "BucketOwnerEnforced"
# The calls that put back what is alike for every bucket, by the beginning of its path in a plan, in the order in which S3 takes
# them.
PUT_BACK: dict[str, tuple[str, dict[str, Any]]] = {
    "abac": ("put_bucket_abac", {"AbacStatus": {"Status": "Disabled"}}),
    "cors_rules": ("delete_bucket_cors", {}),
    "logging_enabled": ("put_bucket_logging", {"BucketLoggingStatus": {}}),
    "notifications": ("put_bucket_notification_configuration", {"NotificationConfiguration": {}}),
    "event_bridge": ("put_bucket_notification_configuration", {"NotificationConfiguration": {}}),
    "replication_configuration": ("delete_bucket_replication", {}),
    "website": ("delete_bucket_website", {}),
    "request_payment": ("put_bucket_request_payment", {"RequestPaymentConfiguration": {"Payer": "BucketOwner"}}),
    "accelerated": ("put_bucket_accelerate_configuration", {"AccelerateConfiguration": {"Status": "Suspended"}}),
    "public_access_blocked": ("put_public_access_block", {"PublicAccessBlockConfiguration": PUBLIC_ACCESS_BLOCK}),
    # Before the ownership: S3 switches no ACL off that gives something to others.
    "grants": ("put_bucket_acl", {"ACL": "private"}),
    "ownership": ("put_bucket_ownership_controls", {"OwnershipControls": {"Rules": [{"ObjectOwnership": OWNER}]}}),
    "object_lock": ("put_object_lock_configuration", {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}}),
    "metadata_configuration_result": ("delete_bucket_metadata_configuration", {}),
}
# The same for what there may be many of, each of which the call removes by its Id.
LISTS = {
    "inventory_configuration_list": "delete_bucket_inventory_configuration",
    "analytics_configuration_list": "delete_bucket_analytics_configuration",
    "metrics_configuration_list": "delete_bucket_metrics_configuration",
    "intelligent_tiering_configuration_list": "delete_bucket_intelligent_tiering_configuration",
}
