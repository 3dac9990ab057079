//! Circuits that are refused, and that those which are not keep their promises.

mod common;

use common::{evaluate, radix, small_circuit};
use proptest::prelude::*;
use serde_json::{Value, json};
use triseal_fhe::circuit::read_circuit;

fn refused(document: &Value, because: &str) {
    let failure = radix(document).err().unwrap_or_else(|| panic!("accepted: {document}"));
    assert_eq!(failure.code, "FHE_CIRCUIT_INVALID");
    assert!(failure.message.contains(because), "{because}: {}", failure.message);
}

fn with_node(node: Value) -> Value {
    json!({ "v": 1, "kind": "radix", "inputs": ["u8", "bool"], "nodes": [node], "outputs": [{ "t": "u2", "w": [0] }] })
}

fn with_member(name: &str, value: Value) -> Value {
    let mut document = with_node(json!([[[0, 1]], 0, [vec![0; 16]]]));
    document[name] = value;
    document
}

#[test]
fn a_circuit_is_read_and_evaluated() {
    let circuit = radix(&small_circuit()).expect("is a circuit");
    let wires = evaluate(&circuit, &[3, 2, 1, 0, 2, 3, 3, 3]);
    assert_eq!([8, 10, 12, 14].map(|wire: usize| wires[wire]), [1, 2, 1, 0]);
    assert_eq!((wires[16], wires[21], wires[22]), (1, 2, 3));
}

#[test]
fn documents_of_another_form_are_refused() {
    for bytes in [&b""[..], b"[]", b"{", b"null", b"\xff"] {
        assert_eq!(read_circuit(bytes).err().map(|failure| failure.code), Some("FHE_CIRCUIT_INVALID"));
    }
    refused(&with_member("v", json!(2)), "version");
    refused(&with_member("v", json!("1")), "version");
    refused(&with_member("kind", json!("boolean")), "kind");
    refused(&with_member("extra", json!(1)), "exactly");
    refused(&with_member("inputs", json!(["u3"])), "unknown type");
    refused(&with_member("inputs", json!([8])), "unknown type");
    refused(&with_member("nodes", json!({})), "nodes");
    refused(&with_member("nodes", json!(vec![json!([[], 0, [vec![0; 16]]]); 65_537])), "nodes");
    refused(&with_member("inputs", json!(vec!["u64"; 2049])), "too many blocks");
    refused(&with_member("outputs", json!([])), "no outputs");
}

#[test]
fn outputs_are_existing_blocks_of_their_type() {
    let outputs = |output: Value| with_member("outputs", json!([output]));
    refused(&outputs(json!({ "t": "u4", "w": [0] })), "has 2 blocks");
    refused(&outputs(json!({ "t": "u2", "w": [0, 1] })), "at most 1");
    refused(&outputs(json!({ "t": "u2", "w": [6] })), "before it exists");
    refused(&outputs(json!({ "t": "u2", "w": [-1] })), "before it exists");
    refused(&outputs(json!({ "t": "u2", "w": [0], "n": "x" })), "exactly");
    refused(&outputs(json!({ "t": "x2", "w": [0] })), "unknown type");
    refused(&outputs(json!({ "t": "bool", "w": [0] })), "beyond 1");
    let mut beyond = with_node(json!([[[0, 1]], 0, [vec![4; 16]]]));
    beyond["outputs"] = json!([{ "t": "u2", "w": [5] }]);
    refused(&beyond, "beyond 3");
    radix(&outputs(json!({ "t": "bool", "w": [4] }))).expect("a bool is a bool");
}

#[test]
fn nodes_stay_in_their_tables() {
    let table = json!([vec![0; 16]]);
    let [halves, quarters] = [json!([vec![0; 8], vec![0; 8]]), json!([vec![0; 4], vec![0; 4], vec![0; 4], vec![0; 4]])];
    // Values from 0 to 15 exactly, from both ends.
    for node in [
        json!([[[0, 4], [1, 1]], 0, table]),
        json!([[[0, -4], [1, -1]], 15, table]),
        json!([[[0, 2]], 1, halves]),
        json!([[[0, -1]], 3, quarters]),
    ] {
        radix(&with_node(node)).expect("stays within");
    }
    for (node, values) in [
        (json!([[[0, 4], [1, 1]], 1, table]), "from 1 to 16"),
        (json!([[[0, -1]], 2, table]), "from -1 to 2"),
        (json!([[[0, 1], [1, -1]], 2, table]), "from -1 to 5"),
        (json!([[[0, 2], [4, 1]], 1, halves]), "from 1 to 8"),
        (json!([[[0, 1]], 1, quarters]), "from 1 to 4"),
        (json!([[], 16, table]), "from 16 to 16"),
        (json!([[], -1, table]), "from -1 to -1"),
    ] {
        refused(&with_node(node), values);
    }
}

#[test]
fn nodes_keep_to_their_form_and_their_noise() {
    let table = json!([vec![0; 16]]);
    for (node, because) in [
        (json!([[[0, 1]], 0]), "a node"),
        (json!([[[0, 1]], 0, table, 1]), "a node"),
        (json!([[[0]], 0, table]), "a term"),
        (json!([[[5, 1]], 0, table]), "before it exists"),
        (json!([[[0.0, 1]], 0, table]), "before it exists"),
        (json!([[[0, 17]], 0, table]), "from -16 to 16"),
        (json!([[[0, 1.0]], 0, table]), "a coefficient"),
        (json!([[[0, 1], [0, 1]], 0, table]), "stands twice"),
        (json!([[[0, 0]], 0, table]), "no coefficient"),
        (json!([[[4, 5], [0, 1]], 0, table]), "noise 26"),
        (json!([[[4, -16]], 16, table]), "noise 256"),
        (json!([[[0, 1]], "0", table]), "a constant"),
        (json!([[[0, 1]], 1e3, table]), "a constant"),
        (json!([[[0, 1]], 0, []]), "one, two or four"),
        (json!([[[0, 1]], 0, [vec![0; 5], vec![0; 5], vec![0; 5]]]), "one, two or four"),
        (json!([[[0, 1]], 0, [vec![0; 15]]]), "16 entries"),
        (json!([[[0, 1]], 0, [vec![0; 16], vec![0; 16]]]), "at most 8"),
        (json!([[[0, 1]], 0, [vec![16; 16]]]), "an entry"),
        (json!([[[0, 1]], 0, [vec![-1; 16]]]), "an entry"),
    ] {
        refused(&with_node(node), because);
    }
    radix(&with_node(json!([[[4, 5]], 0, table]))).expect("25 is borne");
}

fn any_node(wires: u32) -> impl Strategy<Value = Value> {
    let terms = prop::collection::btree_map(0..wires, -5i64..=5, 0..4);
    let luts = prop_oneof![Just(1usize), Just(2), Just(4)];
    (terms, -4i64..=15, luts, prop::collection::vec(0u8..16, 16)).prop_map(|(terms, constant, luts, entries)| {
        let luts: Vec<_> = entries.chunks(16 / luts).map(<[u8]>::to_vec).collect();
        json!([terms.into_iter().collect::<Vec<_>>(), constant, luts])
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn what_is_accepted_never_leaves_its_tables(nodes in prop::collection::vec(any_node(7), 1..6), blocks in prop::collection::vec(0u8..4, 4), flag in 0u8..2) {
        let document = json!({ "v": 1, "kind": "radix", "inputs": ["u8", "bool"], "nodes": nodes, "outputs": [{ "t": "u2", "w": [0] }] });
        if let Ok(circuit) = radix(&document) {
            // Panics at the first node that has no entry for its value.
            evaluate(&circuit, &[blocks, vec![flag]].concat());
        }
    }

    #[test]
    fn whatever_json_is_sent_is_read_or_refused(text in "\\PC{0,64}", at in 0usize..400, byte: u8) {
        let _ = read_circuit(text.as_bytes());
        let mut bytes = small_circuit().to_string().into_bytes();
        let place = at % bytes.len();
        bytes[place] = byte;
        let _ = read_circuit(&bytes);
    }
}
