//! The two Lambda functions: what they may do, where they log, what starts the analyzer.

use super::base::{Binaries, Stack, add, policy};
use super::messaging::{Messaging, trusted_by};
use super::security::{self, Security};
use super::storage::{self, Storage};
use crate::artifact;
use crate::aws::Others;
use crate::aws::events::{rule, target};
use crate::aws::iam::{attachment, policy as iam_policy, role};
use crate::aws::lambda::{function, permission};
use crate::aws::logs::group;
use crate::config;
use crate::engine::Graph;
use crate::resource::Handle;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub const PROCESSOR: &str = "functions.processor";
pub const ANALYZER: &str = "functions.analyzer";

/// The names of the permissions by which the functions are invoked.
pub const FROM_API: &str = "AllowExecutionFromAPIGateway";
const FROM_SCHEDULE: &str = "AllowExecutionFromEventBridge";

pub struct Functions {
    pub processor: Handle,
    pub analyzer: Handle,
}

/// What one function is, beside what both have in common.
struct Role<'a> {
    /// `processor` or `analyzer`, in addresses.
    short: &'static str,
    /// The name before the environment's, also the binary's.
    name: &'static str,
    description: &'static str,
    /// The name of the permission by which it is invoked.
    invoked_by: &'static str,
    log_group: String,
    /// What it may do to the tables.
    table_access: Vec<Value>,
    /// The tables that it knows beside the transactions', each by the variable that names it.
    more_tables: Vec<(&'static str, &'a Handle)>,
    chosen: &'a config::Function,
}

pub fn declare(
    stack: &Stack,
    graph: &mut Graph,
    security: &Security,
    storage: &Storage,
    messaging: &Messaging,
    binaries: Binaries<'_>,
) -> Functions {
    let [processor_logs, analyzer_logs, ..] = security::log_groups(stack);
    let parts = Parts {
        stack,
        security,
        storage,
        messaging,
        binaries,
    };
    let processor = parts.declare(
        graph,
        &Role {
            short: "processor",
            name: "transaction-processor",
            description: "Scores and stores card transactions",
            invoked_by: FROM_API,
            log_group: processor_logs,
            table_access: vec![
                on_table(&["PutItem", "UpdateItem"], &storage.table),
                on_indexes(&[storage::BY_USER], &storage.table),
                on_table(&["GetItem", "PutItem"], &storage.idempotency),
                on_table(&["Query"], &storage.profiles),
            ],
            more_tables: vec![
                ("IDEMPOTENCY_TABLE", &storage.idempotency),
                ("PROFILES_TABLE", &storage.profiles),
            ],
            chosen: &stack.settings.processor,
        },
    );
    let analyzer = parts.declare(
        graph,
        &Role {
            short: "analyzer",
            name: "pattern-analyzer",
            description: "Looks for patterns over suspicious transactions",
            invoked_by: FROM_SCHEDULE,
            log_group: analyzer_logs,
            table_access: vec![
                on_table(&["UpdateItem"], &storage.table),
                on_indexes(&[storage::PENDING, storage::SUSPICIOUS], &storage.table),
                on_table(&["GetItem", "PutItem"], &storage.idempotency),
            ],
            more_tables: vec![("IDEMPOTENCY_TABLE", &storage.idempotency)],
            chosen: &stack.settings.analyzer,
        },
    );
    schedule(stack, graph, messaging, &analyzer);
    Functions { processor, analyzer }
}

/// A statement: these operations on the items of a table.
fn on_table(operations: &[&str], table: &Handle) -> Value {
    let actions: Vec<String> = operations.iter().map(|name| format!("dynamodb:{name}")).collect();
    json!({"Effect": "Allow", "Action": actions, "Resource": table.arn().named_only().to_string()})
}

/// A statement: queries on these indexes of a table, and not on the table itself.
fn on_indexes(names: &[&str], table: &Handle) -> Value {
    let table = table.arn().named_only();
    let arns: Vec<String> = names.iter().map(|name| format!("{table}/index/{name}")).collect();
    json!({"Effect": "Allow", "Action": "dynamodb:Query", "Resource": arns})
}

struct Parts<'a> {
    stack: &'a Stack<'a>,
    security: &'a Security,
    storage: &'a Storage,
    messaging: &'a Messaging,
    binaries: Binaries<'a>,
}

impl Parts<'_> {
    fn declare(&self, graph: &mut Graph, role: &Role) -> Handle {
        let stack = self.stack;
        let address = format!("functions.{}", role.short);
        let at = |part: &str| format!("{address}_{part}");

        let (role_handle, attachments) = self.identity(graph, role, &at);
        let log_group = add::<group::Group>(
            graph,
            &at("log_group"),
            group::Spec {
                name: role.log_group.clone(),
                retention_days: Some(stack.settings.log_retention_days),
                kms_key: Some(self.security.key.arn().into()),
                class: group::standard(),
                others: Others::default(),
                tags: stack.tags(&at("log_group")),
            },
        );
        // The right to log goes before the group does, or Lambda would make it anew.
        let [logging, ..] = &attachments;
        graph.after(logging, &[&log_group]);
        let binary = add::<artifact::Binary>(graph, &format!("artifacts.{}", role.name), (self.binaries)(role.name));
        let function = add::<function::Function>(
            graph,
            &address,
            function::Spec {
                name: stack.named(role.name),
                description: role.description.to_owned(),
                role: role_handle.arn().into(),
                runtime: "provided.al2023".to_owned(),
                handler: "bootstrap".to_owned(),
                architecture: stack.settings.arch.clone(),
                memory_mb: role.chosen.memory_mb,
                timeout_seconds: role.chosen.timeout_seconds,
                reserved_concurrency: role.chosen.reserved_concurrency,
                environment: self.environment(role),
                dead_letter_arn: Some(self.messaging.lambda_dlq.arn().into()),
                tracing: "Active".to_owned(),
                kms_key: Some(self.security.key.arn().into()),
                code_sha256: binary.output("sha256").into(),
                code_zip: binary.output("zip").into(),
                statements: [role.invoked_by.to_owned()].into(),
                others: Others::default(),
                creation_failure: None,
                update_failure: None,
                tags: stack.tags(&address),
            },
        );
        // Lambda checks the role's rights on the dead-letter queue, and would make the log group itself.
        let mut before: Vec<&Handle> = attachments.iter().collect();
        before.push(&log_group);
        graph.after(&function, &before);
        function
    }

    /// What a function finds in its environment.
    fn environment(&self, role: &Role) -> BTreeMap<String, String> {
        let more = role.more_tables.iter();
        let mut variables: BTreeMap<String, String> = more
            .map(|(variable, table)| ((*variable).to_owned(), table.name().into()))
            .collect();
        variables.extend([
            ("DYNAMODB_TABLE".to_owned(), self.storage.table.name().into()),
            ("SNS_TOPIC_ARN".to_owned(), self.messaging.alerts.arn().into()),
            ("ENVIRONMENT".to_owned(), self.stack.settings.env.clone()),
        ]);
        variables
    }

    /// The role that the function runs as, with all that is attached to it.
    fn identity(&self, graph: &mut Graph, role: &Role, at: &dyn Fn(&str) -> String) -> (Handle, [Handle; 3]) {
        let stack = self.stack;
        let own = add::<iam_policy::Policy>(
            graph,
            &at("policy"),
            iam_policy::Spec {
                name: stack.named(&format!("{}-policy-0", role.name)),
                path: stack.settings.role_path.clone(),
                description: format!("What {} may do", role.name),
                document: self.access(role),
                tags: stack.global_tags(&at("policy")),
            },
        );
        let managed = |name: &str| format!("arn:{}:iam::aws:policy/{name}", stack.partition);
        let policies = [
            ("logging", managed("service-role/AWSLambdaBasicExecutionRole")),
            ("tracing", managed("AWSXRayDaemonWriteAccess")),
            ("policy_attachment", own.arn().into()),
        ];
        let handle = add::<role::Role>(
            graph,
            &at("role"),
            role::Spec {
                name: stack.named(&format!("{}-role", role.name)),
                path: stack.settings.role_path.clone(),
                description: format!("What {} runs as", role.name),
                assume_role_policy: trusted_by("lambda.amazonaws.com"),
                managed_policies: [
                    policies[0].1.clone(),
                    policies[1].1.clone(),
                    own.arn().named_only().into(),
                ]
                .into(),
                permissions_boundary: stack.settings.permissions_boundary.clone(),
                others: Others::default(),
                tags: stack.global_tags(&at("role")),
            },
        );
        // A function of before needs the rights of before until its successor, which waits for the table, takes its place.
        graph.after(&own, &[&self.storage.table]);
        let attachments = policies.map(|(part, policy_arn)| {
            add::<attachment::Attachment>(
                graph,
                &at(part),
                attachment::Spec {
                    role: handle.name().into(),
                    policy_arn,
                },
            )
        });
        (handle, attachments)
    }

    /// What the function calls, only on what it calls it on. The right to read the parameters is the base stack's, which
    /// gives it to both functions.
    fn access(&self, role: &Role) -> crate::aws::Document {
        let stack = self.stack;
        let parameters = format!("parameter/fraud-detection/{}/*", stack.settings.env);
        let mut statements = role.table_access.clone();
        statements.extend([
            json!({
                "Effect": "Allow",
                "Action": "sns:Publish",
                "Resource": self.messaging.alerts.arn().named_only().to_string()
            }),
            json!({
                "Effect": "Allow",
                "Action": ["ssm:GetParameter", "ssm:GetParameters"],
                "Resource": stack.arn("ssm", &parameters)
            }),
            // Publishing to an encrypted topic needs both.
            json!({
                "Effect": "Allow",
                "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
                "Resource": self.security.key.arn().to_string()
            }),
            json!({
                "Effect": "Allow",
                "Action": "sqs:SendMessage",
                "Resource": self.messaging.lambda_dlq.arn().named_only().to_string()
            }),
        ]);
        policy(statements)
    }
}

/// Every five minutes the analyzer runs; what cannot be delivered to it ends in the dead-letter queue.
fn schedule(stack: &Stack, graph: &mut Graph, messaging: &Messaging, analyzer: &Handle) {
    let rule = add::<rule::Rule>(
        graph,
        "functions.schedule",
        rule::Spec {
            name: stack.named("pattern-analysis-schedule"),
            description: "Trigger pattern analysis every 5 minutes".to_owned(),
            schedule: "rate(5 minutes)".to_owned(),
            enabled: true,
            others: Others::default(),
            tags: stack.tags("functions.schedule"),
        },
    );
    let permission = add::<permission::Permission>(
        graph,
        "functions.schedule_permission",
        permission::Spec {
            function: analyzer.name().into(),
            statement_id: FROM_SCHEDULE.to_owned(),
            action: "lambda:InvokeFunction".to_owned(),
            principal: "events.amazonaws.com".to_owned(),
            source_arn: rule.arn().into(),
            others: Others::default(),
        },
    );
    let target = add::<target::EventTarget>(
        graph,
        "functions.schedule_target",
        target::Spec {
            rule: rule.name().into(),
            id: "pattern-analyzer".to_owned(),
            arn: analyzer.arn().into(),
            dead_letter_arn: Some(messaging.lambda_dlq.arn().into()),
            retry_attempts: 2,
            // The next run looks at the next window: an event much older than one is of no use.
            max_event_age_seconds: 300,
            others: Others::default(),
        },
    );
    graph.after(&target, &[&permission]);
}
