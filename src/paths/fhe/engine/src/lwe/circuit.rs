//! Circuits of kind `lwe`, checked before anything runs. SPEC section 9.2.

use serde_json::{Map, Value};

use super::parameters::{DEGREE, PARAMETERS};
use crate::failure::{Failure, Outcome};

/// Most bytes of a document.
const MAX_BYTES: usize = 16 << 20;
/// Most wires: each takes 16 KiB while a circuit runs.
const MAX_WIRES: usize = 1 << 15;
const MAX_TABLES: usize = 1 << 12;
/// Most slots of all tables of a lookup: two steps of the rotation each.
const MAX_SLOTS: usize = 1 << 10;
const MAX_OUTPUTS: usize = 1 << 10;
const MAX_PARTS: usize = 8;
/// Largest coefficient, entry, constant or weight.
const MAX_NUMBER: i64 = 1 << 40;

/// What a node computes.
#[derive(Debug, PartialEq, Eq)]
pub enum Node {
    Dot { terms: Vec<(usize, i64)>, constant: u64 },
    Lut { wire: usize, shift: u32, tables: Vec<usize> },
}

/// A node and the first of its wires.
#[derive(Debug)]
pub struct Placed {
    pub node: Node,
    pub first: usize,
}

/// Nodes that wait for the level before only: all lookups, then the dot products in order.
#[derive(Debug, Default)]
pub struct Level {
    pub luts: Vec<usize>,
    pub dots: Vec<usize>,
}

/// A part of an output: `weight` times the wire's number in steps of 2^exponent.
#[derive(Debug)]
pub struct Part {
    pub wire: usize,
    pub exponent: u32,
    pub weight: i64,
}

/// A circuit that holds what the SPEC demands.
#[derive(Debug)]
pub struct Circuit {
    pub inputs: usize,
    pub exponent: u32,
    /// Entries as they stand on the torus.
    pub tables: Vec<Vec<u64>>,
    pub nodes: Vec<Placed>,
    pub outputs: Vec<Vec<Part>>,
    pub levels: Vec<Level>,
    pub wires: usize,
}

fn refuse<T>(message: impl Into<String>) -> Outcome<T> {
    Err(Failure::circuit(message))
}

fn members<'a, const N: usize>(value: &'a Value, names: [&str; N]) -> Outcome<[&'a Value; N]> {
    let Some(map): Option<&Map<String, Value>> = value.as_object().filter(|map| map.len() == N) else {
        return refuse("other members than the documented ones");
    };
    let mut found = [&Value::Null; N];
    for (slot, name) in found.iter_mut().zip(names) {
        let Some(member) = map.get(name) else { return refuse(format!("no member {name}")) };
        *slot = member;
    }
    Ok(found)
}

fn list<'a>(value: &'a Value, what: &str, most: usize) -> Outcome<&'a [Value]> {
    match value.as_array() {
        Some(items) if items.len() <= most => Ok(items),
        _ => refuse(format!("{what}: a list of up to {most} items")),
    }
}

fn number(value: &Value, what: &str, least: i64, most: i64) -> Outcome<i64> {
    match value.as_i64() {
        Some(found) if (least..=most).contains(&found) => Ok(found),
        _ => refuse(format!("{what}: a whole number from {least} to {most}")),
    }
}

fn signed(value: &Value, what: &str) -> Outcome<i64> {
    number(value, what, -MAX_NUMBER, MAX_NUMBER)
}

fn index(value: &Value, what: &str, count: usize) -> Outcome<usize> {
    match value.as_u64().and_then(|found| usize::try_from(found).ok()) {
        Some(found) if found < count => Ok(found),
        _ => refuse(format!("{what}: a number below {count}")),
    }
}

fn exponent(value: &Value) -> Outcome<u32> {
    Ok(u32::try_from(number(value, "exponent", 0, 63)?).unwrap_or(0))
}

fn table(value: &Value) -> Outcome<Vec<u64>> {
    let [up, entries] = list(value, "table", 2)? else { return refuse("a table is an exponent and its entries") };
    let up = exponent(up)?;
    let entries = list(entries, "entries", MAX_SLOTS)?;
    if !entries.len().is_power_of_two() {
        return refuse("the length of a table is a power of two");
    }
    entries.iter().map(|entry| Ok(signed(entry, "entry")?.cast_unsigned() << up)).collect()
}

/// Reads nodes in order, each over wires that exist by then.
struct Nodes {
    tables: Vec<Vec<u64>>,
    placed: Vec<Placed>,
    /// Lookups on the longest way to each wire.
    depths: Vec<usize>,
    levels: Vec<Level>,
}

impl Nodes {
    fn add(&mut self, value: &Value) -> Outcome<()> {
        let (node, depth, count) = match list(value, "node", 4)? {
            [kind, terms, constant] if kind == "dot" => self.dot(terms, constant)?,
            [kind, wire, shift, tables] if kind == "lut" => self.lut(wire, shift, tables)?,
            _ => return refuse("a node is [\"dot\", terms, constant] or [\"lut\", wire, shift, tables]"),
        };
        let level = &mut self.levels;
        level.resize_with(level.len().max(depth + 1), Level::default);
        match node {
            Node::Dot { .. } => level[depth].dots.push(self.placed.len()),
            Node::Lut { .. } => level[depth].luts.push(self.placed.len()),
        }
        self.placed.push(Placed { node, first: self.depths.len() });
        self.depths.resize(self.depths.len() + count, depth);
        if self.depths.len() > MAX_WIRES { refuse(format!("more than {MAX_WIRES} wires")) } else { Ok(()) }
    }

    fn dot(&self, terms: &Value, constant: &Value) -> Outcome<(Node, usize, usize)> {
        let mut seen = std::collections::HashSet::new();
        let mut parsed = Vec::new();
        for term in list(terms, "terms", MAX_WIRES)? {
            let [wire, coefficient] = list(term, "term", 2)? else { return refuse("a term is [wire, coefficient]") };
            let wire = index(wire, "wire", self.depths.len())?;
            let coefficient = signed(coefficient, "coefficient")?;
            if coefficient == 0 || !seen.insert(wire) {
                return refuse("a term is 0, or its wire stands in two terms");
            }
            parsed.push((wire, coefficient));
        }
        let [value, up] = list(constant, "constant", 2)? else { return refuse("a constant is [value, exponent]") };
        let constant = signed(value, "constant")?.cast_unsigned() << exponent(up)?;
        let depth = parsed.iter().map(|(wire, _)| self.depths[*wire]).max().unwrap_or(0);
        Ok((Node::Dot { terms: parsed, constant }, depth, 1))
    }

    fn lut(&self, wire: &Value, shift: &Value, tables: &Value) -> Outcome<(Node, usize, usize)> {
        let wire = index(wire, "wire", self.depths.len())?;
        let shift = exponent(shift)?;
        let found = list(tables, "tables", MAX_SLOTS)?.iter().map(|at| index(at, "table", self.tables.len()));
        let tables = found.collect::<Outcome<Vec<_>>>()?;
        let lengths = tables.iter().map(|at| self.tables[*at].len()).collect::<Vec<_>>();
        let slots: usize = lengths.iter().sum();
        if slots > MAX_SLOTS || !slots.is_power_of_two() || lengths.iter().any(|length| *length != lengths[0]) {
            return refuse("the tables of a lookup have one length, and together a power of two of slots");
        }
        let count = tables.len();
        Ok((Node::Lut { wire, shift, tables }, self.depths[wire] + 1, count))
    }
}

fn output(value: &Value, wires: usize) -> Outcome<Vec<Part>> {
    let parts = list(value, "parts", MAX_PARTS)?;
    if parts.is_empty() {
        return refuse("an output has a part at least");
    }
    let part = |part: &Value| {
        let [wire, up, weight] = list(part, "part", 3)? else { return refuse("a part is [wire, exponent, weight]") };
        Ok(Part { wire: index(wire, "wire", wires)?, exponent: exponent(up)?, weight: signed(weight, "weight")? })
    };
    parts.iter().map(part).collect()
}

impl Circuit {
    /// # Errors
    /// `FHE_CIRCUIT_INVALID` for bytes that are not the canonical form of a document that holds the SPEC's rules.
    pub fn parse(bytes: &[u8]) -> Outcome<Self> {
        if bytes.len() > MAX_BYTES {
            return refuse(format!("more than {MAX_BYTES} bytes"));
        }
        let Ok(document) = serde_json::from_slice::<Value>(bytes) else { return refuse("no JSON document") };
        // Members sorted, each once, no space: what holds no fraction and no escape has one spelling.
        if serde_json::to_vec(&document).ok().as_deref() != Some(bytes) {
            return refuse("not in canonical form");
        }
        let names = ["v", "kind", "parameters", "inputs", "tables", "nodes", "outputs"];
        let [v, kind, parameters, inputs, tables, nodes, outputs] = members(&document, names)?;
        if v != 1 || kind != "lwe" || parameters != PARAMETERS {
            return refuse("another version, kind or parameter set");
        }
        let [count, up] = members(inputs, ["count", "exponent"])?;
        let inputs = index(count, "inputs", DEGREE + 1)?;
        let tables = list(tables, "tables", MAX_TABLES)?.iter().map(table).collect::<Outcome<Vec<_>>>()?;
        let mut read = Nodes { tables, placed: Vec::new(), depths: vec![0; inputs], levels: Vec::new() };
        for node in list(nodes, "nodes", MAX_WIRES)? {
            read.add(node)?;
        }
        let wires = read.depths.len();
        let outputs = list(outputs, "outputs", MAX_OUTPUTS)?.iter().map(|item| output(item, wires));
        Ok(Self {
            inputs,
            exponent: exponent(up)?,
            outputs: outputs.collect::<Outcome<Vec<_>>>()?,
            tables: read.tables,
            nodes: read.placed,
            levels: read.levels,
            wires,
        })
    }

    /// Lookups: the price in programmable bootstraps.
    #[must_use]
    pub fn bootstraps(&self) -> usize {
        self.levels.iter().map(|level| level.luts.len()).sum()
    }
}
