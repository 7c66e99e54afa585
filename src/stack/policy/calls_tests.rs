//! Every call that fraudctl makes, and what AWS asks IAM for it.

use super::evaluator_tests::Ask;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A call, whose it is, and what is asked for it: each an action and what it is about, as of [`place`].
///
/// `d` are the calls of `up` and `down` alone, `r` those of them that `diff` makes as well, `o` those of the commands that use
/// what stands.
type Call = (&'static str, &'static str, &'static [&'static str]);

/// Each call that is in the sources, by the name that it has there.
pub const CALLS: &[Call] = &[
    // API Gateway's permissions are by HTTP method and path. What is made with tags also asks for its path of tags.
    (
        "apigateway:CreateApiKey",
        "d",
        &["apigateway:POST apikeys", "apigateway:PUT tags"],
    ),
    (
        "apigateway:CreateDeployment",
        "d",
        &["apigateway:POST restapi/deployments"],
    ),
    ("apigateway:CreateModel", "d", &["apigateway:POST restapi/models"]),
    (
        "apigateway:CreateRequestValidator",
        "d",
        &["apigateway:POST validators"],
    ),
    (
        "apigateway:CreateResource",
        "d",
        &["apigateway:POST restapi/resources/r"],
    ),
    (
        "apigateway:CreateRestApi",
        "d",
        &[
            "apigateway:POST restapis",
            "apigateway:PUT tags",
            "iam:CreateServiceLinkedRole linked",
        ],
    ),
    (
        "apigateway:CreateStage",
        "d",
        &["apigateway:POST restapi/stages", "apigateway:PUT tags"],
    ),
    (
        "apigateway:CreateUsagePlan",
        "d",
        &["apigateway:POST usageplans", "apigateway:PUT tags"],
    ),
    (
        "apigateway:CreateUsagePlanKey",
        "d",
        &["apigateway:POST usageplan/keys"],
    ),
    ("apigateway:DeleteApiKey", "d", &["apigateway:DELETE apikey"]),
    (
        "apigateway:DeleteDeployment",
        "d",
        &["apigateway:DELETE restapi/deployments/d"],
    ),
    (
        "apigateway:DeleteGatewayResponse",
        "d",
        &["apigateway:DELETE restapi/gatewayresponses/DEFAULT_4XX"],
    ),
    (
        "apigateway:DeleteIntegration",
        "d",
        &["apigateway:DELETE restapi/resources/r/methods/POST/integration"],
    ),
    (
        "apigateway:DeleteMethod",
        "d",
        &["apigateway:DELETE restapi/resources/r/methods/POST"],
    ),
    ("apigateway:DeleteModel", "d", &["apigateway:DELETE restapi/models/m"]),
    (
        "apigateway:DeleteRequestValidator",
        "d",
        &["apigateway:DELETE validators/v"],
    ),
    (
        "apigateway:DeleteResource",
        "d",
        &["apigateway:DELETE restapi/resources/r"],
    ),
    ("apigateway:DeleteRestApi", "d", &["apigateway:DELETE restapi"]),
    (
        "apigateway:DeleteStage",
        "d",
        &["apigateway:DELETE restapi/stages/prod"],
    ),
    ("apigateway:DeleteUsagePlan", "d", &["apigateway:DELETE usageplan"]),
    (
        "apigateway:DeleteUsagePlanKey",
        "d",
        &["apigateway:DELETE usageplan/keys/k"],
    ),
    ("apigateway:GetApiKey", "ro", &["apigateway:GET apikey"]),
    ("apigateway:GetApiKeys", "r", &["apigateway:GET apikeys"]),
    (
        "apigateway:GetDeployments",
        "r",
        &["apigateway:GET restapi/deployments"],
    ),
    (
        "apigateway:GetGatewayResponses",
        "r",
        &["apigateway:GET restapi/gatewayresponses"],
    ),
    ("apigateway:GetModels", "r", &["apigateway:GET restapi/models"]),
    ("apigateway:GetRequestValidators", "r", &["apigateway:GET validators"]),
    ("apigateway:GetResources", "r", &["apigateway:GET restapi/resources"]),
    ("apigateway:GetRestApi", "r", &["apigateway:GET restapi"]),
    ("apigateway:GetRestApis", "r", &["apigateway:GET restapis"]),
    ("apigateway:GetStage", "r", &["apigateway:GET restapi/stages/prod"]),
    ("apigateway:GetUsage", "o", &["apigateway:GET usageplan/usage"]),
    ("apigateway:GetUsagePlan", "ro", &["apigateway:GET usageplan"]),
    ("apigateway:GetUsagePlanKeys", "r", &["apigateway:GET usageplan/keys"]),
    ("apigateway:GetUsagePlans", "r", &["apigateway:GET usageplans"]),
    (
        "apigateway:PutGatewayResponse",
        "d",
        &["apigateway:PUT restapi/gatewayresponses/DEFAULT_4XX"],
    ),
    (
        "apigateway:PutIntegration",
        "d",
        &["apigateway:PUT restapi/resources/r/methods/POST/integration"],
    ),
    (
        "apigateway:PutMethod",
        "d",
        &["apigateway:PUT restapi/resources/r/methods/POST"],
    ),
    ("apigateway:TagResource", "d", &["apigateway:PUT tags"]),
    ("apigateway:UntagResource", "d", &["apigateway:DELETE tags"]),
    ("apigateway:UpdateApiKey", "d", &["apigateway:PATCH apikey"]),
    (
        "apigateway:UpdateMethod",
        "d",
        &["apigateway:PATCH restapi/resources/r/methods/POST"],
    ),
    ("apigateway:UpdateModel", "d", &["apigateway:PATCH restapi/models/m"]),
    (
        "apigateway:UpdateRequestValidator",
        "d",
        &["apigateway:PATCH validators/v"],
    ),
    ("apigateway:UpdateRestApi", "d", &["apigateway:PATCH restapi"]),
    ("apigateway:UpdateStage", "d", &["apigateway:PATCH restapi/stages/prod"]),
    ("apigateway:UpdateUsagePlan", "d", &["apigateway:PATCH usageplan"]),
    ("cloudwatch:DeleteAlarms", "d", &["cloudwatch:DeleteAlarms alarm"]),
    (
        "cloudwatch:DeleteDashboards",
        "d",
        &["cloudwatch:DeleteDashboards dashboard"],
    ),
    ("cloudwatch:DescribeAlarms", "r", &["cloudwatch:DescribeAlarms alarms"]),
    ("cloudwatch:GetDashboard", "r", &["cloudwatch:GetDashboard dashboard"]),
    (
        "cloudwatch:ListTagsForResource",
        "r",
        &["cloudwatch:ListTagsForResource alarm"],
    ),
    ("cloudwatch:PutDashboard", "d", &["cloudwatch:PutDashboard dashboard"]),
    (
        "cloudwatch:PutMetricAlarm",
        "d",
        &["cloudwatch:PutMetricAlarm alarm", "cloudwatch:TagResource alarm"],
    ),
    ("cloudwatch:TagResource", "d", &["cloudwatch:TagResource alarm"]),
    ("cloudwatch:UntagResource", "d", &["cloudwatch:UntagResource alarm"]),
    // https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
    (
        "dynamodb:CreateTable",
        "d",
        &[
            "dynamodb:CreateTable table",
            "dynamodb:TagResource table",
            "kms:CreateGrant key:grant",
            "kms:Decrypt key:dynamodb",
            "kms:DescribeKey key",
            "kms:Encrypt key:dynamodb",
            "kms:GenerateDataKey key:dynamodb",
            "kms:GenerateDataKeyWithoutPlaintext key:dynamodb",
            "kms:ReEncryptFrom key:dynamodb",
            "kms:ReEncryptTo key:dynamodb",
        ],
    ),
    (
        "dynamodb:DeleteResourcePolicy",
        "d",
        &["dynamodb:DeleteResourcePolicy table"],
    ),
    ("dynamodb:DeleteTable", "d", &["dynamodb:DeleteTable table"]),
    (
        "dynamodb:DescribeContinuousBackups",
        "r",
        &["dynamodb:DescribeContinuousBackups table"],
    ),
    ("dynamodb:DescribeTable", "r", &["dynamodb:DescribeTable table"]),
    (
        "dynamodb:DescribeTimeToLive",
        "r",
        &["dynamodb:DescribeTimeToLive table"],
    ),
    ("dynamodb:GetResourcePolicy", "r", &["dynamodb:GetResourcePolicy table"]),
    (
        "dynamodb:ListTagsOfResource",
        "r",
        &["dynamodb:ListTagsOfResource table"],
    ),
    (
        "dynamodb:Query",
        "o",
        &["dynamodb:Query table", "kms:Decrypt key:dynamodb"],
    ),
    (
        "dynamodb:Scan",
        "o",
        &["dynamodb:Scan table", "kms:Decrypt key:dynamodb"],
    ),
    ("dynamodb:TagResource", "d", &["dynamodb:TagResource table"]),
    ("dynamodb:UntagResource", "d", &["dynamodb:UntagResource table"]),
    (
        "dynamodb:UpdateContinuousBackups",
        "d",
        &["dynamodb:UpdateContinuousBackups table"],
    ),
    (
        "dynamodb:UpdateItem",
        "o",
        &[
            "dynamodb:UpdateItem table",
            "dynamodb:UpdateItem profiles",
            "kms:Decrypt key:dynamodb",
        ],
    ),
    (
        "dynamodb:UpdateTable",
        "d",
        &["dynamodb:UpdateTable table", "kms:CreateGrant key:grant"],
    ),
    ("dynamodb:UpdateTimeToLive", "d", &["dynamodb:UpdateTimeToLive table"]),
    ("events:DeleteRule", "d", &["events:DeleteRule rule"]),
    ("events:DescribeRule", "r", &["events:DescribeRule rule"]),
    ("events:ListTagsForResource", "r", &["events:ListTagsForResource rule"]),
    ("events:ListTargetsByRule", "r", &["events:ListTargetsByRule rule"]),
    (
        "events:PutRule",
        "d",
        &["events:PutRule rule", "events:TagResource rule"],
    ),
    ("events:PutTargets", "d", &["events:PutTargets rule"]),
    ("events:RemoveTargets", "d", &["events:RemoveTargets rule"]),
    ("events:TagResource", "d", &["events:TagResource rule"]),
    ("events:UntagResource", "d", &["events:UntagResource rule"]),
    (
        "iam:AttachRolePolicy",
        "d",
        &["iam:AttachRolePolicy role:own", "iam:AttachRolePolicy role:managed"],
    ),
    (
        "iam:CreatePolicy",
        "d",
        &["iam:CreatePolicy policy", "iam:TagPolicy policy"],
    ),
    ("iam:CreatePolicyVersion", "d", &["iam:CreatePolicyVersion policy"]),
    ("iam:CreateRole", "d", &["iam:CreateRole role", "iam:TagRole role"]),
    ("iam:DeletePolicy", "d", &["iam:DeletePolicy policy"]),
    ("iam:DeletePolicyVersion", "d", &["iam:DeletePolicyVersion policy"]),
    ("iam:DeleteRole", "d", &["iam:DeleteRole role"]),
    ("iam:DeleteRolePolicy", "d", &["iam:DeleteRolePolicy role"]),
    ("iam:DetachGroupPolicy", "d", &["iam:DetachGroupPolicy group:own"]),
    (
        "iam:DetachRolePolicy",
        "d",
        &["iam:DetachRolePolicy role:managed", "iam:DetachRolePolicy others:own"],
    ),
    ("iam:DetachUserPolicy", "d", &["iam:DetachUserPolicy user:own"]),
    ("iam:GetPolicy", "r", &["iam:GetPolicy policy"]),
    ("iam:GetPolicyVersion", "r", &["iam:GetPolicyVersion policy"]),
    ("iam:GetRole", "r", &["iam:GetRole role"]),
    (
        "iam:ListAttachedRolePolicies",
        "r",
        &["iam:ListAttachedRolePolicies role"],
    ),
    ("iam:ListEntitiesForPolicy", "d", &["iam:ListEntitiesForPolicy policy"]),
    (
        "iam:ListInstanceProfilesForRole",
        "d",
        &["iam:ListInstanceProfilesForRole role"],
    ),
    ("iam:ListPolicyVersions", "d", &["iam:ListPolicyVersions policy"]),
    ("iam:ListRolePolicies", "r", &["iam:ListRolePolicies role"]),
    (
        "iam:RemoveRoleFromInstanceProfile",
        "d",
        &["iam:RemoveRoleFromInstanceProfile profile"],
    ),
    ("iam:TagPolicy", "d", &["iam:TagPolicy policy"]),
    ("iam:TagRole", "d", &["iam:TagRole role"]),
    ("iam:UntagPolicy", "d", &["iam:UntagPolicy policy"]),
    ("iam:UntagRole", "d", &["iam:UntagRole role"]),
    ("iam:UpdateAssumeRolePolicy", "d", &["iam:UpdateAssumeRolePolicy role"]),
    ("iam:UpdateRoleDescription", "d", &["iam:UpdateRoleDescription role"]),
    // https://docs.aws.amazon.com/kms/latest/developerguide/alias-access.html
    (
        "kms:CreateAlias",
        "d",
        &["kms:CreateAlias alias", "kms:CreateAlias key"],
    ),
    (
        "kms:CreateKey",
        "d",
        &["kms:CreateKey new-key", "kms:TagResource new-key"],
    ),
    (
        "kms:DeleteAlias",
        "d",
        &["kms:DeleteAlias alias", "kms:DeleteAlias key"],
    ),
    (
        "kms:DescribeKey",
        "r",
        &["kms:DescribeKey key", "kms:DescribeKey alias"],
    ),
    ("kms:DisableKey", "d", &["kms:DisableKey key"]),
    ("kms:DisableKeyRotation", "d", &["kms:DisableKeyRotation key"]),
    ("kms:EnableKey", "d", &["kms:EnableKey key"]),
    ("kms:EnableKeyRotation", "d", &["kms:EnableKeyRotation key"]),
    ("kms:GetKeyPolicy", "r", &["kms:GetKeyPolicy key"]),
    ("kms:GetKeyRotationStatus", "r", &["kms:GetKeyRotationStatus key"]),
    ("kms:ListKeys", "r", &["kms:ListKeys *"]),
    ("kms:ListResourceTags", "r", &["kms:ListResourceTags key"]),
    ("kms:PutKeyPolicy", "d", &["kms:PutKeyPolicy key"]),
    ("kms:ScheduleKeyDeletion", "d", &["kms:ScheduleKeyDeletion key"]),
    ("kms:TagResource", "d", &["kms:TagResource key"]),
    ("kms:UntagResource", "d", &["kms:UntagResource key"]),
    (
        "kms:UpdateAlias",
        "d",
        &["kms:UpdateAlias alias", "kms:UpdateAlias key"],
    ),
    ("kms:UpdateKeyDescription", "d", &["kms:UpdateKeyDescription key"]),
    ("lambda:AddPermission", "d", &["lambda:AddPermission function"]),
    // https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars-encryption.html
    (
        "lambda:CreateFunction",
        "d",
        &[
            "iam:PassRole role:passed",
            "kms:CreateGrant key:grant",
            "kms:Decrypt key:lambda",
            "kms:Encrypt key:lambda",
            "lambda:CreateFunction function",
            "lambda:TagResource function",
        ],
    ),
    ("lambda:DeleteFunction", "d", &["lambda:DeleteFunction function"]),
    (
        "lambda:DeleteFunctionConcurrency",
        "d",
        &["lambda:DeleteFunctionConcurrency function"],
    ),
    (
        "lambda:DeleteFunctionEventInvokeConfig",
        "d",
        &["lambda:DeleteFunctionEventInvokeConfig function"],
    ),
    ("lambda:GetAccountSettings", "d", &["lambda:GetAccountSettings *"]),
    (
        "lambda:GetFunction",
        "r",
        &[
            "kms:Decrypt key:lambda",
            "lambda:GetFunction function",
            "lambda:ListTags function",
        ],
    ),
    (
        "lambda:GetFunctionEventInvokeConfig",
        "r",
        &["lambda:GetFunctionEventInvokeConfig function"],
    ),
    ("lambda:GetPolicy", "r", &["lambda:GetPolicy function"]),
    (
        "lambda:PutFunctionConcurrency",
        "d",
        &["lambda:PutFunctionConcurrency function"],
    ),
    ("lambda:RemovePermission", "d", &["lambda:RemovePermission function"]),
    ("lambda:TagResource", "d", &["lambda:TagResource function"]),
    ("lambda:UntagResource", "d", &["lambda:UntagResource function"]),
    (
        "lambda:UpdateFunctionCode",
        "d",
        &["lambda:UpdateFunctionCode function"],
    ),
    (
        "lambda:UpdateFunctionConfiguration",
        "d",
        &[
            "iam:PassRole role:passed",
            "kms:CreateGrant key:grant",
            "kms:Decrypt key:lambda",
            "kms:Encrypt key:lambda",
            "lambda:UpdateFunctionConfiguration function",
        ],
    ),
    ("logs:AssociateKmsKey", "d", &["logs:AssociateKmsKey log-group:*"]),
    (
        "logs:CreateLogGroup",
        "d",
        &[
            "logs:AssociateKmsKey log-group:*",
            "logs:CreateLogGroup log-group:*",
            "logs:TagResource log-group",
        ],
    ),
    (
        "logs:DeleteDataProtectionPolicy",
        "d",
        &["logs:DeleteDataProtectionPolicy log-group:*"],
    ),
    ("logs:DeleteLogGroup", "d", &["logs:DeleteLogGroup log-group:*"]),
    (
        "logs:DeleteRetentionPolicy",
        "d",
        &["logs:DeleteRetentionPolicy log-group:*"],
    ),
    ("logs:DescribeLogGroups", "r", &["logs:DescribeLogGroups log-groups"]),
    ("logs:DisassociateKmsKey", "d", &["logs:DisassociateKmsKey log-group:*"]),
    ("logs:ListTagsForResource", "r", &["logs:ListTagsForResource log-group"]),
    (
        "logs:PutLogGroupDeletionProtection",
        "d",
        &["logs:PutLogGroupDeletionProtection log-group:*"],
    ),
    ("logs:PutRetentionPolicy", "d", &["logs:PutRetentionPolicy log-group:*"]),
    ("logs:TagResource", "d", &["logs:TagResource log-group"]),
    ("logs:UntagResource", "d", &["logs:UntagResource log-group"]),
    ("s3:DeleteObject", "d", &["s3:DeleteObject object"]),
    ("s3:GetBucketVersioning", "d", &["s3:GetBucketVersioning bucket"]),
    (
        "s3:GetEncryptionConfiguration",
        "d",
        &["s3:GetEncryptionConfiguration bucket"],
    ),
    ("s3:GetObject", "ro", &["s3:GetObject object"]),
    ("s3:GetObjectVersion", "d", &["s3:GetObjectVersion object"]),
    ("s3:ListBucket", "ro", &["s3:ListBucket bucket"]),
    ("s3:ListBucketVersions", "d", &["s3:ListBucketVersions bucket"]),
    ("s3:PutObject", "d", &["s3:PutObject object"]),
    (
        "sns:CreateTopic",
        "d",
        &["sns:CreateTopic topic", "sns:TagResource topic"],
    ),
    ("sns:DeleteTopic", "d", &["sns:DeleteTopic topic"]),
    (
        "sns:GetDataProtectionPolicy",
        "r",
        &["sns:GetDataProtectionPolicy topic"],
    ),
    (
        "sns:GetSubscriptionAttributes",
        "r",
        &["sns:GetSubscriptionAttributes *"],
    ),
    ("sns:GetTopicAttributes", "r", &["sns:GetTopicAttributes topic"]),
    (
        "sns:ListSubscriptionsByTopic",
        "ro",
        &["sns:ListSubscriptionsByTopic topic"],
    ),
    ("sns:ListTagsForResource", "r", &["sns:ListTagsForResource topic"]),
    (
        "sns:PutDataProtectionPolicy",
        "d",
        &["sns:PutDataProtectionPolicy topic"],
    ),
    (
        "sns:SetSubscriptionAttributes",
        "d",
        &["sns:SetSubscriptionAttributes *"],
    ),
    (
        "sns:SetTopicAttributes",
        "d",
        &["iam:PassRole role:logs", "sns:SetTopicAttributes topic"],
    ),
    ("sns:Subscribe", "do", &["sns:Subscribe topic"]),
    ("sns:TagResource", "d", &["sns:TagResource topic"]),
    ("sns:Unsubscribe", "do", &["sns:Unsubscribe *"]),
    ("sns:UntagResource", "d", &["sns:UntagResource topic"]),
    ("sqs:CreateQueue", "d", &["sqs:CreateQueue queue", "sqs:TagQueue queue"]),
    (
        "sqs:CreateQueue",
        "o",
        &["sqs:CreateQueue load-queue", "sqs:TagQueue load-queue"],
    ),
    ("sqs:DeleteMessage", "o", &["sqs:DeleteMessage load-queue"]),
    ("sqs:DeleteQueue", "d", &["sqs:DeleteQueue queue"]),
    ("sqs:DeleteQueue", "do", &["sqs:DeleteQueue load-queue"]),
    ("sqs:GetQueueAttributes", "r", &["sqs:GetQueueAttributes queue"]),
    ("sqs:GetQueueUrl", "r", &["sqs:GetQueueUrl queue"]),
    ("sqs:GetQueueUrl", "o", &["sqs:GetQueueUrl load-queue"]),
    ("sqs:ListQueueTags", "r", &["sqs:ListQueueTags queue"]),
    ("sqs:ListQueueTags", "do", &["sqs:ListQueueTags load-queue"]),
    ("sqs:ListQueues", "do", &["sqs:ListQueues *"]),
    (
        "sqs:ReceiveMessage",
        "o",
        &["kms:Decrypt key:sqs", "sqs:ReceiveMessage load-queue"],
    ),
    ("sqs:SetQueueAttributes", "d", &["sqs:SetQueueAttributes queue"]),
    ("sqs:TagQueue", "d", &["sqs:TagQueue queue"]),
    ("sqs:UntagQueue", "d", &["sqs:UntagQueue queue"]),
    ("ssm:AddTagsToResource", "d", &["ssm:AddTagsToResource parameter"]),
    ("ssm:DeleteParameter", "d", &["ssm:DeleteParameter parameter"]),
    ("ssm:DescribeParameters", "ro", &["ssm:DescribeParameters *"]),
    ("ssm:GetParameter", "ro", &["ssm:GetParameter parameter"]),
    ("ssm:ListTagsForResource", "r", &["ssm:ListTagsForResource parameter"]),
    ("ssm:PutParameter", "do", &["ssm:PutParameter parameter"]),
    ("ssm:PutParameter", "d", &["ssm:AddTagsToResource parameter"]),
    (
        "ssm:RemoveTagsFromResource",
        "d",
        &["ssm:RemoveTagsFromResource parameter"],
    ),
    (FIRST, "ro", &["sts:GetCallerIdentity *"]),
];

/// The call that is made beside those, where the settings name a permissions boundary.
pub const BOUNDARY: &[Call] = &[(
    "iam:PutRolePermissionsBoundary",
    "d",
    &["iam:PutRolePermissionsBoundary role"],
)];

/// The call that no policy allows: taking a boundary off a role is for whoever demands it.
const NEVER: &[&str] = &["iam:DeleteRolePermissionsBoundary"];

/// The call that says who we are: it is made without [`crate::aws::Aws::call`], before there is an account.
const FIRST: &str = "sts:GetCallerIdentity";

/// The actions that are not held to the environment, each for a reason that `docs/operations.md` gives.
pub const WIDE: &[&str] = &["apigateway:GET", "kms:DescribeKey", "kms:ListResourceTags"];

/// What a service asks for a call: the environment is `dev`.
pub fn asks((_, _, needs): &Call, boundary: Option<&str>) -> Vec<Ask> {
    let ask = |need: &&str| {
        let (action, about) = need.split_once(' ').unwrap();
        let (resource, mut context) = place(about);
        if let (Some(boundary), true) = (boundary, action.starts_with("iam:")) {
            context.insert("iam:PermissionsBoundary".to_owned(), boundary.to_owned());
        }
        Ask {
            action: action.to_owned(),
            resource,
            context,
        }
    };
    needs.iter().map(ask).collect()
}

/// An ARN, and what the service knows when it asks.
fn place(about: &str) -> (String, BTreeMap<String, String>) {
    let (kind, detail) = about.split_once([':', '/']).unwrap_or((about, ""));
    let here = |service: &str, rest: &str| format!("arn:aws:{service}:eu-west-1:111122223333:{rest}");
    let iam = |rest: &str| format!("arn:aws:iam::111122223333:{rest}");
    let api = || {
        format!("arn:aws:apigateway:eu-west-1::/{}s/a1b2c3/{detail}", kind)
            .trim_end_matches('/')
            .to_owned()
    };
    let resource = match kind {
        "*" => "*".to_owned(),
        "alarm" => here("cloudwatch", "alarm:pattern-analyzer-errors-dev"),
        "alarms" => here("cloudwatch", "alarm:*"),
        "alias" => here("kms", "alias/fraud-detection-dev"),
        "apikeys" | "restapis" | "usageplans" => format!("arn:aws:apigateway:eu-west-1::/{kind}"),
        "apikey" | "restapi" | "usageplan" => api(),
        "bucket" => "arn:aws:s3:::states".to_owned(),
        "dashboard" => "arn:aws:cloudwatch::111122223333:dashboard/fraud-detection-dev".to_owned(),
        "function" => here("lambda", "function:transaction-processor-dev"),
        "group" => iam("group/people"),
        "key" => here("kms", "key/11112222-3333-4444-5555-666677778888"),
        // KMS asks about no particular one.
        "new-key" => "*".to_owned(),
        "linked" => iam("role/aws-service-role/ops.apigateway.amazonaws.com/AWSServiceRoleForAPIGateway"),
        "load-queue" => here("sqs", "fraudctl-load-dev-0123456789abcdef01234567"),
        "log-group" if detail.is_empty() => here("logs", "log-group:/aws/lambda/transaction-processor-dev"),
        "log-group" => here("logs", "log-group:/aws/lambda/transaction-processor-dev:log-stream:"),
        "log-groups" => here("logs", "log-group::log-stream:*"),
        "object" => "arn:aws:s3:::states/team/dev.json".to_owned(),
        "others" => iam("role/somebody"),
        "parameter" => here("ssm", "parameter/fraud-detection/dev/rules"),
        "policy" => iam("policy/sns-feedback-policy-dev"),
        "profile" => iam("instance-profile/transaction-processor-role-dev"),
        "profiles" => here("dynamodb", "table/profiles-dev"),
        "queue" => here("sqs", "lambda-dlq-dev"),
        "role" if detail == "logs" => iam("role/sns-feedback-role-dev"),
        "role" => iam("role/transaction-processor-role-dev"),
        "rule" => here("events", "rule/pattern-analysis-schedule-dev"),
        "table" => here("dynamodb", "table/transactions-dev"),
        "tags" => {
            "arn:aws:apigateway:eu-west-1::/tags/arn%3Aaws%3Aapigateway%3Aeu-west-1%3A%3A%2Frestapis%2F*".to_owned()
        }
        "topic" => here("sns", "fraud-alerts-dev"),
        "user" => iam("user/somebody"),
        "validators" => format!("arn:aws:apigateway:eu-west-1::/restapis/a1b2c3/requestvalidators/{detail}")
            .trim_end_matches('/')
            .to_owned(),
        other => panic!("{other} is nowhere"),
    };
    let via = |service: &str| format!("{service}.eu-west-1.amazonaws.com");
    let tags = |of: &str| [(format!("aws:{of}Tag/fraudctl:env"), "dev".to_owned())];
    let address = |of: &str| [(format!("aws:{of}Tag/fraudctl:address"), "security.key".to_owned())];
    let mut context = BTreeMap::new();
    match kind {
        "apikeys" | "restapis" | "usageplans" => context.extend(tags("Request")),
        "apikey" | "restapi" | "usageplan" => context.extend(tags("Resource")),
        "new-key" => context.extend(tags("Request").into_iter().chain(address("Request"))),
        "key" => context.extend(tags("Resource").into_iter().chain(address("Resource"))),
        "linked" => {
            context.insert(
                "iam:AWSServiceName".to_owned(),
                "ops.apigateway.amazonaws.com".to_owned(),
            );
        }
        _ => {}
    }
    let mut put = |key: &str, value: String| context.insert(key.to_owned(), value);
    match (kind, detail) {
        ("key", "grant") => put("kms:GrantIsForAWSResource", "true".to_owned()),
        ("key", service) if !service.is_empty() => put("kms:ViaService", via(service)),
        ("role", "managed") => put(
            "iam:PolicyARN",
            "arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess".to_owned(),
        ),
        ("role" | "group" | "user" | "others", "own") => {
            put("iam:PolicyARN", iam("policy/transaction-processor-policy-0-dev"))
        }
        ("role", "passed") => put("iam:PassedToService", "lambda.amazonaws.com".to_owned()),
        ("role", "logs") => put("iam:PassedToService", "sns.amazonaws.com".to_owned()),
        _ => None,
    };
    (resource, context)
}

#[test]
fn every_call_in_the_sources_is_known_and_no_other_is() {
    let mut called = BTreeSet::from([FIRST.to_owned()]);
    for file in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let text = std::fs::read_to_string(&file).unwrap();
        for (at, _) in text.match_indices("call(") {
            let argument = text[at + "call(".len()..].trim_start();
            if let Some((call, _)) = argument.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
                called.insert(call.to_owned());
            }
        }
    }
    let known = |calls: &[Call]| {
        calls
            .iter()
            .map(|(call, ..)| (*call).to_owned())
            .collect::<BTreeSet<_>>()
    };
    let mut missing = &(&called - &known(CALLS)) - &known(BOUNDARY);
    missing.retain(|call| !NEVER.contains(&call.as_str()));
    assert!(missing.is_empty(), "CALLS does not say what AWS asks for {missing:?}");
    let gone = &known(CALLS) - &called;
    assert!(gone.is_empty(), "nothing calls {gone:?} any more");
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let below = folders.iter().flat_map(|folder| sources(folder));
    let is_source = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.ends_with(".rs") && !name.ends_with("_tests.rs")
    };
    below.chain(files).filter(is_source).collect()
}
