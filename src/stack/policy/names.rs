//! The ARNs that policies name: of what the stack declares, by kind.

use super::purpose::Bounds;
use super::statement::{Statement, literal, resource_tag};
use crate::artifact;
use crate::aws::cloudwatch::{alarm, dashboard};
use crate::aws::iam::{attachment, policy, role};
use crate::aws::kms::{alias, key};
use crate::aws::{
    dynamodb::table, events::rule, lambda::function, logs::group, sns::topic, sqs::queue, ssm::parameter,
};
use crate::engine::{Graph, Node};
use crate::resource::{Reconciler, TAG_ADDRESS, TAG_ENV};
use crate::stack::Stack;
use serde_json::Value;

/// Where the stack stands, and what it declares.
pub(super) struct Names<'a> {
    pub stack: &'a Stack<'a>,
    pub bounds: Bounds<'a>,
    graph: Graph,
}

impl<'a> Names<'a> {
    pub fn new(stack: &'a Stack<'a>, bounds: Bounds<'a>) -> Self {
        // What the binaries are made of is in no name.
        let graph = stack.graph(&|function| artifact::Spec {
            function: function.to_owned(),
            fingerprint: String::new(),
        });
        Self { stack, bounds, graph }
    }

    pub fn env(&self) -> &str {
        &self.stack.settings.env
    }

    /// The ARN of something that IAM keeps: in no region.
    fn iam(&self, kind: &str, name: &str) -> String {
        let (partition, account) = (self.stack.partition, self.stack.account);
        format!("arn:{partition}:iam::{account}:{kind}{name}")
    }

    pub fn tables(&self) -> Vec<String> {
        self.each::<table::Table>(|name| self.stack.arn("dynamodb", &format!("table/{name}")))
    }

    /// The table at this address.
    pub fn table(&self, address: &str) -> String {
        self.stack.arn("dynamodb", &format!("table/{}", self.name_at(address)))
    }

    pub fn topics(&self) -> Vec<String> {
        self.each::<topic::Topic>(|name| self.stack.arn("sns", name))
    }

    /// The topic at this address.
    pub fn topic(&self, address: &str) -> String {
        self.stack.arn("sns", self.name_at(address))
    }

    pub fn queues(&self) -> Vec<String> {
        self.each::<queue::Queue>(|name| self.stack.arn("sqs", name))
    }

    pub fn functions(&self) -> Vec<String> {
        self.each::<function::Function>(|name| self.stack.arn("lambda", &format!("function:{name}")))
    }

    /// Of each log group both forms: some of the service's operations are allowed on the one, some on the other.
    pub fn log_groups(&self) -> Vec<String> {
        let groups = self.each::<group::Group>(|name| self.stack.arn("logs", &format!("log-group:{name}")));
        groups
            .into_iter()
            .flat_map(|group| [format!("{group}:*"), group])
            .collect()
    }

    pub fn rules(&self) -> Vec<String> {
        self.each::<rule::Rule>(|name| self.stack.arn("events", &format!("rule/{name}")))
    }

    pub fn alarms(&self) -> Vec<String> {
        self.each::<alarm::Alarm>(|name| self.stack.arn("cloudwatch", &format!("alarm:{name}")))
    }

    pub fn dashboards(&self) -> Vec<String> {
        let (partition, account) = (self.stack.partition, self.stack.account);
        self.each::<dashboard::Dashboard>(|name| format!("arn:{partition}:cloudwatch::{account}:dashboard/{name}"))
    }

    pub fn parameters(&self) -> Vec<String> {
        // The slash at the name's beginning stands in the ARN once.
        self.each::<parameter::Parameter>(|name| self.stack.arn("ssm", &format!("parameter{name}")))
    }

    /// The parameter at this address.
    pub fn parameter(&self, address: &str) -> String {
        self.stack.arn("ssm", &format!("parameter{}", self.name_at(address)))
    }

    /// The addresses of keys, which have no names.
    pub fn key_addresses(&self) -> Vec<String> {
        self.nodes::<key::Key>().map(|node| node.address.to_string()).collect()
    }

    pub fn aliases(&self) -> Vec<String> {
        self.each::<alias::Alias>(|name| self.stack.arn("kms", name))
    }

    pub fn roles(&self) -> Vec<String> {
        self.each::<role::Role>(|name| self.role(name))
    }

    /// The roles that this service may assume.
    pub fn roles_for(&self, service: &str) -> Vec<String> {
        let trusts = |node: &&Node| {
            node.spec["assume_role_policy"]
                .to_string()
                .contains(&format!("\"{service}\""))
        };
        let nodes = self.nodes::<role::Role>().filter(trusts);
        nodes.map(|node| self.role(text(node, "name"))).collect()
    }

    fn role(&self, name: &str) -> String {
        self.iam("role", &format!("{}{name}", self.path()))
    }

    /// The instance profiles of the roles' names, as the console and most tools name those that they make for a role.
    pub fn instance_profiles(&self) -> Vec<String> {
        self.each::<role::Role>(|name| self.iam("instance-profile", &format!("{}{name}", self.path())))
    }

    pub fn policies(&self) -> Vec<String> {
        self.each::<policy::Policy>(|name| self.iam("policy", &format!("{}{name}", self.path())))
    }

    /// The policies of AWS itself that the stack attaches to its roles.
    pub fn managed_policies(&self) -> Vec<String> {
        let attached = self.nodes::<attachment::Attachment>();
        let attached = attached.map(|node| text(node, "policy_arn").to_owned());
        let mut managed: Vec<String> = attached.filter(|arn| arn.starts_with("arn:")).collect();
        managed.sort();
        managed.dedup();
        managed
    }

    /// Everybody whom a policy can be attached to.
    pub fn everybody(&self) -> Vec<String> {
        ["group/*", "role/*", "user/*"].map(|who| self.iam(who, "")).into()
    }

    /// The role that a service makes for itself.
    pub fn service_linked_role(&self, service: &str) -> String {
        self.iam("role/aws-service-role/", &format!("{service}/*"))
    }

    /// Something of API Gateway, whose ARNs name no account.
    pub fn api(&self, path: &str) -> String {
        format!("arn:{}:apigateway:{}::{path}", self.stack.partition, self.stack.region)
    }

    /// The queues of load runs: the environment, and a run's name of so many characters. So they are not those of an
    /// environment whose name begins like this one's.
    pub fn load_queues(&self) -> String {
        self.stack
            .arn("sqs", &format!("fraudctl-load-{}-{}", self.env(), "?".repeat(24)))
    }

    /// These services, as KMS names who asks in somebody's name. Their suffix is another one in some partitions.
    pub fn services(&self, services: &[&str]) -> Vec<String> {
        let region = self.stack.region;
        services
            .iter()
            .map(|service| format!("{service}.{region}.amazonaws.*"))
            .collect()
    }

    /// These actions on the key, which has no name: it is told by the tags that it is made with.
    pub fn of_key(&self, sid: &'static str, actions: &[&'static str]) -> Statement {
        Statement::allow(sid, actions, vec![self.stack.arn("kms", "key/*")])
            .when("StringEquals", resource_tag(TAG_ENV), vec![self.env().to_owned()])
            .when("StringEquals", resource_tag(TAG_ADDRESS), self.key_addresses())
    }

    fn name_at(&self, address: &str) -> &str {
        self.graph.get(&address.into()).map_or("", |node| text(node, "name"))
    }

    fn path(&self) -> String {
        literal(self.bounds.role_path.unwrap_or("/"))
    }

    fn nodes<R: Reconciler>(&self) -> impl Iterator<Item = &Node> {
        self.graph.nodes().filter(|node| node.kind == R::KIND)
    }

    fn each<R: Reconciler>(&self, arn: impl Fn(&str) -> String) -> Vec<String> {
        self.nodes::<R>().map(|node| arn(text(node, "name"))).collect()
    }
}

fn text<'n>(node: &'n Node, field: &str) -> &'n str {
    node.spec.get(field).and_then(Value::as_str).unwrap_or_default()
}
