//! Notices readers of the log that stand still, whatever holds them up, and says so: in a gauge at
//! once, on the probe when it has lasted too long to be work.

use std::collections::BTreeMap;
use std::time::Duration;

use rollcall_api::Check;
use rollcall_log::{Age, Readers};
use tokio::sync::watch;

/// How often they are looked at.
const EVERY: Duration = Duration::from_secs(5);

/// Who has not looked for longer stands still. What is read at once may take minutes: 256 look-ups
/// at one a second.
const STANDS_AFTER: Duration = Duration::from_secs(300);

/// Watches `readers` until `stop` shows true.
pub(crate) async fn watch(readers: Readers, check: Check, mut stop: watch::Receiver<bool>) {
    // Those that are gone are told as well.
    let mut oldest: BTreeMap<&'static str, Duration> = BTreeMap::new();
    loop {
        let ages = readers.ages();
        oldest.values_mut().for_each(|age| *age = Duration::ZERO);
        for Age { reader, age, .. } in &ages {
            let oldest = oldest.entry(reader).or_default();
            *oldest = age.max(oldest).to_owned();
        }
        for (reader, age) in &oldest {
            rollcall_log::metrics::age(reader, *age);
        }
        match standing(&ages) {
            Some(reason) => check.stalled(reason),
            None => check.ready(),
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = stop.wait_for(|is_stopping| *is_stopping) => return,
        }
    }
}

/// Who stands still, if anybody does.
fn standing(ages: &[Age]) -> Option<String> {
    let standing = ages.iter().filter(|one| one.age >= STANDS_AFTER);
    let told = standing.map(
        |Age {
             reader,
             partition,
             age,
         }| {
            let seconds = age.as_secs();
            match partition {
                Some(partition) => {
                    format!("{reader} has not looked at partition {partition} for {seconds} s")
                }
                None => format!("{reader} has not looked at the log for {seconds} s"),
            }
        },
    );
    let told: Vec<_> = told.collect();
    (!told.is_empty()).then(|| told.join("; "))
}

#[cfg(test)]
mod tests;
