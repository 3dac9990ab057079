import { describe, expect, it } from "vitest";
import { ConstraintBuilder, type ConstraintSystem, firstBrokenRow } from "../../../src/paths/zk/wire/constraint-system.ts";
import { FIELD_ORDER, toField } from "../../../src/paths/zk/wire/field.ts";
import { encodeR1cs, parseR1cs } from "../../../src/paths/zk/wire/r1cs.ts";
import { encodeWitness, parseWitness } from "../../../src/paths/zk/wire/wtns.ts";

const malformed = (message?: string) =>
  expect.objectContaining({ code: "FORMAT_INVALID", ...(message === undefined ? {} : { message }) });

/** `x * x = y` and `y - x = z`; the only public signal is `z`. */
function squareSystem(): ConstraintSystem {
  const builder = new ConstraintBuilder(1);
  const [x, y] = [builder.addWire(), builder.addWire()];
  builder.addRow([[x, 1]], [[x, 1n]], [[y, 1]]);
  builder.addRow(
    [
      [y, 1],
      [x, -1],
    ],
    [[0, 1]],
    [[1, 1]],
  );
  builder.padRows(4);
  return builder.build();
}

const ALL_ONES = Array.from({ length: 32 }, () => 255);

const patched = (bytes: Uint8Array, offset: number, ...values: number[]) => {
  const copy = bytes.slice();
  copy.set(values, offset);
  return copy;
};

describe("a constraint system", () => {
  it("holds for its witnesses and names the first row that another breaks", () => {
    const system = squareSystem();
    expect([system.rows, system.wires]).toEqual([4, 4]);
    expect(firstBrokenRow(system, [1n, 6n, 3n, 9n])).toBe(-1);
    expect(firstBrokenRow(system, [1n, toField(-0n), 1n, 1n])).toBe(-1);
    expect(firstBrokenRow(system, [1n, 6n, 3n, 8n])).toBe(0);
    expect(firstBrokenRow(system, [1n, 7n, 3n, 9n])).toBe(1);
  });

  it("refuses a witness of another length or without its constant", () => {
    const system = squareSystem();
    expect(() => firstBrokenRow(system, [1n, 6n, 3n])).toThrow(malformed());
    expect(() => firstBrokenRow(system, [1n, 6n, 3n, 9n, 0n])).toThrow(malformed());
    expect(() => firstBrokenRow(system, [2n, 6n, 3n, 9n])).toThrow(malformed());
  });

  it("keeps each coefficient once, reduced, and drops zeros", () => {
    const builder = new ConstraintBuilder(0);
    const [x, y, z] = [builder.addWire(), builder.addWire(), builder.addWire()];
    builder.addRow(
      [
        [x, -1],
        [y, FIELD_ORDER - 1n],
        [z, FIELD_ORDER],
      ],
      [
        [x, -1n],
        [y, 0],
      ],
      [],
    );
    const system = builder.build();
    expect(system.values.filter((value) => value !== 0n)).toEqual([FIELD_ORDER - 1n]);
    expect([...system.a.wires, ...system.b.wires]).toEqual([x, y, x]);
  });

  it("refuses a term on a wire that is not there", () => {
    expect(() => new ConstraintBuilder(1).a(2, 1)).toThrow(expect.objectContaining({ code: "INTERNAL" }));
  });
});

describe("an .r1cs file", () => {
  const file = encodeR1cs(squareSystem());
  /** Sections stand in the order 2, 1, 3; the header's body follows section 2. */
  const body = 24;
  const head = file.length - (12 + 4 * 8) - 64;

  it("is read as it was written", () => {
    const { values, ...system } = parseR1cs(file);
    const { values: before, ...expected } = squareSystem();
    expect(new Set(values)).toEqual(new Set(before));
    expect(system.a.starts).toEqual(expected.a.starts);
    expect(system.c.wires).toEqual(expected.c.wires);
    expect(encodeR1cs({ ...system, values })).toEqual(file);
  });

  it("is refused where it is cut at any place, or longer", () => {
    for (let length = 0; length < file.length; length += 7) {
      expect(() => parseR1cs(file.slice(0, length))).toThrow(malformed());
    }
    expect(() => parseR1cs(new Uint8Array([...file, 0]))).toThrow(malformed("bytes after the last section"));
  });

  it.each<[string, Uint8Array, string]>([
    ["another magic", patched(file, 0, 0x52), "expected a `r1cs` file"],
    ["another version", patched(file, 4, 2), "unknown version of the file format"],
    ["too many sections", patched(file, 8, 200), "too many sections"],
    ["a section twice", patched(file, 12, 1), "section 1 stands twice"],
    ["a section of no length", patched(file, 16, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), "the file is truncated"],
    ["another field", patched(file, head + 4, 0), "the circuit is not over the scalar field of BN254"],
    ["a wire that is not there", patched(file, body + 4, 9), "a constraint names a wire that is not there"],
    ["a coefficient beyond the field", patched(file, body + 8, ...ALL_ONES), "a field element is not below the field order"],
    ["a count beyond its bytes", patched(file, body + 3, 255), "the constraints are truncated"],
    ["fewer rows than bytes", patched(file, head + 60, 3), "bytes after the last constraint"],
    ["more rows than bytes", patched(file, head + 60, 5), "the constraints are truncated"],
    ["2^31 rows", patched(file, head + 60, 0, 0, 0, 128), "the circuit's sizes are out of range"],
    ["more signals than wires", patched(file, head + 44, 4), "the circuit's sizes are out of range"],
  ])("is refused with %s", (_, bytes, message) => {
    expect(() => parseR1cs(bytes)).toThrow(malformed(message));
  });
});

describe("a .wtns file", () => {
  const file = encodeWitness([1n, 6n, FIELD_ORDER - 1n]);

  it("is read as it was written", () => {
    expect(parseWitness(file)).toEqual([1n, 6n, FIELD_ORDER - 1n]);
  });

  it.each<[string, Uint8Array]>([
    ["a byte less", file.slice(0, -1)],
    ["a byte more", new Uint8Array([...file, 0])],
    ["another magic", patched(file, 0, 0)],
    ["another number of values", patched(file, 24 + 36, 4)],
    ["another field", patched(file, 24 + 4, 0)],
    ["a constant that is not one", encodeWitness([2n, 6n])],
    ["no value", encodeWitness([])],
    ["a value beyond the field", patched(file, file.length - 32, ...ALL_ONES)],
  ])("is refused with %s", (_, bytes) => {
    expect(() => parseWitness(bytes)).toThrow(malformed());
  });
});
