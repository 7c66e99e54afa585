//! Kills fraudctl everywhere and counts what survives.
//!
//! ```sh
//! cargo test --test reliability                               # a fixed part of the points: a minute or two
//! cargo test --release --test reliability -- --all --write    # every point, and the table in docs/reliability.md
//! ```
//!
//! `--seed N` chooses other points where not all are tried; `--series WORD` tries only the kinds of fault whose name has
//! the word in it; `--workers N` tries so many points at once; `--minutes N` begins no point after so many minutes, and
//! leaves out some of every kind.

mod series;
mod stage;
#[path = "../support/mod.rs"]
mod support;
mod table;

use std::collections::{BTreeMap, VecDeque};
use std::env;
use std::panic::{self, AssertUnwindSafe};
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use series::{Point, Series};
use stage::{Found, Stage};
use support::{Emulator, MiniStack};
use table::{Row, Table};

/// The points of each kind of fault that continuous integration tries.
const PART: usize = 3;
/// Two runs do not make the same calls: one may wait where the other need not. So many points are tried beyond those of
/// the run that was counted.
const BEYOND: usize = 8;

/// Of so many points one is told to whoever waits.
const REPORTED: usize = 200;

/// In so many rounds all points of a kind are tried.
const ROUNDS: usize = 12;

struct Options {
    all: bool,
    seed: u64,
    series: String,
    workers: usize,
    minutes: Option<u64>,
    write: bool,
}

/// What came of one point.
struct Tried {
    point: Point,
    /// What it was ended at; nothing where the run was over before.
    at: Option<String>,
    /// What did not hold.
    lost: Option<String>,
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(Some(options)) => options,
        // The test harness was asked for a test of another name.
        Ok(None) => return ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    };
    if let Err(why) = Command::new("strace").arg("--version").stdout(Stdio::null()).status() {
        eprintln!(
            "strace, which ends fraudctl in the middle of a write, cannot be run ({why}): apt-get install strace"
        );
        return ExitCode::FAILURE;
    }
    let begun = Instant::now();
    let table = measure(&options);
    print!("{}", table.text());
    println!("in {} s with {} workers", begun.elapsed().as_secs(), options.workers);
    if options.write {
        table.write();
    }
    if table.holds() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn options() -> Result<Option<Options>, String> {
    let mut options = Options {
        all: false,
        seed: 1,
        series: String::new(),
        workers: 3,
        minutes: None,
        write: false,
    };
    let mut words = env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        let number = |text: String| text.parse().map_err(|_| format!("{text:?} is no number"));
        match word.as_str() {
            "--all" => options.all = true,
            "--write" => options.write = true,
            "--seed" => options.seed = number(value()?)?,
            "--minutes" => options.minutes = Some(number(value()?)?),
            "--series" => options.series = value()?,
            "--workers" => options.workers = usize::try_from(number(value()?)?).unwrap_or(1).max(1),
            // What the standard harness is told is of no matter here, but for the name of a test.
            other if other.starts_with('-') => {}
            other if "reliability".contains(other) => {}
            _ => return Ok(None),
        }
    }
    if options.write && !(options.all && options.series.is_empty()) {
        return Err("--write needs --all, and no --series: the table is about everything".to_owned());
    }
    Ok(Some(options))
}

/// Tries the points that the options ask for.
fn measure(options: &Options) -> Table {
    let until = options
        .minutes
        .map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    let wanted: Vec<Series> = Series::all()
        .into_iter()
        .filter(|series| series.title().contains(&options.series))
        .collect();
    let emulators: Vec<Emulator> = (0..options.workers)
        .map(|_| Emulator::ministack(MiniStack::default()))
        .collect();
    let found = Arc::<Found>::default();
    let mut rows = BTreeMap::new();
    let mut points = Vec::new();
    // One kind's calls are like another's on the other side.
    let mut stage = Stage::new(&emulators[0], &found, false);
    for series in &wanted {
        if series.is_shared() != stage.is_shared() {
            stage = Stage::new(&emulators[0], &found, series.is_shared());
        }
        let (extent, calls) = series.extent(&mut stage);
        let operations = calls
            .iter()
            .map(|call| format!("{} {}", call.service, call.operation))
            .collect();
        let chosen = chosen(options, *series, extent);
        println!("{}: {} of {extent} points", series.title(), chosen.len());
        let chosen = chosen.into_iter().enumerate();
        points.extend(chosen.map(|(index, at)| (index % ROUNDS, Point { series: *series, at })));
        rows.insert(*series, Row::new(*series, extent, operations));
    }
    drop(stage);
    let count = points.len();
    // Some of every kind after the other, so that whatever time there is, it is for all.
    points.sort_by_key(|(round, _)| *round);
    let queue = Mutex::new(VecDeque::from(points));
    let tried = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for emulator in &emulators {
            scope.spawn(|| work(emulator, &found, &queue, &tried, until));
        }
    });
    for tried in tried.into_inner().unwrap_or_else(PoisonError::into_inner) {
        let row = rows.get_mut(&tried.point.series).expect("a row for each kind");
        row.count(tried);
    }
    Table {
        rows: rows.into_values().collect(),
        seed: options.seed,
        all: options.all,
        chosen: count,
        found,
    }
}

/// All points, or some of them, spread over the run: one, chosen by the seed, of each stretch of it.
fn chosen(options: &Options, series: Series, extent: usize) -> Vec<usize> {
    let last = if options.all { extent + BEYOND } else { extent };
    let count = if options.all { last } else { PART };
    let mut random = fastrand::Rng::with_seed(options.seed ^ fnv(&series.title()));
    let mut within = |part: usize| {
        let (from, to) = (last * part / count, last * (part + 1) / count);
        1 + random.usize(from..to.max(from + 1))
    };
    (0..count).map(&mut within).collect()
}

/// The FNV-1a hash: a number that is the same in every build, to give each kind points of its own.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn work(
    emulator: &Emulator,
    found: &Arc<Found>,
    queue: &Mutex<VecDeque<(usize, Point)>>,
    tried: &Mutex<Vec<Tried>>,
    until: Option<Instant>,
) {
    let fresh = |shared| Stage::new(emulator, found, shared);
    let mut stages = [fresh(false), fresh(true)];
    while until.is_none_or(|until| Instant::now() < until) {
        let standing = stages.each_ref().map(Stage::remembers);
        let Some(point) = next(&mut lock(queue), standing) else {
            return;
        };
        let stage = &mut stages[usize::from(point.series.is_shared())];
        stage.count();
        let result = panic::catch_unwind(AssertUnwindSafe(|| point.series.run(stage, point.at)));
        let (at, lost) = match result {
            Ok(at) => (at, None),
            Err(why) => (None, Some(said(&*why))),
        };
        if let Some(why) = &lost {
            // At once, for whoever waits for an hour.
            println!("LOST: {}, point {}: {why}", point.series.title(), point.at);
        }
        // What is left of a failure must not be taken for the fault of the next point.
        if lost.is_some() || stage.is_worn() {
            *stage = fresh(point.series.is_shared());
        }
        let mut tried = lock(tried);
        tried.push(Tried { point, at, lost });
        if tried.len().is_multiple_of(REPORTED) {
            println!("{} points done, {} to go", tried.len(), lock(queue).len());
        }
    }
}

/// Of the round that is under way, a point that begins with what is there: with nothing, or with something that stands,
/// which is told for the state in a folder and for the one in a bucket. If there is none, another.
fn next(queue: &mut VecDeque<(usize, Point)>, standing: [bool; 2]) -> Option<Point> {
    let (round, _) = *queue.front()?;
    let fits = |series: Series| standing[usize::from(series.is_shared())] == series.is_about_standing();
    let mut now = queue.iter().take_while(|(of, _)| *of == round);
    let index = now.position(|(_, point)| fits(point.series)).unwrap_or(0);
    queue.remove(index).map(|(_, point)| point)
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without words")
        .to_owned()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
