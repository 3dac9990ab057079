/** The exported contract, compiled by solc and executed by an EVM. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createEVM, type EVM } from "@ethereumjs/evm";
import { Account, createAddressFromString, hexToBytes } from "@ethereumjs/util";
import { bn254 } from "@noble/curves/bn254.js";
import solc from "solc";
import { beforeAll, describe, expect, it } from "vitest";
import { openVerifier } from "../../src/paths/zk/evidence/groth16.ts";
import { solidityArguments, solidityVerifier } from "../../src/paths/zk/evidence/solidity.ts";
import {
  decodeProofDocument,
  decodeVerificationKey,
  type PointG1,
  type PointG2,
  type Proof,
  type VerificationKey,
} from "../../src/paths/zk/wire/documents.ts";
import { FIELD_ORDER } from "../../src/paths/zk/wire/field.ts";

const G1 = bn254.G1.Point;
const G2 = bn254.G2.Point;
const { Fp, Fr } = bn254.fields;

interface Compiled {
  readonly errors?: readonly { readonly formattedMessage: string }[];
  readonly contracts?: Record<
    string,
    Record<
      string,
      { readonly evm: { readonly bytecode: { readonly object: string }; readonly methodIdentifiers: Record<string, string> } }
    >
  >;
}

function compile(source: string): { readonly code: string; readonly selector: string } {
  const settings = {
    optimizer: { enabled: true, runs: 200 },
    outputSelection: { "*": { "*": ["evm.bytecode.object", "evm.methodIdentifiers"] } },
  };
  const input = { language: "Solidity", sources: { "v.sol": { content: source } }, settings };
  const output = JSON.parse(solc.compile(JSON.stringify(input))) as Compiled;
  expect(output.errors ?? []).toEqual([]);
  const contract = output.contracts?.["v.sol"]?.["TrisealVerifier"];
  if (contract === undefined) throw new Error("no contract");
  const [selector = ""] = Object.values(contract.evm.methodIdentifiers);
  return { code: contract.evm.bytecode.object, selector };
}

/** A deployed contract: calls `verify` and reports what it returned, and the gas of its execution. */
async function deploy(key: VerificationKey) {
  const { code, selector } = compile(solidityVerifier(key, ["A test"]));
  const evm: EVM = await createEVM();
  const caller = createAddressFromString(`0x${"11".repeat(20)}`);
  await evm.stateManager.putAccount(caller, new Account(0n, 10n ** 18n));
  const { createdAddress, execResult } = await evm.runCall({ caller, data: hexToBytes(`0x${code}`), gasLimit: 10_000_000n });
  if (createdAddress === undefined) throw new Error(execResult.exceptionError?.error ?? "not deployed");
  return async (words: readonly bigint[]) => {
    const data = hexToBytes(`0x${selector}${words.map((word) => word.toString(16).padStart(64, "0")).join("")}`);
    const result = (await evm.runCall({ caller, to: createdAddress, data, gasLimit: 10_000_000n })).execResult;
    if (result.exceptionError !== undefined) throw new Error(result.exceptionError.error);
    return { accepted: result.returnValue.at(-1) === 1, gas: Number(result.executionGasUsed) };
  };
}

const g1 = (scalar: bigint): PointG1 => G1.BASE.multiply(scalar).toAffine();
const g2 = (scalar: bigint): PointG2 => {
  const { x, y } = G2.BASE.multiply(scalar).toAffine();
  return { x: [x.c0, x.c1], y: [y.c0, y.c1] };
};

/** A key whose secrets are known, and a proof that was simulated with them, for `count` public signals. */
function simulated(count: number): { readonly key: VerificationKey; readonly proof: Proof; readonly signals: readonly bigint[] } {
  const [alpha, beta, delta] = [11n, 13n, 17n];
  const ic = Array.from({ length: count + 1 }, (_, at) => BigInt(100 + at));
  const signals = Array.from({ length: count }, (_, at) => Fr.create(BigInt(at) * 0xabcdefn ** 9n + 5n));
  const sum = signals.reduce((total, signal, at) => Fr.add(total, Fr.mul(signal, ic[at + 1] ?? 0n)), ic[0] ?? 0n);
  // a b = alpha beta + sum + c delta
  const [a, b] = [23n, 29n];
  const c = Fr.div(Fr.sub(Fr.sub(a * b, alpha * beta), sum), delta);
  const key = { alpha: g1(alpha), beta: g2(beta), gamma: g2(1n), delta: g2(delta), ic: ic.map(g1) };
  return { key, proof: { a: g1(a), b: g2(b), c: g1(c) }, signals };
}

const vectorFile = fileURLToPath(new URL("../vectors/zk/groth16.json", import.meta.url));
const vector = JSON.parse(readFileSync(vectorFile, "utf8")) as {
  key: never;
  publicSignals: string[];
  proofs: { rust: never; snarkjs: never };
};

describe("the exported contract", () => {
  const key = decodeVerificationKey(vector.key);
  const signals = vector.publicSignals.map(BigInt);
  const proof = decodeProofDocument(vector.proofs.rust);
  let call: Awaited<ReturnType<typeof deploy>>;
  beforeAll(async () => {
    call = await deploy(key);
  }, 60_000);

  it("accepts proofs of both provers, and twice the same one: it keeps nothing", async () => {
    for (const made of [proof, proof, decodeProofDocument(vector.proofs.snarkjs)]) {
      expect(await call(solidityArguments(made, signals))).toMatchObject({ accepted: true });
    }
  });

  it("refuses every altered word of proof and signals", async () => {
    const words = solidityArguments(proof, signals);
    for (const [at, word] of words.entries()) {
      expect(await call(words.with(at, word + 1n)), `word ${at}`).toMatchObject({ accepted: false });
      expect(await call(words.with(at, 0n)), `word ${at}`).toMatchObject({ accepted: word === 0n });
    }
  });

  it("refuses signals that are aliased, s + r, and coordinates that are", async () => {
    const words = solidityArguments(proof, signals);
    for (const at of signals.keys()) {
      expect(await call(words.with(8 + at, (signals[at] ?? 0n) + FIELD_ORDER))).toMatchObject({ accepted: false });
    }
    for (let at = 0; at < 8; at++) {
      expect(await call(words.with(at, (words[at] ?? 0n) + Fp.ORDER)), `word ${at}`).toMatchObject({ accepted: false });
    }
    expect(await call(words.with(1, 2n ** 256n - 1n))).toMatchObject({ accepted: false });
  });

  it("refuses points of another group, infinity in the place of every point, and another key's proof", async () => {
    const words = solidityArguments(proof, signals);
    const zeros = (from: number, count: number) => words.map((word, at) => (at >= from && at < from + count ? 0n : word));
    for (const forged of [zeros(0, 2), zeros(2, 4), zeros(6, 2), zeros(0, 8)]) {
      expect(await call(forged)).toMatchObject({ accepted: false });
    }
    const other = simulated(signals.length);
    expect(await call(solidityArguments(other.proof, other.signals))).toMatchObject({ accepted: false });
  });

  it("gives false, not an error, to a refused proof, and leaves the caller most of its gas", async () => {
    const { accepted, gas } = await call(solidityArguments(proof, signals).with(0, 1n));
    expect(accepted).toBe(false);
    expect(gas).toBeLessThan(500_000);
  });

  it("is written for no key without a second phase", () => {
    expect(() => solidityVerifier({ ...key, delta: key.gamma }, [])).toThrow(expect.objectContaining({ code: "ZK_KEY_INVALID" }));
    expect(() => solidityVerifier({ ...key, delta: g2(1n) }, [])).toThrow(expect.objectContaining({ code: "ZK_KEY_INVALID" }));
    expect(() => solidityVerifier({ ...key, alpha: { x: 0n, y: 0n } }, [])).toThrow(
      expect.objectContaining({ code: "ZK_KEY_INVALID" }),
    );
  });

  it("keeps what it is told about itself in comments", () => {
    const source = solidityVerifier(key, ["line\n} contract Other {", "x"]);
    expect(source.split("\n").filter((line) => line.includes("Other"))).toEqual(["// line?} contract Other {"]);
  });
});

it("takes at most 225k gas with one public signal, and 7k for each further one", async () => {
  const gasOf = async (count: number) => {
    const { key, proof, signals } = simulated(count);
    expect(openVerifier(key).verify(proof, signals)).toBe(true);
    const { accepted, gas } = await (await deploy(key))(solidityArguments(proof, signals));
    expect(accepted).toBe(true);
    return gas;
  };
  const [one, ten] = [await gasOf(1), await gasOf(10)];
  console.log(`zk: gas of on-chain verification: ${one} with 1 public signal, ${ten} with 10`);
  expect(one).toBeLessThanOrEqual(225_000);
  expect((ten - one) / 9).toBeLessThanOrEqual(7_000);
}, 60_000);
