//! Requests of the engine's protocol, read strictly: no member more and none less.

use serde_json::{Map, Value};

use crate::digest::{Hash, unhex, unhex_array};
use crate::failure::{Failure, Outcome};
use crate::frame::Frame;
use crate::value_type::ValueType;

const MAX_PARTS: usize = 4096;

/// What is asked for.
#[derive(Debug, PartialEq)]
pub enum Op {
    Hello,
    Crs,
    CheckKey { key: Hash, public_key: Option<Hash> },
    OpenList { key: Hash, public_key: Hash, crs: Hash, metadata: Vec<u8> },
    Import { key: Hash, kind: ValueType },
    Expand { key: Hash, kind: ValueType },
    Run { run: [u8; 16], key: Hash, seed: Hash },
    Claim { run: [u8; 16], claim: Map<String, Value> },
    Cancel { target: u32 },
}

/// A request with the pieces of its body.
#[derive(Debug, PartialEq)]
pub struct Request {
    pub id: u32,
    pub op: Op,
    body: Vec<u8>,
    lengths: Vec<usize>,
}

impl Request {
    /// The pieces of the body.
    pub fn parts(&self) -> Vec<&[u8]> {
        let mut rest = self.body.as_slice();
        let cut = |length: &usize| {
            let (part, after) = rest.split_at(*length);
            rest = after;
            part
        };
        self.lengths.iter().map(cut).collect()
    }

    /// The one piece of the body.
    pub fn part(&self) -> Outcome<&[u8]> {
        match self.parts().as_slice() {
            [part] => Ok(part),
            _ => Err(Failure::protocol("expected one part")),
        }
    }
}

/// A request that was not understood, and the id to say so on: 0 where not even that could be read.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    pub id: u32,
    pub failure: Failure,
}

/// Reads a frame's message.
pub fn read_request(frame: Frame) -> Result<Request, Refused> {
    let message = serde_json::from_slice::<Value>(&frame.head).ok();
    let Some(Value::Object(mut message)) = message else {
        return Err(Refused { id: 0, failure: Failure::protocol("expected a JSON object") });
    };
    let Some(id) = message.get("id").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok()) else {
        return Err(Refused { id: 0, failure: Failure::protocol("expected an id") });
    };
    let read = read_lengths(&message, frame.body.len()).and_then(|lengths| Ok((lengths, read_op(&mut message)?)));
    match read {
        Ok((lengths, op)) => Ok(Request { id, op, body: frame.body, lengths }),
        Err(failure) => Err(Refused { id, failure }),
    }
}

fn read_lengths(message: &Map<String, Value>, body: usize) -> Outcome<Vec<usize>> {
    let wrong = || Failure::protocol("`parts` are not the pieces of the body");
    let lengths = match message.get("parts") {
        None => Vec::new(),
        Some(parts) => {
            let parts = parts.as_array().filter(|parts| parts.len() <= MAX_PARTS).ok_or_else(wrong)?;
            let length =
                |part: &Value| part.as_u64().filter(|length| *length <= body as u64).map(|length| length as usize);
            parts.iter().map(length).collect::<Option<Vec<_>>>().ok_or_else(wrong)?
        }
    };
    if lengths.iter().sum::<usize>() == body { Ok(lengths) } else { Err(wrong()) }
}

fn read_op(message: &mut Map<String, Value>) -> Outcome<Op> {
    if message.get("v").and_then(Value::as_u64) != Some(1) {
        return Err(Failure::protocol("expected version 1"));
    }
    let name = message.get("op").and_then(Value::as_str).unwrap_or_default().to_owned();
    let members: &[&str] = match name.as_str() {
        "hello" | "crs" => &[],
        "check-key" => &["keyId", "publicKey"],
        "open-list" => &["keyId", "publicKey", "crs", "metadata"],
        "import" | "expand" => &["keyId", "type"],
        "run" => &["run", "keyId", "seed"],
        "claim" => &["run", "claim"],
        "cancel" => &["target"],
        _ => return Err(Failure::protocol("unknown op")),
    };
    let common = ["v", "id", "op", "parts"];
    if let Some(unknown) =
        message.keys().find(|name| !common.contains(&name.as_str()) && !members.contains(&name.as_str()))
    {
        let shown: String = unknown.chars().filter(char::is_ascii_graphic).take(32).collect();
        return Err(Failure::protocol(format!("unknown member `{shown}`")));
    }
    let found = Members(message);
    Ok(match name.as_str() {
        "hello" => Op::Hello,
        "crs" => Op::Crs,
        "check-key" if found.0.get("publicKey") == Some(&Value::Null) => {
            Op::CheckKey { key: found.hex("keyId")?, public_key: None }
        }
        "check-key" => Op::CheckKey { key: found.hex("keyId")?, public_key: Some(found.hex("publicKey")?) },
        "open-list" => Op::OpenList {
            key: found.hex("keyId")?,
            public_key: found.hex("publicKey")?,
            crs: found.hex("crs")?,
            metadata: unhex(found.text("metadata")?)
                .ok_or_else(|| Failure::protocol("`metadata`: expected hexadecimal digits"))?,
        },
        "import" => Op::Import { key: found.hex("keyId")?, kind: found.kind()? },
        "expand" => Op::Expand { key: found.hex("keyId")?, kind: found.kind()? },
        "run" => Op::Run { run: found.hex("run")?, key: found.hex("keyId")?, seed: found.hex("seed")? },
        "claim" => {
            let run = found.hex("run")?;
            match message.remove("claim") {
                Some(Value::Object(claim)) => Op::Claim { run, claim },
                _ => return Err(Failure::protocol("`claim`: expected an object")),
            }
        }
        _ => {
            let target = found.0.get("target").and_then(Value::as_u64).and_then(|target| u32::try_from(target).ok());
            Op::Cancel { target: target.ok_or_else(|| Failure::protocol("`target`: expected an id"))? }
        }
    })
}

struct Members<'a>(&'a Map<String, Value>);

impl<'a> Members<'a> {
    fn text(&self, name: &str) -> Outcome<&'a str> {
        let text = self.0.get(name).and_then(Value::as_str);
        text.ok_or_else(|| Failure::protocol(format!("`{name}`: expected text")))
    }

    fn hex<const N: usize>(&self, name: &str) -> Outcome<[u8; N]> {
        let bytes = unhex_array(self.text(name)?);
        bytes.ok_or_else(|| Failure::protocol(format!("`{name}`: expected {} hexadecimal digits", 2 * N)))
    }

    fn kind(&self) -> Outcome<ValueType> {
        ValueType::parse(self.text("type")?).ok_or_else(|| Failure::protocol("`type`: unknown type"))
    }
}
