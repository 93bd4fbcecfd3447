//! Structure in a row of bytes: a target takes flags and short parts off the front, and the rest is
//! its payload. Whatever is missing is zero or empty, so that every row of bytes means something.

/// What a target has not taken yet.
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next byte; 0 at the end.
    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    /// The next eight bytes as a number, little-endian.
    pub(crate) fn number(&mut self) -> i64 {
        i64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    /// The next part.
    ///
    /// Shape: length (2, little-endian) | bytes, as many as there are.
    pub(crate) fn part(&mut self) -> &'a [u8] {
        let length = u16::from_le_bytes([self.byte(), self.byte()]);
        let (part, rest) = self.0.split_at(usize::from(length).min(self.0.len()));
        self.0 = rest;
        part
    }

    /// The next part as text; what is not UTF-8 becomes U+FFFD.
    pub(crate) fn text(&mut self) -> String {
        String::from_utf8_lossy(self.part()).into_owned()
    }

    /// Everything else.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }
}
