//! The function behind the five-minute schedule: it looks for bursts of suspicious transactions and raises an alert
//! when it finds one.
//!
//! This file wires the parts together; [`analyze`] is where an event becomes a result.
#![deny(missing_docs)]

mod analyze;
mod clients;
mod event;
mod failure;
mod log;
mod outside;
mod publisher;
mod store;

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

use fraud::settings::Settings;
use lambda_runtime::{Error, LambdaEvent, service_fn};

use crate::event::ScheduledEvent;
use crate::outside::Aws;

// One event at a time is all that an instance ever sees, so one thread serves it.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let settings = Settings::from_lookup(|name| env::var(name).ok())?;
    let aws = Aws::connect(settings).await;
    let aws = &aws;
    // An invocation by hand may come without any payload at all.
    lambda_runtime::run(service_fn(
        move |event: LambdaEvent<Option<ScheduledEvent>>| async move {
            let (event, context) = event.into_parts();
            analyze::handle(aws, &event.unwrap_or_default(), &context.request_id, now()).await
        },
    ))
    .await
}

/// The wall clock in seconds since the Unix epoch.
fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs())
}
