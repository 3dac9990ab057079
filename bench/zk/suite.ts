/** The zk suite: both provers, verification, and where asked other systems, interleaved on the same models. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { proverProgram } from "../../scripts/cargo.ts";
import { isBuilt } from "../../src/paths/zk/server/prover-programs.ts";
import { reasonOf } from "../python-environment.ts";
import { INTERVAL_METHOD, percentiles, ratioOfMedians } from "../statistics.ts";
import { type BenchOptions, load, provenance, RESULT_SCHEMA, type Suite } from "../suite.ts";
import { type OpenPeer, openPeers, type Peer } from "./peers.ts";
import { makeKey, ownLane, type ProverLane } from "./prover-lane.ts";
import type { ProverRow, ZkModelResult, ZkResult } from "./result.ts";
import { zkTables } from "./tables.ts";
import { compileWorkload, type ZkWorkload, zkModels } from "./workload.ts";

const MIN_ROUNDS = 3;

const NOTES = [
  "proofs are of the same architecture with the same real weights; integers of 2 to 8 bits here, fixed point of scale 7 in ezkl",
  "Triseal: Groth16, one setup for each circuit; keys here are dev-insecure; weights are constants of the circuit, seen by whoever holds the proving key, or in the rows `committed` private wires under a commitment that is part of the proof; input private behind a salted commitment, which is part of the proof",
  "ezkl: Halo2 with KZG, one universal SRS (made here, insecure); weights fixed columns, seen by whoever holds the circuit; input private, output public, no commitment to the input; its key is read from disk in every proof",
  "ezkl-wasm: the npm engine, circuits made by the native ezkl of the same version",
  "keys of both provers are made by the Rust prover; both use all cores, hold their key in memory and verify each proof, inside the time",
  "verification of ours: in Node, key opened once; peak memory: VmHWM of the prover's process",
];

/** A peer that fails in a round has no row of numbers, and joins no further one. */
function peerLane({ name, version, settings, setupMs, provingKeyBytes, ...peer }: OpenPeer): ProverLane {
  const [prove, verify]: [number[], number[]] = [[], []];
  let last = { proofBytes: 0, peakBytes: 0 };
  let unavailable: string | null = null;
  return {
    name,
    prove,
    verify,
    async round() {
      if (unavailable !== null) return;
      try {
        const answer = await peer.prove();
        prove.push(Number(answer["proveMs"]));
        verify.push(Number(answer["verifyMs"]));
        last = { proofBytes: Number(answer["proofBytes"]), peakBytes: Number(answer["peakBytes"]) };
      } catch (error) {
        unavailable = `its keys were made in ${Math.round(setupMs / 1000)} s, and a proof failed: ${reasonOf(error)}`;
        prove.length = 0;
      }
    },
    row() {
      if (unavailable !== null) return missingRow({ name, unavailable });
      return {
        prover: name,
        proveMs: percentiles(prove),
        verifyMs: percentiles(verify),
        setupMs,
        provingKeyBytes,
        ...last,
        settings: { version, ...settings },
        unavailable: null,
      };
    },
    async close() {
      peer.close();
    },
  };
}

function missingRow({ name, unavailable }: Extract<Peer, { readonly unavailable: string }>): ProverRow {
  const nothing = { proveMs: null, verifyMs: null, setupMs: null, proofBytes: null, provingKeyBytes: null, peakBytes: null };
  return { prover: name, ...nothing, settings: null, unavailable };
}

/** One warm-up of ours (ezkl keeps nothing warm), then rounds in rotating order until the time is over; at least three. */
async function measure(lanes: readonly ProverLane[], seconds: number): Promise<void> {
  for (const lane of lanes.filter(({ name }) => name === "rust" || name === "snarkjs")) {
    await lane.round();
    lane.prove.length = 0;
    lane.verify.length = 0;
  }
  const end = performance.now() + seconds * 1000;
  for (let round = 0; round < MIN_ROUNDS || performance.now() < end; round++) {
    for (let turn = 0; turn < lanes.length; turn++) await lanes[(round + turn) % lanes.length]?.round();
  }
}

function ratiosOf(lanes: readonly ProverLane[]): ZkModelResult["ratios"] {
  const own = lanes.filter(({ name }) => name === "rust" || name === "snarkjs");
  const pairs = own.flatMap((mine) =>
    lanes
      .filter((other) => other !== mine && other.name !== "rust" && other.prove.length > 0)
      .map((other) => [`${mine.name} against ${other.name}`, ratioOfMedians(other.prove, mine.prove)] as const),
  );
  return Object.fromEntries(pairs);
}

async function measureModel(
  workload: ZkWorkload,
  folder: string,
  options: BenchOptions,
  seconds: number,
): Promise<ZkModelResult> {
  const key = makeKey(workload, folder);
  const peers = options.peers && workload.mode === "baked" ? await openPeers(workload, folder) : [];
  const lanes: ProverLane[] = [];
  try {
    for (const kind of ["rust", "snarkjs"] as const) lanes.push(await ownLane(kind, workload, key));
    lanes.push(...peers.flatMap((peer) => ("unavailable" in peer ? [] : [peerLane(peer)])));
    await measure(lanes, seconds);
    const rows = [
      ...lanes.map((lane) => lane.row()),
      ...peers.flatMap((peer) => ("unavailable" in peer ? [missingRow(peer)] : [])),
    ];
    const { name, architecture, weights, mode, rows: constraints, domain, wires, publicSignals, compileMs, witnessMs } = workload;
    const about = {
      model: name,
      architecture,
      weights,
      mode,
      rows: constraints,
      domain,
      wires,
      publicSignals,
      compileMs,
      witnessMs,
    };
    return { ...about, provers: rows, ratios: ratiosOf(lanes) };
  } finally {
    await Promise.all(lanes.map((lane) => lane.close()));
    rmSync(key.zkey, { force: true });
  }
}

async function run(options: BenchOptions): Promise<ZkResult> {
  if (!isBuilt(proverProgram)) throw new Error("the Rust prover makes the keys of this suite: run `npm run build:prover` first");
  const before = load();
  const folder = mkdtempSync(join(tmpdir(), "triseal-bench-zk-"));
  try {
    const all = await zkModels(options);
    if (all.length === 0) throw new Error("--only names no model of this suite");
    const models: ZkModelResult[] = [];
    for (const model of all) {
      options.progress(`${model.name}: ${options.peers ? "with peers" : "our provers"}`);
      models.push(await measureModel(compileWorkload(model, folder), folder, options, options.seconds / all.length));
    }
    const about = { schema: RESULT_SCHEMA, suite: "zk", simulated: false, seconds: options.seconds } as const;
    const loads = { before, after: load() };
    return {
      ...provenance(["snarkjs", "@noble/curves"]),
      ...about,
      load: loads,
      intervals: INTERVAL_METHOD,
      notes: NOTES,
      models,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** `npm run bench -- zk`. */
export const zkSuite: Suite<ZkResult> = { name: "zk", run, tables: zkTables };
