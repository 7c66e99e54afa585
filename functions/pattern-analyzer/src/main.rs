//! The function behind the five-minute schedule: it looks for bursts of suspicious transactions and raises an alert
//! when it finds one, and it sends alerts that stayed pending.
//!
//! This file wires the parts together; [`analyze`] is where an event becomes a result.
#![deny(missing_docs)]

mod analyze;
mod aws;
mod event;
mod failure;
mod kept;
mod limits;
mod outside;
mod patterns;
mod sweep;

use std::env;

use fraud::settings::Settings;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use runtime::clock;

use crate::analyze::Invocation;
use crate::aws::Aws;
use crate::event::ScheduledEvent;

// One event at a time is all that an instance ever sees, so one thread serves it.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let settings = Settings::from_lookup(|name| env::var(name).ok())?;
    let environment = settings.environment.clone();
    let aws = Aws::connect(settings).await;
    let (aws, environment) = (&aws, environment.as_str());
    // An invocation by hand may come without any payload at all.
    lambda_runtime::run(service_fn(
        move |event: LambdaEvent<Option<ScheduledEvent>>| async move {
            let (event, context) = event.into_parts();
            let now_millis = clock::now_millis();
            let invocation = Invocation {
                id: &context.request_id,
                environment,
                now_millis,
                limit: limits::of_run(now_millis, context.deadline),
            };
            analyze::handle(
                &aws.for_one_run(&context.request_id),
                &event.unwrap_or_default(),
                invocation,
            )
            .await
        },
    ))
    .await
}
