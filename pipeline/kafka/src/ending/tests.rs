//! The end bounds every wait, and never moves away.

use super::*;

#[test]
fn the_end_bounds_every_wait() {
    let ending = Ending::default();
    let hour = Duration::from_secs(3_600);
    let far = Instant::now() + hour;
    assert_eq!(ending.or(far), far);
    assert_eq!(ending.within(hour), hour);
    assert!(!ending.is_over());
    let end = far - hour / 2;
    assert_eq!(ending.by(end), end);
    assert_eq!(ending.by(far), end, "the sooner one counts");
    assert_eq!(ending.or(far), end);
    assert!(ending.within(2 * hour) <= hour / 2);
    let near = Instant::now();
    assert_eq!(ending.or(near), near);
    assert!(!ending.is_over());
    assert_eq!(ending.by(near), near);
    assert!(ending.is_over());
    assert_eq!(ending.within(hour), Duration::ZERO);
}
