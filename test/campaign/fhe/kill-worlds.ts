/**
 * Accounts between which units move while their gateway dies: under the engine of clear values by the shipped transfer, of units that
 * were minted; and under the real one by a program of two additions, because a proof takes seconds and a transfer's bootstraps, too.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { concatBytes, utf8 } from "../../../src/core/bytes.ts";
import { digestHex, digestOf, type Sha256Digest } from "../../../src/core/digest.ts";
import { encodeJcs } from "../../../src/core/jcs.ts";
import { needNative } from "../../../src/main/fhe/native-program.ts";
import { findShipped } from "../../../src/paths/fhe/compile/shipped.ts";
import { parseKeyDocument } from "../../../src/paths/fhe/wire/key-document.ts";
import { clock } from "../../e2e/gateway-harness.ts";
import { repository } from "../../e2e/gateway-process.ts";
import type { Place } from "../killed-gateway.ts";
import type { AccountState, FheCaller, KeyUpload, WantedRun } from "./kill-caller.ts";

/** Accounts alice and bob, of which alice has everything at first and each move takes one unit to bob. */
export interface KillWorld {
  readonly engine: "real" | "clear values";
  readonly key: KeyUpload;
  /** The engine of the gateways, where it is not the built one. */
  readonly fheEngine: Place["fheEngine"];
  /** What both have together, always. */
  readonly units: bigint;
  /** Opens the accounts and gives alice what she has. */
  prepare(caller: FheCaller): Promise<void>;
  /** Moves one unit. */
  readonly move: WantedRun;
  /** Only whoever has the client key can tell. */
  balance(state: AccountState): Promise<bigint>;
}

const UNITS = 1_000_000n;

function blocksOf(value: bigint): readonly number[] {
  return Array.from({ length: 32 }, (_, block) => Number((value >> BigInt(2 * block)) & 3n));
}

async function funded(caller: FheCaller, run: WantedRun): Promise<void> {
  const { status, json } = await caller.run(run);
  if (status !== 200) throw new Error(`alice got nothing: ${JSON.stringify(json)}`);
}

/** The world of the engine of clear values, whose every run takes a while. */
export function clearWorld(runMs: number): KillWorld {
  const [server, open] = [utf8("key of clear values"), utf8("public")];
  const keyId = digestHex(digestOf(server));
  const serverKey = { digest: digestOf(server), bytes: server.length };
  const publicKey = { digest: digestOf(open), bytes: open.length };
  const fixed = { v: 1, kind: "integer", keyId, tag: "ab".repeat(16), parameters: "clear", created: clock() } as const;
  const programs = ["transfer-u64", "mint-u64"].map((name) => findShipped(name)?.program.digest as Sha256Digest);
  const acl = { read: [], debit: [], credit: [], programs };
  const list = (metadata: Uint8Array) => concatBytes(metadata, utf8(JSON.stringify([{ t: "u64", b: blocksOf(1n), key: keyId }])));
  return {
    engine: "clear values",
    key: { document: { ...fixed, serverKey, publicKey }, server, public: open },
    fheEngine: {
      command: process.execPath,
      args: ["--import", "tsx", join(repository, "test/fixtures/fake-engine.ts"), "--run-ms", String(runMs)],
    },
    units: UNITS,
    async prepare(caller) {
      await caller.open("usd", { kind: "asset", cap: String(UNITS), type: "u64", acl });
      for (const name of ["alice", "bob"]) await caller.open(name, { asset: "usd", type: "u64", acl });
      const inputs = { balance: { account: "alice" }, amount: { clear: String(UNITS) } };
      await funded(caller, { program: "mint-u64", inputs, writes: { balance_after: "alice", supply: "usd" } });
    },
    move: {
      program: "transfer-u64",
      inputs: { from: { account: "alice" }, to: { account: "bob" } },
      writes: { from_after: "alice", to_after: "bob" },
      fresh: { names: ["amount"], list },
    },
    async balance({ bytes }) {
      if (bytes === null) return 0n;
      const { b } = JSON.parse(new TextDecoder().decode(bytes)) as { b: number[] };
      return b.reduceRight((sum, block) => sum * 4n + BigInt(block), 0n);
    },
  };
}

/** Takes a clear amount from one account into another. */
const MOVE = encodeJcs({
  v: 1,
  in: [
    { n: "from", t: "u32" },
    { n: "to", t: "u32" },
    { n: "amount", t: "u32", clear: true },
  ],
  ops: [
    ["from_after", "sub", "from", "amount"],
    ["to_after", "add", "to", "amount"],
  ],
  out: ["from_after", "to_after"],
});

/** Adds a clear amount to an account. */
const FUND = encodeJcs({
  v: 1,
  in: [
    { n: "to", t: "u32" },
    { n: "amount", t: "u32", clear: true },
  ],
  ops: [["to_after", "add", "to", "amount"]],
  out: ["to_after"],
});

/** The world of the real engine, with a key set of its own; `close` forgets the client key. */
export async function realWorld(): Promise<KillWorld & { readonly close: () => Promise<void> }> {
  const native = needNative();
  const folder = await mkdtemp(join(tmpdir(), "triseal-kill-fhe-keys-"));
  const keys = join(folder, "keys");
  await native.keygen(keys, "integer");
  const read = async (name: string) => new Uint8Array(await readFile(join(keys, name)));
  let decrypted = 0;
  return {
    engine: "real",
    key: {
      document: parseKeyDocument(await read("key.json")),
      server: await read("server.key"),
      public: await read("public.key"),
    },
    fheEngine: undefined,
    units: UNITS,
    async prepare(caller) {
      for (const program of [MOVE, FUND])
        await caller.must("POST", "/v1/fhe/programs", program, { "content-type": "application/json" });
      for (const name of ["alice", "bob"]) await caller.open(name, { type: "u32" });
      const inputs = { to: { account: "alice" }, amount: { clear: String(UNITS) } };
      await funded(caller, { program: digestOf(FUND), inputs, writes: { to_after: "alice" } });
    },
    move: {
      program: digestOf(MOVE),
      inputs: { from: { account: "alice" }, to: { account: "bob" }, amount: { clear: "1" } },
      writes: { from_after: "alice", to_after: "bob" },
    },
    async balance({ bytes }) {
      if (bytes === null) return 0n;
      const file = join(folder, `state-${decrypted++}`);
      await writeFile(file, bytes);
      return BigInt(await native.decrypt(join(keys, "client.key"), "u32", file).finally(() => rm(file)));
    },
    close: () => rm(folder, { recursive: true, force: true }),
  };
}
