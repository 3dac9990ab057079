//! That the price of a circuit is what is run. Alone in its process: tfhe-rs counts for all threads together.

mod common;

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use common::{radix, small_circuit};
use serde_json::{Value, json};
use triseal_fhe::control::Control;
use triseal_fhe::execute::execute;
use triseal_fhe::keygen::{KeySet, key_bytes};
use triseal_fhe::keys::{LoadedKey, MAX_SERVER_KEY};
use triseal_fhe::offline::encrypt;
use triseal_fhe::value_type::ValueType;

#[test]
fn a_node_is_one_bootstrap_whatever_it_looks_up() {
    let set = KeySet::generate().expect("makes keys");
    let loaded = LoadedKey::from_bytes(&key_bytes(&set.server, MAX_SERVER_KEY).expect("serialises")).expect("loads");
    let key = loaded.integer().expect("is integer");
    let never = AtomicBool::new(false);
    let control = Control::new(&never, &|_, _| {});
    let values = [3, 250].map(|bits| encrypt(&set.client, ValueType::Unsigned(8), bits));
    let wide: Vec<Value> = (0..100).map(|at| json!([[[at % 8, 1]], 0, [vec![at % 16; 16]]])).collect();
    let wide =
        json!({ "v": 1, "kind": "radix", "inputs": ["u8", "u8"], "nodes": wide, "outputs": [{ "t": "u2", "w": [0] }] });
    for document in [small_circuit(), wide] {
        let circuit = radix(&document).expect("is a circuit");
        tfhe::reset_pbs_count();
        let started = Instant::now();
        execute(key, &circuit, &values, &control).expect("runs");
        let seconds = started.elapsed().as_secs_f64();
        println!("{} nodes in {seconds:.3} s", circuit.nodes.len());
        assert_eq!(tfhe::get_pbs_count(), circuit.nodes.len() as u64);
    }
}
