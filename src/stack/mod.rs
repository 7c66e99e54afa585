//! What is deployed, readable by someone who knows AWS and no Rust. One file per room; this one wires them together.

mod api;
mod base;
mod dashboard;
mod functions;
mod messaging;
mod monitoring;
pub mod policy;
mod security;
mod storage;

use crate::aws::partition::dns_suffix;
use crate::engine::Graph;
use crate::resource::{Address, Outputs};
use std::collections::BTreeMap;

pub use base::{Binaries, Stack};

impl Stack<'_> {
    /// Every resource of the system.
    pub fn graph(&self, binaries: Binaries<'_>) -> Graph {
        let mut graph = Graph::new();
        let security = security::declare(self, &mut graph);
        let storage = storage::declare(self, &mut graph, &security);
        let messaging = messaging::declare(self, &mut graph, &security);
        let functions = functions::declare(self, &mut graph, &security, &storage, &messaging, binaries);
        let api = api::declare(self, &mut graph, &functions);
        let alarms = monitoring::declare(self, &mut graph, &messaging, &functions, &api);
        dashboard::declare(self, &mut graph, &messaging, &functions, &api, &alarms);
        graph
    }

    /// The URL of the API's stage.
    pub fn api_endpoint(&self, api_id: &str) -> String {
        match self.endpoint {
            // The form that LocalStack and MiniStack share.
            Some(endpoint) => {
                let endpoint = endpoint.trim_end_matches('/');
                format!("{endpoint}/restapis/{api_id}/{}/_user_request_", api::STAGE)
            }
            None => {
                let suffix = dns_suffix(self.partition);
                format!("https://{api_id}.execute-api.{}.{suffix}/{}", self.region, api::STAGE)
            }
        }
    }

    /// What a user wants to know of the system that stands, from the outputs of its resources. What does not stand is
    /// left out.
    pub fn outputs(&self, of: &dyn Fn(&Address) -> Option<Outputs>) -> BTreeMap<String, String> {
        let get = |address: &str, output: &str| of(&Address::from(address))?.get(output).cloned();
        let mut outputs = BTreeMap::new();
        let mut put = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                outputs.insert(name.to_owned(), value);
            }
        };
        put(
            "api_endpoint",
            get(api::REST_API, "id").map(|id| self.api_endpoint(&id)),
        );
        put("api_key_id", get(api::KEY, "id"));
        put("transaction_processor_arn", get(functions::PROCESSOR, "arn"));
        put("pattern_analyzer_arn", get(functions::ANALYZER, "arn"));
        put("dynamodb_table_name", get(storage::TABLE, "name"));
        put("profiles_table_name", get(storage::PROFILES, "name"));
        put("alert_queue_url", get(messaging::ALERTS_QUEUE, "url"));
        put("alert_topic_arn", get(messaging::ALERTS, "arn"));
        outputs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Overrides, load};
    use crate::resource::{TAG_ADDRESS, TAG_ENV};
    use std::collections::BTreeSet;

    fn graph() -> Graph {
        let folder = tempfile::tempdir().unwrap();
        let settings = load(folder.path(), "dev", &Overrides::default()).unwrap();
        let stack = Stack {
            settings: &settings,
            account: "000000000000",
            region: "us-east-1",
            partition: "aws",
            endpoint: None,
        };
        stack.graph(&|function| crate::artifact::Spec {
            function: function.to_owned(),
            fingerprint: String::new(),
        })
    }

    /// It is documented for neither of the two that SNS passes it on to KMS; without, every alert would be lost in silence.
    #[test]
    fn sns_may_use_the_key_whether_it_tells_the_account_or_the_topic_and_not_for_others() {
        let graph = graph();
        let policy = &graph.get(&"security.key".into()).unwrap().spec["policy"];
        let may = |service: &str, told: &[(&str, &str)]| {
            policy["Statement"].as_array().unwrap().iter().any(|statement| {
                let services = statement["Principal"]["Service"].to_string();
                let conditions = statement["Condition"]
                    .as_object()
                    .into_iter()
                    .flat_map(|all| all.values());
                let mut keys = conditions.flat_map(|of| of.as_object().unwrap());
                // All of them are of texts that have to be equal.
                let met = keys.all(|(key, wanted)| {
                    told.iter()
                        .any(|(name, value)| name == key && wanted.to_string().contains(&format!("\"{value}\"")))
                });
                services.contains(&format!("\"{service}.amazonaws.com\"")) && met
            })
        };
        let account = ("aws:SourceAccount", "000000000000");
        let topic = ("aws:SourceArn", "arn:aws:sns:us-east-1:000000000000:fraud-alerts-dev");
        for told in [&[account][..], &[topic], &[account, topic]] {
            assert!(may("sns", told), "{told:?}");
        }
        let others = [
            ("aws:SourceAccount", "111111111111"),
            ("aws:SourceArn", "arn:aws:sns:us-east-1:111111111111:fraud-alerts-dev"),
            ("aws:SourceArn", "arn:aws:sns:us-east-1:000000000000:other"),
        ];
        assert!(!may("sns", &[]) && !may("s3", &[account, topic]));
        for told in others {
            assert!(!may("sns", &[told]), "{told:?}");
        }
        assert!(may("cloudwatch", &[account]) && !may("cloudwatch", &[topic]));
    }

    #[test]
    fn only_the_functions_and_what_stands_on_them_wait_for_the_build() {
        let graph = graph();
        let mut waiting: BTreeSet<Address> = ["artifacts.transaction-processor", "artifacts.pattern-analyzer"]
            .map(Address::from)
            .into();
        loop {
            let more = graph.nodes().filter(|node| !node.waits_for().is_disjoint(&waiting));
            let more: BTreeSet<Address> = more.map(|node| node.address.clone()).collect();
            if more.is_subset(&waiting) {
                break;
            }
            waiting.extend(more);
        }
        let waiting: Vec<&str> = waiting.iter().map(Address::as_str).collect();
        assert_eq!(
            waiting,
            [
                "api.deployment",
                "api.integration",
                "api.permission",
                "api.stage",
                "api.usage_plan",
                "api.usage_plan_key",
                "artifacts.pattern-analyzer",
                "artifacts.transaction-processor",
                "functions.analyzer",
                "functions.processor",
                "functions.schedule_permission",
                "functions.schedule_target",
            ]
        );
    }

    #[test]
    fn the_dashboard_shows_every_alarm_and_whatever_the_functions_count() {
        let graph = graph();
        let dashboard = &graph.get(&"monitoring.dashboard".into()).unwrap().spec["body"];
        let text = dashboard.to_string();
        for alarm in graph.nodes().filter(|node| node.kind == "cloudwatch.alarm") {
            assert!(text.contains(&format!("{}#arn", alarm.address)), "{}", alarm.address);
        }
        for metric in [
            "Scored",
            "Suspicious",
            "Alerts",
            "Duplicates",
            "Conflicts",
            "Invalid",
            "Errors",
            "Latency",
            "AlertsFailed",
            "AlertsSwept",
            "PendingAlerts",
            "PatternAlerts",
            "SuspiciousInWindow",
            "RulesFallback",
            "ThresholdFallback",
            "ConsumedReadUnits",
        ] {
            let line = format!(r#"["FraudDetection","{metric}","Environment","dev","#);
            assert!(text.contains(&line), "{metric}");
        }
    }

    #[test]
    fn the_pictures_of_the_dashboard_stand_side_by_side_in_its_grid() {
        let graph = graph();
        let body = &graph.get(&"monitoring.dashboard".into()).unwrap().spec["body"];
        let mut taken = BTreeSet::new();
        for widget in body["widgets"].as_array().unwrap() {
            let [x, y, width, height] = ["x", "y", "width", "height"].map(|name| widget[name].as_u64().unwrap());
            assert!(width > 0 && x + width <= 24, "{widget:#}");
            for column in x..x + width {
                for row in y..y + height {
                    assert!(taken.insert((column, row)), "two pictures at {column}, {row}");
                }
            }
            if widget["type"] == "metric" {
                assert_eq!(widget["properties"]["region"], "us-east-1");
            }
        }
    }

    #[test]
    fn every_resource_that_can_carry_tags_says_whose_it_is() {
        for node in graph().nodes() {
            if let Some(tags) = node.spec.get("tags") {
                assert_eq!(tags[TAG_ENV], "dev", "{}", node.address);
                assert_eq!(tags[TAG_ADDRESS], node.address.as_str());
                assert_eq!(tags["Project"], "FraudDetection");
            }
        }
    }

    #[test]
    fn the_tags_that_the_settings_are_held_against_are_those_that_are_set() {
        let graph = graph();
        let tags = graph.nodes().filter_map(|node| node.spec["tags"].as_object());
        let set: BTreeSet<&str> = tags.flat_map(|tags| tags.keys().map(String::as_str)).collect();
        assert_eq!(set, BTreeSet::from(crate::config::tags::OWN_TAGS));
    }

    #[test]
    fn the_deployment_changes_with_each_thing_it_is_a_snapshot_of() {
        let fingerprint = |graph: &Graph| api::fingerprint(graph);
        let before = fingerprint(&graph());
        for address in [
            "api.validator",
            "api.model",
            "api.transactions",
            "api.post",
            "api.integration",
        ] {
            let mut graph = graph();
            graph.edit(address, |spec| spec["rest_api_id"] = "another".into());
            assert_ne!(fingerprint(&graph), before, "{address}");
        }
    }
}
