//! Frames of the engine's protocol (SPEC section 8): `u32be h ‖ u32be b ‖ h bytes of JSON ‖ b bytes`.

use std::io::{self, Read, Write};

use serde_json::{Map, Value};

use crate::failure::{Failure, Outcome};

/// Longest JSON of a message.
pub const MAX_HEAD: u32 = 64 << 10;
/// Longest body of a message.
pub const MAX_BODY: u32 = 64 << 20;

/// A frame as it came: its message is not read yet.
pub struct Frame {
    pub head: Vec<u8>,
    pub body: Vec<u8>,
}

/// The next frame; none where the stream ends between two. An error where what follows cannot be told apart any more.
pub fn read_frame(input: &mut impl Read) -> io::Result<Option<Frame>> {
    let mut lengths = [0u8; 8];
    let mut filled = 0;
    while filled < lengths.len() {
        match input.read(&mut lengths[filled..]) {
            Ok(0) if filled == 0 => return Ok(None),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let [h0, h1, h2, h3, b0, b1, b2, b3] = lengths;
    let (head, body) = (u32::from_be_bytes([h0, h1, h2, h3]), u32::from_be_bytes([b0, b1, b2, b3]));
    if head > MAX_HEAD || body > MAX_BODY {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is longer than the protocol allows"));
    }
    Ok(Some(Frame { head: read_exactly(input, head)?, body: read_exactly(input, body)? }))
}

/// Reads piece by piece: a length alone makes nobody allocate.
fn read_exactly(input: &mut impl Read, length: u32) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(u64::from(length)).read_to_end(&mut bytes)?;
    if bytes.len() < length as usize { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(bytes) }
}

/// Writes an answer with its pieces, whose lengths the message states.
pub fn write_frame(output: &mut impl Write, mut message: Map<String, Value>, parts: &[Vec<u8>]) -> Outcome<()> {
    message.insert("parts".into(), parts.iter().map(Vec::len).collect());
    let head = Value::Object(message).to_string();
    let body: usize = parts.iter().map(Vec::len).sum();
    if head.len() > MAX_HEAD as usize || body > MAX_BODY as usize {
        return Err(Failure::protocol("the answer is longer than the protocol allows"));
    }
    let mut bytes = Vec::with_capacity(8 + head.len());
    bytes.extend_from_slice(&(head.len() as u32).to_be_bytes());
    bytes.extend_from_slice(&(body as u32).to_be_bytes());
    bytes.extend_from_slice(head.as_bytes());
    output.write_all(&bytes)?;
    for part in parts {
        output.write_all(part)?;
    }
    Ok(output.flush()?)
}
