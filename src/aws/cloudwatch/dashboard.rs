//! A dashboard: pictures of metrics side by side.

use crate::aws::absent::{gone, present};
use crate::aws::{Aws, tags};
use crate::resource::{Address, Changes, Failure, Observed, Outputs, Reconciler, TAG_ADDRESS, TAG_ENV, Tags, Target};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// What the widget that carries the tags begins with, for whoever looks at the dashboard.
const NOTE: &str = "Kept by fraudctl: the next `up` undoes what is changed here.";
/// The widgets of a dashboard stand in a grid of so many columns: "Dashboard body structure and syntax", CloudWatch API
/// reference.
const COLUMNS: u64 = 24;

/// A dashboard's properties.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// Up to 255 letters, digits, `-` and `_`; unique in the account, in all its regions.
    pub name: String,
    /// What is on it: an object with a list `widgets`, as CloudWatch's "Dashboard body structure and syntax" has it, but
    /// without the one that carries the tags. Up to 1 MB and 500 widgets with that one.
    pub body: Value,
    /// CloudWatch gives a dashboard no tags. These stand on the dashboard itself, in a widget of text below all others,
    /// so that it can be told whose it is like anything else.
    pub tags: Tags,
}

/// Reconciles [`Spec`].
pub struct Dashboard(pub Arc<Aws>);

impl Reconciler for Dashboard {
    type Spec = Spec;
    const KIND: &'static str = "cloudwatch.dashboard";
    const OUTPUTS: &'static [&'static str] = &["arn", "name"];
    const IDENTITY: &'static [&'static str] = &["name"];
    const TAGGED: bool = true;
    /// CloudWatch may write the body in its own way, which has to be believed.
    const STALE_READS: bool = false;

    fn predict(&self, spec: &Spec) -> Outputs {
        // Dashboards belong to no region.
        let (partition, account) = (self.0.partition(), &self.0.account);
        let arn = format!("arn:{partition}:cloudwatch::{account}:dashboard/{}", spec.name);
        Outputs::from([("arn".to_owned(), arn), ("name".to_owned(), spec.name.clone())])
    }

    /// By name.
    async fn observe(&self, target: Target<'_, Spec>) -> Result<Option<Observed<Spec>>, Failure> {
        let name = &target.spec.name;
        let found = self
            .0
            .call("cloudwatch:GetDashboard", || {
                self.0.cloudwatch.get_dashboard().dashboard_name(name).send()
            })
            .await;
        let Some(found) = present(found)? else { return Ok(None) };
        let (body, tags) = read(found.dashboard_body().unwrap_or_default());
        let mut outputs = self.predict(target.spec);
        if let Some(arn) = found.dashboard_arn {
            outputs.insert("arn".to_owned(), arn);
        }
        let owner = tags::owner(&tags, &self.0.region);
        let name = name.clone();
        let spec = Spec { name, body, tags };
        Ok(Some(Observed { spec, outputs, owner }))
    }

    /// Idempotent. CloudWatch knows no create: one that somebody made since we looked would be written over.
    async fn create(&self, _: &Address, spec: &Spec) -> Result<Outputs, Failure> {
        self.put(spec).await?;
        Ok(self.predict(spec))
    }

    /// CloudWatch replaces a dashboard as a whole.
    async fn update(&self, _: &Observed<Spec>, spec: &Spec, _: &Changes) -> Result<(), Failure> {
        self.put(spec).await
    }

    async fn delete(&self, live: &Observed<Spec>) -> Result<(), Failure> {
        let name = &live.spec.name;
        let deleted = self
            .0
            .call("cloudwatch:DeleteDashboards", || {
                self.0.cloudwatch.delete_dashboards().dashboard_names(name).send()
            })
            .await;
        gone(deleted)
    }
}

impl Dashboard {
    async fn put(&self, spec: &Spec) -> Result<(), Failure> {
        let body = written(spec)?;
        self.0
            .call("cloudwatch:PutDashboard", || {
                let put = self.0.cloudwatch.put_dashboard().dashboard_name(&spec.name);
                put.dashboard_body(&body).send()
            })
            .await?;
        Ok(())
    }
}

/// The text that CloudWatch takes: the body, and below it the widget with the tags.
fn written(spec: &Spec) -> Result<String, Failure> {
    let mut body = spec.body.clone();
    let Some(widgets) = body.get_mut("widgets").and_then(Value::as_array_mut) else {
        let message = format!("the dashboard {} has no list of widgets", spec.name);
        return Err(Failure::new("cloudwatch:PutDashboard", "NoWidgets", message));
    };
    let end = |widget: &Value| Some(widget["y"].as_u64()? + widget["height"].as_u64()?);
    let below = widgets.iter().filter_map(end).max().unwrap_or_default();
    let tags = json!(spec.tags);
    widgets.push(json!({
        "type": "text",
        "x": 0,
        "y": below,
        "width": COLUMNS,
        "height": 2,
        "properties": {"markdown": format!("{NOTE}\n`{tags}`")}
    }));
    Ok(body.to_string())
}

/// A text of CloudWatch's as the body and the tags that it carries; without the widget for them there are none. Text
/// that is no JSON is kept as it is, so that a comparison shows it.
fn read(text: &str) -> (Value, Tags) {
    let Ok(mut body) = serde_json::from_str::<Value>(text) else {
        return (Value::String(text.to_owned()), Tags::new());
    };
    let mut tags = Tags::new();
    if let Some(widgets) = body.get_mut("widgets").and_then(Value::as_array_mut) {
        let found = widgets
            .iter()
            .enumerate()
            .find_map(|(at, one)| Some((at, tags_on(one)?)));
        if let Some((at, found)) = found {
            widgets.remove(at);
            tags = found;
        }
    }
    (body, tags)
}

/// The tags, if this is the widget that carries them.
fn tags_on(widget: &Value) -> Option<Tags> {
    let markdown = widget["properties"]["markdown"].as_str()?;
    let (_, code) = markdown.split_once('`').filter(|_| widget["type"] == "text")?;
    // The note has code of its own, so the tags are told by what they are.
    let (start, end) = (code.find('{')?, code.rfind('}')?);
    let tags: Tags = serde_json::from_str(code.get(start..=end)?).ok()?;
    (tags.contains_key(TAG_ENV) || tags.contains_key(TAG_ADDRESS)).then_some(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> Spec {
        Spec {
            name: "d".into(),
            body: json!({"widgets": [
                {"type": "text", "x": 0, "y": 0, "width": 24, "height": 1, "properties": {"markdown": "`{}` is theirs"}},
                {"type": "metric", "x": 0, "y": 1, "width": 8, "height": 6, "properties": {"period": 60}},
            ]}),
            tags: Tags::from([
                (TAG_ENV.into(), "dev".into()),
                (TAG_ADDRESS.into(), "a.b".into()),
                ("Team {x}".into(), "\"quoted\" = {y} \\ ü".into()),
            ]),
        }
    }

    #[test]
    fn what_is_written_reads_back_with_its_tags() {
        let spec = spec();
        let (body, tags) = read(&written(&spec).unwrap());
        assert_eq!(body, spec.body);
        assert_eq!(tags, spec.tags);
    }

    #[test]
    fn the_tags_stand_below_all_else() {
        let text = written(&spec()).unwrap();
        let body: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(body["widgets"][2]["y"], 7);
        assert_eq!(body["widgets"][2]["width"], 24);
    }

    #[test]
    fn a_dashboard_of_somebody_else_has_no_tags() {
        for theirs in [
            r#"{"widgets": []}"#,
            r#"{"widgets": [{"type": "text", "properties": {"markdown": "`{\"Team\": \"risk\"}`"}}]}"#,
            r#"{"widgets": [{"type": "metric", "properties": {"title": "`{\"fraudctl:env\": \"dev\"}`"}}]}"#,
            "{}",
            "[]",
        ] {
            let (body, tags) = read(theirs);
            assert_eq!(body, serde_json::from_str::<Value>(theirs).unwrap());
            assert_eq!(tags, Tags::new());
        }
        assert_eq!(read("no JSON"), (json!("no JSON"), Tags::new()));
    }

    #[test]
    fn only_one_widget_carries_the_tags_and_another_like_it_is_drift() {
        let spec = spec();
        let mut twice: Value = serde_json::from_str(&written(&spec).unwrap()).unwrap();
        let widgets = twice["widgets"].as_array_mut().unwrap();
        widgets.push(widgets[2].clone());
        let (body, tags) = read(&twice.to_string());
        assert_ne!(body, spec.body);
        assert_eq!(tags, spec.tags);
    }

    #[test]
    fn without_widgets_nothing_is_written() {
        let spec = Spec {
            body: json!({}),
            ..spec()
        };
        assert!(written(&spec).is_err());
    }
}
