//! The function behind `POST /transactions`: it scores a transaction, stores it, and raises an alert when the score
//! exceeds the threshold.
//!
//! This file wires the parts together; [`handler`] is where a request becomes an answer.
#![deny(missing_docs)]

mod answer;
mod clients;
mod event;
mod failure;
mod handler;
mod log;
mod outside;
mod publisher;
mod settings;
mod store;
mod threshold;

use std::convert::Infallible;
use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

use lambda_runtime::{Error, LambdaEvent, service_fn};

use crate::event::ProxyEvent;
use crate::outside::Aws;
use crate::settings::Settings;

// One request at a time is all that an instance ever sees, so one thread serves it and its few concurrent calls.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let settings = Settings::from_lookup(|name| env::var(name).ok())?;
    let aws = Aws::connect(settings).await;
    let aws = &aws;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<ProxyEvent>| async move {
        let (request, context) = event.into_parts();
        Ok::<_, Infallible>(handler::handle(aws, &request, &context.request_id, now()).await)
    }))
    .await
}

/// The wall clock in seconds since the Unix epoch.
fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs())
}
