//! What is done at each point, per kind of fault, and what must hold afterwards.

use crate::stage::Stage;
use crate::support::{Call, Side};

/// A kind of fault that is tried at many points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Series {
    /// `up` is killed; the next `up` finishes.
    Up(Side),
    /// `up` is killed; `down` takes everything away.
    UpThenDown(Side),
    /// An `up` that updates and replaces is killed; the next `up` finishes.
    Update(Side),
    /// An `up` that updates and replaces is killed; `down` takes everything away.
    UpdateThenDown(Side),
    /// `down` is killed; the next `down` finishes.
    Down(Side),
    /// `down` is killed; the next `up` makes everything again.
    DownThenUp(Side),
    /// A call of `up` gets no reply; the same `up` finishes.
    Unanswered(Side),
    /// `up` is killed while its state is in a bucket; the next `up` finishes.
    SharedUp(Side),
    /// `down` is killed while its state is in a bucket; the next `down` finishes.
    SharedDown(Side),
    /// `up` is killed as it enters this system call, of which every write of the state makes one or two.
    StateWrite(&'static str),
    /// The same of `down`; the next `down` finishes.
    StateWriteOfDown(&'static str),
}

/// Where within a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// What is done there.
    pub series: Series,
    /// At the how manieth call, from 1.
    pub at: usize,
}

/// One of the two sets of settings that differ in every kind of resource: in the tags of all, and in what makes updates
/// and replacements.
const SETTINGS: [&str; 2] = [
    "requests_per_day = 1000\nalert_email = \"one@fintech.io\"\n[tags]\nTeam = \"one\"\n",
    "requests_per_day = 2000\nalert_email = \"two@fintech.io\"\nfraud_threshold = 0.9\n[tags]\nTeam = \"two\"\n\
     [processor]\nmemory_mb = 1024\n",
];

/// So many writes of the state by one thread are to be expected of every `up` and `down`.
const WRITES: usize = 20;

const UP: [&str; 3] = ["up", "--yes", "--json"];
const DOWN: [&str; 3] = ["down", "--yes", "--json"];

/// What is needed to write a state file: it is kept as the one before it, written beside it, made durable, and renamed.
pub const STEPS_OF_A_WRITE: [&str; 4] = ["linkat", "rename", "fsync", "unlink"];

impl Series {
    /// All of them, in the order of the table.
    pub fn all() -> Vec<Self> {
        let sides = [Side::Before, Side::After];
        let by_call = [
            Self::Up,
            Self::UpThenDown,
            Self::Update,
            Self::Down,
            Self::UpdateThenDown,
            Self::DownThenUp,
            Self::Unanswered,
            Self::SharedUp,
            Self::SharedDown,
        ];
        let calls = by_call.iter().flat_map(|series| sides.map(series));
        let writes = STEPS_OF_A_WRITE.map(Self::StateWrite).into_iter();
        let writes = writes.chain(STEPS_OF_A_WRITE.map(Self::StateWriteOfDown));
        calls.chain(writes).collect()
    }

    /// As the table tells it.
    pub fn title(self) -> String {
        let (what, side) = match self {
            Self::Up(side) => ("`up` killed %, then `up`", side),
            Self::UpThenDown(side) => ("`up` killed %, then `down`", side),
            Self::Update(side) => ("an updating and replacing `up` killed %, then `up`", side),
            Self::UpdateThenDown(side) => ("an updating and replacing `up` killed %, then `down`", side),
            Self::Down(side) => ("`down` killed %, then `down`", side),
            Self::DownThenUp(side) => ("`down` killed %, then `up`", side),
            Self::Unanswered(side) => ("`up` gets no reply to a call, %", side),
            Self::SharedUp(side) => ("with the state in a bucket, `up` killed %, then `up`", side),
            Self::SharedDown(side) => ("with the state in a bucket, `down` killed %, then `down`", side),
            Self::StateWrite(step) => return format!("`up` killed in a state write, before its `{step}`, then `up`"),
            Self::StateWriteOfDown(step) => {
                return format!("`down` killed in a state write, before its `{step}`, then `down`");
            }
        };
        let side = match side {
            Side::Before => "before a call",
            Side::After => "after a call took effect",
        };
        let side = if matches!(self, Self::Unanswered(_)) {
            side.replace("before a call", "which AWS never saw")
                .replace("after a call took effect", "which took effect")
        } else {
            side.to_owned()
        };
        what.replace('%', &side)
    }

    /// Is it about a state in a bucket?
    pub fn is_shared(self) -> bool {
        matches!(self, Self::SharedUp(_) | Self::SharedDown(_))
    }

    /// Does it begin with something that stands? Otherwise with nothing.
    pub fn is_about_standing(self) -> bool {
        match self {
            Self::Update(_)
            | Self::UpdateThenDown(_)
            | Self::Down(_)
            | Self::DownThenUp(_)
            | Self::SharedDown(_)
            | Self::StateWriteOfDown(_) => true,
            Self::Up(_) | Self::UpThenDown(_) | Self::Unanswered(_) | Self::SharedUp(_) | Self::StateWrite(_) => false,
        }
    }

    /// How many points there are, and the calls of an undisturbed run where points are calls.
    pub fn extent(self, stage: &mut Stage) -> (usize, Vec<Call>) {
        let calls = match self {
            Self::Up(_) | Self::UpThenDown(_) | Self::Unanswered(_) | Self::SharedUp(_) | Self::StateWrite(_) => {
                begin(stage);
                let calls = stage.calls_of(&UP);
                stage.learn();
                stage.emptied();
                calls
            }
            Self::Update(_) | Self::UpdateThenDown(_) => {
                standing(stage);
                differ(stage);
                stage.calls_of(&UP)
            }
            Self::Down(_) | Self::DownThenUp(_) | Self::SharedDown(_) | Self::StateWriteOfDown(_) => {
                standing(stage);
                let calls = stage.calls_of(&DOWN);
                stage.assert_empty();
                calls
            }
        };
        match self {
            // Far fewer than are written. Counted by thread, of which several may write.
            Self::StateWrite(_) | Self::StateWriteOfDown(_) => (WRITES, Vec::new()),
            _ => (calls.len(), calls),
        }
    }

    /// Tries one point, and asserts what must hold. What it was killed at, where the run lived to come there. What
    /// stands then is there for the next point: some of those begin with taking it away.
    #[track_caller]
    pub fn run(self, stage: &mut Stage, at: usize) -> Option<String> {
        let told = |call: Option<Call>| call.map(|call| format!("{} {}", call.service, call.operation));
        match self {
            Self::Up(side) | Self::SharedUp(side) => {
                learnt(stage);
                let call = stage.killed(&UP, at, side);
                stage.mended();
                told(call)
            }
            Self::UpThenDown(side) => {
                begin(stage);
                let call = stage.killed(&UP, at, side);
                stage.emptied();
                told(call)
            }
            Self::Update(side) => {
                standing(stage);
                differ(stage);
                if !stage.knows() {
                    stage.done(&UP);
                    stage.learn();
                    differ(stage);
                }
                let call = stage.killed(&UP, at, side);
                stage.mended();
                told(call)
            }
            Self::UpdateThenDown(side) => {
                standing(stage);
                differ(stage);
                let call = stage.killed(&UP, at, side);
                stage.emptied();
                told(call)
            }
            Self::Down(side) | Self::SharedDown(side) => {
                standing(stage);
                let call = stage.killed(&DOWN, at, side);
                stage.emptied();
                told(call)
            }
            Self::DownThenUp(side) => {
                standing(stage);
                let call = stage.killed(&DOWN, at, side);
                stage.mended();
                told(call)
            }
            Self::Unanswered(side) => {
                learnt(stage);
                let call = stage.unanswered(&UP, at, side);
                stage.assert_whole();
                told(call)
            }
            Self::StateWrite(step) => {
                learnt(stage);
                let killed = stage.killed_in(&UP, step, at);
                stage.mended();
                killed.then(|| step.to_owned())
            }
            Self::StateWriteOfDown(step) => {
                standing(stage);
                let killed = stage.killed_in(&DOWN, step, at);
                stage.emptied();
                killed.then(|| step.to_owned())
            }
        }
    }
}

/// The account is empty, and the first settings hold.
fn begin(stage: &mut Stage) {
    if stage.remembers() {
        stage.emptied();
    }
    stage.settings(SETTINGS[0]);
}

/// Something stands, and it is known what it looks like when it is whole.
fn standing(stage: &mut Stage) {
    if !stage.remembers() {
        stage.settings(SETTINGS[0]);
        stage.done(&UP);
        stage.learn();
    }
}

/// It is known what a whole system looks like; nothing stands.
fn learnt(stage: &mut Stage) {
    begin(stage);
    if !stage.knows() {
        stage.done(&UP);
        stage.learn();
        stage.emptied();
    }
}

/// What is wanted is not what stands.
fn differ(stage: &mut Stage) {
    let other = SETTINGS.into_iter().find(|settings| *settings != stage.current());
    stage.settings(other.expect("there are two"));
    stage.disturb();
}
