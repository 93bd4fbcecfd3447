//! When and where a record was received: what the order of two records is told by.

use crate::time::Millis;

/// The receipt of a record by a bridge.
///
/// A bridge counts what it receives, so two of its records are in the order of their numbers,
/// however long either waited for the log. Between bridges, and for producers that do not count,
/// only clocks are left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// By the bridge's clock, at most the append time.
    pub at: Millis,
    /// xxh3-64 of the bridge's name; 0 = no bridge.
    pub bridge: u64,
    /// The bridge's count; 0 = it does not count.
    pub order: i64,
}

impl Received {
    /// A receipt of which only the time is known.
    pub fn at(at: Millis) -> Self {
        Self {
            at,
            bridge: 0,
            order: 0,
        }
    }

    /// Whether both were counted by the same bridge, so that their order is known for certain.
    pub fn is_counted_with(&self, other: &Received) -> bool {
        let is_counted = self.order > 0 && other.order > 0;
        is_counted && self.bridge != 0 && self.bridge == other.bridge
    }

    /// Whether it came before `other`. Clocks of two machines must differ by more than
    /// `allowance_ms` to be believed; equal times are no "before".
    pub fn is_before(&self, other: &Received, allowance_ms: i64) -> bool {
        if self.is_counted_with(other) {
            return self.order < other.order;
        }
        other.at - self.at > allowance_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(at: i64, bridge: u64, order: i64) -> Received {
        Received {
            at: Millis(at),
            bridge,
            order,
        }
    }

    #[test]
    fn one_bridge_counts_whatever_its_clock_says() {
        let (first, second) = (counted(500, 7, 10), counted(100, 7, 11));
        assert!(first.is_before(&second, 0));
        assert!(!second.is_before(&first, 0));
        assert!(!first.is_before(&first, 0));
    }

    #[test]
    fn two_bridges_are_told_apart_by_their_clocks() {
        let (first, second) = (counted(100, 7, 99), counted(130, 8, 1));
        assert!(first.is_before(&second, 29));
        assert!(!first.is_before(&second, 30));
        assert!(!second.is_before(&first, 0));
        assert!(!counted(100, 7, 1).is_before(&counted(100, 8, 2), 0));
    }

    #[test]
    fn who_does_not_count_has_only_a_clock() {
        for (bridge, order) in [(7, 0), (0, 5)] {
            let (first, second) = (counted(100, bridge, order), counted(99, bridge, 9));
            assert!(!first.is_before(&second, 0));
            assert!(second.is_before(&first, 0));
        }
    }
}
