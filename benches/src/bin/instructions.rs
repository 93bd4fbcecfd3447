//! Runs one unit for a number of events, for valgrind to count: `make bench-instructions`.
//!
//! `instructions UNIT CLIENTS EVENTS PASSES` makes the unit for CLIENTS clients and ready for
//! EVENTS events, and runs them PASSES times, 0 or 1: the difference of the two is the unit.
//! Without arguments it lists the units.

use std::process::ExitCode;

use rollcall_benches::units::{self, Sizes};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, numbers @ ..] = arguments.as_slice() else {
        for unit in units::all() {
            println!("{} {} {}", unit.name, unit.events, unit.what);
        }
        return ExitCode::SUCCESS;
    };
    let numbers: Vec<usize> = numbers
        .iter()
        .filter_map(|text| text.parse().ok())
        .collect();
    let (Some(unit), [clients, events, passes]) = (
        units::all().find(|unit| unit.name == name),
        numbers.as_slice(),
    ) else {
        eprintln!(
            "usage: instructions [UNIT CLIENTS EVENTS PASSES]; without arguments it lists units"
        );
        return ExitCode::FAILURE;
    };
    let sizes = Sizes {
        clients: *clients,
        ring: *clients,
    };
    let mut made = (unit.make)(&sizes);
    made.prepare(*events);
    for _ in 0..*passes {
        made.run(*events);
    }
    ExitCode::SUCCESS
}
