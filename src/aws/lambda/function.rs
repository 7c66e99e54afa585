//! A function from a zip file, with its reserved concurrency, which AWS keeps beside it.

use super::outcome::{creation_failure, is_busy, update_failure};
use super::permission;
use super::unasked::{self, EVENT_INVOKE};
pub use super::wire::Spec;
use super::wire::{configured, dead_letter, environment, signed, tracing, unread, zip};
use crate::aws::absent::present;
use crate::aws::{Aws, tags};
use crate::resource::{Address, Changes, Class, Failure, Observed, Outputs, Reconciler, Target};
use aws_sdk_lambda::operation::get_function::GetFunctionOutput;
use aws_sdk_lambda::types::{Architecture, FunctionCode, Runtime, State};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often to look whether a function is ready. `GetFunction` may be called 100 times a second.
const POLL: Duration = Duration::from_millis(250);
/// How long a function may take to become ready, usually 1 to 4 s.
const READY: Duration = Duration::from_secs(180);
/// How long to wait for the outcome of what somebody else has begun. After that it is told of as it is.
const SETTLED: Duration = Duration::from_secs(30);
/// How long a function may take to go, usually 1 s.
const GONE: Duration = Duration::from_secs(60);

/// Reconciles [`Spec`].
pub struct Function(pub Arc<Aws>);

impl Reconciler for Function {
    type Spec = Spec;
    const KIND: &'static str = "lambda.function";
    const OUTPUTS: &'static [&'static str] = &["arn", "name", "invoke_arn"];
    const IDENTITY: &'static [&'static str] = &["name"];
    const IMMUTABLE: &'static [&'static str] = &["creation_failure"];
    const INPUTS: &'static [&'static str] = &["code_zip"];
    const TAGGED: bool = true;
    /// Lambda tells when a change of the configuration is over, which is waited for, and tells concurrency and tags at once.
    const STALE_READS: bool = false;

    fn predict(&self, spec: &Spec) -> Outputs {
        let arn = self.0.arn("lambda", &format!("function:{}", spec.name));
        self.outputs(&spec.name, arn)
    }

    /// By name. One call tells nearly everything, and the policy is read for the permissions anyway. A run that died may have
    /// left it half-made: then what becomes of it is waited for.
    async fn observe(&self, target: Target<'_, Spec>) -> Result<Option<Observed<Spec>>, Failure> {
        let name = &target.spec.name;
        let (found, invoked, statements) = tokio::try_join!(
            self.settled(name, SETTLED),
            unasked::invoked(&self.0, name),
            permission::statements(&self.0, name)
        )?;
        let Some(found) = found else {
            return Ok(None);
        };
        let Some(config) = found.configuration else {
            return Ok(None);
        };
        if config.state() == Some(&State::Deleting) {
            return Ok(None);
        }
        if let (None, Some(why)) = (&found.tags, &found.tags_error) {
            // Without its tags the function would look like somebody else's.
            return Err(Failure::new("lambda:ListTags", why.error_code(), why.message())
                .hint("allow lambda:ListTags for the principal that runs fraudctl"));
        }
        let arn = config.function_arn.clone().unwrap_or_default();
        let unread = unread(&config);
        if let Some(why) = &unread {
            let key = config.kms_key_arn().unwrap_or("its key");
            let hint = format!("allow kms:Decrypt on {key} for the principal that runs fraudctl to have it compared");
            let text =
                format!("the environment of functions is not compared, since Lambda does not tell it: {why}; {hint}");
            self.0.remarks.say_once("lambda:environment", &text);
        }
        let concurrency = found.concurrency.and_then(|found| found.reserved_concurrent_executions);
        let mut spec = Spec {
            name: name.clone(),
            reserved_concurrency: concurrency.and_then(|number| u32::try_from(number).ok()),
            tags: tags::ours(found.tags.unwrap_or_default()),
            code_zip: target.spec.code_zip.clone(),
            statements: target.spec.statements.union(&statements).cloned().collect(),
            others: unasked::others(&config, invoked),
            ..configured(config)
        };
        if unread.is_some() && target.outputs.is_some() {
            // Unknown is no difference. Of one that nobody remembers it is one, or it would never be set.
            spec.environment.clone_from(&target.spec.environment);
        }
        Ok(Some(Observed::new(spec, self.outputs(name, arn))))
    }

    /// The function first, complete but for its reserved concurrency: a death in between leaves one field to update.
    /// Lambda has to be able to assume the role, which the retry table waits for.
    async fn create(&self, _: &Address, spec: &Spec) -> Result<Outputs, Failure> {
        let zip = zip(spec).await?;
        self.0
            .call("lambda:CreateFunction", || {
                self.0
                    .lambda
                    .create_function()
                    .function_name(&spec.name)
                    .description(&spec.description)
                    .role(&spec.role)
                    .runtime(Runtime::from(spec.runtime.as_str()))
                    .handler(&spec.handler)
                    .architectures(Architecture::from(spec.architecture.as_str()))
                    .memory_size(signed(spec.memory_mb))
                    .timeout(signed(spec.timeout_seconds))
                    .environment(environment(spec))
                    .set_dead_letter_config(spec.dead_letter_arn.as_deref().map(dead_letter))
                    .tracing_config(tracing(spec))
                    .set_kms_key_arn(spec.kms_key.clone())
                    .code(FunctionCode::builder().zip_file(zip.clone()).build())
                    .set_tags(Some(spec.tags.clone().into_iter().collect()))
                    .send()
            })
            .await?;
        self.ready(&spec.name).await?;
        if spec.reserved_concurrency.is_some() {
            self.reserve(spec).await?;
        }
        Ok(self.predict(spec))
    }

    async fn update(&self, live: &Observed<Spec>, spec: &Spec, changes: &Changes) -> Result<(), Failure> {
        // New code may need a variable that is new as well, and would not start without; what old code does not know, it does
        // not mind.
        // What failed may have been either.
        let again = changes.has("update_failure");
        let others: Vec<&str> = live.spec.others.taken_back(changes).collect();
        if again || changes.any(CONFIGURATION) || others.iter().any(|name| *name != EVENT_INVOKE) {
            self.update_configuration(spec, |fields| again || changes.any(fields), &others)
                .await?;
        }
        if others.contains(&EVENT_INVOKE) {
            unasked::invoke_as_usual(&self.0, &spec.name).await?;
        }
        if changes.has("statements") {
            let _alone = permission::alone(&self.0, &spec.name).await;
            for statement in live.spec.statements.difference(&spec.statements) {
                permission::remove(&self.0, &spec.name, statement).await?;
            }
        }
        if again || changes.any(&["code_sha256", "architecture"]) {
            self.update_code(spec).await?;
        }
        if changes.has("reserved_concurrency") {
            self.reserve(spec).await?;
        }
        if changes.has("tags") {
            self.retag(live, spec).await?;
        }
        Ok(())
    }

    async fn delete(&self, live: &Observed<Spec>) -> Result<(), Failure> {
        let name = &live.spec.name;
        let deleted = self
            .0
            .call("lambda:DeleteFunction", || {
                self.0.lambda.delete_function().function_name(name).send()
            })
            .await
            .map_err(|why| stuck(why, &live.spec));
        if present(deleted)?.is_none() {
            return Ok(());
        }
        let since = Instant::now();
        while self.get(name).await?.is_some() {
            if since.elapsed() >= GONE {
                return Err(late(name, "be gone", since));
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }
}

/// The fields that `UpdateFunctionConfiguration` changes.
const CONFIGURATION: &[&str] = &[
    "description",
    "role",
    "runtime",
    "handler",
    "memory_mb",
    "timeout_seconds",
    "environment",
    "dead_letter_arn",
    "tracing",
    "kms_key",
];

impl Function {
    fn outputs(&self, name: &str, arn: String) -> Outputs {
        let invoke_arn = format!(
            "arn:{}:apigateway:{}:lambda:path/2015-03-31/functions/{arn}/invocations",
            self.0.partition(),
            self.0.region
        );
        Outputs::from([
            ("arn".to_owned(), arn),
            ("name".to_owned(), name.to_owned()),
            ("invoke_arn".to_owned(), invoke_arn),
        ])
    }

    async fn get(&self, name: &str) -> Result<Option<GetFunctionOutput>, Failure> {
        let found = self
            .0
            .call("lambda:GetFunction", || {
                self.0.lambda.get_function().function_name(name).send()
            })
            .await;
        present(found)
    }

    /// What there is once no creation and no update goes on any more, or the patience is over.
    async fn settled(&self, name: &str, patience: Duration) -> Result<Option<GetFunctionOutput>, Failure> {
        let since = Instant::now();
        loop {
            let found = self.get(name).await?;
            let busy = found
                .as_ref()
                .and_then(|found| found.configuration.as_ref())
                .is_some_and(is_busy);
            if !busy || since.elapsed() >= patience {
                return Ok(found);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until a creation or an update has come to a good end.
    async fn ready(&self, name: &str) -> Result<(), Failure> {
        let since = Instant::now();
        loop {
            let left = READY.saturating_sub(since.elapsed());
            let config = self.settled(name, left).await?.and_then(|found| found.configuration);
            let failed =
                |reason: String| Failure::new("lambda:GetFunction", "Failed", format!("function {name}: {reason}"));
            match config {
                Some(config) if !is_busy(&config) => {
                    return match creation_failure(&config).or_else(|| update_failure(&config)) {
                        None => Ok(()),
                        Some(reason) => Err(failed(reason).hint("the next `up` does it again")),
                    };
                }
                _ if since.elapsed() >= READY => return Err(late(name, "be ready", since)),
                // A function made just now may not be found at once.
                _ => tokio::time::sleep(POLL).await,
            }
        }
    }

    async fn update_code(&self, spec: &Spec) -> Result<(), Failure> {
        let zip = zip(spec).await?;
        self.0
            .call("lambda:UpdateFunctionCode", || {
                self.0
                    .lambda
                    .update_function_code()
                    .function_name(&spec.name)
                    .architectures(Architecture::from(spec.architecture.as_str()))
                    .zip_file(zip.clone())
                    .send()
            })
            .await?;
        self.ready(&spec.name).await
    }

    /// An empty text takes the dead-letter target or the key away. Another key is sent with the environment, which Lambda
    /// has to encrypt anew with it.
    async fn update_configuration(
        &self,
        spec: &Spec,
        sends: impl Fn(&[&str]) -> bool,
        others: &[&str],
    ) -> Result<(), Failure> {
        let text = |field: &str, value: &str| sends(&[field]).then(|| value.to_owned());
        let number = |field: &str, value: u32| sends(&[field]).then(|| signed(value));
        let dead_letter_arn = spec.dead_letter_arn.as_deref().unwrap_or_default();
        let request = self
            .0
            .lambda
            .update_function_configuration()
            .function_name(&spec.name)
            .set_description(text("description", &spec.description))
            .set_role(text("role", &spec.role))
            .set_runtime(sends(&["runtime"]).then(|| Runtime::from(spec.runtime.as_str())))
            .set_handler(text("handler", &spec.handler))
            .set_memory_size(number("memory_mb", spec.memory_mb))
            .set_timeout(number("timeout_seconds", spec.timeout_seconds))
            .set_environment(sends(&["environment", "kms_key"]).then(|| environment(spec)))
            .set_dead_letter_config(sends(&["dead_letter_arn"]).then(|| dead_letter(dead_letter_arn)))
            .set_tracing_config(sends(&["tracing"]).then(|| tracing(spec)))
            .set_kms_key_arn(text("kms_key", spec.kms_key.as_deref().unwrap_or_default()));
        let request = unasked::take_back(request, &spec.name, others)?;
        self.0
            .call("lambda:UpdateFunctionConfiguration", || request.clone().send())
            .await?;
        self.ready(&spec.name).await
    }

    async fn reserve(&self, spec: &Spec) -> Result<(), Failure> {
        let Some(number) = spec.reserved_concurrency else {
            self.0
                .call("lambda:DeleteFunctionConcurrency", || {
                    self.0
                        .lambda
                        .delete_function_concurrency()
                        .function_name(&spec.name)
                        .send()
                })
                .await?;
            return Ok(());
        };
        let reserved = self
            .0
            .call("lambda:PutFunctionConcurrency", || {
                self.0
                    .lambda
                    .put_function_concurrency()
                    .function_name(&spec.name)
                    .reserved_concurrent_executions(signed(number))
                    .send()
            })
            .await;
        match reserved {
            Err(why) if why.message.contains("UnreservedConcurrentExecution") => {
                Err(why.hint("raise the account's quota of concurrent executions, or use --no-reserved-concurrency"))
            }
            Err(why) => Err(why),
            Ok(_) => Ok(()),
        }
    }

    async fn retag(&self, live: &Observed<Spec>, spec: &Spec) -> Result<(), Failure> {
        let arn = live.output("arn");
        let aws = &self.0;
        tags::sync(
            &live.spec.tags,
            &spec.tags,
            |keys| async move {
                aws.call("lambda:UntagResource", || {
                    let untag = aws.lambda.untag_resource().resource(arn);
                    untag.set_tag_keys(Some(keys.clone())).send()
                })
                .await
            },
            |tags| async move {
                aws.call("lambda:TagResource", || {
                    let tags = tags.clone().into_iter().collect();
                    aws.lambda.tag_resource().resource(arn).set_tags(Some(tags)).send()
                })
                .await
            },
        )
        .await
    }
}

/// LocalStack and its kin answer with a fault, for ever, where a function is to be deleted that they could not make.
fn stuck(why: Failure, live: &Spec) -> Failure {
    if why.class != Class::Exhausted || live.creation_failure.is_none() {
        return why;
    }
    why.hint("the function was never made, and an emulator that cannot delete such a one has to be started again")
}

fn late(name: &str, what: &str, since: Instant) -> Failure {
    let message = format!("waited {} s for function {name} to {what}", since.elapsed().as_secs());
    Failure::new("lambda:GetFunction", "Timeout", message).hint("run the same command again to carry on")
}
