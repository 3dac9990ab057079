/**
 * A verifier contract for one verification key. It checks what `openVerifier` checks of a proof: signals below the field order,
 * points on their curves (the precompiles refuse others, and G2 points outside the subgroup), and the pairing equation.
 *
 * Its scratch area, from the free memory pointer on: four pairs of 192 bytes for the product of pairings, and behind them the
 * sum over the signals. A precompile that refuses its input takes all gas that it was given, so each is given twice its price.
 */
import type { PointG1, PointG2, VerificationKey } from "../wire/documents.ts";
import { FIELD_ORDER } from "../wire/field.ts";
import { openVerifier } from "./groth16.ts";

const BASE_ORDER = 21888242871839275222246405745257275088696311157297823662689037894645226208583n;
const PAIR = 192;
/** The accumulator of the sum, and beside it the point and scalar that are multiplied. */
const SUM = 4 * PAIR;
const TERM = SUM + 64;
const SCRATCH = TERM + 96;

const hex = (value: bigint): string => `0x${value.toString(16).padStart(64, "0")}`;
const store = (offset: number, value: string): string => `            mstore(add(m, ${offset}), ${value})`;
const storeG1 = (offset: number, { x, y }: PointG1): string[] => [store(offset, hex(x)), store(offset + 32, hex(y))];
/** The precompile wants the coefficient of u first. */
const storeG2 = (offset: number, { x, y }: PointG2): string[] =>
  [x[1], x[0], y[1], y[0]].map((part, at) => store(offset + 32 * at, hex(part)));

function signalLines(ic: readonly PointG1[]): string[] {
  return ic.slice(1).flatMap((point, at) => {
    const offset = 32 * at;
    return [
      `            s := calldataload(add(signals, ${offset}))`,
      "            ok := and(ok, lt(s, R))",
      ...storeG1(TERM, point),
      store(TERM + 64, "s"),
      `            ok := and(ok, staticcall(12000, 7, add(m, ${TERM}), 96, add(m, ${TERM}), 64))`,
      `            ok := and(ok, staticcall(300, 6, add(m, ${SUM}), 128, add(m, ${SUM}), 64))`,
    ];
  });
}

/** Pairs of the check `e(-A, B) e(alpha, beta) e(sum, gamma) e(C, delta) = 1`. gamma and delta of a key are opened before. */
function pairLines(key: VerificationKey): string[] {
  return [
    "            // -A: a y of zero stays zero, and one that is no coordinate is refused by the precompile",
    "            calldatacopy(m, proof, 192)",
    "            s := mload(add(m, 32))",
    "            ok := and(ok, lt(s, P))",
    "            mstore(add(m, 32), mod(sub(P, s), P))",
    ...storeG1(PAIR, key.alpha),
    ...storeG2(PAIR + 64, key.beta),
    store(2 * PAIR, `mload(add(m, ${SUM}))`),
    store(2 * PAIR + 32, `mload(add(m, ${SUM + 32}))`),
    ...storeG2(2 * PAIR + 64, key.gamma),
    `            calldatacopy(add(m, ${3 * PAIR}), add(proof, 192), 64)`,
    ...storeG2(3 * PAIR + 64, key.delta),
    `            ok := and(ok, staticcall(362000, 8, m, ${4 * PAIR}, m, 32))`,
    "            ok := and(ok, eq(mload(m), 1))",
  ];
}

/**
 * The source of a contract `TrisealVerifier` for `key`, with one function: `verify(uint256[8] proof, uint256[n] signals)`, whose
 * proof is A.x, A.y, B.x.c1, B.x.c0, B.y.c1, B.y.c0, C.x, C.y. It returns false, and never reverts, for what does not hold. The
 * contract keeps no state: a proof can be shown twice, so whoever calls it must bind the context signal to its own use.
 * @throws TrisealError `ZK_KEY_INVALID` for a key that must not be used.
 */
export function solidityVerifier(key: VerificationKey, about: readonly string[]): string {
  openVerifier(key);
  const [first = { x: 0n, y: 0n }] = key.ic;
  const count = key.ic.length - 1;
  return `${[
    "// SPDX-License-Identifier: Apache-2.0",
    ...about.map((line) => `// ${line.replace(/[^\x20-\x7e]/g, "?")}`),
    "pragma solidity ^0.8.20;",
    "",
    "/// Verifies Groth16 proofs on BN254 under one key. Whether to believe that key is decided by how it was set up.",
    "contract TrisealVerifier {",
    "    /// Order of the base field, and of the scalar field below which every signal must lie: s and s + R would be one signal.",
    `    uint256 private constant P = ${BASE_ORDER};`,
    `    uint256 private constant R = ${FIELD_ORDER};`,
    "",
    "    /// Whether the proof holds for these public signals. Keeps nothing: a proof can be shown again.",
    `    function verify(uint256[8] calldata proof, uint256[${count}] calldata signals) external view returns (bool ok) {`,
    '        assembly ("memory-safe") {',
    "            let m := mload(0x40)",
    `            mstore(0x40, add(m, ${SCRATCH}))`,
    "            let s := 0",
    "            ok := 1",
    ...storeG1(SUM, first),
    ...signalLines(key.ic),
    ...pairLines(key),
    "        }",
    "    }",
    "}",
  ].join("\n")}\n`;
}

/** The arguments of `verify` for a proof, in words of 32 bytes. */
export function solidityArguments(
  { a, b, c }: { readonly a: PointG1; readonly b: PointG2; readonly c: PointG1 },
  signals: readonly bigint[],
): readonly bigint[] {
  return [a.x, a.y, b.x[1], b.x[0], b.y[1], b.y[0], c.x, c.y, ...signals];
}
