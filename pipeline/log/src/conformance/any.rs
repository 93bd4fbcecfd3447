//! Scripts for any log: on one node, or spread over several. They ask nothing about the numbers of
//! offsets but their order, bring their own time, and clean nothing.

mod append;
mod read;

use rollcall_model::Topic;

use super::{Fixture, Open, Setup, Subject, keyed, plain};
use crate::{Append, Position};

/// A log of which no more is known.
type Any = Fixture<dyn Subject>;

/// Runs the scripts that every log passes, each on a log from one call of `make`. One that has a
/// clock and rules of cleaning of its own takes no more than the partitions from the setup.
///
/// # Panics
/// When an answer is not the expected one.
pub fn check_any(mut make: impl FnMut(Setup) -> Box<dyn Subject>) {
    let scripts: [fn(Any); 16] = [
        append::an_empty_log_has_nothing,
        append::keys_choose_the_partition,
        append::records_come_back_as_written,
        append::an_append_spans_topics_and_positions,
        append::a_refused_append_leaves_nothing,
        append::positions_are_told_apart,
        append::calls_keep_their_order,
        append::concurrent_appends_stay_whole,
        append::a_closed_log_refuses,
        read::limits_bound_a_read,
        read::the_first_record_always_fits,
        read::reading_at_the_end_is_empty,
        read::reads_of_pages_give_every_record,
        read::readers_of_one_partition_do_not_disturb_each_other,
        read::whoever_follows_is_woken,
        read::a_settled_end_is_whole,
    ];
    for script in scripts {
        let setup = Setup::usual();
        script(Fixture::new(make(setup.clone()), setup));
    }
}

/// Runs the script of any durable log. `open` opens the same log each time; what it gave before has
/// been dropped by then.
///
/// # Panics
/// When an answer is not the expected one.
pub fn check_any_reopen(mut open: impl FnMut(Setup) -> Box<dyn Subject>) {
    let setup = Setup::usual();
    let fixture = Fixture::new(open(setup.clone()), setup);
    everything_is_still_there(fixture, &mut open);
}

fn everything_is_still_there(fixture: Any, open: &mut Open<'_, dyn Subject>) {
    let position = Position {
        group: "p".into(),
        topic: Topic::Status,
        partition: 2,
        next: 42,
    };
    let records = vec![
        keyed(Topic::Connections, "a", "1"),
        plain(Topic::Events, 1, "e"),
    ];
    let offsets = fixture.try_append(Append {
        records,
        positions: vec![position],
    });
    offsets.expect("the append is in order");
    let both = |fixture: &Any| {
        let rows = fixture.all(Topic::Connections, 0);
        (rows, fixture.all(Topic::Events, 1))
    };
    let before = both(&fixture);
    let fixture = fixture.reopen(open);
    assert_eq!(both(&fixture), before);
    assert_eq!(fixture.position("p", Topic::Status, 2), Some(42));
    let last = before.0[0].offset;
    assert!(fixture.append([keyed(Topic::Connections, "a", "2")])[0] > last);
    let fixture = fixture.reopen(open);
    assert_eq!(fixture.values(Topic::Connections, 0), ["1", "2"]);
    assert_eq!(fixture.all(Topic::Events, 0), []);
}
