//! The shipped programs as one writes them with tfhe-rs's integers, from compressed bytes to compressed bytes.

use std::time::Instant;

use serde_json::{Value, json};
use tfhe::prelude::{CiphertextList, FheDecrypt, FheOrd, FheTryTrivialEncrypt, IfThenElse};
use tfhe::safe_serialization::{safe_deserialize, safe_serialize};
use tfhe::{
    CompressedCiphertextList, CompressedCiphertextListBuilder, FheBool, FheUint8, FheUint32, FheUint64, HlCompressible,
    HlExpandable, set_server_key,
};
use triseal_fhe::failure::{Failure, Outcome};
use triseal_fhe::value::MAX_COMPRESSED;
use triseal_fhe::value_type::ValueType;

use crate::{Keys, inputs, milliseconds, text};

/// Feature and threshold of every inner node of the shipped tree, level by level, and its leaves.
type Tree = (Vec<(usize, u8)>, Vec<u8>);

/// Compressed outputs, with how long loading and computing took until they were there.
struct Done {
    loaded: Loaded,
    compute: f64,
    values: Vec<String>,
}

/// When the inputs were there, and how many bootstraps that took.
#[derive(Clone, Copy)]
struct Loaded {
    ms: f64,
    pbs: u64,
}

impl Loaded {
    fn since(start: Instant) -> Self {
        Self { ms: milliseconds(start), pbs: tfhe::get_pbs_count() }
    }
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::internal(error.to_string())
}

fn load<T: HlExpandable + tfhe::prelude::Tagged>(mut bytes: &[u8]) -> Outcome<T> {
    let list: CompressedCiphertextList = safe_deserialize(&mut bytes, MAX_COMPRESSED).map_err(failed)?;
    list.get(0).map_err(failed)?.ok_or_else(|| Failure::internal("an empty list"))
}

fn store<T: HlCompressible>(value: T) -> Outcome<Vec<u8>> {
    let list = CompressedCiphertextListBuilder::new().push(value).build().map_err(failed)?;
    let mut bytes = Vec::new();
    safe_serialize(&list, &mut bytes, MAX_COMPRESSED).map_err(failed)?;
    Ok(bytes)
}

fn transfer(keys: &Keys, given: &[Vec<u8>], start: Instant) -> Outcome<Done> {
    let [from, to, amount] = given else { return Err(Failure::usage("expected three inputs")) };
    let (from, to, amount): (FheUint64, FheUint64, FheUint64) = (load(from)?, load(to)?, load(amount)?);
    let loaded = Loaded::since(start);
    let ok: FheBool = from.ge(&amount);
    let moved = ok.if_then_else(&amount, &FheUint64::try_encrypt_trivial(0u64).map_err(failed)?);
    let (from_after, to_after) = (&from - &moved, &to + &moved);
    let computed = milliseconds(start);
    let clear = |value: &FheUint64| -> u64 { value.decrypt(&keys.client) };
    let values =
        vec![clear(&from_after).to_string(), clear(&to_after).to_string(), ok.decrypt(&keys.client).to_string()];
    store(from_after)?;
    store(to_after)?;
    store(ok)?;
    Ok(Done { loaded, compute: computed - loaded.ms, values })
}

/// The highest bid and whose it is, one bid after the other.
fn auction(keys: &Keys, given: &[Vec<u8>], start: Instant) -> Outcome<Done> {
    let bids = given.iter().map(|bytes| load::<FheUint32>(bytes)).collect::<Outcome<Vec<_>>>()?;
    let loaded = Loaded::since(start);
    let index = |at: usize| FheUint8::try_encrypt_trivial(at as u8).map_err(failed);
    let (mut best, mut winner) = (bids[0].clone(), index(0)?);
    for (at, bid) in bids.iter().enumerate().skip(1) {
        let higher = bid.gt(&best);
        best = higher.if_then_else(bid, &best);
        winner = higher.if_then_else(&index(at)?, &winner);
    }
    let computed = milliseconds(start);
    let value: u8 = winner.decrypt(&keys.client);
    store(winner)?;
    Ok(Done { loaded, compute: computed - loaded.ms, values: vec![value.to_string()] })
}

fn tree(keys: &Keys, given: &[Vec<u8>], (nodes, leaves): &Tree, start: Instant) -> Outcome<Done> {
    let features = given.iter().map(|bytes| load::<FheUint8>(bytes)).collect::<Outcome<Vec<_>>>()?;
    let loaded = Loaded::since(start);
    let leaves = leaves.iter().map(|leaf| FheUint8::try_encrypt_trivial(*leaf).map_err(failed));
    let mut below = leaves.collect::<Outcome<Vec<_>>>()?;
    for level in (0..=nodes.len().ilog2()).rev() {
        let first = (1 << level) - 1;
        let pairs = below.chunks(2).zip(&nodes[first..]);
        below = pairs
            .map(|(pair, (feature, threshold))| features[*feature].lt(*threshold).if_then_else(&pair[0], &pair[1]))
            .collect();
    }
    let computed = milliseconds(start);
    let class = below.pop().ok_or_else(|| Failure::internal("no class"))?;
    let value: u8 = class.decrypt(&keys.client);
    store(class)?;
    Ok(Done { loaded, compute: computed - loaded.ms, values: vec![value.to_string()] })
}

/// One program in its usual form: its times, its bootstraps by tfhe-rs's own count, and what came out.
pub fn run(keys: &Keys, request: &Value) -> Outcome<Value> {
    let program = text(request, "program")?;
    let types = match program {
        "transfer-u64" => vec![ValueType::Unsigned(64); 3],
        "auction-8x32" => vec![ValueType::Unsigned(32); 8],
        "tree-depth4" => vec![ValueType::Unsigned(8); 4],
        _ => return Err(Failure::usage("unknown program")),
    };
    let given = inputs::compressed(keys, request, &types)?;
    set_server_key(keys.integer()?.server.clone());
    tfhe::reset_pbs_count();
    let start = Instant::now();
    let done = match program {
        "transfer-u64" => transfer(keys, &given, start)?,
        "auction-8x32" => auction(keys, &given, start)?,
        _ => tree(keys, &given, &serde_json::from_value(request["tree"].clone()).map_err(failed)?, start)?,
    };
    let total = milliseconds(start);
    Ok(json!({
        "ms": total, "loadMs": done.loaded.ms, "computeMs": done.compute, "storeMs": total - done.loaded.ms - done.compute,
        "loadPbs": done.loaded.pbs, "pbs": tfhe::get_pbs_count() - done.loaded.pbs, "values": done.values,
    }))
}
