import { describe, expect, it } from "vitest";
import { concatBytes, utf8 } from "../../../src/core/bytes.ts";
import { parseData } from "../../../src/model/data/parse-data.ts";

const malformed = expect.objectContaining({ code: "FORMAT_INVALID" });

function npy(header: string, data: ArrayBufferView, version = 1): Uint8Array {
  const text = utf8(`${header.padEnd(117)}\n`);
  const start = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0, text.length & 0xff, text.length >> 8);
  return concatBytes(start, text, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

const header = (descr: string, shape: string, order = "False") =>
  `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': (${shape}), }`;
const four = Float32Array.of(1, 2, 3, 4);

describe("samples in a file", () => {
  it("are read from NumPy arrays, JSON and CSV alike", () => {
    const want = [
      [1, 2],
      [3, 4],
    ];
    const files: [string, Uint8Array][] = [
      ["a.npy", npy(header("<f4", "2, 2"), four)],
      ["a.npy", npy(header("<f8", "2, 1, 2"), Float64Array.from(four))],
      ["a.npy", npy(header("|u1", "2, 2"), Uint8Array.from(four))],
      ["a.json", utf8("[[1,2],[3,4]]")],
      ["a.json", utf8('{"v":1,"model":"m","rows":[{"x":[1,2]},{"x":[3,4]}]}')],
      ["a.csv", utf8("1, 2\r\n3,4.0\n")],
    ];
    for (const [name, bytes] of files) expect(parseData(name, bytes)).toEqual({ samples: want, labels: null });
    const labelled = utf8('{"v":1,"model":"m","rows":[{"x":[1],"label":"a"}]}');
    expect(parseData("a.json", labelled)).toEqual({ samples: [[1]], labels: ["a"] });
  });

  it.each<[string, string, Uint8Array]>([
    ["another ending", "a.txt", utf8("1,2")],
    ["nothing in it", "a.csv", utf8("")],
    ["a header line", "a.csv", utf8("x,y\n1,2")],
    ["a quoted number", "a.csv", utf8('"1",2')],
    ["NaN", "a.csv", utf8("nan,2")],
    ["a number beyond doubles", "a.csv", utf8("1e999,2")],
    ["rows of different lengths", "a.csv", utf8("1,2\n3")],
    ["an empty row", "a.json", utf8("[[]]")],
    ["duplicate keys", "a.json", utf8('{"v":1,"v":1,"model":"m","rows":[]}')],
    ["labels for some rows only", "a.json", utf8('{"v":1,"model":"m","rows":[{"x":[1],"label":"a"},{"x":[2]}]}')],
    ["text among the numbers", "a.json", utf8('[["1"]]')],
    ["no NumPy magic", "a.npy", utf8("not an array file")],
    ["Fortran order", "a.npy", npy(header("<f4", "2, 2", "True"), four)],
    ["big-endian numbers", "a.npy", npy(header(">f4", "2, 2"), four)],
    ["Python objects", "a.npy", npy(header("|O8", "2, 2"), four)],
    ["one axis", "a.npy", npy(header("<f4", "4,"), four)],
    ["fewer numbers than its shape says", "a.npy", npy(header("<f4", "2, 3"), four)],
    ["a huge shape", "a.npy", npy(header("<f4", "1000000, 1000000"), four)],
    ["another format version", "a.npy", npy(header("<f4", "2, 2"), four, 9)],
    ["a header longer than the file", "a.npy", npy(header("<f4", "2, 2"), four).subarray(0, 40)],
    ["NaN in an array", "a.npy", npy(header("<f4", "1, 2"), Float32Array.of(Number.NaN, 1))],
  ])("are refused for %s", (_, name, bytes) => {
    expect(() => parseData(name, bytes)).toThrow(malformed);
  });
});
