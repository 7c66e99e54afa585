use super::clients::Aws;
use super::{apigateway, cloudwatch, dynamodb, events, iam, kms, lambda, logs, sns, sqs, ssm};
use crate::resource::{Erased, Ignored, Kind, Kinds, Reconciler};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The kinds of resources that fraudctl knows.
pub struct Registry {
    aws: Arc<Aws>,
    ignored: Ignored,
    kinds: BTreeMap<&'static str, Box<dyn Kind>>,
}

impl Registry {
    /// All kinds of AWS resources, working on this AWS.
    pub fn new(aws: &Arc<Aws>) -> Self {
        Self::ignoring(aws, |_| false)
    }

    /// The same, leaving those tags alone that are somebody else's by their keys.
    pub fn ignoring(aws: &Arc<Aws>, theirs: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        let on = || Arc::clone(aws);
        let registry = Self {
            aws: on(),
            ignored: Arc::new(theirs),
            kinds: BTreeMap::new(),
        };
        registry
            .with(apigateway::api_key::ApiKey(on()))
            .with(apigateway::deployment::Deployment(on()))
            .with(apigateway::integration::Integration(on()))
            .with(apigateway::method::Method(on()))
            .with(apigateway::model::Model(on()))
            .with(apigateway::resource::Resource(on()))
            .with(apigateway::rest_api::RestApi(on()))
            .with(apigateway::stage::Stage(on()))
            .with(apigateway::usage_plan::UsagePlan(on()))
            .with(apigateway::usage_plan_key::UsagePlanKey(on()))
            .with(apigateway::validator::Validator(on()))
            .with(cloudwatch::alarm::Alarm(on()))
            .with(cloudwatch::dashboard::Dashboard(on()))
            .with(dynamodb::table::Table(on()))
            .with(events::rule::Rule(on()))
            .with(events::target::EventTarget(on()))
            .with(iam::attachment::Attachment(on()))
            .with(iam::policy::Policy(on()))
            .with(iam::role::Role(on()))
            .with(kms::alias::Alias(on()))
            .with(kms::key::Key(on()))
            .with(lambda::function::Function(on()))
            .with(lambda::permission::Permission(on()))
            .with(logs::group::Group(on()))
            .with(sns::subscription::Subscription(on()))
            .with(sns::topic::Topic(on()))
            .with(sqs::queue::Queue(on()))
            .with(ssm::parameter::Parameter(on()))
    }

    /// The same with one more kind.
    #[must_use]
    pub fn with<R: Reconciler>(mut self, reconciler: R) -> Self {
        let erased = Erased {
            of: reconciler,
            ignored: Arc::clone(&self.ignored),
        };
        self.kinds.insert(R::KIND, Box::new(erased));
        self
    }
}

impl Kinds for Registry {
    fn get(&self, name: &str) -> Option<&dyn Kind> {
        self.kinds.get(name).map(AsRef::as_ref)
    }

    fn begin_changes(&self) {
        self.aws.begin_changes();
    }
}
