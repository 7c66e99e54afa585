//! The hostile AWS of the tests is what it says: each effect, seen by the independent client.

use crate::support::{ApiError, Aws, Credentials, Emulator, Faults, Limit, Proxy, Span, Weather, account, wait_until};
use serde_json::{Value, json};
use std::thread;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(20);

/// Long enough to be seen, even on a busy machine, and short enough to wait for.
const WHILE: Span = Span::seconds(2, 2);

const TRUST: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
    "Principal": {"Service": "lambda.amazonaws.com"}}]}"#;

/// An account in some weather.
struct Storm {
    proxy: Proxy,
    credentials: Credentials,
    /// A client in the weather.
    aws: Aws,
    /// A client that sees what AWS has.
    truth: Aws,
}

impl Storm {
    fn new(weather: Weather) -> Self {
        let emulator = Emulator::shared();
        let account = account();
        let proxy = Proxy::in_weather(emulator.endpoint(), weather);
        let credentials = Credentials::of_account(&account);
        Self {
            aws: Aws::new(proxy.endpoint(), &credentials),
            truth: emulator.aws(&account),
            credentials,
            proxy,
        }
    }

    #[track_caller]
    fn refused(&self, service: &str, operation: &str, params: Value) -> ApiError {
        let answer = self.aws.try_call(service, operation, params);
        match answer {
            Err(why) => why,
            Ok(answer) => panic!("{service} {operation} was done: {answer:#}"),
        }
    }

    /// Waits until the call is done. Meanwhile it may be refused with this code alone.
    #[track_caller]
    fn done_after(&self, code: &str, service: &str, operation: &str, params: &Value) -> Value {
        wait_until(SOON, operation, || {
            match self.aws.try_call(service, operation, params.clone()) {
                Ok(answer) => Some(answer),
                Err(why) => {
                    assert_eq!(why.code, code, "{why}");
                    None
                }
            }
        })
    }

    /// A role that stands, made past the weather.
    fn role(&self, aws: &Aws, name: &str) -> String {
        let role = aws.call(
            "iam",
            "create_role",
            json!({"RoleName": name, "AssumeRolePolicyDocument": TRUST}),
        );
        role["Role"]["Arn"].as_str().expect("an ARN").to_owned()
    }

    fn table(&self, name: &str) {
        let table = json!({
            "TableName": name, "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        });
        self.aws.call("dynamodb", "create_table", table);
    }
}

/// What makes a function of this role.
fn function(role: &str) -> Value {
    json!({
        "FunctionName": "f", "Role": role, "Runtime": "provided.al2023", "Handler": "bootstrap",
        "Code": {"ZipFile": {"$base64": "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="}},
    })
}

fn calm() -> Weather {
    Weather::calm(1)
}

#[test]
fn service_and_operation_of_every_protocol_are_recognised() {
    let storm = Storm::new(calm());
    let asked = [
        ("sqs", "list_queues", "sqs", "ListQueues"),
        ("iam", "list_roles", "iam", "ListRoles"),
        ("apigateway", "get_rest_apis", "apigateway", "GetRestApis"),
        ("lambda", "list_functions", "lambda", "ListFunctions"),
        ("cloudwatch", "describe_alarms", "monitoring", "DescribeAlarms"),
        ("s3", "list_buckets", "s3", "ListBuckets"),
    ];
    for (client, method, ..) in asked {
        storm.aws.call(client, method, json!({}));
    }
    let calls = storm.proxy.calls();
    let seen: Vec<_> = calls
        .iter()
        .map(|call| (call.service.as_str(), call.operation.as_str()))
        .collect();
    assert_eq!(seen, asked.map(|(_, _, service, operation)| (service, operation)));
    assert!(calls.iter().all(|call| call.is_recognised() && !call.changes()));
}

#[test]
fn a_path_that_no_reference_knows_is_told() {
    let storm = Storm::new(calm());
    let ignored = storm.aws.try_call("apigateway", "get_domain_names", json!({}));
    let calls = storm.proxy.calls();
    assert_eq!(calls[0].operation, "GET /domainnames", "{ignored:?}");
    assert!(!calls[0].is_recognised());
}

#[test]
fn every_call_takes_longer_and_the_record_tells_how_long_and_what_was_beside_it() {
    let storm = Storm::new(Weather {
        latency: Some(Span::millis(400, 500)),
        ..calm()
    });
    let another = Aws::new(storm.proxy.endpoint(), &storm.credentials);
    thread::scope(|scope| {
        scope.spawn(|| another.call("sqs", "list_queues", json!({})));
        wait_until(SOON, "the first call", || {
            (storm.proxy.calls().len() == 1).then_some(())
        });
        storm.aws.call("sqs", "list_queues", json!({}));
    });
    let records = storm.proxy.records();
    for record in &records {
        let took = record.ended.expect("it is over") - record.started;
        assert!(took >= Duration::from_millis(400), "{took:?}");
        assert_eq!((record.status, record.weather), (Some(200), None));
    }
    let summary = storm.proxy.summary();
    assert_eq!((summary.all.calls, summary.all.throttled), (2, 0));
    assert!(summary.took >= Duration::from_millis(400), "{summary:?}");
    // The second client may have come after the first answer; then nothing was at once.
    assert_eq!(summary.services["sqs"].at_once, records[1].beside.service + 1);
}

#[test]
fn each_service_has_its_own_words_for_too_fast_and_soon_takes_calls_again() {
    let services = [
        (
            "apigateway",
            "apigateway",
            "get_rest_apis",
            "TooManyRequestsException",
            429,
        ),
        ("lambda", "lambda", "list_functions", "TooManyRequestsException", 429),
        ("kms", "kms", "list_keys", "ThrottlingException", 400),
        ("cloudwatch", "monitoring", "describe_alarms", "Throttling", 400),
        ("ssm", "ssm", "describe_parameters", "ThrottlingException", 400),
        ("events", "events", "list_rules", "ThrottlingException", 400),
        ("iam", "iam", "list_roles", "Throttling", 400),
        ("sqs", "sqs", "list_queues", "RequestThrottled", 403),
    ];
    let limits = services.map(|(_, service, ..)| Limit {
        service,
        operations: &[""],
        rate: 0.2,
        burst: 1.0,
    });
    let storm = Storm::new(Weather {
        limits: limits.to_vec(),
        ..calm()
    });
    for (client, _, operation, code, status) in services {
        storm.aws.call(client, operation, json!({}));
        let why = storm.refused(client, operation, json!({}));
        assert_eq!((why.code.as_str(), why.status), (code, status), "{why}");
    }
    assert_eq!(storm.proxy.summary().all.throttled, services.len());
    storm.done_after("ThrottlingException", "kms", "list_keys", &json!({}));
}

#[test]
fn calls_fail_by_themselves_in_each_way() {
    let queue = json!({"QueueName": "q"});
    let made = |storm: &Storm| {
        let queues = storm.truth.call("sqs", "list_queues", json!({}));
        queues["QueueUrls"].as_array().map_or(0, Vec::len)
    };
    let storm = |faults| Storm::new(Weather { faults, ..calm() });

    let internal = storm(Faults {
        internal: 1.0,
        ..Faults::default()
    });
    for number in 0..12 {
        let queue = json!({"QueueName": format!("q{number}")});
        let why = internal.refused("sqs", "create_queue", queue);
        assert_eq!((why.code.as_str(), why.status), ("InternalFailure", 500), "{why}");
    }
    let taken = made(&internal);
    assert!((1..12).contains(&taken), "{taken} of 12 took effect");

    let unavailable = storm(Faults {
        unavailable: 1.0,
        ..Faults::default()
    });
    let why = unavailable.refused("sqs", "create_queue", queue.clone());
    assert_eq!(why.status, 503, "{why}");
    assert_eq!(made(&unavailable), 0);

    let reset = storm(Faults {
        reset: 1.0,
        ..Faults::default()
    });
    let why = reset.refused("sqs", "create_queue", queue.clone());
    assert_eq!(why.status, 0, "{why}");
    assert_eq!(made(&reset), 0);

    let lost = storm(Faults {
        lost: 1.0,
        ..Faults::default()
    });
    let why = lost.refused("sqs", "create_queue", queue);
    assert_eq!(why.status, 0, "{why}");
    assert_eq!(made(&lost), 1);
}

#[test]
fn a_share_of_the_calls_fails_and_the_same_ones_with_the_same_seed() {
    let failed = |seed| {
        let storm = Storm::new(Weather {
            faults: Faults {
                unavailable: 0.3,
                ..Faults::default()
            },
            ..Weather::calm(seed)
        });
        (0..20)
            .map(|_| storm.aws.try_call("sqs", "list_queues", json!({})).is_err())
            .collect::<Vec<_>>()
    };
    let first = failed(7);
    assert_eq!(first, failed(7));
    assert_ne!(first, failed(8));
    let count = first.iter().filter(|failed| **failed).count();
    assert!((1..15).contains(&count), "{count} of 20");
}

#[test]
fn a_new_role_cannot_be_assumed_for_a_while() {
    let storm = Storm::new(Weather {
        role_unassumable: Some(WHILE),
        ..calm()
    });
    let role = storm.role(&storm.aws, "r");
    let why = storm.refused("lambda", "create_function", function(&role));
    assert_eq!(why.code, "InvalidParameterValueException");
    assert_eq!(
        why.message,
        "The role defined for the function cannot be assumed by Lambda."
    );
    storm.done_after(
        "InvalidParameterValueException",
        "lambda",
        "create_function",
        &function(&role),
    );
}

#[test]
fn a_new_role_is_no_principal_for_a_while() {
    let storm = Storm::new(Weather {
        role_unassumable: Some(WHILE),
        ..calm()
    });
    let role = storm.role(&storm.aws, "r");
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": role}}]});
    let other = json!({"RoleName": "s", "AssumeRolePolicyDocument": policy.to_string()});
    let why = storm.refused("iam", "create_role", other.clone());
    assert_eq!(why.code, "MalformedPolicyDocument");
    assert!(why.message.starts_with("Invalid principal in policy"), "{why}");
    let why = storm.refused("kms", "create_key", json!({"Policy": policy.to_string()}));
    assert_eq!(why.code, "MalformedPolicyDocumentException");
    storm.done_after("MalformedPolicyDocument", "iam", "create_role", &other);
}

#[test]
fn permissions_are_seen_late_and_what_was_detached_hangs_on_for_a_while() {
    let storm = Storm::new(Weather {
        permissions_unseen: Some(WHILE),
        ..calm()
    });
    let role = storm.role(&storm.truth, "r");
    let document =
        r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]}"#;
    let policy = json!({"PolicyName": "p", "PolicyDocument": document});
    let policy = storm.truth.call("iam", "create_policy", policy)["Policy"]["Arn"].clone();
    let both = json!({"RoleName": "r", "PolicyArn": policy});
    storm.aws.call("iam", "attach_role_policy", both.clone());
    let mut function = function(&role);
    let queue = format!("arn:aws:sqs:us-east-1:{}:q", storm.credentials.key);
    function["DeadLetterConfig"] = json!({"TargetArn": queue});
    let why = storm.refused("lambda", "create_function", function.clone());
    assert!(
        why.message
            .contains("does not have permissions to call SendMessage on SQS"),
        "{why}"
    );
    storm.done_after("InvalidParameterValueException", "lambda", "create_function", &function);

    storm.aws.call("iam", "detach_role_policy", both);
    let why = storm.refused("iam", "delete_role", json!({"RoleName": "r"}));
    assert_eq!(why.code, "DeleteConflict");
    storm.done_after("DeleteConflict", "iam", "delete_role", &json!({"RoleName": "r"}));
}

#[test]
fn what_is_new_is_not_known_everywhere_for_a_while() {
    let storm = Storm::new(Weather {
        identities_unknown: Some(WHILE),
        keys_unknown: Some(WHILE),
        messaging_unknown: Some(WHILE),
        ..calm()
    });
    storm.role(&storm.aws, "r");
    let key = storm.aws.call("kms", "create_key", json!({}))["KeyMetadata"]["KeyId"].clone();
    storm.aws.call("sqs", "create_queue", json!({"QueueName": "q"}));
    let topic = storm.aws.call("sns", "create_topic", json!({"Name": "t"}))["TopicArn"].clone();
    let redrive = json!({
        "deadLetterTargetArn": format!("arn:aws:sqs:us-east-1:{}:q", storm.credentials.key), "maxReceiveCount": 3,
    });
    let with_dead_letters = json!({"QueueName": "other", "Attributes": {"RedrivePolicy": redrive.to_string()}});
    let asked = [
        ("iam", "get_role", json!({"RoleName": "r"}), "NoSuchEntity"),
        ("kms", "describe_key", json!({"KeyId": key}), "NotFoundException"),
        (
            "sqs",
            "get_queue_url",
            json!({"QueueName": "q"}),
            "AWS.SimpleQueueService.NonExistentQueue",
        ),
        ("sns", "get_topic_attributes", json!({"TopicArn": topic}), "NotFound"),
        ("sqs", "create_queue", with_dead_letters, "InvalidParameterValue"),
    ];
    let made = Instant::now();
    let mut unknown = [0; 5];
    while made.elapsed() < WHILE.most {
        for (at, (service, operation, params, code)) in asked.iter().enumerate() {
            if let Err(why) = storm.aws.try_call(service, operation, params.clone()) {
                assert_eq!(why.code, *code, "{why}");
                unknown[at] += 1;
            }
        }
    }
    assert!(unknown.iter().all(|times| *times > 0), "{unknown:?}");
    for (service, operation, params, _) in &asked {
        storm.aws.call(service, operation, params.clone());
    }
}

#[test]
fn a_new_key_is_being_made_for_a_while_and_others_refuse_it() {
    let storm = Storm::new(Weather {
        key_creating: Some(WHILE),
        ..calm()
    });
    let key = storm.aws.call("kms", "create_key", json!({}))["KeyMetadata"].clone();
    assert_eq!(key["KeyState"], "Creating");
    let why = storm.refused("kms", "enable_key_rotation", json!({"KeyId": key["KeyId"]}));
    assert_eq!(why.code, "KMSInvalidStateException");
    let group = json!({"logGroupName": "g", "kmsKeyId": key["Arn"]});
    let why = storm.refused("logs", "create_log_group", group.clone());
    assert_eq!(why.code, "InvalidParameterException");
    let table = json!({
        "TableName": "ttt", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "SSESpecification": {"Enabled": true, "SSEType": "KMS", "KMSMasterKeyId": key["Arn"]},
    });
    let why = storm.refused("dynamodb", "create_table", table);
    assert!(why.message.starts_with("KMS validation error"), "{why}");
    let mut function = function(&storm.role(&storm.truth, "r"));
    function["KMSKeyArn"] = key["Arn"].clone();
    let why = storm.refused("lambda", "create_function", function.clone());
    assert!(why.message.contains("KMS key is invalid for CreateGrant"), "{why}");
    let why = storm.refused("lambda", "create_function", function.clone());
    assert_eq!(why.code, "KMSInvalidStateException");
    storm.done_after("InvalidParameterException", "logs", "create_log_group", &group);
    let key = storm.aws.call("kms", "describe_key", json!({"KeyId": key["KeyId"]}));
    assert_eq!(key["KeyMetadata"]["KeyState"], "Enabled");
}

#[test]
fn a_table_is_made_changed_and_removed_in_its_own_time() {
    let storm = Storm::new(Weather {
        table_creating: Some(WHILE),
        table_updating: WHILE,
        table_deleting: WHILE,
        ..calm()
    });
    let name = json!({"TableName": "ttt"});
    let status = || storm.aws.call("dynamodb", "describe_table", name.clone())["Table"]["TableStatus"].clone();
    let becomes = |what: &str| wait_until(SOON, what, || (status() == what).then_some(()));
    storm.table("ttt");
    assert_eq!(status(), "CREATING");
    let backups = json!({"TableName": "ttt", "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": true}});
    let why = storm.refused("dynamodb", "update_continuous_backups", backups.clone());
    assert_eq!(why.code, "ContinuousBackupsUnavailableException");
    let change = json!({"TableName": "ttt", "DeletionProtectionEnabled": false});
    let why = storm.refused("dynamodb", "update_table", change.clone());
    assert_eq!(why.code, "ResourceInUseException");
    let expiry = json!({"TableName": "ttt", "TimeToLiveSpecification": {"Enabled": true, "AttributeName": "a"}});
    let why = storm.refused("dynamodb", "update_time_to_live", expiry);
    assert!(why.message.contains("Table is being created: ttt"), "{why}");
    let why = storm.refused("dynamodb", "describe_time_to_live", name.clone());
    let told = "Cannot describe time to live while table is in CREATING state: Current table state is CREATING";
    assert_eq!((why.code.as_str(), why.message.as_str()), ("ValidationException", told));
    becomes("ACTIVE");
    storm.done_after(
        "ContinuousBackupsUnavailableException",
        "dynamodb",
        "update_continuous_backups",
        &backups,
    );

    storm.aws.call("dynamodb", "update_table", change.clone());
    assert_eq!(status(), "UPDATING");
    let why = storm.refused("dynamodb", "update_table", change);
    assert!(why.message.contains("Table is being updated: ttt"), "{why}");
    becomes("ACTIVE");

    storm.aws.call("dynamodb", "delete_table", name.clone());
    assert_eq!(status(), "DELETING");
    let why = wait_until(SOON, "the table to be gone", || {
        storm.aws.try_call("dynamodb", "describe_table", name.clone()).err()
    });
    assert_eq!(why.code, "ResourceNotFoundException");
}

/// Its backups are known at half time, and shortly before it is ready its tags seem to be none.
#[test]
fn what_a_table_that_is_being_made_tells_of_itself_is_not_true_yet() {
    let storm = Storm::new(Weather {
        table_creating: Some(Span::seconds(6, 6)),
        ..calm()
    });
    let table = json!({
        "TableName": "ttt", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "Tags": [{"Key": "a", "Value": "1"}],
    });
    let made = storm.aws.call("dynamodb", "create_table", table)["TableDescription"].clone();
    let name = json!({"TableName": "ttt"});
    let arn = json!({"ResourceArn": made["TableArn"]});
    let why = storm.refused("dynamodb", "describe_continuous_backups", name.clone());
    assert_eq!(why.code, "TableNotFoundException");
    let why = storm.refused("dynamodb", "list_tags_of_resource", arn.clone());
    assert_eq!(why.code, "ResourceNotFoundException");
    let code = "TableNotFoundException";
    storm.done_after(code, "dynamodb", "describe_continuous_backups", &name);
    let code = "ResourceNotFoundException";
    let tags = storm.done_after(code, "dynamodb", "list_tags_of_resource", &arn);
    assert_eq!(tags["Tags"], json!([]), "the table has one");
    let status = storm.aws.call("dynamodb", "describe_table", name)["Table"]["TableStatus"].clone();
    assert_eq!(status, "CREATING");
    let tags = wait_until(SOON, "the tags", || {
        let tags = storm.aws.call("dynamodb", "list_tags_of_resource", arn.clone());
        tags["Tags"].as_array().filter(|tags| !tags.is_empty()).cloned()
    });
    assert_eq!(tags, [json!({"Key": "a", "Value": "1"})]);
}

#[test]
fn while_the_tags_of_a_table_are_changed_there_is_no_other_change_of_them() {
    let storm = Storm::new(Weather {
        table_tags_locked: Some(WHILE),
        ..calm()
    });
    storm.table("ttt");
    storm.table("other");
    let arn = |name: &str| {
        let table = storm
            .truth
            .call("dynamodb", "describe_table", json!({"TableName": name}));
        table["Table"]["TableArn"].clone()
    };
    let tag = |name: &str| json!({"ResourceArn": arn(name), "Tags": [{"Key": "a", "Value": "1"}]});
    let tags = || {
        storm
            .aws
            .call("dynamodb", "list_tags_of_resource", json!({"ResourceArn": arn("ttt")}))["Tags"]
            .clone()
    };
    assert_eq!(tags(), json!([]));
    storm.aws.call("dynamodb", "tag_resource", tag("ttt"));
    assert_eq!(tags(), json!([]), "they are shown as they were");
    let untag = json!({"ResourceArn": arn("ttt"), "TagKeys": ["b"]});
    let why = storm.refused("dynamodb", "untag_resource", untag.clone());
    let told = "Subscriber limit exceeded: Table tags are being updated: ttt";
    assert_eq!(
        (why.code.as_str(), why.message.as_str()),
        ("LimitExceededException", told)
    );
    let why = storm.refused("dynamodb", "delete_table", json!({"TableName": "ttt"}));
    let told = "Attempt to change a resource which is still in use: Table tags are being updated: ttt";
    assert_eq!(
        (why.code.as_str(), why.message.as_str()),
        ("ResourceInUseException", told)
    );
    // It is a lock of one table, and of nothing else in it.
    storm.aws.call("dynamodb", "tag_resource", tag("other"));
    let change = json!({"TableName": "ttt", "DeletionProtectionEnabled": false});
    storm.aws.call("dynamodb", "update_table", change);
    storm.done_after("LimitExceededException", "dynamodb", "untag_resource", &untag);
    assert_eq!(tags(), json!([{"Key": "a", "Value": "1"}]));
}

#[test]
fn while_an_index_is_filled_or_removed_its_table_is_active_and_stays() {
    let storm = Storm::new(Weather {
        index_filling: Some(WHILE),
        ..calm()
    });
    storm.table("ttt");
    let name = json!({"TableName": "ttt"});
    let index = |name: &str, key: &str| {
        json!({
            "TableName": "ttt",
            "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"}],
            "GlobalSecondaryIndexUpdates": [{"Create": {
                "IndexName": name, "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"}}}],
        })
    };
    let status = || {
        let table = storm.aws.call("dynamodb", "describe_table", name.clone())["Table"].clone();
        assert_eq!(table["TableStatus"], "ACTIVE");
        table["GlobalSecondaryIndexes"][0]["IndexStatus"].clone()
    };
    let stays = || {
        let why = storm.refused("dynamodb", "delete_table", name.clone());
        assert_eq!(why.code, "ResourceInUseException");
        assert!(
            why.message
                .contains("Cannot delete table while indexes are being created"),
            "{why}"
        );
    };
    storm.aws.call("dynamodb", "update_table", index("iii", "a"));
    assert_eq!(status(), "CREATING");
    stays();
    let why = storm.refused("dynamodb", "update_table", index("jjj", "b"));
    assert_eq!(why.code, "LimitExceededException");
    wait_until(SOON, "the index", || (status() == "ACTIVE").then_some(()));
    let delete = json!({"TableName": "ttt", "GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "iii"}}]});
    storm.aws.call("dynamodb", "update_table", delete);
    assert_eq!(status(), "DELETING");
    stays();
    storm.done_after("ResourceInUseException", "dynamodb", "delete_table", &name);
}

#[test]
fn who_may_not_decrypt_is_told_all_of_a_function_but_its_environment() {
    let storm = Storm::new(calm());
    let key = storm.truth.call("kms", "create_key", json!({}))["KeyMetadata"]["Arn"].clone();
    let mut function = function(&storm.role(&storm.truth, "r"));
    function["Environment"] = json!({"Variables": {"A": "1"}});
    function["KMSKeyArn"] = key;
    storm.truth.call("lambda", "create_function", function);
    let name = json!({"FunctionName": "f"});
    let told = |storm: &Storm| storm.aws.call("lambda", "get_function", name.clone())["Configuration"].clone();
    assert_eq!(told(&storm)["Environment"], json!({"Variables": {"A": "1"}}));
    storm.proxy.set_weather(Weather {
        may_not_decrypt: true,
        ..calm()
    });
    let configuration = told(&storm);
    assert_eq!(
        configuration["Environment"]["Error"]["ErrorCode"],
        "AccessDeniedException"
    );
    assert_eq!(configuration["Environment"]["Variables"], Value::Null);
    assert_eq!(configuration["FunctionName"], "f");
    let alone = storm.aws.call("lambda", "get_function_configuration", name.clone());
    assert_eq!(alone["Environment"]["Error"]["ErrorCode"], "AccessDeniedException");
}

#[test]
fn a_key_that_was_enabled_is_still_disabled_for_some() {
    let storm = Storm::new(Weather {
        key_enabling: Some(WHILE),
        ..calm()
    });
    let key = storm.truth.call("kms", "create_key", json!({}))["KeyMetadata"]["KeyId"].clone();
    let key = json!({"KeyId": key});
    storm.aws.call("kms", "disable_key", key.clone());
    storm.aws.call("kms", "enable_key", key.clone());
    let enabled = Instant::now();
    let mut refused = 0;
    while enabled.elapsed() < WHILE.most {
        if let Err(why) = storm.aws.try_call("kms", "enable_key_rotation", key.clone()) {
            assert_eq!(why.code, "DisabledException", "{why}");
            refused += 1;
        }
    }
    assert!(refused > 0);
    storm.aws.call("kms", "enable_key_rotation", key);
}

#[test]
fn a_new_role_is_not_known_to_sns_for_a_while_which_has_two_ways_to_say_so() {
    let storm = Storm::new(Weather {
        role_unknown_to_sns: Some(WHILE),
        ..calm()
    });
    let role = storm.role(&storm.aws, "r");
    let topic = storm.aws.call("sns", "create_topic", json!({"Name": "t"}))["TopicArn"].clone();
    let set = json!({"TopicArn": topic, "AttributeName": "SQSFailureFeedbackRoleArn", "AttributeValue": role});
    let said = [0, 1].map(|_| storm.refused("sns", "set_topic_attributes", set.clone()));
    for why in &said {
        assert_eq!(why.code, "InvalidParameter");
        assert!(
            why.message
                .contains("is not a valid role to allow SNS to write to Cloudwatch Logs"),
            "{why}"
        );
    }
    let named = said.map(|why| why.message.contains("SQSFailureFeedbackRoleArn"));
    assert_eq!(named, [true, false]);
    storm.done_after("InvalidParameter", "sns", "set_topic_attributes", &set);
}

#[test]
fn a_function_is_made_changed_and_removed_in_its_own_time() {
    let storm = Storm::new(Weather {
        function_pending: Some(WHILE),
        function_updating: WHILE,
        function_deleting: WHILE,
        ..calm()
    });
    let name = json!({"FunctionName": "f"});
    let configuration = || storm.aws.call("lambda", "get_function", name.clone())["Configuration"].clone();
    let made = storm
        .aws
        .call("lambda", "create_function", function(&storm.role(&storm.truth, "r")));
    assert_eq!(made["State"], "Pending");
    assert_eq!(configuration()["State"], "Pending");
    let change = json!({"FunctionName": "f", "Description": "d"});
    let why = storm.refused("lambda", "update_function_configuration", change.clone());
    assert_eq!((why.code.as_str(), why.status), ("ResourceConflictException", 409));
    wait_until(SOON, "the function", || {
        (configuration()["State"] == "Active").then_some(())
    });

    storm
        .aws
        .call("lambda", "update_function_configuration", change.clone());
    assert_eq!(configuration()["LastUpdateStatus"], "InProgress");
    let why = storm.refused("lambda", "update_function_configuration", change);
    assert!(why.message.contains("An update is in progress"), "{why}");
    wait_until(SOON, "the update", || {
        (configuration()["LastUpdateStatus"] == "Successful").then_some(())
    });

    storm.aws.call("lambda", "delete_function", name.clone());
    assert_eq!(configuration()["FunctionName"], "f");
    let why = wait_until(SOON, "the function to be gone", || {
        storm.aws.try_call("lambda", "get_function", name.clone()).err()
    });
    assert_eq!(why.code, "ResourceNotFoundException");
}

#[test]
fn attributes_are_read_as_they_were_for_a_while() {
    let storm = Storm::new(Weather {
        stale_attributes: Some(WHILE),
        ..calm()
    });
    let url = storm.aws.call("sqs", "create_queue", json!({"QueueName": "q"}))["QueueUrl"].clone();
    let read = || {
        let read = json!({"QueueUrl": url, "AttributeNames": ["All"]});
        storm.aws.call("sqs", "get_queue_attributes", read)["Attributes"]["VisibilityTimeout"].clone()
    };
    assert_eq!(read(), "30");
    let change = json!({"QueueUrl": url, "Attributes": {"VisibilityTimeout": "77"}});
    storm.aws.call("sqs", "set_queue_attributes", change);
    let changed = Instant::now();
    let mut seen = Vec::new();
    while changed.elapsed() < WHILE.most {
        seen.push(read());
    }
    // Some of the places that answer are behind, and some are not.
    assert!(seen.contains(&json!("30")) && seen.contains(&json!("77")), "{seen:?}");
    assert_eq!(read(), "77");
}

/// Reads until nothing old can be shown any more: both the old and the new value are seen until then, and the new one
/// alone afterwards.
#[track_caller]
fn both_are_seen(what: &str, read: impl Fn() -> Value, old: &Value, new: &Value) {
    let changed = Instant::now();
    let mut seen = Vec::new();
    while changed.elapsed() < WHILE.most {
        seen.push(read());
    }
    assert!(seen.contains(old) && seen.contains(new), "{what}: {seen:?}");
    assert_eq!(read(), *new, "{what}");
}

#[test]
fn settings_of_keys_log_groups_rules_parameters_and_alarms_are_read_as_they_were_for_a_while() {
    let storm = Storm::new(Weather {
        stale_attributes: Some(WHILE),
        ..calm()
    });
    let aws = &storm.aws;
    // What nobody has read before is shown as it was made.
    let key = aws.call("kms", "create_key", json!({}))["KeyMetadata"]["KeyId"].clone();
    aws.call("kms", "enable_key_rotation", json!({"KeyId": key}));
    let read = || aws.call("kms", "get_key_rotation_status", json!({"KeyId": key}))["KeyRotationEnabled"].clone();
    both_are_seen("rotation", read, &json!(false), &json!(true));

    aws.call("logs", "create_log_group", json!({"logGroupName": "/g"}));
    aws.call(
        "logs",
        "put_retention_policy",
        json!({"logGroupName": "/g", "retentionInDays": 30}),
    );
    let read = || {
        let groups = aws.call("logs", "describe_log_groups", json!({"logGroupNamePrefix": "/g"}));
        groups["logGroups"][0]["retentionInDays"].clone()
    };
    both_are_seen("retention", read, &Value::Null, &json!(30));

    let rule = |rate: &str| aws.call("events", "put_rule", json!({"Name": "r", "ScheduleExpression": rate}));
    let read = || aws.call("events", "describe_rule", json!({"Name": "r"}))["ScheduleExpression"].clone();
    rule("rate(5 minutes)");
    read();
    rule("rate(7 minutes)");
    both_are_seen("a rule", read, &json!("rate(5 minutes)"), &json!("rate(7 minutes)"));

    let parameter = |text: &str| {
        let put = json!({"Name": "/p/q", "Type": "String", "Value": text, "Description": text, "Overwrite": true});
        aws.call("ssm", "put_parameter", put)
    };
    let read = || {
        let path = json!([{"Key": "Path", "Option": "OneLevel", "Values": ["/p"]}]);
        let listed = aws.call("ssm", "describe_parameters", json!({"ParameterFilters": path}));
        let value = aws.call("ssm", "get_parameter", json!({"Name": "/p/q"}));
        json!([listed["Parameters"][0]["Description"], value["Parameter"]["Value"]])
    };
    parameter("one");
    read();
    parameter("two");
    both_are_seen("a parameter", read, &json!(["one", "one"]), &json!(["two", "two"]));

    let alarm = |threshold: u32| {
        let put = json!({
            "AlarmName": "a", "Namespace": "n", "MetricName": "m", "Statistic": "Sum", "Period": 60,
            "EvaluationPeriods": 1, "ComparisonOperator": "GreaterThanThreshold", "Threshold": threshold,
        });
        aws.call("cloudwatch", "put_metric_alarm", put)
    };
    let read = || {
        let alarms = aws.call("cloudwatch", "describe_alarms", json!({"AlarmNames": ["a"]}));
        json!(alarms["MetricAlarms"][0]["Threshold"].as_f64())
    };
    alarm(1);
    read();
    alarm(2);
    both_are_seen("an alarm", read, &json!(1.0), &json!(2.0));
}

#[test]
fn the_name_of_a_deleted_queue_is_refused_for_a_while() {
    let storm = Storm::new(Weather {
        queue_name_refused: Some(4 * WHILE.most),
        queue_told: WHILE,
        ..calm()
    });
    let name = json!({"QueueName": "q"});
    let url = storm.aws.call("sqs", "create_queue", name.clone())["QueueUrl"].clone();
    assert_eq!(storm.aws.call("sqs", "get_queue_url", name.clone())["QueueUrl"], url);
    storm.aws.call("sqs", "delete_queue", json!({"QueueUrl": url}));
    // Though it is gone, it is still told of, by whom it was told of before.
    assert_eq!(storm.aws.call("sqs", "get_queue_url", name.clone())["QueueUrl"], url);
    assert!(storm.truth.try_call("sqs", "get_queue_url", name.clone()).is_err());
    let attributes = json!({"QueueUrl": url});
    storm.refused("sqs", "get_queue_attributes", attributes);
    wait_until(SOON, "the end of what is told", || {
        storm
            .aws
            .try_call("sqs", "get_queue_url", name.clone())
            .is_err()
            .then_some(())
    });
    let code = "AWS.SimpleQueueService.QueueDeletedRecently";
    let why = storm.refused("sqs", "create_queue", name.clone());
    assert_eq!(why.code, code);
    storm.aws.call("sqs", "create_queue", json!({"QueueName": "another"}));
    storm.done_after(code, "sqs", "create_queue", &name);
}

/// Two changes at once, of which the second comes while the first is under way.
fn at_once(storm: &Storm, first: (&str, &str, Value), second: (&str, &str, Value)) -> Result<Value, ApiError> {
    let another = Aws::new(storm.proxy.endpoint(), &storm.credentials);
    // Started, with a client for the service, before anything is measured.
    another.call("sts", "get_caller_identity", json!({}));
    storm.proxy.forget();
    thread::scope(|scope| {
        scope.spawn(|| another.call(first.0, first.1, first.2));
        wait_until(SOON, "the first change", || {
            (storm.proxy.calls().len() == 1).then_some(())
        });
        storm.aws.try_call(second.0, second.1, second.2)
    })
}

#[test]
fn two_changes_of_an_api_at_once_are_refused() {
    let storm = Storm::new(Weather {
        latency: Some(Span::seconds(1, 1)),
        api_conflicts: true,
        ..calm()
    });
    let api = storm.aws.call("apigateway", "create_rest_api", json!({"name": "a"}))["id"].clone();
    let model = |name: &str| json!({"restApiId": api, "name": name, "contentType": "application/json", "schema": "{\"type\": \"object\"}"});
    let second = at_once(
        &storm,
        ("apigateway", "create_model", model("One")),
        ("apigateway", "create_model", model("Two")),
    );
    let why = second.expect_err("AWS refuses it");
    assert_eq!((why.code.as_str(), why.status), ("ConflictException", 409));
    assert!(why.message.contains("concurrent modification"), "{why}");
    assert_eq!(storm.proxy.records()[1].beside.changes, 1);
    storm.aws.call("apigateway", "create_model", model("Two"));
}

#[test]
fn of_two_changes_of_a_functions_policy_at_once_one_is_lost() {
    let storm = Storm::new(Weather {
        latency: Some(Span::seconds(1, 1)),
        permissions_lost: true,
        ..calm()
    });
    let role = storm.role(&storm.truth, "r");
    storm.truth.call("lambda", "create_function", function(&role));
    let permission = |id: &str| {
        json!({"FunctionName": "f", "StatementId": id, "Action": "lambda:InvokeFunction",
               "Principal": "events.amazonaws.com"})
    };
    let second = at_once(
        &storm,
        ("lambda", "add_permission", permission("one")),
        ("lambda", "add_permission", permission("two")),
    );
    let told = second.expect("AWS says that it was made");
    assert!(
        told["Statement"].as_str().is_some_and(|text| text.contains("two")),
        "{told:#}"
    );
    let policy = storm.truth.call("lambda", "get_policy", json!({"FunctionName": "f"}));
    let policy = policy["Policy"].as_str().expect("a policy");
    assert!(policy.contains("one") && !policy.contains("two"), "{policy}");
}
