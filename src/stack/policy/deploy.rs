//! What `up` and `down` need, and what is left of it for who only looks.

use super::names::Names;
use super::purpose::Purpose;
use super::statement::{Statement, request_tag, resource_tag};
use crate::resource::{TAG_ADDRESS, TAG_ENV};

/// What `up`, `down`, `diff` and `status` call, or what of it reads for who only looks.
pub fn statements(names: &Names<'_>, purpose: Purpose) -> Vec<Statement> {
    let grants = Grants { names, purpose };
    let mut all = grants.wide();
    all.extend(grants.key());
    all.extend(grants.data());
    all.extend(grants.identities());
    all.extend(grants.compute());
    all.extend(grants.watch());
    all.extend(grants.api());
    all.retain(|statement| !statement.is_empty());
    all
}

struct Grants<'a> {
    names: &'a Names<'a>,
    purpose: Purpose,
}

impl Grants<'_> {
    /// Who only looks needs `reads`; who deploys needs both.
    fn of(&self, reads: &[&'static str], writes: &[&'static str]) -> Vec<&'static str> {
        match self.purpose {
            Purpose::Deploy => [reads, writes].concat(),
            _ => reads.to_vec(),
        }
    }

    fn on(
        &self,
        sid: &'static str,
        resource: Vec<String>,
        reads: &[&'static str],
        writes: &[&'static str],
    ) -> Statement {
        Statement::allow(sid, &self.of(reads, writes), resource)
    }

    fn env(&self) -> Vec<String> {
        vec![self.names.env().to_owned()]
    }

    /// What AWS limits to no resource, or what is asked about everything.
    fn wide(&self) -> Vec<Statement> {
        let stack = self.names.stack;
        vec![
            self.on(
                "Wide",
                vec!["*".to_owned()],
                &[
                    "kms:ListKeys",
                    "sns:GetSubscriptionAttributes",
                    "ssm:DescribeParameters",
                    "sts:GetCallerIdentity",
                ],
                &[
                    "lambda:GetAccountSettings",
                    "sns:SetSubscriptionAttributes",
                    "sns:Unsubscribe",
                    "sqs:ListQueues",
                ],
            ),
            self.on(
                "Listed",
                vec![stack.arn("cloudwatch", "alarm:*"), stack.arn("logs", "log-group:*")],
                &["cloudwatch:DescribeAlarms", "logs:DescribeLogGroups"],
                &[],
            ),
            // The key is found by its tags among all keys. One that is gone has none any more, and an alias may lead
            // to one of somebody else.
            self.on(
                "KeysSeen",
                [vec![stack.arn("kms", "key/*")], self.names.aliases()].concat(),
                &["kms:DescribeKey", "kms:ListResourceTags"],
                &[],
            ),
        ]
    }

    fn key(&self) -> Vec<Statement> {
        let names = self.names;
        let key = names.key_addresses();
        let tagged = |statement: Statement, operator| {
            let statement = statement.when(operator, request_tag(TAG_ENV), self.env());
            statement.when(operator, request_tag(TAG_ADDRESS), key.clone())
        };
        let every_key = format!("arn:{}:kms:*:*:key/*-*", names.stack.partition);
        vec![
            tagged(
                self.on("KeyMade", vec!["*".to_owned()], &[], &["kms:CreateKey"]),
                "StringEquals",
            ),
            // For a key that is being made KMS asks about no particular one. An id has a hyphen in it: so this tags no
            // key that is there, and nobody can make a foreign key ours by tagging it.
            tagged(
                self.on("KeyMadeWithTags", vec![every_key], &[], &["kms:TagResource"])
                    .elsewhere(),
                "StringEquals",
            ),
            // What is ours stays ours, and this environment's.
            tagged(
                names.of_key("KeyTags", &self.of(&[], &["kms:TagResource"])),
                "StringEqualsIfExists",
            ),
            names.of_key(
                "Key",
                &self.of(
                    &["kms:GetKeyPolicy", "kms:GetKeyRotationStatus"],
                    &[
                        "kms:CreateAlias",
                        "kms:DeleteAlias",
                        "kms:DisableKey",
                        "kms:DisableKeyRotation",
                        "kms:EnableKey",
                        "kms:EnableKeyRotation",
                        "kms:PutKeyPolicy",
                        "kms:ScheduleKeyDeletion",
                        "kms:UntagResource",
                        "kms:UpdateAlias",
                        "kms:UpdateKeyDescription",
                    ],
                ),
            ),
            // KMS asks about the alias and about the key.
            self.on(
                "KeyAlias",
                names.aliases(),
                &[],
                &["kms:CreateAlias", "kms:DeleteAlias", "kms:UpdateAlias"],
            ),
            // DynamoDB and Lambda ask for the rest in the caller's name: when a table or a function is to use the key,
            // and when a function's environment is shown.
            names
                .of_key(
                    "KeyUsedByServices",
                    &self.of(
                        &["kms:Decrypt"],
                        &[
                            "kms:Encrypt",
                            "kms:GenerateDataKey",
                            "kms:GenerateDataKeyWithoutPlaintext",
                            "kms:ReEncryptFrom",
                            "kms:ReEncryptTo",
                        ],
                    ),
                )
                .when("StringLike", "kms:ViaService", names.services(&["dynamodb", "lambda"])),
            names
                .of_key("KeyGrantedToServices", &self.of(&[], &["kms:CreateGrant"]))
                .when("Bool", "kms:GrantIsForAWSResource", vec!["true".to_owned()]),
        ]
    }

    fn data(&self) -> Vec<Statement> {
        let names = self.names;
        vec![
            self.on(
                "Tables",
                names.tables(),
                &[
                    "dynamodb:DescribeContinuousBackups",
                    "dynamodb:DescribeTable",
                    "dynamodb:DescribeTimeToLive",
                    "dynamodb:GetResourcePolicy",
                    "dynamodb:ListTagsOfResource",
                ],
                &[
                    "dynamodb:CreateTable",
                    "dynamodb:DeleteResourcePolicy",
                    "dynamodb:DeleteTable",
                    "dynamodb:TagResource",
                    "dynamodb:UntagResource",
                    "dynamodb:UpdateContinuousBackups",
                    "dynamodb:UpdateTable",
                    "dynamodb:UpdateTimeToLive",
                ],
            ),
            self.on(
                "Topics",
                names.topics(),
                &[
                    "sns:GetDataProtectionPolicy",
                    "sns:GetTopicAttributes",
                    "sns:ListSubscriptionsByTopic",
                    "sns:ListTagsForResource",
                ],
                &[
                    "sns:CreateTopic",
                    "sns:DeleteTopic",
                    "sns:PutDataProtectionPolicy",
                    "sns:SetTopicAttributes",
                    "sns:Subscribe",
                    "sns:TagResource",
                    "sns:UntagResource",
                ],
            ),
            self.on(
                "Queues",
                names.queues(),
                &["sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ListQueueTags"],
                &[
                    "sqs:CreateQueue",
                    "sqs:DeleteQueue",
                    "sqs:SetQueueAttributes",
                    "sqs:TagQueue",
                    "sqs:UntagQueue",
                ],
            ),
            // What killed runs of `load` left.
            self.on(
                "LoadQueues",
                vec![names.load_queues()],
                &[],
                &["sqs:DeleteQueue", "sqs:ListQueueTags"],
            ),
            self.on(
                "Parameters",
                names.parameters(),
                &["ssm:GetParameter", "ssm:ListTagsForResource"],
                &[
                    "ssm:AddTagsToResource",
                    "ssm:DeleteParameter",
                    "ssm:PutParameter",
                    "ssm:RemoveTagsFromResource",
                ],
            ),
        ]
    }

    /// No policy comes onto a role, and none off it, but the system's own and those of AWS that the system uses.
    fn identities(&self) -> Vec<Statement> {
        let names = self.names;
        let policies = [names.policies(), names.managed_policies()].concat();
        let bounded = |statement: Statement| match names.bounds.permissions_boundary {
            Some(boundary) => statement.when("StringEquals", "iam:PermissionsBoundary", vec![boundary.to_owned()]),
            None => statement,
        };
        let mut all = vec![
            self.on(
                "Roles",
                names.roles(),
                &["iam:GetRole", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies"],
                &[
                    "iam:DeleteRole",
                    "iam:DeleteRolePolicy",
                    "iam:ListInstanceProfilesForRole",
                    "iam:TagRole",
                    "iam:UntagRole",
                    "iam:UpdateAssumeRolePolicy",
                    "iam:UpdateRoleDescription",
                ],
            ),
            bounded(self.on("RolesMade", names.roles(), &[], &["iam:CreateRole"])),
            bounded(
                self.on("PoliciesOntoRoles", names.roles(), &[], &["iam:AttachRolePolicy"])
                    .when("ArnEquals", "iam:PolicyARN", policies.clone()),
            ),
            self.on("PoliciesOffRoles", names.roles(), &[], &["iam:DetachRolePolicy"])
                .when("ArnEquals", "iam:PolicyARN", policies),
            self.on(
                "Policies",
                names.policies(),
                &["iam:GetPolicy", "iam:GetPolicyVersion"],
                &[
                    "iam:CreatePolicy",
                    "iam:CreatePolicyVersion",
                    "iam:DeletePolicy",
                    "iam:DeletePolicyVersion",
                    "iam:ListEntitiesForPolicy",
                    "iam:ListPolicyVersions",
                    "iam:TagPolicy",
                    "iam:UntagPolicy",
                ],
            ),
            // Others may have attached a policy of ours. AWS does not delete it before it is off everybody.
            self.on(
                "OwnPoliciesOffOthers",
                names.everybody(),
                &[],
                &["iam:DetachGroupPolicy", "iam:DetachRolePolicy", "iam:DetachUserPolicy"],
            )
            .when("ArnEquals", "iam:PolicyARN", names.policies()),
            // AWS asks about the profile and not about the role in it, so that only profiles of the roles' names are ours.
            self.on(
                "RolesOffTheirProfiles",
                names.instance_profiles(),
                &[],
                &["iam:RemoveRoleFromInstanceProfile"],
            ),
            self.pass("lambda.amazonaws.com", "RolesForFunctions", "StringEquals"),
            // AWS documents no `iam:PassedToService` for the roles that a topic logs by. Where SNS sends it, it holds;
            // where it does not, the trust of this role holds it to SNS.
            self.pass("sns.amazonaws.com", "RoleForTopics", "StringEqualsIfExists"),
            self.on(
                "ApiGatewaysOwnRole",
                vec![names.service_linked_role(API_GATEWAY)],
                &[],
                &["iam:CreateServiceLinkedRole"],
            )
            .when("StringEquals", "iam:AWSServiceName", vec![API_GATEWAY.to_owned()]),
        ];
        if names.bounds.permissions_boundary.is_some() && self.purpose == Purpose::Deploy {
            all.push(bounded(self.on(
                "BoundaryOntoRoles",
                names.roles(),
                &[],
                &["iam:PutRolePermissionsBoundary"],
            )));
            // No other policy of the same principal opens it either.
            all.push(Statement::deny(
                "BoundaryStays",
                &["iam:DeleteRolePermissionsBoundary"],
                names.roles(),
            ));
        }
        all
    }

    fn pass(&self, service: &str, sid: &'static str, operator: &'static str) -> Statement {
        self.on(sid, self.names.roles_for(service), &[], &["iam:PassRole"])
            .when(operator, "iam:PassedToService", vec![service.to_owned()])
    }

    fn compute(&self) -> Vec<Statement> {
        let names = self.names;
        vec![
            self.on(
                "Functions",
                names.functions(),
                // Without lambda:ListTags, GetFunction gives no tags.
                &[
                    "lambda:GetFunction",
                    "lambda:GetFunctionEventInvokeConfig",
                    "lambda:GetPolicy",
                    "lambda:ListTags",
                ],
                &[
                    "lambda:AddPermission",
                    "lambda:CreateFunction",
                    "lambda:DeleteFunction",
                    "lambda:DeleteFunctionConcurrency",
                    "lambda:DeleteFunctionEventInvokeConfig",
                    "lambda:PutFunctionConcurrency",
                    "lambda:RemovePermission",
                    "lambda:TagResource",
                    "lambda:UntagResource",
                    "lambda:UpdateFunctionCode",
                    "lambda:UpdateFunctionConfiguration",
                ],
            ),
            self.on(
                "Logs",
                names.log_groups(),
                &["logs:ListTagsForResource"],
                &[
                    "logs:AssociateKmsKey",
                    "logs:CreateLogGroup",
                    "logs:DeleteDataProtectionPolicy",
                    "logs:DeleteLogGroup",
                    "logs:DeleteRetentionPolicy",
                    "logs:DisassociateKmsKey",
                    "logs:PutLogGroupDeletionProtection",
                    "logs:PutRetentionPolicy",
                    "logs:TagResource",
                    "logs:UntagResource",
                ],
            ),
            self.on(
                "Schedule",
                names.rules(),
                &[
                    "events:DescribeRule",
                    "events:ListTagsForResource",
                    "events:ListTargetsByRule",
                ],
                &[
                    "events:DeleteRule",
                    "events:PutRule",
                    "events:PutTargets",
                    "events:RemoveTargets",
                    "events:TagResource",
                    "events:UntagResource",
                ],
            ),
        ]
    }

    fn watch(&self) -> Vec<Statement> {
        let names = self.names;
        vec![
            self.on(
                "Alarms",
                names.alarms(),
                &["cloudwatch:ListTagsForResource"],
                &[
                    "cloudwatch:DeleteAlarms",
                    "cloudwatch:PutMetricAlarm",
                    "cloudwatch:TagResource",
                    "cloudwatch:UntagResource",
                ],
            ),
            self.on(
                "Dashboard",
                names.dashboards(),
                &["cloudwatch:GetDashboard"],
                &["cloudwatch:DeleteDashboards", "cloudwatch:PutDashboard"],
            ),
        ]
    }

    /// API Gateway's permissions are by HTTP method and path, and its ids are its own. Below a REST API or a usage plan the
    /// tags of that count, as AWS documents it, but for request validators, of which it says nothing.
    fn api(&self) -> Vec<Statement> {
        let names = self.names;
        let lists = || ["/apikeys", "/restapis", "/usageplans"].map(|path| names.api(path));
        let each = || ["/apikeys/*", "/restapis/*", "/usageplans/*"].map(|path| names.api(path));
        vec![
            // What is gone has no tags by which it could be told, and is asked for all the same.
            self.on("ApiSeen", [lists(), each()].concat(), &["apigateway:GET"], &[]),
            self.on("ApiMade", lists().into(), &[], &["apigateway:POST"]).when(
                "StringEquals",
                request_tag(TAG_ENV),
                self.env(),
            ),
            self.on(
                "Api",
                each().into(),
                &[],
                &[
                    "apigateway:DELETE",
                    "apigateway:PATCH",
                    "apigateway:POST",
                    "apigateway:PUT",
                ],
            )
            .when("StringEquals", resource_tag(TAG_ENV), self.env()),
            self.on(
                "ApiValidators",
                vec![
                    names.api("/restapis/*/requestvalidators"),
                    names.api("/restapis/*/requestvalidators/*"),
                ],
                &[],
                &["apigateway:DELETE", "apigateway:PATCH", "apigateway:POST"],
            ),
            // Tags have paths of their own, which have no tags; also where something is made with tags.
            self.on(
                "ApiTags",
                vec![names.api("/tags/*")],
                &[],
                &["apigateway:DELETE", "apigateway:PUT"],
            )
            .when("StringEqualsIfExists", request_tag(TAG_ENV), self.env()),
        ]
    }
}

/// The service whose own role AWS makes when an account uses API Gateway for the first time.
const API_GATEWAY: &str = "ops.apigateway.amazonaws.com";
