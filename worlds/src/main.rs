//! Runs seeds of the simulation, or one seed with its log.

use std::process::ExitCode;
use std::time::Instant;

const USAGE: &str = "usage: worlds --seeds COUNT | --seed SEED";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["--seeds", count] => match count.parse() {
            Ok(count) => run_seeds(count),
            Err(error) => usage(&format!("{count:?}: {error}")),
        },
        ["--seed", seed] => match seed.parse() {
            Ok(seed) => run_one(seed, usize::MAX),
            Err(error) => usage(&format!("{seed:?}: {error}")),
        },
        _ => usage("which seeds?"),
    }
}

fn usage(what: &str) -> ExitCode {
    eprintln!("{what}\n{USAGE}");
    ExitCode::from(2)
}

fn run_seeds(count: u64) -> ExitCode {
    let began = Instant::now();
    match worlds::run_all(0, count) {
        Ok(totals) => {
            println!("{totals}\nin {:.1} s", began.elapsed().as_secs_f64());
            ExitCode::SUCCESS
        }
        Err(violation) => run_one(violation.seed, 200),
    }
}

/// Runs one seed. If it breaks a rule, prints the last `most` lines of its log, the rule, and the
/// command that repeats it.
fn run_one(seed: u64, most: usize) -> ExitCode {
    match worlds::run(seed, true) {
        Ok(totals) => {
            println!("{totals}");
            ExitCode::SUCCESS
        }
        Err(violation) => {
            let skipped = violation.log.len().saturating_sub(most);
            if skipped > 0 {
                println!("({skipped} lines before these)");
            }
            for line in violation.log.iter().skip(skipped) {
                println!("{line}");
            }
            println!(
                "\nseed {seed} broke a rule at {:.6} s: {}\nto repeat it: {}",
                violation.at.as_secs_f64(),
                violation.rule,
                worlds::command(seed)
            );
            ExitCode::FAILURE
        }
    }
}
