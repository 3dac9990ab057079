//! What several tests need: small circuits, and what they compute in clear.
#![allow(dead_code)]

use serde_json::{Value, json};
use triseal_fhe::circuit::{Circuit, read_circuit};
use triseal_fhe::failure::Outcome;
use triseal_fhe::radix::RadixCircuit;

/// A checked radix circuit from its document.
pub fn radix(document: &Value) -> Outcome<RadixCircuit> {
    let (circuit, _) = read_circuit(document.to_string().as_bytes())?;
    #[allow(irrefutable_let_patterns)]
    let Circuit::Radix(circuit) = circuit else { panic!("another kind of circuit") };
    Ok(circuit)
}

/// Every wire's value for the blocks of the inputs. Panics where a node leaves its tables.
pub fn evaluate(circuit: &RadixCircuit, blocks: &[u8]) -> Vec<u8> {
    let mut wires = blocks.to_vec();
    for node in &circuit.nodes {
        let sum: i64 =
            node.terms.iter().map(|(wire, factor)| i64::from(wires[*wire as usize]) * i64::from(*factor)).sum();
        let value = usize::try_from(sum + i64::from(node.constant)).expect("no node is negative");
        assert!(value <= usize::from(node.max));
        assert_eq!(node.first as usize, wires.len());
        let tables = &circuit.tables[node.tables as usize];
        wires.extend(tables.each().map(|table| table[value]));
    }
    assert_eq!(wires.len(), circuit.wires);
    wires
}

/// The blocks of a value.
pub fn blocks_of(bits: u64, count: usize) -> Vec<u8> {
    (0..count).map(|at| (bits >> (2 * at) & 3) as u8).collect()
}

/// Addition of two `u8`, a comparison, and a negative coefficient: 8 nodes, of one, two and four tables.
pub fn small_circuit() -> Value {
    let message: Vec<u8> = (0..8).map(|value| value % 4).collect();
    let carry: Vec<u8> = (0..8).map(|value| value / 4).collect();
    let mut nodes = vec![json!([[[0, 1], [4, 1]], 0, [message, carry]])];
    // Node n leaves the sum at 8 + 2n and the carry after it.
    for block in 1..4 {
        nodes.push(json!([[[block, 1], [block + 4, 1], [7 + 2 * block, 1]], 0, [message, carry]]));
    }
    // 16: sign of a difference that is never below 0: 3 + a0 - b0.
    let row: Vec<u8> = (0..16).map(|value| u8::from(value > 3)).collect();
    nodes.push(json!([[[0, 1], [4, -1]], 3, [row]]));
    // 17 to 20: four tables at once.
    nodes.push(json!([[[3, 1]], 0, [[0, 1, 2, 3], [3, 2, 1, 0], [1, 1, 0, 0], [15, 0, 15, 0]]]));
    // 21: a constant; 22: of a wire with a value beyond its block.
    nodes.push(json!([[], 5, [[0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]]]));
    nodes.push(json!([[[20, 1]], 0, [[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3]]]));
    json!({
        "v": 1, "kind": "radix", "inputs": ["u8", "u8"], "nodes": nodes,
        "outputs": [{ "t": "u8", "w": [8, 10, 12, 14] }, { "t": "bool", "w": [16] }, { "t": "i8", "w": [17, 18, 21, 22] }, { "t": "u2", "w": [1] }],
    })
}
