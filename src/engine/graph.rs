use crate::resource::{Address, Handle, Kinds, Outputs, Reconciler, references};
use petgraph::algo::{kosaraju_scc, toposort};
use petgraph::graph::{DiGraph, NodeIndex};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// What is desired: resources by address, whose references are the edges.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    nodes: BTreeMap<Address, Node>,
    broken: Vec<GraphError>,
}

/// One desired resource.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its address.
    pub address: Address,
    /// Its kind.
    pub kind: &'static str,
    /// Its properties, with references to others inside the strings.
    pub spec: Value,
    /// Whom it waits for without referring to it.
    pub after: Vec<Address>,
}

/// Why a graph is none.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum GraphError {
    /// One address, two resources.
    #[error("{0} is declared twice")]
    Twice(Address),
    /// Resources that wait for each other.
    #[error("these resources refer to each other in a circle: {}", join(.0))]
    Cycle(Vec<Address>),
    /// A reference to nothing.
    #[error("{from} refers to {to}, which is not declared")]
    Nowhere {
        /// Who refers.
        from: Address,
        /// To whom.
        to: Address,
    },
    /// A reference to an output that the kind does not have.
    #[error("{from} refers to {output} of {to}, but {kind} offers only {offers}")]
    MissingOutput {
        /// Who refers.
        from: Address,
        /// To whom.
        to: Address,
        /// The output asked for.
        output: String,
        /// The kind of `to`.
        kind: &'static str,
        /// What that kind offers.
        offers: String,
    },
    /// A reference that orders nothing to an output that only exists afterwards.
    #[error("{from} only names {output} of {to}, but nobody knows it before {to} exists")]
    NotPredictable {
        /// Who refers.
        from: Address,
        /// To whom.
        to: Address,
        /// The output asked for.
        output: String,
    },
    /// A kind that the registry does not have.
    #[error("{0} is of the unknown kind {1}")]
    UnknownKind(Address, String),
    /// Properties that do not go into JSON.
    #[error("the properties of {0} cannot be written: {1}")]
    Unwritable(Address, String),
}

fn join(addresses: &[Address]) -> String {
    addresses.iter().map(Address::as_str).collect::<Vec<_>>().join(", ")
}

impl Graph {
    /// No resources yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Declares a resource. What its spec refers to, it waits for. Mistakes are told by [`Graph::order`].
    pub fn add<R: Reconciler>(&mut self, address: &str, spec: &R::Spec) -> Handle {
        let address = Address::from(address);
        let spec = serde_json::to_value(spec).unwrap_or_else(|why| {
            self.broken
                .push(GraphError::Unwritable(address.clone(), why.to_string()));
            Value::Null
        });
        self.add_node(Node {
            address: address.clone(),
            kind: R::KIND,
            spec,
            after: Vec::new(),
        });
        Handle { address }
    }

    /// Declares a resource whose spec is JSON already.
    pub fn add_node(&mut self, node: Node) {
        let address = node.address.clone();
        if self.nodes.insert(address.clone(), node).is_some() {
            self.broken.push(GraphError::Twice(address));
        }
    }

    /// Makes one resource wait for others that it does not refer to.
    pub fn after(&mut self, handle: &Handle, others: &[&Handle]) {
        if let Some(node) = self.nodes.get_mut(&handle.address) {
            node.after.extend(others.iter().map(|h| h.address.clone()));
        }
    }

    /// Changes the properties of a declared resource.
    pub fn edit(&mut self, address: &str, change: impl FnOnce(&mut Value)) {
        if let Some(node) = self.nodes.get_mut(&Address::from(address)) {
            change(&mut node.spec);
        }
    }

    /// The resource at this address.
    pub fn get(&self, address: &Address) -> Option<&Node> {
        self.nodes.get(address)
    }

    /// All resources, by address.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }

    /// Every resource after all that it waits for.
    ///
    /// # Errors
    /// Each mistake in the graph, naming the addresses: circles, references to nothing or to outputs that are not
    /// offered, addresses used twice.
    pub fn order(&self, kinds: &dyn Kinds) -> Result<Vec<&Node>, GraphError> {
        if let Some(mistake) = self.broken.first() {
            return Err(mistake.clone());
        }
        for node in self.nodes.values() {
            self.check(node, kinds)?;
        }
        let mut digraph = DiGraph::<&Node, ()>::new();
        let index: BTreeMap<&Address, NodeIndex> = self
            .nodes
            .iter()
            .map(|(address, node)| (address, digraph.add_node(node)))
            .collect();
        for (address, node) in &self.nodes {
            for needed in node.waits_for() {
                digraph.update_edge(index[&needed], index[address], ());
            }
        }
        match toposort(&digraph, None) {
            Ok(order) => Ok(order.into_iter().map(|i| digraph[i]).collect()),
            Err(at) => {
                let circle = kosaraju_scc(&digraph)
                    .into_iter()
                    .find(|part| part.contains(&at.node_id()))
                    .unwrap_or_default();
                let mut circle: Vec<_> = circle.into_iter().map(|i| digraph[i].address.clone()).collect();
                circle.sort();
                Err(GraphError::Cycle(circle))
            }
        }
    }

    fn check(&self, node: &Node, kinds: &dyn Kinds) -> Result<(), GraphError> {
        let unknown = |node: &Node| GraphError::UnknownKind(node.address.clone(), node.kind.to_owned());
        kinds.get(node.kind).ok_or_else(|| unknown(node))?;
        let nowhere = |to: &Address| GraphError::Nowhere {
            from: node.address.clone(),
            to: to.clone(),
        };
        for to in &node.after {
            self.nodes.get(to).ok_or_else(|| nowhere(to))?;
        }
        for reference in references(&node.spec) {
            let target = self
                .nodes
                .get(&reference.address)
                .ok_or_else(|| nowhere(&reference.address))?;
            let kind = kinds.get(target.kind).ok_or_else(|| unknown(target))?;
            if !kind.outputs().contains(&reference.output.as_str()) {
                return Err(GraphError::MissingOutput {
                    from: node.address.clone(),
                    to: reference.address,
                    output: reference.output,
                    kind: target.kind,
                    offers: kind.outputs().join(", "),
                });
            }
            let known = |outputs: &Outputs| {
                let value = outputs.get(&reference.output).cloned();
                value.is_some_and(|value| references(&Value::String(value)).is_empty())
            };
            if !reference.orders && !known(&kind.predict(&target.spec)) {
                return Err(GraphError::NotPredictable {
                    from: node.address.clone(),
                    to: reference.address,
                    output: reference.output,
                });
            }
        }
        Ok(())
    }
}

impl Node {
    /// Whom it waits for, each once.
    pub fn waits_for(&self) -> BTreeSet<Address> {
        references(&self.spec)
            .into_iter()
            .filter(|reference| reference.orders)
            .map(|reference| reference.address)
            .chain(self.after.iter().cloned())
            .collect()
    }

    /// Those that contain it: what the given fields of its spec refer to.
    pub fn parents(&self, fields: &[&str]) -> BTreeSet<Address> {
        fields
            .iter()
            .filter_map(|field| self.spec.get(field))
            .flat_map(references)
            .map(|reference| reference.address)
            .collect()
    }
}
