//! Amazon API Gateway, REST APIs.

pub mod api_key;
pub mod deployment;
pub mod gateway_response;
pub mod integration;
pub mod method;
pub mod model;
pub mod resource;
pub mod rest_api;
pub mod stage;
pub mod usage_plan;
pub mod usage_plan_key;
pub mod validator;

use crate::aws::absent::present;
use crate::aws::{Aws, tags};
use crate::resource::{Failure, Tags};
use aws_sdk_apigateway::types::{Method, Op, PatchOperation, Resource};
use std::future::Future;
use std::sync::Arc;
use tokio::sync::OwnedMutexGuard;

/// The most that API Gateway gives in one page of any list.
const PAGE: i32 = 500;

/// The right to change a REST API, or a usage plan: AWS refuses two changes of one at a time.
async fn alone(aws: &Aws, id: &str) -> OwnedMutexGuard<()> {
    aws.alone(&format!("apigateway:{id}")).await
}

/// All pages of a list; `read` reads the page at a position. When what contains the list is gone, the list is empty.
async fn pages<T, F>(read: impl Fn(Option<String>) -> F) -> Result<Vec<T>, Failure>
where
    F: Future<Output = Result<(Option<Vec<T>>, Option<String>), Failure>>,
{
    let mut all = Vec::new();
    let mut position = None;
    loop {
        let Some((items, next)) = present(read(position).await)? else {
            return Ok(Vec::new());
        };
        all.extend(items.unwrap_or_default());
        position = next.filter(|next| !next.is_empty());
        if position.is_none() {
            return Ok(all);
        }
    }
}

/// The resources of a REST API with their methods and integrations, read once for all who ask.
async fn resources(aws: &Aws, api: &str) -> Result<Arc<Vec<Resource>>, Failure> {
    aws.shared(format!("apigateway:resources:{api}"), || {
        pages(move |position: Option<String>| async move {
            aws.call("apigateway:GetResources", || {
                aws.apigateway
                    .get_resources()
                    .rest_api_id(api)
                    .embed("methods")
                    .limit(PAGE)
                    .set_position(position.clone())
                    .send()
            })
            .await
            .map(|page| (page.items, page.position))
        })
    })
    .await
}

/// A method of a resource, with its integration.
async fn method(aws: &Aws, api: &str, resource: &str, http_method: &str) -> Result<Option<Method>, Failure> {
    let resources = resources(aws, api).await?;
    let found = resources.iter().find(|found| found.id() == Some(resource));
    Ok(found
        .and_then(|found| found.resource_methods()?.get(http_method))
        .cloned())
}

/// The ARN by which something of API Gateway is tagged: it names no account.
fn arn(aws: &Aws, path: &str) -> String {
    format!("arn:{}:apigateway:{}::{path}", aws.partition(), aws.region)
}

/// Brings the tags of `arn` from `live` to `desired`.
async fn retag(aws: &Aws, arn: &str, live: &Tags, desired: &Tags) -> Result<(), Failure> {
    tags::sync(
        live,
        desired,
        |keys| async move {
            aws.call("apigateway:UntagResource", || {
                let untag = aws.apigateway.untag_resource().resource_arn(arn);
                untag.set_tag_keys(Some(keys.clone())).send()
            })
            .await
        },
        |tags| async move {
            aws.call("apigateway:TagResource", || {
                let tag = aws.apigateway.tag_resource().resource_arn(arn);
                tag.set_tags(Some(tags.clone().into_iter().collect())).send()
            })
            .await
        },
    )
    .await
}

/// One step of an update.
fn patch(op: Op, path: impl Into<String>, value: Option<String>) -> PatchOperation {
    PatchOperation::builder().op(op).path(path).set_value(value).build()
}

/// The step that gives a field a new value. Values are always text.
fn replace(path: impl Into<String>, value: impl Into<String>) -> PatchOperation {
    patch(Op::Replace, path, Some(value.into()))
}

/// A name within the path of a patch, in which a slash is written `~1` and a tilde `~0`.
fn pointer(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// A field that is sent only when it says something.
fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_page_is_read_and_a_list_of_nothing_is_empty() {
        let read = |position: Option<String>| async move {
            let next = position.is_none().then(|| "2".to_owned());
            Ok((Some(vec![position]), next))
        };
        assert_eq!(pages(read).await.unwrap(), [None, Some("2".to_owned())]);

        let missing = |_| async {
            let mut why = Failure::new("apigateway:GetModels", "NotFoundException", "");
            why.class = crate::resource::Class::NotFound;
            Err::<(Option<Vec<String>>, _), _>(why)
        };
        assert_eq!(pages(missing).await.unwrap(), Vec::<String>::new());
    }
}
