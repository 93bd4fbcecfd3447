//! `rollcall-sim`: runs seeds.
fn main() {
    let get = |name: &str, default: u64| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let counts = std::sync::Arc::new(rollcall_simulator::faults::Counts::default());
    if let Ok(seed) = std::env::var("SEED") {
        match rollcall_simulator::run::run(seed.parse().unwrap_or(0), &counts, true) {
            Ok(()) => println!("ok"),
            Err(f) => println!("{f}"),
        }
        return;
    }
    let mut failed = 0;
    let begun = std::time::Instant::now();
    let (first, seeds) = (get("FIRST_SEED", 0), get("SEEDS", 100));
    for seed in first..first + seeds {
        if let Err(failure) = rollcall_simulator::run::run(seed, &counts, false) {
            println!("{failure}");
            failed += 1;
        }
    }
    println!("{failed} of {seeds} failed, {:?}", begun.elapsed());
    for fault in rollcall_simulator::faults::Fault::ALL {
        println!("{:28} {}", fault.as_str(), counts.of(fault));
    }
}
