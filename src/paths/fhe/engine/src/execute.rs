//! Runs the nodes of a radix circuit as they become ready, over the one pool that all runs share.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use rayon::ScopeFifo;
use tfhe::core_crypto::prelude::{CiphertextModulus, LweCiphertext};
use tfhe::shortint::ciphertext::{Degree, NoiseLevel};
use tfhe::shortint::{Ciphertext, ServerKey};

use crate::accumulators::Accumulator;
use crate::control::Control;
use crate::failure::{Failure, Outcome};
use crate::keys::IntegerKey;
use crate::parameters::BLOCK_VALUES;
use crate::radix::{Node, RadixCircuit};
use crate::value::EncryptedValue;

/// What a value of one adds to a block's body: 4 bits of value below one of padding.
const DELTA: u64 = 1 << (63 - BLOCK_VALUES.ilog2());

/// A wire while nodes still need it.
struct Wire {
    block: Mutex<Option<Arc<Ciphertext>>>,
    readers: AtomicU32,
}

struct Running<'a> {
    key: &'a ServerKey,
    circuit: &'a RadixCircuit,
    accumulators: Vec<Arc<Accumulator>>,
    wires: Vec<Wire>,
    /// How many wires each node still waits for.
    missing: Vec<AtomicUsize>,
    /// The nodes that read each wire.
    readers: Vec<Vec<u32>>,
    done: AtomicUsize,
    control: &'a Control<'a>,
}

/// The circuit's outputs for these inputs, which are of its input types. The bytes depend on nothing but key, circuit and inputs.
pub fn execute(
    key: &IntegerKey,
    circuit: &RadixCircuit,
    inputs: &[EncryptedValue],
    control: &Control,
) -> Outcome<Vec<EncryptedValue>> {
    let running = &Running::new(key, circuit, inputs, control);
    let ready: Vec<usize> = running
        .missing
        .iter()
        .enumerate()
        .filter(|(_, missing)| missing.load(Ordering::Relaxed) == 0)
        .map(|(node, _)| node)
        .collect();
    rayon::in_place_scope_fifo(|scope| {
        for node in ready {
            scope.spawn_fifo(move |scope| running.step(scope, node));
        }
    });
    control.checkpoint()?;
    circuit
        .outputs
        .iter()
        .map(|output| {
            let blocks = output.wires.iter().map(|wire| running.read(*wire)).collect::<Outcome<_>>()?;
            Ok(EncryptedValue { kind: output.kind, blocks })
        })
        .collect()
}

impl<'a> Running<'a> {
    fn new(
        key: &'a IntegerKey,
        circuit: &'a RadixCircuit,
        inputs: &[EncryptedValue],
        control: &'a Control<'a>,
    ) -> Self {
        let blocks = inputs.iter().flat_map(|value| value.blocks.iter().cloned());
        let mut blocks = blocks.map(|block| Some(Arc::new(block)));
        let mut readers = vec![Vec::new(); circuit.wires];
        let inputs: usize = circuit.inputs.iter().map(|kind| kind.blocks()).sum();
        let mut missing = Vec::with_capacity(circuit.nodes.len());
        for (index, node) in circuit.nodes.iter().enumerate() {
            node.terms.iter().for_each(|(wire, _)| readers[*wire as usize].push(index as u32));
            missing.push(AtomicUsize::new(node.terms.iter().filter(|(wire, _)| *wire as usize >= inputs).count()));
        }
        let mut reads: Vec<u32> = readers.iter().map(|nodes| nodes.len() as u32).collect();
        circuit.outputs.iter().flat_map(|output| &output.wires).for_each(|wire| reads[*wire as usize] += 1);
        let wire = |readers| Wire { block: Mutex::new(blocks.next().flatten()), readers: AtomicU32::new(readers) };
        Self {
            key: key.blocks(),
            circuit,
            accumulators: circuit.tables.iter().map(|tables| key.accumulator(tables)).collect(),
            wires: reads.into_iter().map(wire).collect(),
            missing,
            readers,
            done: AtomicUsize::new(0),
            control,
        }
    }

    fn step<'s>(&'s self, scope: &ScopeFifo<'s>, index: usize) {
        if self.control.is_cancelled() {
            return;
        }
        let node = &self.circuit.nodes[index];
        let Ok(block) = self.combine(node) else { return };
        let outputs = self.accumulators[node.tables as usize].look_up(self.key, &block);
        self.control.progress(self.done.fetch_add(1, Ordering::Relaxed) + 1, self.circuit.nodes.len());
        for (wire, block) in (node.first as usize..).zip(outputs) {
            if self.wires[wire].readers.load(Ordering::Relaxed) == 0 {
                continue;
            }
            *self.wires[wire].block.lock().expect("no thread panics with this lock") = Some(Arc::new(block));
            for reader in &self.readers[wire] {
                let reader = *reader as usize;
                if self.missing[reader].fetch_sub(1, Ordering::AcqRel) == 1 {
                    scope.spawn_fifo(move |scope| self.step(scope, reader));
                }
            }
        }
    }

    /// The block of a wire; the last who reads it takes it away.
    fn take(&self, wire: u32) -> Outcome<Arc<Ciphertext>> {
        let Wire { block, readers } = &self.wires[wire as usize];
        let mut block = block.lock().expect("no thread panics with this lock");
        let is_last = readers.fetch_sub(1, Ordering::Relaxed) == 1;
        let taken = if is_last { block.take() } else { block.clone() };
        taken.ok_or_else(|| Failure::internal("a wire was read before it was written"))
    }

    fn read(&self, wire: u32) -> Outcome<Ciphertext> {
        self.take(wire).map(Arc::unwrap_or_clone)
    }

    /// `constant + Σ coefficient · wire`, exactly: a value from 0 to 15, and no bit of padding.
    fn combine(&self, node: &Node) -> Outcome<Ciphertext> {
        let size = self.key.ciphertext_lwe_dimension().to_lwe_size();
        let mut sum = vec![0u64; size.0];
        let mut noise = 0;
        for (wire, coefficient) in &node.terms {
            let block = self.take(*wire)?;
            let factor = i64::from(*coefficient) as u64;
            for (place, coefficient) in sum.iter_mut().zip(block.ct.as_ref()) {
                *place = place.wrapping_add(coefficient.wrapping_mul(factor));
            }
            noise += u64::from(coefficient.unsigned_abs()).pow(2);
        }
        if let Some(body) = sum.last_mut() {
            *body = body.wrapping_add((i64::from(node.constant) as u64).wrapping_mul(DELTA));
        }
        let lwe = LweCiphertext::from_container(sum, CiphertextModulus::new_native());
        // The levels of tfhe-rs are norms. One at least: a constant is looked up like anything else, so that its price is a bootstrap.
        let level = NoiseLevel::NOMINAL * noise.isqrt().max(1);
        let level = if level.get().pow(2) < noise { level + NoiseLevel::NOMINAL } else { level };
        let degree = Degree::new(u64::from(node.max));
        let pattern = self.key.conformance_params().atomic_pattern;
        Ok(Ciphertext::new(lwe, degree, level, self.key.message_modulus, self.key.carry_modulus, pattern))
    }
}
