import { describe, expect, it } from "vitest";
import { isTrisealError } from "../../../src/core/errors.ts";
import { encodeJcs } from "../../../src/core/jcs.ts";
import type { JsonValue } from "../../../src/core/json.ts";
import { evaluateCircuit, parseCircuit, priceOf } from "../../../src/paths/fhe/wire/circuit.ts";

const sixteen = Array<number>(16).fill(1);
const eight = Array<number>(8).fill(1);
const four = Array<number>(4).fill(1);

function circuit(nodes: JsonValue, outputs: JsonValue = [{ t: "u2", w: [0] }]): JsonValue {
  return { v: 1, kind: "radix", inputs: ["u4", "bool"], nodes, outputs };
}

function code(document: JsonValue): string | null {
  try {
    parseCircuit(encodeJcs(document));
    return null;
  } catch (error) {
    if (isTrisealError(error)) return error.code;
    throw error;
  }
}

describe("a circuit", () => {
  it.each<[string, JsonValue]>([
    ["another kind", { v: 1, kind: "lwe", inputs: [], nodes: [], outputs: [] }],
    ["an unknown member", { v: 1, kind: "radix", inputs: [], nodes: [], outputs: [], seed: 1 }],
    ["a coefficient beyond 16", circuit([[[[0, 17]], 0, [sixteen]]])],
    ["a fraction", circuit([[[[0, 0.5]], 0, [sixteen]]])],
    ["a node of two parts", circuit([[[[0, 1]], 0]])],
    ["a node of four parts", circuit([[[[0, 1]], 0, [sixteen], 0]])],
    ["a term of three parts", circuit([[[[0, 1, 1]], 0, [sixteen]]])],
    ["an entry of 16", circuit([[[[0, 1]], 0, [[...sixteen.slice(1), 16]]]])],
    ["a negative entry", circuit([[[[0, 1]], 0, [[...sixteen.slice(1), -1]]]])],
  ])("is malformed with %s", (_, document) => {
    expect(code(document)).toBe("FORMAT_INVALID");
  });

  it.each<[string, JsonValue]>([
    ["three tables", circuit([[[[0, 1]], 0, [four, four, four]]])],
    ["no table", circuit([[[[0, 1]], 0, []]])],
    ["a short table", circuit([[[[0, 1]], 0, [eight]]])],
    ["tables of two lengths", circuit([[[[2, 1]], 0, [eight, four]]])],
    ["a wire that is not there", circuit([[[[3, 1]], 0, [sixteen]]])],
    [
      "a node that reads itself",
      circuit([
        [[[0, 1]], 0, [sixteen]],
        [[[4, 1]], 0, [sixteen]],
      ]),
    ],
    [
      "a wire twice",
      circuit([
        [
          [
            [0, 1],
            [0, 2],
          ],
          0,
          [sixteen],
        ],
      ]),
    ],
    ["a coefficient of zero", circuit([[[[0, 0]], 0, [sixteen]]])],
    [
      "a value of 16",
      circuit([
        [
          [
            [0, 4],
            [1, 1],
          ],
          1,
          [sixteen],
        ],
      ]),
    ],
    ["a value below zero", circuit([[[[0, -1]], 2, [sixteen]]])],
    [
      "a value of 8 with two tables",
      circuit([
        [
          [
            [0, 2],
            [1, 1],
          ],
          0,
          [eight, eight],
        ],
      ]),
    ],
    [
      "a value of 4 with four tables",
      circuit([
        [
          [
            [0, 1],
            [2, 1],
          ],
          0,
          [four, four, four, four],
        ],
      ]),
    ],
    [
      "squares above 25",
      circuit([
        [
          [
            [0, 4],
            [2, 3],
            [1, -1],
          ],
          3,
          [sixteen],
        ],
      ]),
    ],
    ["a coefficient of 6", circuit([[[[2, 6]], 0, [sixteen]]])],
    ["no output", circuit([], [])],
    ["an output of too few blocks", circuit([], [{ t: "u8", w: [0, 1] }])],
    ["an output of a wire that is not there", circuit([], [{ t: "u2", w: [3] }])],
    ["an output block of a bool that holds 3", circuit([], [{ t: "bool", w: [0] }])],
    ["an output block that holds 4", circuit([[[[0, 1]], 0, [[4, ...sixteen.slice(1)]]]], [{ t: "u2", w: [3] }])],
  ])("is invalid with %s", (_, document) => {
    expect(code(document)).toBe("FHE_CIRCUIT_INVALID");
  });

  it("adds two digits and a condition in one node of two tables", () => {
    const digits = [0, 1, 2, 3, 0, 1, 2, 3];
    const carries = [0, 0, 0, 0, 1, 1, 1, 1];
    const document = circuit(
      [
        [
          [
            [0, 1],
            [1, 1],
            [2, 1],
          ],
          0,
          [digits, carries],
        ],
      ],
      [
        { t: "u2", w: [3] },
        { t: "bool", w: [4] },
      ],
    );
    const read = parseCircuit(encodeJcs(document));
    expect(priceOf(read)).toEqual({ pbs: 1, depth: 1 });
    expect(evaluateCircuit(read, [[3, 3], [1]])).toEqual([[3], [1]]);
    expect(evaluateCircuit(read, [[1, 2], [0]])).toEqual([[3], [0]]);
  });

  it("is as deep as its longest chain", () => {
    const step = (wire: number): JsonValue => [[[wire, 1]], 0, [[0, 1, 2, 3, ...Array<number>(12).fill(0)]]];
    expect(priceOf(parseCircuit(encodeJcs(circuit([step(0), step(3), step(1), step(4)]))))).toEqual({ pbs: 4, depth: 3 });
  });
});
