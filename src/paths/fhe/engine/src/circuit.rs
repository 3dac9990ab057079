//! Circuits (SPEC sections 3 and 9): read strictly, and dispatched by kind.

use serde_json::{Map, Value};

use crate::digest::{Hash, sha256};
use crate::failure::{Failure, Outcome};
use crate::lwe;
use crate::radix::RadixCircuit;

/// Largest circuit document.
const MAX_BYTES: usize = 16 << 20;

/// A circuit that was checked; whatever follows may rely on what its kind promises.
pub enum Circuit {
    Radix(RadixCircuit),
    Lwe(lwe::circuit::Circuit),
}

/// Reads and checks a circuit. Its digest is that of the bytes.
pub fn read_circuit(bytes: &[u8]) -> Outcome<(Circuit, Hash)> {
    if bytes.len() > MAX_BYTES {
        return Err(Failure::circuit("the circuit is too large"));
    }
    let document = serde_json::from_slice(bytes).map_err(|_| Failure::circuit("expected a JSON document"))?;
    let Value::Object(members) = document else {
        return Err(Failure::circuit("expected an object"));
    };
    if members.get("v").and_then(Value::as_u64) != Some(1) {
        return Err(Failure::circuit("expected version 1"));
    }
    let circuit = match members.get("kind").and_then(Value::as_str) {
        Some("lwe") => Circuit::Lwe(lwe::circuit::Circuit::parse(bytes)?),
        Some("radix") => Circuit::Radix(RadixCircuit::read(&members)?),
        _ => return Err(Failure::circuit("unknown kind of circuit")),
    };
    Ok((circuit, sha256(bytes)))
}

/// Refuses members beside `names`, and missing ones.
pub fn exactly(members: &Map<String, Value>, names: &[&str]) -> Outcome<()> {
    if members.len() == names.len() && names.iter().all(|name| members.contains_key(*name)) {
        return Ok(());
    }
    Err(Failure::circuit(format!("expected exactly the members {}", names.join(", "))))
}

/// An array of at most `most` items.
pub fn items<'a>(value: &'a Value, most: usize, what: &str) -> Outcome<&'a [Value]> {
    let list = value.as_array().filter(|list| list.len() <= most);
    list.map(Vec::as_slice).ok_or_else(|| Failure::circuit(format!("expected at most {most} {what}")))
}

/// An integer of a range.
pub fn integer(value: &Value, range: std::ops::RangeInclusive<i64>, what: &str) -> Outcome<i64> {
    let number = value.as_i64().filter(|number| range.contains(number));
    number.ok_or_else(|| {
        Failure::circuit(format!("{what}: expected an integer from {} to {}", range.start(), range.end()))
    })
}
