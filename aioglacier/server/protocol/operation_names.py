"""The names of both services' operations, as faults and error messages spell them."""

from __future__ import annotations

from typing import Final

OPERATION_NAMES: Final = (
    "AbortMultipartUpload", "AbortVaultLock", "AddTagsToVault", "CompleteMultipartUpload",
    "CompleteVaultLock", "CreateVault", "DeleteArchive", "DeleteVault", "DeleteVaultAccessPolicy",
    "DeleteVaultNotifications", "DescribeJob", "DescribeVault", "GetDataRetrievalPolicy", "GetJobOutput",
    "GetVaultAccessPolicy", "GetVaultLock", "GetVaultNotifications", "InitiateJob", "InitiateMultipartUpload",
    "InitiateVaultLock", "ListJobs", "ListMultipartUploads", "ListParts", "ListProvisionedCapacity",
    "ListTagsForVault", "ListVaults", "PurchaseProvisionedCapacity", "RemoveTagsFromVault",
    "SetDataRetrievalPolicy", "SetVaultAccessPolicy", "SetVaultNotifications", "UploadArchive",
    "UploadMultipartPart",
)  # fmt: skip

S3_OPERATION_NAMES: Final = (
    "AbortMultipartUpload", "CompleteMultipartUpload", "CopyObject", "CreateBucket", "CreateMultipartUpload",
    "DeleteBucket", "DeleteBucketLifecycle", "DeleteObject", "DeleteObjectTagging", "DeleteObjects",
    "GetBucketLifecycleConfiguration", "GetBucketLocation", "GetBucketNotificationConfiguration",
    "GetBucketVersioning", "GetObject", "GetObjectAttributes", "GetObjectLegalHold",
    "GetObjectLockConfiguration", "GetObjectRetention", "GetObjectTagging", "HeadBucket", "HeadObject",
    "ListBuckets", "ListMultipartUploads", "ListObjects", "ListObjectsV2", "ListParts",
    "PutBucketLifecycleConfiguration", "PutBucketNotificationConfiguration", "PutObject",
    "PutObjectLegalHold", "PutObjectLockConfiguration", "PutObjectRetention", "PutObjectTagging",
    "RestoreObject", "UploadPart", "UploadPartCopy",
)  # fmt: skip
