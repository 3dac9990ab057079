//! The linear model of `CIRCUIT` in tfhe-rs's high-level integers: `linear_int16 CIRCUIT ROWS`. Prints times of sums of
//! `FheInt16` times clear weights, modulo 2^16, and the sums.

use std::time::Instant;

use serde_json::{Value, json};
use tfhe::prelude::{FheDecrypt, FheEncrypt};
use tfhe::{ClientKey, ConfigBuilder, FheInt16, ServerKey, set_server_key};

fn read(path: Option<String>) -> Value {
    let bytes = std::fs::read(path.expect("linear_int16 CIRCUIT ROWS")).expect("a file");
    serde_json::from_slice(&bytes).expect("JSON")
}

fn wrapped(value: &Value) -> i16 {
    let bytes = value.as_i64().expect("a whole number").to_le_bytes();
    i16::from_le_bytes([bytes[0], bytes[1]])
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (circuit, rows) = (read(arguments.next()), read(arguments.next()));
    let node = &circuit["nodes"][0];
    let terms: Vec<(usize, i16)> = node[1]
        .as_array()
        .expect("a dot product")
        .iter()
        .map(|term| (usize::try_from(term[0].as_u64().expect("a wire")).expect("small"), wrapped(&term[1])))
        .collect();
    let config = ConfigBuilder::default().build();
    let client = ClientKey::generate(config);
    set_server_key(ServerKey::new(&client));
    let (mut times, mut sums) = (Vec::new(), Vec::new());
    for row in rows.as_array().expect("rows") {
        let inputs: Vec<FheInt16> =
            row.as_array().expect("a row").iter().map(|item| FheInt16::encrypt(wrapped(item), &client)).collect();
        let start = Instant::now();
        let products = terms.iter().map(|(wire, weight)| &inputs[*wire] * *weight);
        let sum = products.reduce(|left, right| &left + &right).expect("a term") + wrapped(&node[2][0]);
        times.push(start.elapsed().as_secs_f64() * 1e3);
        let sum: i16 = sum.decrypt(&client);
        sums.push(sum);
    }
    println!("{}", json!({"evaluateMs": times, "sums": sums}));
}
