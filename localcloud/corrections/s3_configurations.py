"""Configurations of S3 buckets that moto does not know, by the word of the query that names each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from moto.s3.exceptions import S3ClientError
from moto.s3.responses import S3Response

from localcloud.corrections.patching import NOT_REPORTED, Difference, correction

if TYPE_CHECKING:
    from localcloud.account import Account

CONFIGURATIONS = Difference(
    "forgets metrics, analytics, tiering, ABAC and payer of a bucket, and takes DELETE of one or an inventory for the bucket",
    aws="https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketMetricsConfiguration.html",
    upstream=NOT_REPORTED,
)

# What S3 answers where nobody has configured anything; lists are of those with an id.
NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
ALONE = {
    "requestPayment": f"<RequestPaymentConfiguration {NAMESPACE}><Payer>BucketOwner</Payer></RequestPaymentConfiguration>",
    "abac": f"<AbacStatus {NAMESPACE}><Status>Disabled</Status></AbacStatus>",
    "metadataConfiguration": "",
}
LISTS = {
    "inventory": "ListInventoryConfigurationsResult",
    "analytics": "ListBucketAnalyticsConfigurationResult",
    "metrics": "ListMetricsConfigurationsResult",
    "intelligent-tiering": "ListBucketIntelligentTieringConfigurationsResult",
}

Query = Mapping[str, Any]


def configuration(query: Query) -> str:
    """Return the word of the query that names one of these; "" where none does."""
    return next((word for word in (*ALONE, *LISTS) if word in query), "")


def apply(_account: Account) -> None:
    """Keep what is put, answer with it, and take DELETE for the configuration alone."""

    @correction(S3Response, "_bucket_response_get", CONFIGURATIONS)
    def get(original: Any, self: Any, bucket_name: str, querystring: Query) -> Any:
        word = configuration(querystring)
        if not word:
            return original(self, bucket_name, querystring)
        kept = _kept(self, bucket_name)
        if word in ALONE:
            text = kept.get((word, ""), ALONE[word])
            if not text:
                missing = S3ClientError("MetadataConfigurationNotFound", "The metadata configuration was not found")
                missing.code = "MetadataConfigurationNotFound"
                raise missing
            return 200, {}, text
        if "id" in querystring:
            if (word, _id(querystring)) not in kept:
                raise S3ClientError("NoSuchConfiguration", "The specified configuration does not exist.")
            return 200, {}, kept[word, _id(querystring)]
        listed = "".join(text for (its, _), text in sorted(kept.items()) if its == word)
        return 200, {}, f"<{LISTS[word]} {NAMESPACE}><IsTruncated>false</IsTruncated>{listed}</{LISTS[word]}>"

    @correction(S3Response, "_bucket_response_put", CONFIGURATIONS)
    def put(original: Any, self: Any, request: Any, bucket_name: str, querystring: Query) -> Any:
        word = configuration(querystring)
        if not word:
            return original(self, request, bucket_name, querystring)
        _kept(self, bucket_name)[word, _id(querystring)] = self.body.decode()
        return 200, {}, ""

    @correction(S3Response, "_bucket_response_delete", CONFIGURATIONS)
    def delete(original: Any, self: Any, bucket_name: str, querystring: Query) -> Any:
        word = configuration(querystring)
        if not word:
            return original(self, bucket_name, querystring)
        _kept(self, bucket_name).pop((word, _id(querystring)), None)
        return 204, {}, ""


def _id(query: Query) -> str:
    return str(query.get("id", [""])[0])


def _kept(response: Any, name: str) -> dict[tuple[str, str], str]:
    bucket = response.backend.get_bucket(name)
    if not hasattr(bucket, "configurations"):
        bucket.configurations = {}
    kept: dict[tuple[str, str], str] = bucket.configurations
    return kept
