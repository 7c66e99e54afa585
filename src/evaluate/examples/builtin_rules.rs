//! Trains the built-in rules on the simulated transactions of three seeds, and prints them.
//!
//! `cargo run --release -p evaluate --example builtin_rules > functions/fraud/src/rules.json`
//!
//! The seeds are 1 to 3. The figures in the documents are measured on others.

use evaluate::{Size, TrainOptions, Trainer, simulate};
use fraud::Rules;

/// Seeds follow each other with a pause, in which all counters run out.
const PAUSE: u64 = 60 * 86_400;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = TrainOptions {
        version: Rules::builtin().version().to_owned(),
        ..TrainOptions::default()
    };
    let mut trainer = Trainer::new(options);
    let mut offset = 0;
    for seed in 1..=3 {
        let mut last = 0;
        for mut record in simulate(seed, &Size::default()) {
            record.user_id = format!("{seed}-{}", record.user_id);
            record.merchant = format!("{seed}-{}", record.merchant);
            record.timestamp += offset;
            record.labelled_at = record.labelled_at.map(|at| at + offset);
            last = record.timestamp;
            trainer.add(&record)?;
        }
        offset += u64::from(Size::default().days) * 86_400 + PAUSE;
        eprintln!("seed {seed} read, until {last}");
    }
    let trained = trainer.finish()?;
    eprintln!("{:#?}", trained.report);
    println!("{}", trained.rules.to_json());
    Ok(())
}
