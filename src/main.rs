//! The command `fraudctl`.

use std::process::ExitCode;

fn main() -> ExitCode {
    fraudctl::cli::main()
}
