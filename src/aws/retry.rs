//! Which errors are worth another try, as a table. What is not in it fails at once with AWS's own message.

use crate::resource::Class;
use std::time::Duration;

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// We were too fast.
    Throttled,
    /// Something made just now has not reached this service yet.
    Propagating,
    /// The resource, or a neighbour, is being changed.
    Busy,
    /// The service has a fault of its own.
    Fault,
    /// Do not retry; it means this.
    Final(Class),
}

impl Verdict {
    /// How long one call may keep trying for this reason. Each reason has a budget of its own.
    pub fn budget(self) -> Duration {
        match self {
            // Long enough for the slowest limit (one call per 30 s) with others in the queue.
            Self::Throttled => Duration::from_secs(180),
            // IAM promises nothing; roles usually reach Lambda in 5 to 12 s. Others wait two minutes for IAM, and longer for
            // what Lambda does with it.
            Self::Propagating => Duration::from_secs(180),
            // A table takes about 10 s to become active, a queue's name is free again 60 s after its deletion.
            Self::Busy => Duration::from_secs(150),
            Self::Fault => Duration::from_secs(20),
            Self::Final(_) => Duration::ZERO,
        }
    }

    /// What we were waiting for, in the words of a message.
    pub fn waited_for(self) -> &'static str {
        match self {
            Self::Throttled => "AWS to accept the rate of calls",
            Self::Propagating => "a new role, policy or key to be known everywhere",
            Self::Busy => "another change of the same resource to end",
            Self::Fault => "the service to recover",
            Self::Final(_) => "nothing",
        }
    }
}

/// One row: service (`*` any), error code, a part of the message (empty: any), and what it means.
struct Row(&'static str, &'static str, &'static str, Verdict);

use Verdict::{Busy, Fault, Final, Propagating, Throttled};

#[rustfmt::skip]
const TABLE: &[Row] = &[
    Row("lambda", "InvalidParameterValueException", "cannot be assumed by Lambda", Propagating),
    // Of a function in a network of its own, which the roles here do not serve: one that was adopted.
    Row("lambda", "InvalidParameterValueException", "does not have permissions to call CreateNetworkInterface", Final(Class::Permanent)),
    Row("lambda", "InvalidParameterValueException", "does not have permissions to call", Propagating),
    Row("lambda", "InvalidParameterValueException", "KMS key is invalid for CreateGrant", Propagating),
    Row("lambda", "KMSInvalidStateException", "", Propagating),
    Row("lambda", "ResourceConflictException", "operation cannot be performed at this time", Busy),
    Row("lambda", "ResourceConflictException", "update is in progress", Busy),
    Row("lambda", "ResourceConflictException", "currently in the following state", Busy),
    Row("lambda", "ResourceConflictException", "already exist", Final(Class::Exists)),
    Row("lambda", "ResourceConflictException", "concurrent requests", Busy),
    Row("lambda", "ResourceConflictException", "concurrent update", Busy),
    Row("kms", "MalformedPolicyDocumentException", "invalid principal", Propagating),
    // Of a key that was enabled just now; one that is to stay disabled is asked for nothing that needs it enabled.
    Row("kms", "DisabledException", "", Propagating),
    Row("kms", "AlreadyExistsException", "", Final(Class::Exists)),
    Row("iam", "MalformedPolicyDocument", "Invalid principal", Propagating),
    Row("iam", "ConcurrentModification", "", Busy),
    Row("iam", "DeleteConflict", "", Busy),
    Row("iam", "EntityTemporarilyUnmodifiable", "", Busy),
    Row("iam", "EntityAlreadyExists", "", Final(Class::Exists)),
    Row("iam", "NoSuchEntity", "", Final(Class::NotFound)),
    Row("sns", "ConcurrentAccess", "", Busy),
    Row("sns", "KMSNotFound", "", Propagating),
    Row("sns", "InvalidParameter", "FeedbackRoleArn", Propagating),
    Row("sns", "InvalidParameter", "is not a valid role to allow SNS", Propagating),
    Row("sns", "InvalidParameter", "already exists with different", Final(Class::Exists)),
    Row("sns", "StaleTag", "", Busy),
    Row("sns", "ResourceNotFound", "", Final(Class::NotFound)),
    Row("sns", "NotFound", "", Final(Class::NotFound)),
    Row("sqs", "QueueDeletedRecently", "", Busy),
    Row("sqs", "AWS.SimpleQueueService.QueueDeletedRecently", "", Busy),
    Row("sqs", "", "Dead letter target does not exist", Propagating),
    Row("sqs", "QueueDoesNotExist", "", Final(Class::NotFound)),
    Row("sqs", "AWS.SimpleQueueService.NonExistentQueue", "", Final(Class::NotFound)),
    Row("sqs", "QueueNameExists", "", Final(Class::Exists)),
    Row("sqs", "QueueAlreadyExists", "", Final(Class::Exists)),
    Row("dynamodb", "ContinuousBackupsUnavailableException", "", Busy),
    // There are more than forty texts for it, of tables, indexes, tags, encryption and policies. One alone is no matter of
    // waiting.
    Row("dynamodb", "ResourceInUseException", "already exists", Final(Class::Exists)),
    Row("dynamodb", "ResourceInUseException", "", Busy),
    Row("dynamodb", "ValidationException", "kms.model.NotFoundException", Propagating),
    Row("dynamodb", "ValidationException", "kms.model.DisabledException", Propagating),
    // Of a table that is being made or deleted, which other calls answer as one that is not there.
    Row("dynamodb", "ValidationException", "Cannot describe time to live while table is in", Final(Class::NotFound)),
    Row("dynamodb", "LimitExceededException", "tags are being updated", Busy),
    Row("dynamodb", "LimitExceededException", "simultaneously", Busy),
    Row("dynamodb", "LimitExceededException", "Too many operations", Busy),
    // https://github.com/hashicorp/terraform-provider-aws/issues/39275
    Row("dynamodb", "SubscriberLimitExceeded", "", Busy),
    Row("dynamodb", "", "SubscriberLimitExceeded", Busy),
    Row("dynamodb", "TableNotFoundException", "", Final(Class::NotFound)),
    Row("dynamodb", "ProvisionedThroughputExceededException", "", Throttled),
    Row("dynamodb", "TransactionInProgressException", "", Busy),
    Row("logs", "OperationAbortedException", "", Busy),
    Row("logs", "AccessDeniedException", "KMS key does not exist or is not allowed", Propagating),
    Row("logs", "InvalidParameterException", "KMS Key Id could not be found", Propagating),
    Row("logs", "ResourceAlreadyExistsException", "", Final(Class::Exists)),
    Row("events", "ConcurrentModificationException", "", Busy),
    Row("events", "ValidationException", "since it has targets", Busy),
    Row("ssm", "ParameterAlreadyExists", "", Final(Class::Exists)),
    Row("ssm", "ParameterNotFound", "", Final(Class::NotFound)),
    Row("ssm", "InvalidResourceId", "", Final(Class::NotFound)),
    Row("ssm", "TooManyUpdates", "", Busy),
    Row("apigateway", "ConflictException", "concurrent modification", Busy),
    Row("apigateway", "ConflictException", "Unable to complete operation", Busy),
    Row("apigateway", "ConflictException", "already exist", Final(Class::Exists)),
    Row("apigateway", "ConflictException", "already has this name", Final(Class::Exists)),
    Row("apigateway", "LimitExceededException", "rate", Throttled),
    // A quota, though its status may be that of throttling: waiting does not help.
    Row("apigateway", "LimitExceededException", "", Final(Class::Permanent)),
    Row("apigateway", "NotFoundException", "", Final(Class::NotFound)),
    // Others write the same object just now; it is over in a moment, and then the condition decides.
    Row("s3", "ConditionalRequestConflict", "", Busy),
    Row("s3", "OperationAborted", "", Busy),
    Row("s3", "PreconditionFailed", "", Final(Class::Exists)),
    Row("s3", "RequestTimeout", "", Fault),
    Row("s3", "NoSuchKey", "", Final(Class::NotFound)),
    Row("s3", "NoSuchVersion", "", Final(Class::NotFound)),
    Row("cloudwatch", "ResourceNotFound", "", Final(Class::NotFound)),
    Row("cloudwatch", "DashboardNotFoundError", "", Final(Class::NotFound)),
    Row("cloudwatch", "ConcurrentModificationException", "", Busy),

    Row("*", "ThrottlingException", "", Throttled),
    Row("*", "ThrottledException", "", Throttled),
    Row("*", "Throttling", "", Throttled),
    Row("*", "Throttled", "", Throttled),
    Row("*", "RequestLimitExceeded", "", Throttled),
    Row("*", "RequestThrottled", "", Throttled),
    Row("*", "RequestThrottledException", "", Throttled),
    Row("*", "TooManyRequestsException", "", Throttled),
    Row("*", "KMS.ThrottlingException", "", Throttled),
    Row("*", "SlowDown", "", Throttled),
    Row("*", "", "Rate exceeded", Throttled),
    Row("*", "RequestTimeout", "", Fault),
    Row("*", "RequestTimeoutException", "", Fault),
    Row("*", "ServiceUnavailable", "", Fault),
    Row("*", "ServiceUnavailableException", "", Fault),
    Row("*", "InternalFailure", "", Fault),
    Row("*", "InternalError", "", Fault),
    Row("*", "InternalServerError", "", Fault),
    Row("*", "ServiceException", "", Fault),
    Row("*", "ServiceFailure", "", Fault),
    Row("*", "InternalFailureException", "", Fault),
    Row("*", "KMSInternalException", "", Fault),
    Row("*", "NotFoundException", "", Final(Class::NotFound)),
    Row("*", "ResourceNotFoundException", "", Final(Class::NotFound)),
];

/// What an error of this service means. `status` is the HTTP status where a reply came.
pub fn classify(service: &str, code: &str, message: &str, status: Option<u16>) -> Verdict {
    let row = TABLE.iter().find(|Row(s, c, part, _)| {
        (*s == "*" || *s == service) && (c.is_empty() || *c == code) && (part.is_empty() || contains(message, part))
    });
    match (row, status) {
        // What is not there to be called does not come by waiting.
        (_, Some(501)) => Final(Class::Permanent),
        (Some(row), _) => row.3,
        (None, Some(429)) => Throttled,
        (None, Some(status)) if status >= 500 => Fault,
        _ => Final(Class::Permanent),
    }
}

/// Calls that have neither a unique name nor a token: made again after a lost reply, they would make a second one.
const NOT_REPEATABLE: &[&str] = &[
    "kms:CreateKey",
    "iam:CreatePolicyVersion",
    "apigateway:CreateRestApi",
    "apigateway:CreateRequestValidator",
    "apigateway:CreateApiKey",
    "apigateway:CreateUsagePlan",
    "apigateway:CreateDeployment",
];

/// May this call be made again when nobody knows whether it took effect?
pub fn repeatable(operation: &str) -> bool {
    !NOT_REPEATABLE.contains(&operation)
}

fn contains(message: &str, part: &str) -> bool {
    message.to_ascii_lowercase().contains(&part.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_row_wins() {
        let assume = "The role defined for the function cannot be assumed by Lambda.";
        assert_eq!(
            classify("lambda", "InvalidParameterValueException", assume, Some(400)),
            Propagating
        );
        assert_eq!(
            classify(
                "lambda",
                "InvalidParameterValueException",
                "Memory is too large",
                Some(400)
            ),
            Final(Class::Permanent)
        );
        assert_eq!(classify("sqs", "X", "Rate exceeded", Some(400)), Throttled);
        assert_eq!(classify("kms", "X", "", Some(503)), Fault);
        assert_eq!(
            classify("kms", "NotFoundException", "", Some(400)),
            Final(Class::NotFound)
        );
    }

    #[test]
    fn every_word_for_too_fast_is_throttling() {
        for (service, code) in [
            ("sqs", "RequestThrottled"),
            ("ssm", "RequestThrottledException"),
            ("sqs", "KMS.ThrottlingException"),
            ("lambda", "TooManyRequestsException"),
            ("apigateway", "TooManyRequestsException"),
            ("logs", "TooManyRequestsException"),
        ] {
            assert_eq!(classify(service, code, "", Some(400)), Throttled, "{service} {code}");
        }
    }

    #[test]
    fn a_limit_of_api_gateway_is_waited_for_only_where_it_is_a_rate() {
        let limit = |message| classify("apigateway", "LimitExceededException", message, Some(429));
        assert_eq!(limit("Too Many Requests: the rate of calls is too high"), Throttled);
        assert_eq!(limit("Maximum number of API keys was reached"), Final(Class::Permanent));
    }

    #[test]
    fn a_quota_of_tables_is_told_at_once_and_too_much_at_once_is_waited_for() {
        let limit = |message| classify("dynamodb", "LimitExceededException", message, Some(400));
        let many = "Subscriber limit exceeded: Only 500 tables can be created, updated, or deleted simultaneously";
        assert_eq!(limit(many), Busy);
        let quota = "Subscriber limit exceeded: There is a limit of 2500 tables per subscriber";
        assert_eq!(limit(quota), Final(Class::Permanent));
    }

    #[test]
    fn a_table_that_is_in_use_is_waited_for_whatever_for() {
        let in_use = |message| classify("dynamodb", "ResourceInUseException", message, Some(400));
        for why in [
            "Attempt to change a resource which is still in use: Table tags are being updated: t",
            "Attempt to change a resource which is still in use: Cannot delete table while indexes are being created, \
             updated, or deleted.",
            "The resource which you are attempting to change is in use.",
        ] {
            assert_eq!(in_use(why), Busy, "{why}");
        }
        assert_eq!(in_use("Table already exists: t"), Final(Class::Exists));
        let tags = "Subscriber limit exceeded: Table tags are being updated: t";
        assert_eq!(classify("dynamodb", "LimitExceededException", tags, Some(400)), Busy);
    }

    #[test]
    fn the_expiry_of_a_table_that_is_not_ready_is_not_there_and_any_other_refusal_stands() {
        let refused = |message: &str| classify("dynamodb", "ValidationException", message, Some(400));
        for state in ["CREATING", "DELETING"] {
            let why =
                format!("Cannot describe time to live while table is in {state} state: Current table state is {state}");
            assert_eq!(refused(&why), Final(Class::NotFound), "{why}");
        }
        let twice = "Time to live has been modified multiple times within a fixed interval";
        assert_eq!(refused(twice), Final(Class::Permanent));
    }

    #[test]
    fn a_role_of_which_sns_has_not_heard_is_waited_for_however_it_says_so() {
        let role = "arn:aws:iam::1:role/r is not a valid role to allow SNS to write to Cloudwatch Logs";
        for before in ["LambdaSuccessFeedbackRoleArn: ", "Role ", ""] {
            let why = format!("Invalid parameter: {before}{role}");
            assert_eq!(
                classify("sns", "InvalidParameter", &why, Some(400)),
                Propagating,
                "{why}"
            );
        }
        let other = "Invalid parameter: TopicArn";
        assert_eq!(
            classify("sns", "InvalidParameter", other, Some(400)),
            Final(Class::Permanent)
        );
    }

    #[test]
    fn a_key_that_was_enabled_just_now_is_waited_for() {
        let cases = [
            ("kms", "DisabledException", "arn:aws:kms:us-east-1:1:key/k is disabled."),
            (
                "dynamodb",
                "ValidationException",
                "KMS validation error: com.amazonaws.services.kms.model.DisabledException",
            ),
        ];
        for (service, code, message) in cases {
            assert_eq!(classify(service, code, message, Some(400)), Propagating, "{service}");
        }
    }

    #[test]
    fn what_spreads_is_waited_for_at_least_as_long_as_others_wait() {
        assert!(Propagating.budget() >= Duration::from_secs(120));
    }

    #[test]
    fn what_another_service_has_not_heard_of_yet_is_waited_for() {
        let target = "Value {...} for parameter RedrivePolicy is invalid. Reason: Dead letter target does not exist.";
        assert_eq!(classify("sqs", "InvalidParameterValue", target, Some(400)), Propagating);
        let key = "KMS validation error: com.amazonaws.services.kms.model.NotFoundException: Key 'arn' does not exist";
        assert_eq!(classify("dynamodb", "ValidationException", key, Some(400)), Propagating);
        assert_eq!(
            classify("dynamodb", "ValidationException", "1 validation error", Some(400)),
            Final(Class::Permanent)
        );
    }

    #[test]
    fn a_right_that_no_role_of_ours_has_is_not_waited_for() {
        let message = |call: &str| format!("The provided execution role does not have permissions to call {call}");
        let meaning = |call| classify("lambda", "InvalidParameterValueException", &message(call), Some(400));
        assert_eq!(meaning("SendMessage on SQS"), Propagating);
        assert_eq!(meaning("CreateNetworkInterface on EC2"), Final(Class::Permanent));
    }

    #[test]
    fn a_function_that_another_changes_is_waited_for() {
        let message = "The function could not be updated due to a concurrent update operation.";
        assert_eq!(
            classify("lambda", "ResourceConflictException", message, Some(409)),
            Busy
        );
    }

    #[test]
    fn creates_without_name_or_token_are_not_repeated_blindly() {
        assert!(!repeatable("apigateway:CreateRestApi"));
        assert!(!repeatable("apigateway:CreateRequestValidator"));
        assert!(!repeatable("iam:CreatePolicyVersion"));
        assert!(repeatable("sqs:CreateQueue"));
    }
}
