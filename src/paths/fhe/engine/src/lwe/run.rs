//! A circuit over ciphertexts: level by level, the lookups of a level side by side. The same circuit, key and input give the same bytes.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use tfhe::core_crypto::prelude::*;

use super::bootstrap::{Wire, lookup};
use super::cipher::{Input, Output};
use super::circuit::{Circuit, Node};
use super::keys::EvaluationKey;
use super::parameters::{DEGREE, modulus};
use crate::control::Control;
use crate::failure::{Failure, Outcome};

/// The inputs in one ring ciphertext, its mask reversed: coefficient i of it is a wire without a copy.
struct Ring {
    reversed: Vec<u64>,
    body: Vec<u64>,
}

impl Ring {
    fn of(input: &Input) -> Self {
        let ring = input.expand();
        let mut reversed = ring.get_mask().as_ref().to_vec();
        reversed.reverse();
        Self { reversed, body: ring.get_body().as_ref().to_vec() }
    }

    /// Adds `coefficient` times input `at` to the numbers of a wire.
    fn add(&self, at: usize, coefficient: u64, sum: &mut [u64]) {
        let (low, high) = self.reversed.split_at(DEGREE - 1 - at);
        let (mask, body) = sum.split_at_mut(DEGREE);
        let (first, rest) = mask.split_at_mut(at + 1);
        add_scaled(first, high, coefficient);
        add_scaled(rest, low, coefficient.wrapping_neg());
        body[0] = body[0].wrapping_add(self.body[at].wrapping_mul(coefficient));
    }
}

fn add_scaled(sum: &mut [u64], from: &[u64], coefficient: u64) {
    for (out, word) in sum.iter_mut().zip(from) {
        *out = out.wrapping_add(word.wrapping_mul(coefficient));
    }
}

struct State<'a> {
    circuit: &'a Circuit,
    ring: Ring,
    /// Wires behind the inputs, as far as they are known.
    made: Vec<Option<Wire>>,
}

impl State<'_> {
    fn dot(&self, terms: &[(usize, i64)], constant: u64) -> Wire {
        let mut sum = vec![0; DEGREE + 1];
        for (wire, coefficient) in terms {
            match wire.checked_sub(self.circuit.inputs) {
                None => self.ring.add(*wire, coefficient.cast_unsigned(), &mut sum),
                Some(at) => {
                    if let Some(from) = &self.made[at] {
                        add_scaled(&mut sum, from.as_ref(), coefficient.cast_unsigned());
                    }
                }
            }
        }
        sum[DEGREE] = sum[DEGREE].wrapping_add(constant);
        LweCiphertext::from_container(sum, modulus())
    }

    fn wire(&self, wire: usize) -> Wire {
        self.dot(&[(wire, 1)], 0)
    }

    fn fill(&mut self, wire: usize, wires: Vec<Wire>) {
        for (at, made) in (wire - self.circuit.inputs..).zip(wires) {
            self.made[at] = Some(made);
        }
    }
}

/// Runs `circuit` on `input`; `control` is told after each lookup, and asked before.
///
/// # Errors
/// `FHE_INPUT_FOREIGN_KEY` for an input of another key set, `FHE_CANCELLED` soon after `control` says so.
pub fn run(key: &EvaluationKey, circuit: &Circuit, input: &Input, control: &Control) -> Outcome<Output> {
    if key.tag != input.tag {
        return Err(Failure::new("FHE_INPUT_FOREIGN_KEY", "an input of another key set"));
    }
    let mut state = State { circuit, ring: Ring::of(input), made: vec![None; circuit.wires - circuit.inputs] };
    let done = AtomicUsize::new(0);
    for level in &circuit.levels {
        let wires = level.luts.par_iter().map(|at| {
            control.checkpoint()?;
            let made = look_up(key, &state, *at);
            control.progress(done.fetch_add(1, Ordering::Relaxed) + 1, circuit.bootstraps());
            Ok((circuit.nodes[*at].first, made))
        });
        for (first, made) in wires.collect::<Outcome<Vec<_>>>()? {
            state.fill(first, made);
        }
        for at in &level.dots {
            if let Node::Dot { terms, constant } = &circuit.nodes[*at].node {
                let sum = state.dot(terms, *constant);
                state.fill(circuit.nodes[*at].first, vec![sum]);
            }
        }
    }
    let wires = circuit.outputs.iter().flatten().map(|part| state.wire(part.wire)).collect();
    Ok(Output { tag: key.tag, wires })
}

fn look_up(key: &EvaluationKey, state: &State, at: usize) -> Vec<Wire> {
    let Node::Lut { wire, shift, tables } = &state.circuit.nodes[at].node else { return Vec::new() };
    let tables: Vec<&[u64]> = tables.iter().map(|table| state.circuit.tables[*table].as_slice()).collect();
    lookup(key, &state.wire(*wire), *shift, &tables)
}
