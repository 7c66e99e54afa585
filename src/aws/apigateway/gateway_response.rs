//! Gateway responses: what API Gateway answers by itself, when it does not ask what stands behind an API or gets nothing
//! from it. They are a part of their REST API, and in force from its next deployment on.

use super::{PAGE, pages};
use crate::aws::Aws;
use crate::aws::absent::gone;
use crate::resource::Failure;
use aws_sdk_apigateway::types::{GatewayResponse as Found, GatewayResponseType};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The answer to one kind of error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayResponse {
    /// The HTTP status; where there is none, each error's own.
    pub status_code: Option<String>,
    /// Headers, each with where its value comes from.
    pub parameters: BTreeMap<String, String>,
    /// The body for each content type. `$context` variables are filled in; there is no other language in it.
    pub templates: BTreeMap<String, String>,
}

/// The answers that are not API Gateway's own, by the kind of error: `DEFAULT_4XX`, `BAD_REQUEST_BODY`.
pub type GatewayResponses = BTreeMap<String, GatewayResponse>;

/// Those of a REST API.
pub(super) async fn read(aws: &Aws, api: &str) -> Result<GatewayResponses, Failure> {
    let all = pages(move |position: Option<String>| async move {
        aws.call("apigateway:GetGatewayResponses", || {
            aws.apigateway
                .get_gateway_responses()
                .rest_api_id(api)
                .limit(PAGE)
                .set_position(position.clone())
                .send()
        })
        .await
        .map(|page| (page.items, page.position))
    })
    .await?;
    Ok(customized(all))
}

/// API Gateway lists its own answers too.
fn customized(all: Vec<Found>) -> GatewayResponses {
    let ours = all.into_iter().filter(|found| !found.default_response);
    ours.filter_map(|found| {
        let response = GatewayResponse {
            status_code: found.status_code,
            parameters: found.response_parameters.unwrap_or_default().into_iter().collect(),
            templates: found.response_templates.unwrap_or_default().into_iter().collect(),
        };
        Some((found.response_type?.as_str().to_owned(), response))
    })
    .collect()
}

/// Makes them `wanted` where they are `live`. Whoever calls this has the right to change the API.
pub(super) async fn write(
    aws: &Aws,
    api: &str,
    live: &GatewayResponses,
    wanted: &GatewayResponses,
) -> Result<(), Failure> {
    for (kind, response) in wanted
        .iter()
        .filter(|(kind, response)| live.get(*kind) != Some(response))
    {
        aws.call("apigateway:PutGatewayResponse", || {
            aws.apigateway
                .put_gateway_response()
                .rest_api_id(api)
                .response_type(GatewayResponseType::from(kind.as_str()))
                .set_status_code(response.status_code.clone())
                .set_response_parameters(Some(response.parameters.clone().into_iter().collect()))
                .set_response_templates(Some(response.templates.clone().into_iter().collect()))
                .send()
        })
        .await?;
    }
    for kind in live.keys().filter(|kind| !wanted.contains_key(*kind)) {
        let deleted = aws
            .call("apigateway:DeleteGatewayResponse", || {
                aws.apigateway
                    .delete_gateway_response()
                    .rest_api_id(api)
                    .response_type(GatewayResponseType::from(kind.as_str()))
                    .send()
            })
            .await;
        gone(deleted)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answers_of_api_gateway_itself_are_none_of_ours() {
        let found = |kind: GatewayResponseType, own: bool| {
            Found::builder()
                .response_type(kind)
                .default_response(own)
                .response_templates("application/json", "{}")
                .build()
        };
        let all = vec![
            found(GatewayResponseType::Default4Xx, false),
            found(GatewayResponseType::Throttled, true),
        ];
        let ours = customized(all);
        assert_eq!(ours.keys().collect::<Vec<_>>(), ["DEFAULT_4XX"]);
        assert_eq!(ours["DEFAULT_4XX"].templates["application/json"], "{}");
        assert_eq!(ours["DEFAULT_4XX"].status_code, None);
    }
}
