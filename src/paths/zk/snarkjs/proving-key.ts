/** A `.zkey` file, taken apart once and kept: proofs then read nothing from it again. */
import { Failure, sectionOf, sectionsOf, uint32At } from "./files.ts";

const G1_BYTES = 64;
const G2_BYTES = 128;
const FIELD_BYTES = 32;
const HEADER_BYTES = 660;
/** Matrix, row and wire, and the coefficient. */
const TERM_BYTES = 12 + FIELD_BYTES;
const CODE = "FORMAT_INVALID";

/** The points of one wire polynomial, without those at infinity. */
export interface WirePoints {
  readonly group: "G1" | "G2";
  /** The wire of each point. */
  readonly wires: Uint32Array;
  readonly points: Uint8Array;
}

/** What proofs need of a key. Points and coefficients are in the form that the library's WebAssembly works with. */
export interface ProvingKey {
  readonly wires: number;
  readonly publicSignals: number;
  readonly domain: number;
  readonly header: {
    readonly alpha1: Uint8Array;
    readonly beta1: Uint8Array;
    readonly beta2: Uint8Array;
    readonly delta1: Uint8Array;
    readonly delta2: Uint8Array;
  };
  readonly a: WirePoints;
  readonly b1: WirePoints;
  readonly b2: WirePoints;
  readonly c: WirePoints;
  /** One point for each row of the domain. */
  readonly h: Uint8Array;
  readonly terms: Uint8Array;
  readonly termCount: number;
}

/** Memory that threads share: a task that reads the key does not copy it to its thread first. */
function shared(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}

function wirePoints(group: WirePoints["group"], section: Uint8Array, firstWire: number): WirePoints {
  const size = group === "G1" ? G1_BYTES : G2_BYTES;
  const wires: number[] = [];
  for (let at = 0; at < section.length / size; at++) {
    if (section.subarray(at * size, (at + 1) * size).some((byte) => byte !== 0)) wires.push(at + firstWire);
  }
  const points = new Uint8Array(wires.length * size);
  wires.forEach((wire, at) => {
    const from = (wire - firstWire) * size;
    points.set(section.subarray(from, from + size), at * size);
  });
  return { group, wires: Uint32Array.from(wires), points };
}

/** Takes a key apart. @throws Failure `FORMAT_INVALID`. Points are not checked: each proof is verified before it is handed over. */
export function openProvingKey(file: Uint8Array): ProvingKey {
  const sections = sectionsOf(file, CODE);
  const head = sectionOf(sections, 2, HEADER_BYTES, CODE);
  const [wires, publicSignals, domain] = [uint32At(head, 72), uint32At(head, 76), uint32At(head, 80)];
  if (publicSignals + 1 > wires || domain === 0 || (domain & (domain - 1)) !== 0)
    throw new Failure(CODE, "the key's sizes are wrong");
  const section = (id: number, length: number) => sectionOf(sections, id, length, CODE);
  const point = (from: number, to: number) => Uint8Array.from(head.subarray(from, to));
  const terms = sections.get(4) ?? new Uint8Array(0);
  const termCount = terms.length < 4 ? 0 : uint32At(terms, 0);
  if (terms.length !== 4 + termCount * TERM_BYTES) throw new Failure(CODE, "the key's coefficients have a wrong length");
  return {
    wires,
    publicSignals,
    domain,
    header: {
      alpha1: point(84, 148),
      beta1: point(148, 212),
      beta2: point(212, 340),
      delta1: point(468, 532),
      delta2: point(532, 660),
    },
    a: wirePoints("G1", section(5, wires * G1_BYTES), 0),
    b1: wirePoints("G1", section(6, wires * G1_BYTES), 0),
    b2: wirePoints("G2", section(7, wires * G2_BYTES), 0),
    c: wirePoints("G1", section(8, (wires - publicSignals - 1) * G1_BYTES), publicSignals + 1),
    h: shared(section(9, domain * G1_BYTES)),
    terms: shared(terms.subarray(4)),
    termCount,
  };
}

/** The values of a `.wtns` file, 32 bytes each. @throws Failure `ZK_WITNESS_INVALID`. */
export function readWitness(file: Uint8Array, wires: number): Uint8Array {
  const code = "ZK_WITNESS_INVALID";
  const sections = sectionsOf(file, code);
  const head = sectionOf(sections, 1, 8 + FIELD_BYTES, code);
  if (uint32At(head, 0) !== FIELD_BYTES || uint32At(head, 4 + FIELD_BYTES) !== wires) {
    throw new Failure(code, "the witness does not belong to the circuit of this key");
  }
  return sectionOf(sections, 2, wires * FIELD_BYTES, code);
}
