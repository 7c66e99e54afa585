//! How hostile AWS is, as a value. Everything that happens follows from it and its seed, but for what depends on when the
//! calls come.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::at_once;
use super::call::Call;
use super::dice::{Dice, Span};
use super::effects::{
    Attributes, Effect, Endings, FunctionEndings, Functions, Indexes, Keys, Kind, Newborn, Queues, Readers, Roles,
    TableTags, Tables,
};
use super::http::Answer;
use super::record::Beside;
use super::refusal::Refusal;
use super::throttle::{self, Buckets, Limit};

/// The effects, each of which may be left out. [`Weather::calm`] has none.
#[derive(Debug, Clone, PartialEq)]
pub struct Weather {
    /// What all chances follow from.
    pub seed: u64,
    /// How long each call takes more.
    pub latency: Option<Span>,
    /// How often what may be called.
    pub limits: Vec<Limit>,
    /// Which calls fail by themselves.
    pub faults: Faults,
    /// How long a new role cannot be assumed by Lambda, is no principal in a policy, and ...
    pub role_unassumable: Option<Span>,
    /// ... how long a new permission of a role is not seen, and a taken one still is.
    pub permissions_unseen: Option<Span>,
    /// How long SNS does not take a new role to log its deliveries.
    pub role_unknown_to_sns: Option<Span>,
    /// How long new roles and policies may be answered as unknown.
    pub identities_unknown: Option<Span>,
    /// How long new keys and aliases may be answered as unknown.
    pub keys_unknown: Option<Span>,
    /// How long new queues and topics may be answered as unknown.
    pub messaging_unknown: Option<Span>,
    /// How long a new key is `Creating`, and refused by other services.
    pub key_creating: Option<Span>,
    /// How long some take a key that was enabled just now for disabled.
    pub key_enabling: Option<Span>,
    /// Whether the caller may not decrypt, and is told nothing of what keys of our own encrypt.
    pub may_not_decrypt: bool,
    /// How long a new table is `CREATING`, and then its backups cannot be set.
    pub table_creating: Option<Span>,
    /// For how much of that, at the end, it seems to have no tags.
    pub table_tags_empty: Duration,
    /// How long a changed table is `UPDATING`.
    pub table_updating: Span,
    /// How long a deleted table is `DELETING`.
    pub table_deleting: Span,
    /// How long the tags of a table are being changed.
    pub table_tags_locked: Option<Span>,
    /// How long an index is being made or removed, while its table is active.
    pub index_filling: Option<Span>,
    /// How long a new function is `Pending`.
    pub function_pending: Option<Span>,
    /// How long the update of a function is `InProgress`.
    pub function_updating: Span,
    /// How long a deleted function is still told of.
    pub function_deleting: Span,
    /// How what is begun with functions ends.
    pub function_endings: FunctionEndings,
    /// How long queues, topics, subscriptions, keys, log groups, rules, parameters and alarms may show what was before a
    /// change.
    pub stale_attributes: Option<Span>,
    /// How long the name of a deleted queue is refused, and ...
    pub queue_name_refused: Option<Duration>,
    /// ... how long the queue is still told of.
    pub queue_told: Span,
    /// Whether two changes at once of a REST API or a usage plan are refused.
    pub api_conflicts: bool,
    /// Whether two changes at once of a function's policy are lost.
    pub permissions_lost: bool,
}

/// The shares of the calls that fail by themselves, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Faults {
    /// Answered 500; half of them have taken effect.
    pub internal: f64,
    /// Answered 503, in half of the cases by what stands before the service.
    pub unavailable: f64,
    /// Whose connection is reset before they take effect.
    pub reset: f64,
    /// Which take effect, and whose reply is lost.
    pub lost: f64,
    /// Whether the first change by each operation takes effect and its reply is lost, whatever the shares are.
    pub first_changes_lost: bool,
}

impl Weather {
    /// No weather at all.
    pub fn calm(seed: u64) -> Self {
        Self {
            seed,
            latency: None,
            limits: Vec::new(),
            faults: Faults::default(),
            role_unassumable: None,
            permissions_unseen: None,
            role_unknown_to_sns: None,
            identities_unknown: None,
            keys_unknown: None,
            messaging_unknown: None,
            key_creating: None,
            key_enabling: None,
            may_not_decrypt: false,
            table_creating: None,
            table_tags_empty: Duration::from_secs(1),
            table_updating: Span::seconds(1, 3),
            table_deleting: Span::seconds(5, 10),
            table_tags_locked: None,
            index_filling: None,
            function_pending: None,
            function_updating: Span::seconds(1, 4),
            function_deleting: Span::millis(500, 1000),
            function_endings: FunctionEndings::default(),
            stale_attributes: None,
            queue_name_refused: None,
            queue_told: Span::seconds(2, 8),
            api_conflicts: false,
            permissions_lost: false,
        }
    }

    /// All of it at once, as it is seen in us-east-1 by who may do everything. Attributes of queues and topics, which AWS
    /// lets be stale for a minute, are so for some seconds, and so is the filling of an index, which takes minutes.
    pub fn aws(seed: u64) -> Self {
        Self {
            latency: Some(Span::millis(50, 250)),
            limits: throttle::published(),
            faults: Faults {
                internal: 0.005,
                unavailable: 0.005,
                reset: 0.005,
                lost: 0.005,
                first_changes_lost: false,
            },
            role_unassumable: Some(Span::seconds(5, 12)),
            permissions_unseen: Some(Span::seconds(1, 3)),
            role_unknown_to_sns: Some(Span::seconds(5, 12)),
            identities_unknown: Some(Span::seconds(1, 8)),
            keys_unknown: Some(Span::seconds(1, 4)),
            messaging_unknown: Some(Span::millis(200, 1000)),
            key_creating: Some(Span::seconds(1, 5)),
            key_enabling: Some(Span::seconds(1, 4)),
            table_creating: Some(Span::seconds(8, 12)),
            table_tags_locked: Some(Span::millis(1500, 3400)),
            index_filling: Some(Span::seconds(5, 10)),
            function_pending: Some(Span::seconds(1, 4)),
            stale_attributes: Some(Span::seconds(1, 5)),
            queue_name_refused: Some(Duration::from_secs(60)),
            api_conflicts: true,
            permissions_lost: true,
            ..Self::calm(seed)
        }
    }

    fn effects(&self, dice: Dice) -> Vec<Box<dyn Effect>> {
        let mut effects: Vec<Box<dyn Effect>> = Vec::new();
        let newborn: [(Option<Span>, &'static [Kind]); 3] = [
            (self.identities_unknown, &[Kind::Role, Kind::Policy]),
            (self.keys_unknown, &[Kind::Key, Kind::Alias]),
            (self.messaging_unknown, &[Kind::Queue, Kind::Topic]),
        ];
        for (unknown, kinds) in newborn {
            if let Some(unknown) = unknown {
                effects.push(Box::new(Newborn::new(kinds, unknown, dice)));
            }
        }
        if [self.role_unassumable, self.permissions_unseen, self.role_unknown_to_sns]
            .iter()
            .any(Option::is_some)
        {
            effects.push(Box::new(Roles::new(self, dice)));
        }
        if self.key_creating.is_some() || self.key_enabling.is_some() {
            let never = Span::seconds(0, 0);
            let (creating, enabling) = (self.key_creating.unwrap_or(never), self.key_enabling.unwrap_or(never));
            effects.push(Box::new(Keys::new(creating, enabling, dice)));
        }
        if self.may_not_decrypt {
            effects.push(Box::new(Readers));
        }
        if let Some(creating) = self.table_creating {
            let backups = Span::seconds(0, 3);
            let tables = Tables::new(self, creating, backups, dice);
            effects.push(Box::new(tables));
        }
        if let Some(locked) = self.table_tags_locked {
            effects.push(Box::new(TableTags::new(locked, dice)));
        }
        if let Some(filling) = self.index_filling {
            effects.push(Box::new(Indexes::new(filling, dice)));
        }
        // Before what says that it is not yet decided.
        if self.function_endings != FunctionEndings::default() {
            effects.push(Box::new(Endings::new(self.function_endings)));
        }
        if let Some(pending) = self.function_pending {
            let functions = Functions::new(pending, self.function_updating, self.function_deleting, dice);
            effects.push(Box::new(functions));
        }
        if let Some(stale) = self.stale_attributes {
            effects.push(Box::new(Attributes::new(stale, dice)));
        }
        if let Some(refused) = self.queue_name_refused {
            effects.push(Box::new(Queues::new(refused, self.queue_told, dice)));
        }
        effects
    }
}

/// Which way a call fails by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Internal { taking_effect: bool },
    Unavailable { by_balancer: bool },
    Reset,
    Lost,
}

/// What awaits a call that has just come.
pub(super) struct Fate {
    pub(super) latency: Duration,
    pub(super) fault: Option<Fault>,
    /// Answered at once by this effect.
    pub(super) answer: Option<(&'static str, Answer)>,
}

/// The weather, and what it remembers.
pub(super) struct Sky {
    weather: Weather,
    dice: Dice,
    buckets: Buckets,
    effects: Vec<Box<dyn Effect>>,
    /// How many calls of an operation came.
    ordinals: HashMap<String, u64>,
}

impl Sky {
    pub(super) fn new(weather: Weather) -> Self {
        let dice = Dice(weather.seed);
        Self {
            dice,
            buckets: Buckets::new(&weather.limits, Instant::now()),
            effects: weather.effects(dice),
            ordinals: HashMap::new(),
            weather,
        }
    }

    /// A call comes.
    pub(super) fn meet(&mut self, call: &Call, beside: Beside, now: Instant) -> Fate {
        let name = format!("{}:{}", call.service, call.operation);
        let ordinal = self.ordinals.entry(name.clone()).or_default();
        *ordinal += 1;
        let ordinal = *ordinal;
        let latency = self.weather.latency;
        let latency = latency.map(|span| self.dice.within(span, &format!("latency of {name}"), ordinal));
        Fate {
            latency: latency.unwrap_or_default(),
            fault: self.fault(call, &name, ordinal),
            answer: self.at_once(call, beside, now),
        }
    }

    /// What is answered at the door, before the call reaches the service.
    fn at_once(&mut self, call: &Call, beside: Beside, now: Instant) -> Option<(&'static str, Answer)> {
        if !self.buckets.admit(call, now) {
            return Some((throttle::NAME, Refusal::throttled(call).answer(call)));
        }
        let weather = &self.weather;
        let conflict = || at_once::conflict(call, beside.changes).map(|answer| ("concurrent changes", answer));
        let lost = || at_once::lost_permission(call, beside.changes).map(|answer| ("permission lost", answer));
        let conflict = weather.api_conflicts.then(conflict).flatten();
        conflict.or_else(|| weather.permissions_lost.then(lost).flatten())
    }

    fn fault(&self, call: &Call, name: &str, ordinal: u64) -> Option<Fault> {
        let Faults {
            internal,
            unavailable,
            reset,
            lost,
            first_changes_lost,
        } = self.weather.faults;
        if first_changes_lost && ordinal == 1 && call.changes() {
            return Some(Fault::Lost);
        }
        let coin = self.dice.share(&format!("coin of {name}"), ordinal) < 0.5;
        let faults = [
            (internal, Fault::Internal { taking_effect: coin }),
            (unavailable, Fault::Unavailable { by_balancer: coin }),
            (reset, Fault::Reset),
            (lost, Fault::Lost),
        ];
        let mut share = self.dice.share(&format!("fault of {name}"), ordinal);
        for (part, fault) in faults {
            if share < part {
                return Some(fault);
            }
            share -= part;
        }
        None
    }

    /// What is answered instead of doing it.
    pub(super) fn instead(&mut self, call: &Call, now: Instant) -> Option<(&'static str, Answer)> {
        let mut effects = self.effects.iter_mut();
        effects.find_map(|effect| effect.instead(call, now).map(|answer| (effect.name(), answer)))
    }

    /// Sees what AWS did, and changes what the caller sees of it.
    pub(super) fn answered(&mut self, call: &Call, answer: &mut Answer, now: Instant) {
        for effect in &mut self.effects {
            effect.answered(call, answer, now);
        }
    }
}
