//! Circuits of kind `radix` (SPEC section 3): every node is one blind rotation over blocks of two bits.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::circuit::{exactly, integer, items};
use crate::failure::{Failure, Outcome};
use crate::parameters::BLOCK_VALUES;
use crate::value_type::ValueType;

const MAX_NODES: usize = 65_536;
const MAX_VALUES: usize = 4_096;
const MAX_BLOCKS: usize = 65_536;
/// Sum of squared coefficients that the noise of the parameters allows; so there are no more terms.
const MAX_NOISE: i64 = 25;
const MAX_COEFFICIENT: i64 = 16;

/// The tables of a node as one row of 16: one of 16 entries, two of 8 or four of 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tables {
    pub count: u8,
    pub entries: [u8; 16],
}

impl Tables {
    /// Entries of one table: the node's value is below it.
    pub fn width(&self) -> usize {
        usize::from(BLOCK_VALUES / self.count)
    }

    /// The entries of each table.
    pub fn each(&self) -> impl Iterator<Item = &[u8]> {
        self.entries.chunks(self.width())
    }
}

/// A node: `constant + Σ coefficient · wire`, looked up in its tables.
#[derive(Debug, PartialEq, Eq)]
pub struct Node {
    pub terms: Vec<(u32, i8)>,
    pub constant: i16,
    /// Largest value before the tables.
    pub max: u8,
    /// Index into `RadixCircuit::tables`.
    pub tables: u32,
    /// Wire of the first output.
    pub first: u32,
}

/// An output value by its blocks.
#[derive(Debug, PartialEq, Eq)]
pub struct Output {
    pub kind: ValueType,
    pub wires: Vec<u32>,
}

/// A circuit that was checked: whatever its inputs are, every node's value is one that its tables have, with noise that they bear.
#[derive(Debug, PartialEq, Eq)]
pub struct RadixCircuit {
    pub inputs: Vec<ValueType>,
    pub nodes: Vec<Node>,
    /// Every distinct set of tables once.
    pub tables: Vec<Tables>,
    pub outputs: Vec<Output>,
    /// How many wires there are.
    pub wires: usize,
}

/// Smallest and largest value of a wire.
type Range = (u8, u8);

#[derive(Default)]
struct Reading {
    ranges: Vec<Range>,
    tables: Vec<Tables>,
    known: HashMap<Tables, u32>,
}

impl RadixCircuit {
    /// Reads and checks the members of a circuit document.
    pub fn read(members: &Map<String, Value>) -> Outcome<Self> {
        exactly(members, &["v", "kind", "inputs", "nodes", "outputs"])?;
        let mut reading = Reading::default();
        let inputs = reading.inputs(&members["inputs"])?;
        let nodes = items(&members["nodes"], MAX_NODES, "nodes")?;
        let nodes = nodes.iter().map(|node| reading.node(node)).collect::<Outcome<Vec<_>>>()?;
        let outputs = items(&members["outputs"], MAX_VALUES, "outputs")?;
        let outputs = outputs.iter().map(|output| reading.output(output)).collect::<Outcome<Vec<_>>>()?;
        if outputs.is_empty() || outputs.iter().map(|output| output.wires.len()).sum::<usize>() > MAX_BLOCKS {
            return Err(Failure::circuit("the circuit has no outputs, or too many"));
        }
        Ok(Self { inputs, nodes, tables: reading.tables, outputs, wires: reading.ranges.len() })
    }
}

impl Reading {
    fn inputs(&mut self, value: &Value) -> Outcome<Vec<ValueType>> {
        let names = items(value, MAX_VALUES, "inputs")?;
        let read = |name: &Value| {
            let kind = name.as_str().and_then(ValueType::parse);
            kind.ok_or_else(|| Failure::circuit("inputs: unknown type"))
        };
        let inputs = names.iter().map(read).collect::<Outcome<Vec<_>>>()?;
        for kind in &inputs {
            self.ranges.extend(std::iter::repeat_n((0, kind.block_max()), kind.blocks()));
        }
        if self.ranges.len() > MAX_BLOCKS {
            return Err(Failure::circuit("the inputs have too many blocks"));
        }
        Ok(inputs)
    }

    fn node(&mut self, value: &Value) -> Outcome<Node> {
        let [terms, constant, luts] = value.as_array().map(Vec::as_slice).unwrap_or_default() else {
            return Err(Failure::circuit("a node: expected its terms, constant and tables"));
        };
        let terms = self.terms(terms)?;
        let constant = integer(constant, -256..=256, "a constant")?;
        let (mut low, mut high) = (constant, constant);
        for (wire, coefficient) in &terms {
            let (least, most) = self.ranges[*wire as usize];
            let ends = [i64::from(least), i64::from(most)].map(|end| end * i64::from(*coefficient));
            low += ends[0].min(ends[1]);
            high += ends[0].max(ends[1]);
        }
        let tables = read_tables(luts)?;
        if low < 0 || high >= tables.width() as i64 {
            return Err(Failure::circuit(format!(
                "a node has values from {low} to {high}, which its tables do not have"
            )));
        }
        let first = self.ranges.len() as u32;
        for table in tables.each() {
            let (least, most) = (table.iter().min(), table.iter().max());
            self.ranges.push((least.copied().unwrap_or(0), most.copied().unwrap_or(0)));
        }
        let tables = self.index_of(tables);
        Ok(Node { terms, constant: constant as i16, max: high as u8, tables, first })
    }

    fn terms(&self, value: &Value) -> Outcome<Vec<(u32, i8)>> {
        let mut terms: Vec<(u32, i8)> = Vec::new();
        let mut noise = 0;
        for term in items(value, MAX_NOISE as usize, "terms")? {
            let [wire, coefficient] = term.as_array().map(Vec::as_slice).unwrap_or_default() else {
                return Err(Failure::circuit("a term: expected a wire and its coefficient"));
            };
            let wire = self.wire(wire)?;
            let coefficient = integer(coefficient, -MAX_COEFFICIENT..=MAX_COEFFICIENT, "a coefficient")?;
            if coefficient == 0 {
                return Err(Failure::circuit(format!("wire {wire} has no coefficient in a node")));
            }
            if terms.iter().any(|(other, _)| *other == wire) {
                return Err(Failure::circuit(format!("wire {wire} stands twice in a node")));
            }
            noise += coefficient * coefficient;
            terms.push((wire, coefficient as i8));
        }
        if noise > MAX_NOISE {
            return Err(Failure::circuit(format!("a node has noise {noise}; the parameters carry {MAX_NOISE}")));
        }
        Ok(terms)
    }

    /// A wire that exists already: so no node can wait for a later one.
    fn wire(&self, value: &Value) -> Outcome<u32> {
        let wire = value.as_u64().filter(|wire| *wire < self.ranges.len() as u64);
        wire.map(|wire| wire as u32).ok_or_else(|| Failure::circuit("a wire is used before it exists"))
    }

    fn index_of(&mut self, tables: Tables) -> u32 {
        *self.known.entry(tables).or_insert_with(|| {
            self.tables.push(tables);
            self.tables.len() as u32 - 1
        })
    }

    fn output(&self, value: &Value) -> Outcome<Output> {
        let members = value.as_object().ok_or_else(|| Failure::circuit("an output: expected an object"))?;
        exactly(members, &["t", "w"])?;
        let kind = members["t"].as_str().and_then(ValueType::parse);
        let kind = kind.ok_or_else(|| Failure::circuit("an output: unknown type"))?;
        let wires = items(&members["w"], kind.blocks(), "wires of an output")?;
        let wires = wires.iter().map(|wire| self.wire(wire)).collect::<Outcome<Vec<_>>>()?;
        if wires.len() != kind.blocks() {
            return Err(Failure::circuit(format!("an output of type {kind} has {} blocks", kind.blocks())));
        }
        if wires.iter().any(|wire| self.ranges[*wire as usize].1 > kind.block_max()) {
            return Err(Failure::circuit(format!("an output of type {kind} has a block beyond {}", kind.block_max())));
        }
        Ok(Output { kind, wires })
    }
}

fn read_tables(value: &Value) -> Outcome<Tables> {
    let luts = items(value, 4, "tables")?;
    let count = luts.len();
    if ![1, 2, 4].contains(&count) {
        return Err(Failure::circuit("a node has one, two or four tables"));
    }
    let mut entries = [0; 16];
    for (lut, row) in luts.iter().zip(entries.chunks_mut(16 / count)) {
        let list = items(lut, row.len(), "entries of a table")?;
        if list.len() != row.len() {
            return Err(Failure::circuit(format!("a table has {} entries here", row.len())));
        }
        for (entry, place) in list.iter().zip(row) {
            *place = integer(entry, 0..=15, "an entry")? as u8;
        }
    }
    Ok(Tables { count: count as u8, entries })
}
