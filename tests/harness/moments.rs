//! Moments that are drawn: the same for the same seed.

/// The number in an environment variable; `otherwise` when it is not set.
///
/// # Panics
/// When it is set to something else.
pub fn number(variable: &str, otherwise: u64) -> u64 {
    let text = std::env::var(variable).ok();
    text.map_or(otherwise, |text| {
        let number = text.parse();
        number.unwrap_or_else(|_| panic!("{variable}={text:?}: give a number"))
    })
}

/// splitmix64 (Steele, Lea, Flood 2014), round by round.
pub fn draw(seed: u64, round: u64) -> u64 {
    let mut z = seed.wrapping_add((round + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
