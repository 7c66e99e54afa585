//! What the services that are spoken to in REST call the operation behind a method and a path. From the API references
//! of API Gateway (V1), Lambda and S3.

/// Service, method, path, operation. `{}` is one part of a path, `{+}` all that is left.
#[rustfmt::skip]
const ROUTES: &[(&str, &str, &str, &str)] = &[
    ("apigateway", "GET", "account", "GetAccount"),
    ("apigateway", "PATCH", "account", "UpdateAccount"),
    ("apigateway", "POST", "apikeys", "CreateApiKey"),
    ("apigateway", "GET", "apikeys", "GetApiKeys"),
    ("apigateway", "GET", "apikeys/{}", "GetApiKey"),
    ("apigateway", "PATCH", "apikeys/{}", "UpdateApiKey"),
    ("apigateway", "DELETE", "apikeys/{}", "DeleteApiKey"),
    ("apigateway", "POST", "restapis", "CreateRestApi"),
    ("apigateway", "GET", "restapis", "GetRestApis"),
    ("apigateway", "GET", "restapis/{}", "GetRestApi"),
    ("apigateway", "PUT", "restapis/{}", "PutRestApi"),
    ("apigateway", "PATCH", "restapis/{}", "UpdateRestApi"),
    ("apigateway", "DELETE", "restapis/{}", "DeleteRestApi"),
    ("apigateway", "POST", "restapis/{}/deployments", "CreateDeployment"),
    ("apigateway", "GET", "restapis/{}/deployments", "GetDeployments"),
    ("apigateway", "GET", "restapis/{}/deployments/{}", "GetDeployment"),
    ("apigateway", "PATCH", "restapis/{}/deployments/{}", "UpdateDeployment"),
    ("apigateway", "DELETE", "restapis/{}/deployments/{}", "DeleteDeployment"),
    ("apigateway", "GET", "restapis/{}/gatewayresponses", "GetGatewayResponses"),
    ("apigateway", "PUT", "restapis/{}/gatewayresponses/{}", "PutGatewayResponse"),
    ("apigateway", "GET", "restapis/{}/gatewayresponses/{}", "GetGatewayResponse"),
    ("apigateway", "DELETE", "restapis/{}/gatewayresponses/{}", "DeleteGatewayResponse"),
    ("apigateway", "POST", "restapis/{}/models", "CreateModel"),
    ("apigateway", "GET", "restapis/{}/models", "GetModels"),
    ("apigateway", "GET", "restapis/{}/models/{}", "GetModel"),
    ("apigateway", "PATCH", "restapis/{}/models/{}", "UpdateModel"),
    ("apigateway", "DELETE", "restapis/{}/models/{}", "DeleteModel"),
    ("apigateway", "POST", "restapis/{}/requestvalidators", "CreateRequestValidator"),
    ("apigateway", "GET", "restapis/{}/requestvalidators", "GetRequestValidators"),
    ("apigateway", "GET", "restapis/{}/requestvalidators/{}", "GetRequestValidator"),
    ("apigateway", "PATCH", "restapis/{}/requestvalidators/{}", "UpdateRequestValidator"),
    ("apigateway", "DELETE", "restapis/{}/requestvalidators/{}", "DeleteRequestValidator"),
    ("apigateway", "GET", "restapis/{}/resources", "GetResources"),
    ("apigateway", "POST", "restapis/{}/resources/{}", "CreateResource"),
    ("apigateway", "GET", "restapis/{}/resources/{}", "GetResource"),
    ("apigateway", "PATCH", "restapis/{}/resources/{}", "UpdateResource"),
    ("apigateway", "DELETE", "restapis/{}/resources/{}", "DeleteResource"),
    ("apigateway", "PUT", "restapis/{}/resources/{}/methods/{}", "PutMethod"),
    ("apigateway", "GET", "restapis/{}/resources/{}/methods/{}", "GetMethod"),
    ("apigateway", "PATCH", "restapis/{}/resources/{}/methods/{}", "UpdateMethod"),
    ("apigateway", "DELETE", "restapis/{}/resources/{}/methods/{}", "DeleteMethod"),
    ("apigateway", "PUT", "restapis/{}/resources/{}/methods/{}/integration", "PutIntegration"),
    ("apigateway", "GET", "restapis/{}/resources/{}/methods/{}/integration", "GetIntegration"),
    ("apigateway", "PATCH", "restapis/{}/resources/{}/methods/{}/integration", "UpdateIntegration"),
    ("apigateway", "DELETE", "restapis/{}/resources/{}/methods/{}/integration", "DeleteIntegration"),
    ("apigateway", "POST", "restapis/{}/stages", "CreateStage"),
    ("apigateway", "GET", "restapis/{}/stages", "GetStages"),
    ("apigateway", "GET", "restapis/{}/stages/{}", "GetStage"),
    ("apigateway", "PATCH", "restapis/{}/stages/{}", "UpdateStage"),
    ("apigateway", "DELETE", "restapis/{}/stages/{}", "DeleteStage"),
    ("apigateway", "GET", "tags/{+}", "GetTags"),
    ("apigateway", "PUT", "tags/{+}", "TagResource"),
    ("apigateway", "DELETE", "tags/{+}", "UntagResource"),
    ("apigateway", "POST", "usageplans", "CreateUsagePlan"),
    ("apigateway", "GET", "usageplans", "GetUsagePlans"),
    ("apigateway", "GET", "usageplans/{}", "GetUsagePlan"),
    ("apigateway", "PATCH", "usageplans/{}", "UpdateUsagePlan"),
    ("apigateway", "DELETE", "usageplans/{}", "DeleteUsagePlan"),
    ("apigateway", "POST", "usageplans/{}/keys", "CreateUsagePlanKey"),
    ("apigateway", "GET", "usageplans/{}/keys", "GetUsagePlanKeys"),
    ("apigateway", "GET", "usageplans/{}/keys/{}", "GetUsagePlanKey"),
    ("apigateway", "DELETE", "usageplans/{}/keys/{}", "DeleteUsagePlanKey"),
    ("apigateway", "GET", "usageplans/{}/usage", "GetUsage"),

    // Each of Lambda's paths begins with the date of its introduction.
    ("lambda", "GET", "{}/account-settings", "GetAccountSettings"),
    ("lambda", "POST", "{}/functions", "CreateFunction"),
    ("lambda", "GET", "{}/functions", "ListFunctions"),
    ("lambda", "GET", "{}/functions/{}", "GetFunction"),
    ("lambda", "DELETE", "{}/functions/{}", "DeleteFunction"),
    ("lambda", "PUT", "{}/functions/{}/code", "UpdateFunctionCode"),
    ("lambda", "GET", "{}/functions/{}/concurrency", "GetFunctionConcurrency"),
    ("lambda", "PUT", "{}/functions/{}/concurrency", "PutFunctionConcurrency"),
    ("lambda", "DELETE", "{}/functions/{}/concurrency", "DeleteFunctionConcurrency"),
    ("lambda", "GET", "{}/functions/{}/configuration", "GetFunctionConfiguration"),
    ("lambda", "PUT", "{}/functions/{}/configuration", "UpdateFunctionConfiguration"),
    ("lambda", "POST", "{}/functions/{}/invocations", "Invoke"),
    ("lambda", "GET", "{}/functions/{}/event-invoke-config", "GetFunctionEventInvokeConfig"),
    ("lambda", "DELETE", "{}/functions/{}/event-invoke-config", "DeleteFunctionEventInvokeConfig"),
    ("lambda", "GET", "{}/functions/{}/policy", "GetPolicy"),
    ("lambda", "POST", "{}/functions/{}/policy", "AddPermission"),
    ("lambda", "DELETE", "{}/functions/{}/policy/{}", "RemovePermission"),
    ("lambda", "GET", "{}/tags/{+}", "ListTags"),
    ("lambda", "POST", "{}/tags/{+}", "TagResource"),
    ("lambda", "DELETE", "{}/tags/{+}", "UntagResource"),

    ("s3", "GET", "", "ListBuckets"),
    ("s3", "PUT", "{}", "CreateBucket"),
    ("s3", "HEAD", "{}", "HeadBucket"),
    ("s3", "GET", "{}", "ListObjects"),
    ("s3", "DELETE", "{}", "DeleteBucket"),
    ("s3", "PUT", "{}/{+}", "PutObject"),
    ("s3", "GET", "{}/{+}", "GetObject"),
    ("s3", "HEAD", "{}/{+}", "HeadObject"),
    ("s3", "DELETE", "{}/{+}", "DeleteObject"),
];

/// What S3 is asked of a bucket is named by a word of the query: method, word, operation.
const QUERIES: &[(&str, &str, &str)] = &[
    ("GET", "list-type=2", "ListObjectsV2"),
    ("GET", "versions", "ListObjectVersions"),
    ("GET", "versioning", "GetBucketVersioning"),
    ("PUT", "versioning", "PutBucketVersioning"),
    ("GET", "encryption", "GetBucketEncryption"),
    ("PUT", "encryption", "PutBucketEncryption"),
    ("GET", "location", "GetBucketLocation"),
    ("GET", "tagging", "GetBucketTagging"),
    ("PUT", "tagging", "PutBucketTagging"),
    ("POST", "delete", "DeleteObjects"),
];

/// The operation behind a method, a path and a query; none when no reference knows it.
pub(super) fn operation(service: &str, method: &str, path: &str, query: &str) -> Option<&'static str> {
    let asked = QUERIES.iter().filter(|_| service == "s3").find(|(m, word, _)| {
        let mut words = query.split('&').map(|pair| pair.strip_suffix('=').unwrap_or(pair));
        *m == method && words.any(|given| given == *word)
    });
    asked
        .map(|(.., operation)| *operation)
        .or_else(|| of_path(service, method, path))
}

fn of_path(service: &str, method: &str, path: &str) -> Option<&'static str> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    ROUTES
        .iter()
        .find(|(s, m, pattern, _)| *s == service && *m == method && fits(pattern, &parts))
        .map(|(.., operation)| *operation)
}

fn fits(pattern: &str, parts: &[&str]) -> bool {
    let pattern: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty()).collect();
    let rest = pattern.last() == Some(&"{+}");
    if rest && parts.len() < pattern.len() || !rest && parts.len() != pattern.len() {
        return false;
    }
    pattern
        .iter()
        .zip(parts)
        .all(|(wanted, part)| wanted.starts_with('{') || wanted == part)
}
