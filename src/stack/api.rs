//! The API that takes transactions: validated, behind an API key, metered by a usage plan.

use super::base::{Stack, add};
use super::functions::{self, Functions};
use crate::aws::Others;
use crate::aws::apigateway::gateway_response::{GatewayResponse, GatewayResponses};
use crate::aws::apigateway::{
    api_key, deployment, integration, method, model, resource, rest_api, stage, usage_plan, usage_plan_key, validator,
};
use crate::aws::lambda::permission;
use crate::engine::Graph;
use crate::resource::Handle;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

pub const REST_API: &str = "api.rest_api";
pub const KEY: &str = "api.key";
/// What can be asked of the API.
const METHOD: &str = "POST";
const PATH: &str = "transactions";
/// The stage's name, part of the URL.
pub const STAGE: &str = "prod";

pub struct Api {
    pub name: String,
}

pub fn declare(stack: &Stack, graph: &mut Graph, functions: &Functions) -> Api {
    let name = stack.named("fraud-detection-api");
    let api = add::<rest_api::RestApi>(
        graph,
        REST_API,
        rest_api::Spec {
            name: name.clone(),
            description: "Fraud Detection API".to_owned(),
            endpoint_type: "REGIONAL".to_owned(),
            gateway_responses: gateway_responses(),
            methods: [format!("{METHOD} /{PATH}")].into(),
            others: Others::default(),
            tags: stack.tags(REST_API),
        },
    );
    let [validator, model, resource, method, integration] = transactions_method(stack, graph, &api, functions);
    let permission = add::<permission::Permission>(
        graph,
        "api.permission",
        permission::Spec {
            function: functions.processor.name().into(),
            statement_id: functions::FROM_API.to_owned(),
            action: "lambda:InvokeFunction".to_owned(),
            principal: "apigateway.amazonaws.com".to_owned(),
            source_arn: format!("{}/*/*", api.output("execution_arn")),
            others: Others::default(),
        },
    );
    let deployment = add::<deployment::Deployment>(
        graph,
        "api.deployment",
        deployment::Spec {
            rest_api_id: api.id().into(),
            // With the ids of what it is a snapshot of: what was made anew wants a new snapshot.
            fingerprint: format!("{} {} {}", fingerprint(graph), resource.id(), validator.id()),
        },
    );
    // A deployment is a snapshot: it must see everything below the API.
    graph.after(&deployment, &[&model, &method, &integration]);
    let stage = add::<stage::Stage>(
        graph,
        "api.stage",
        stage::Spec {
            rest_api_id: api.id().into(),
            name: STAGE.to_owned(),
            deployment_id: deployment.id().into(),
            tracing: true,
            others: Others::default(),
            tags: stack.tags("api.stage"),
        },
    );
    graph.after(&stage, &[&permission]);
    metering(stack, graph, &api, &stage);
    Api { name }
}

/// `POST /transactions`, with what it needs.
fn transactions_method(stack: &Stack, graph: &mut Graph, api: &Handle, functions: &Functions) -> [Handle; 5] {
    let validator = add::<validator::Validator>(
        graph,
        "api.validator",
        validator::Spec {
            rest_api_id: api.id().into(),
            name: stack.named("request-validator"),
            validate_body: true,
            validate_parameters: true,
        },
    );
    let model = add::<model::Model>(
        graph,
        "api.model",
        model::Spec {
            rest_api_id: api.id().into(),
            name: "TransactionModel".to_owned(),
            content_type: "application/json".to_owned(),
            description: "A card transaction".to_owned(),
            schema: transaction_schema(),
        },
    );
    let resource = add::<resource::Resource>(
        graph,
        "api.transactions",
        resource::Spec {
            rest_api_id: api.id().into(),
            parent_id: api.output("root_resource_id").into(),
            path_part: PATH.to_owned(),
        },
    );
    let method = add::<method::Method>(
        graph,
        "api.post",
        method::Spec {
            rest_api_id: api.id().into(),
            resource_id: resource.id().into(),
            http_method: METHOD.to_owned(),
            authorization: "NONE".to_owned(),
            api_key_required: true,
            request_validator_id: validator.id().into(),
            request_models: BTreeMap::from([("application/json".to_owned(), model.name().into())]),
            others: Others::default(),
        },
    );
    let integration = add::<integration::Integration>(
        graph,
        "api.integration",
        integration::Spec {
            rest_api_id: api.id().into(),
            resource_id: resource.id().into(),
            http_method: METHOD.to_owned(),
            kind: "AWS_PROXY".to_owned(),
            integration_http_method: "POST".to_owned(),
            uri: functions.processor.output("invoke_arn").into(),
            others: Others::default(),
        },
    );
    graph.after(&integration, &[&method]);
    [validator, model, resource, method, integration]
}

/// No `minimum` for the amount: negative amounts are for the scorer to judge.
fn transaction_schema() -> Value {
    json!({
        "$schema": "http://json-schema.org/draft-04/schema#",
        "title": "TransactionModel",
        "type": "object",
        "required": ["transaction_id", "user_id", "amount"],
        "properties": {
            "transaction_id": {"type": "string"},
            "user_id": {"type": "string"},
            "amount": {"type": "number"},
            "merchant": {"type": ["string", "null"]},
            "location": {"type": ["string", "null"]}
        }
    })
}

/// What API Gateway answers by itself: as the function does, with the request's id, by which it is found. A status that
/// is not named here has the default's body. `messageString` comes with its quotes.
fn gateway_responses() -> GatewayResponses {
    let own = r#"{"message": $context.error.messageString, "request_id": "$context.requestId"}"#;
    // The validator's reason names a field only where it is missing, so that the answer names them all.
    let body = concat!(
        r#"{"message": $context.error.messageString, "#,
        r#""error": "body must be one JSON object in UTF-8, neither compressed nor after a byte order mark, in which "#,
        r#"transaction_id and user_id are strings, amount is a number, and merchant and location are strings, null or "#,
        r#"left out", "field": "body", "reason": "$context.error.validationErrorString", "#,
        r#""request_id": "$context.requestId"}"#
    );
    let answer = |status: Option<&str>, template: &str| GatewayResponse {
        status_code: status.map(str::to_owned),
        parameters: BTreeMap::new(),
        templates: BTreeMap::from([("application/json".to_owned(), template.to_owned())]),
    };
    GatewayResponses::from([
        ("BAD_REQUEST_BODY".to_owned(), answer(Some("400"), body)),
        ("DEFAULT_4XX".to_owned(), answer(None, own)),
        ("DEFAULT_5XX".to_owned(), answer(None, own)),
    ])
}

/// Changes whenever anything that a deployment is a snapshot of does.
pub fn fingerprint(graph: &Graph) -> String {
    let mut hash = Sha256::new();
    for address in [
        "api.validator",
        "api.model",
        "api.transactions",
        "api.post",
        "api.integration",
    ] {
        let mut spec = graph
            .get(&address.into())
            .map(|node| node.spec.clone())
            .unwrap_or_default();
        // What nobody wants is in no snapshot of what is wanted.
        if let Some(fields) = spec.as_object_mut() {
            fields.remove("others");
        }
        hash.update(spec.to_string());
        hash.update([0]);
    }
    let api = graph.get(&REST_API.into());
    hash.update(
        api.map(|node| node.spec["gateway_responses"].to_string())
            .unwrap_or_default(),
    );
    hash.finalize()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Who may call, and how often.
fn metering(stack: &Stack, graph: &mut Graph, api: &Handle, stage: &Handle) {
    let key = add::<api_key::ApiKey>(
        graph,
        KEY,
        api_key::Spec {
            name: stack.named("fraud-detection-api-key"),
            description: "Key for the fraud detection API".to_owned(),
            enabled: true,
            tags: stack.tags(KEY),
        },
    );
    let plan = add::<usage_plan::UsagePlan>(
        graph,
        "api.usage_plan",
        usage_plan::Spec {
            name: stack.named("fraud-detection-usage-plan"),
            description: "Requests a day to the fraud detection API".to_owned(),
            quota_limit: stack.settings.requests_per_day,
            quota_period: "DAY".to_owned(),
            stages: BTreeSet::from([format!("{}:{}", api.id(), stage.name())]),
            others: Others::default(),
            tags: stack.tags("api.usage_plan"),
        },
    );
    add::<usage_plan_key::UsagePlanKey>(
        graph,
        "api.usage_plan_key",
        usage_plan_key::Spec {
            usage_plan_id: plan.id().into(),
            key_id: key.id().into(),
        },
    );
}
