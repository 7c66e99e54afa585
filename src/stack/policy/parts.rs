//! A purpose's statements as policies that IAM takes.

use super::names::Names;
use super::purpose::{Bounds, Purpose};
use super::statement::Statement;
use super::{deploy, operate, state};
use crate::config::Location;
use crate::stack::Stack;
use serde::Serialize;

/// What AWS lets a managed policy have, white space not counted.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
pub const LONGEST: usize = 6144;

/// One policy of its own: what a principal needs may be more than fits into one.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    /// What to call it in IAM.
    pub name: String,
    /// How long it is as IAM counts, at most [`LONGEST`].
    pub characters: usize,
    /// The policy.
    pub document: Document,
}

/// A policy in IAM's own terms.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Document {
    version: &'static str,
    statement: Vec<Statement>,
}

impl Document {
    fn new(statement: Vec<Statement>) -> Self {
        Self {
            version: "2012-10-17",
            statement,
        }
    }

    /// Its length as IAM counts it: without white space.
    fn characters(&self) -> usize {
        let text = serde_json::to_string(self).unwrap_or_default();
        text.chars().filter(|c| !c.is_whitespace()).count()
    }
}

/// The policies that somebody needs for this purpose. `state` is where the environment's state is kept.
pub fn parts(stack: &Stack<'_>, purpose: Purpose, state: &Location, bounds: Bounds<'_>) -> Vec<Part> {
    let documents = packed(statements(stack, purpose, state, bounds));
    let name = format!("fraudctl-{}-{}", stack.settings.env, purpose.name());
    let alone = documents.len() == 1;
    let named = |(index, document): (usize, Document)| Part {
        name: match alone {
            true => name.clone(),
            false => format!("{name}-{}", index + 1),
        },
        characters: document.characters(),
        document,
    };
    documents.into_iter().enumerate().map(named).collect()
}

/// Everything that is allowed for this purpose, in the order in which it is explained.
fn statements(stack: &Stack<'_>, purpose: Purpose, state: &Location, bounds: Bounds<'_>) -> Vec<Statement> {
    let names = Names::new(stack, bounds);
    let mut all = match purpose {
        Purpose::Deploy | Purpose::Diff => deploy::statements(&names, purpose),
        Purpose::Operate => operate::statements(&names),
    };
    all.extend(state::statements(&names, state, purpose));
    all
}

/// As few documents as hold the statements in their order.
fn packed(statements: Vec<Statement>) -> Vec<Document> {
    let mut documents: Vec<Document> = Vec::new();
    for statement in statements {
        if let Some(last) = documents.last_mut() {
            last.statement.push(statement.clone());
            if last.characters() <= LONGEST {
                continue;
            }
            last.statement.pop();
        }
        documents.push(Document::new(vec![statement]));
    }
    documents
}
