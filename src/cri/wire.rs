//! Just enough of the protobuf wire format to read a few fields and replace one, leaving every other byte alone.
//!
//! A message that is decoded and encoded again by generated code loses the fields that the code does not know
//! (prost drops them). A newer kubelet's fields must reach the runtime, so requests are cut and joined, never
//! re-encoded. Source: <https://protobuf.dev/programming-guides/encoding/>.

use std::ops::Range;

/// The largest field number that protobuf allows.
const MAX_FIELD_NUMBER: u64 = (1 << 29) - 1;

/// A field of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field<'a> {
    /// The field's number.
    pub number: u64,
    /// Its content.
    pub value: Value<'a>,
    /// The bytes of the whole field, its key included, in the message.
    pub range: Range<usize>,
}

/// The content of a field, by wire type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// Wire type 2: a string, bytes or a message.
    Bytes(&'a [u8]),
    /// Wire types 0, 1 and 5: a number of some kind, which nobody here needs to read.
    Number,
}

impl<'a> Field<'a> {
    /// The content of a string, bytes or message field.
    ///
    /// # Errors
    /// When the field is a number: protobuf implementations differ in what they then do.
    pub fn bytes(&self) -> Result<&'a [u8], WireError> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            Value::Number => Err(WireError::WireType(self.number)),
        }
    }

    /// The content of a string field.
    ///
    /// # Errors
    /// When it is a number or not UTF-8.
    pub fn text(&self) -> Result<&'a str, WireError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| WireError::NotText(self.number))
    }
}

/// The fields of `message`, in order. Ends after the first error.
pub fn fields(message: &[u8]) -> Fields<'_> {
    Fields { message, position: 0 }
}

/// Iterator over the fields of a message.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    message: &'a [u8],
    position: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.position >= self.message.len() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.position = self.message.len();
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Result<Field<'a>, WireError> {
        let start = self.position;
        let key = self.varint()?;
        let number = key >> 3;
        if number == 0 || number > MAX_FIELD_NUMBER {
            return Err(WireError::FieldNumber);
        }
        let value = match key & 0b111 {
            0 => {
                self.varint()?;
                Value::Number
            }
            1 => {
                self.take(8)?;
                Value::Number
            }
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| WireError::Truncated)?;
                Value::Bytes(self.take(length)?)
            }
            5 => {
                self.take(4)?;
                Value::Number
            }
            // Groups (3 and 4) are not in proto3; 6 and 7 are nothing.
            _ => return Err(WireError::WireType(number)),
        };
        Ok(Field { number, value, range: start..self.position })
    }

    fn varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.message.get(self.position).ok_or(WireError::Truncated)?;
            self.position += 1;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(WireError::Varint)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let end = self.position.checked_add(length).ok_or(WireError::Truncated)?;
        let taken = self.message.get(self.position..end).ok_or(WireError::Truncated)?;
        self.position = end;
        Ok(taken)
    }
}

/// The fields of `message` with these numbers, each of which may stand in it once; others are read over.
///
/// # Errors
/// When the message is malformed, or repeats one of the fields.
pub fn singles<const N: usize>(
    message: &[u8],
    numbers: [u64; N],
) -> Result<[Option<Field<'_>>; N], WireError> {
    let mut found = [const { None }; N];
    for field in fields(message) {
        let field = field?;
        let number = field.number;
        let at = numbers.iter().position(|wanted| *wanted == number);
        if let Some(slot) = at.and_then(|at| found.get_mut(at)) {
            once(slot, field, number)?;
        }
    }
    Ok(found)
}

/// `message` with the field at `range` replaced by field `number` holding `content`.
///
/// # Errors
/// When `range` is not within the message.
pub fn splice(
    message: &[u8],
    range: &Range<usize>,
    number: u64,
    content: &[u8],
) -> Result<Vec<u8>, WireError> {
    let (Some(before), Some(after)) = (message.get(..range.start), message.get(range.end..)) else {
        return Err(WireError::Truncated);
    };
    let mut spliced = Vec::with_capacity(before.len() + content.len() + after.len() + 12);
    spliced.extend_from_slice(before);
    spliced.extend_from_slice(&header(number, content.len()));
    spliced.extend_from_slice(content);
    spliced.extend_from_slice(after);
    Ok(spliced)
}

/// What comes before the content of a string, bytes or message field: its key and the `length` of the content.
pub fn header(number: u64, length: usize) -> Vec<u8> {
    let mut header = Vec::with_capacity(12);
    put_varint(&mut header, (number << 3) | 2);
    put_varint(&mut header, length as u64);
    header
}

fn put_varint(output: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or(0);
        value >>= 7;
        if value == 0 {
            output.push(low);
            return;
        }
        output.push(low | 0x80);
    }
}

/// Keeps the one occurrence of a field that may stand only once.
///
/// Protobuf says that of several the last one wins, or that messages are merged; relying on two parsers to agree about
/// that is how a verified name and a pulled name come to differ.
///
/// # Errors
/// When there already is one.
pub fn once<T>(slot: &mut Option<T>, value: T, number: u64) -> Result<(), WireError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(WireError::Duplicate(number)),
    }
}

/// Why bytes are not the message they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A field that decides what is pulled is repeated.
    #[error("field {0} occurs more than once")]
    Duplicate(u64),
    /// A field number is zero or too large.
    #[error("invalid field number")]
    FieldNumber,
    /// A string is not UTF-8.
    #[error("field {0} is not UTF-8")]
    NotText(u64),
    /// The message ends inside a field.
    #[error("the message is truncated")]
    Truncated,
    /// A variable-length number does not end.
    #[error("invalid variable-length number (varint)")]
    Varint,
    /// A field has another wire type than its definition, or one that proto3 does not have.
    #[error("field {0} has an unexpected wire type")]
    WireType(u64),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_all_wire_types_and_refuses_the_rest() {
        let message = b"\x08\x96\x01\x11\0\0\0\0\0\0\0\0\x1a\x02hi\x25\0\0\0\0";
        let numbers: Vec<_> = fields(message).map(|field| field.unwrap().number).collect();
        assert_eq!(numbers, [1, 2, 3, 4]);
        for (message, error) in [
            (&b"\x0b"[..], WireError::WireType(1)),
            (b"\x0c", WireError::WireType(1)),
            (b"\x0e", WireError::WireType(1)),
            (b"\x02", WireError::FieldNumber),
            (b"\x0a\x05hi", WireError::Truncated),
            (b"\x0a", WireError::Truncated),
            (b"\x08\xff", WireError::Truncated),
            (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", WireError::Varint),
            (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", WireError::Truncated),
        ] {
            assert_eq!(fields(message).last(), Some(Err(error)), "{message:?}");
        }
    }

    #[test]
    fn splices_one_field_and_keeps_every_other_byte() {
        let message = b"\x12\x01a\x0a\x03old\xfa\x07\x01z";
        let old = fields(message).nth(1).unwrap().unwrap();
        assert_eq!(splice(message, &old.range, 1, b"newer").unwrap(), b"\x12\x01a\x0a\x05newer\xfa\x07\x01z");
    }

    proptest! {
        #[test]
        fn never_panics_and_never_reads_past_the_end(message in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut end = 0;
            for field in fields(&message).flatten() {
                prop_assert_eq!(field.range.start, end);
                end = field.range.end;
                prop_assert!(end <= message.len());
            }
        }

        #[test]
        fn a_spliced_length_reads_back(length in 0_usize..70_000) {
            let content = vec![7_u8; length];
            let spliced = splice(b"\x0a\x01x", &(0..3), 1, &content).unwrap();
            let field = fields(&spliced).next().unwrap().unwrap();
            prop_assert_eq!(field.bytes().unwrap(), &content[..]);
            prop_assert_eq!(field.range.end, spliced.len());
        }
    }
}
