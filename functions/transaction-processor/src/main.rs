//! The function behind `POST /transactions`: it scores a transaction, stores it, and raises an alert when the score
//! exceeds the threshold.
//!
//! This file wires the parts together; [`handler`] is where a request becomes an answer.
#![deny(missing_docs)]

mod answer;
mod aws;
mod event;
mod failure;
mod handler;
mod limits;
mod outside;
mod parameters;
mod payload;
mod records;
mod settings;
mod transactions;

use std::convert::Infallible;
use std::env;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use runtime::clock;

use crate::aws::Aws;
use crate::event::ProxyEvent;
use crate::handler::Invocation;
use crate::settings::Settings;

// One request at a time is all that an instance ever sees, so one thread serves it and its few concurrent calls.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let settings = Settings::from_lookup(|name| env::var(name).ok())?;
    let environment = settings.shared.environment.clone();
    let aws = Aws::connect(settings).await;
    let (aws, environment) = (&aws, environment.as_str());
    lambda_runtime::run(service_fn(move |event: LambdaEvent<ProxyEvent>| async move {
        let (request, context) = event.into_parts();
        let now_millis = clock::now_millis();
        let invocation = Invocation {
            id: &context.request_id,
            environment,
            now_millis,
            limit: limits::of_request(now_millis, context.deadline),
        };
        Ok::<_, Infallible>(handler::handle(aws, &request, invocation).await)
    }))
    .await
}
