//! The types of values (SPEC section 1): how many blocks of two bits, and how they are read.

use std::fmt;

/// Widths beside `bool`: the even ones that tfhe-rs has types for, up to 64 bits.
const WIDTHS: [u32; 10] = [2, 4, 6, 8, 10, 12, 14, 16, 32, 64];

/// `bool`, `u2`…`u64` or `i2`…`i64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueType {
    Bool,
    Unsigned(u32),
    Signed(u32),
}

impl ValueType {
    /// The type of that name.
    pub fn parse(name: &str) -> Option<Self> {
        if name == "bool" {
            return Some(Self::Bool);
        }
        let width = |digits: &str| WIDTHS.into_iter().find(|width| width.to_string() == digits);
        match name.split_at_checked(1)? {
            ("u", digits) => width(digits).map(Self::Unsigned),
            ("i", digits) => width(digits).map(Self::Signed),
            _ => None,
        }
    }

    /// How many blocks a value has.
    pub fn blocks(self) -> usize {
        match self {
            Self::Bool => 1,
            Self::Unsigned(width) | Self::Signed(width) => width as usize / 2,
        }
    }

    /// The largest value of a block.
    pub fn block_max(self) -> u8 {
        if self == Self::Bool { 1 } else { 3 }
    }

    /// The type with that many blocks, where there is one.
    pub fn of_blocks(signed: bool, blocks: usize) -> Option<Self> {
        let width = WIDTHS.into_iter().find(|width| *width as usize == 2 * blocks)?;
        Some(if signed { Self::Signed(width) } else { Self::Unsigned(width) })
    }

    /// A clear value of this type from its decimal spelling (`true` and `false` for `bool`), as two's complement bits.
    pub fn parse_clear(self, text: &str) -> Option<u64> {
        match self {
            Self::Bool => {
                [("false", 0), ("true", 1)].into_iter().find_map(|(name, bits)| (name == text).then_some(bits))
            }
            Self::Unsigned(width) => {
                let value = text.parse::<u64>().ok().filter(|value| value.to_string() == text)?;
                (width == 64 || value >> width == 0).then_some(value)
            }
            Self::Signed(width) => {
                let value = text.parse::<i64>().ok().filter(|value| value.to_string() == text)?;
                let limit = i128::from(1u64 << (width - 1));
                (-limit..limit).contains(&i128::from(value)).then(|| value as u64 & (u64::MAX >> (64 - width)))
            }
        }
    }

    /// The decimal spelling of two's complement bits.
    pub fn clear_text(self, bits: u64) -> String {
        match self {
            Self::Bool => (bits != 0).to_string(),
            Self::Unsigned(_) => bits.to_string(),
            Self::Signed(width) => (((bits << (64 - width)) as i64) >> (64 - width)).to_string(),
        }
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => write!(out, "bool"),
            Self::Unsigned(width) => write!(out, "u{width}"),
            Self::Signed(width) => write!(out, "i{width}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_one_spelling() {
        for name in ["bool", "u2", "u14", "u64", "i8", "i64"] {
            assert_eq!(ValueType::parse(name).map(|kind| kind.to_string()).as_deref(), Some(name));
        }
        for name in ["", "u", "u3", "u08", "u+8", "u128", "U8", "ué", "é8", "f32", "bool "] {
            assert_eq!(ValueType::parse(name), None, "{name}");
        }
    }

    #[test]
    fn clear_values_keep_to_their_range() {
        let i8 = ValueType::Signed(8);
        assert_eq!(i8.parse_clear("-128"), Some(128));
        assert_eq!(i8.clear_text(128), "-128");
        for text in ["128", "-129", "+1", "01", "", "true", "-0"] {
            assert_eq!(i8.parse_clear(text), None, "{text}");
        }
        assert_eq!(ValueType::Unsigned(64).parse_clear("18446744073709551615"), Some(u64::MAX));
        assert_eq!(ValueType::Unsigned(2).parse_clear("4"), None);
        assert_eq!(ValueType::Bool.parse_clear("1"), None);
        assert_eq!(ValueType::Signed(64).parse_clear("-9223372036854775808"), Some(1 << 63));
    }
}
