/**
 * The fhe part of the demo: a ledger, an auction and a score that the service computes without reading a number. The key set is made here,
 * its client key stays here, and everything is decrypted here.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FheClient, type FinishedRun, fheClient, type TrisealClient } from "../../client/index.ts";
import { encodeHex, utf8 } from "../../core/bytes.ts";
import { type Sha256Digest, sha256Bytes } from "../../core/digest.ts";
import { TrisealError } from "../../core/errors.ts";
import type { AccountDocument } from "../../paths/fhe/wire/account.ts";
import type { RunInput, RunTerms } from "../../paths/fhe/wire/run.ts";
import { classifyEncrypted } from "../fhe/classify.ts";
import { type KeyFolder, readKeyFolder, uploadFiles } from "../fhe/key-folder.ts";
import { type NativeProgram, needNative, type TypedValue } from "../fhe/native-program.ts";
import { systemClock } from "../system-clock.ts";
import { readHeldBack } from "./held-back.ts";
import { type DemoPlace, type LeftBundle, leaveBundle } from "./left-bundle.ts";

/** Largest compressed value that the demo reads. */
const MAX_VALUE_BYTES = 1024 * 1024;
const ASSET = "demo-dollar";
const TENANT = "dev";

/** One run of the demo. */
export interface EncryptedAnswer extends LeftBundle {
  readonly path: "fhe";
  readonly program: string;
  /** What was asked, in words; only the service's part of it is encrypted. */
  readonly input: string;
  /** Decrypted on this machine. */
  readonly answer: string;
  readonly expected: string;
  readonly price: { readonly pbs: number; readonly depth: number };
  /** Length of the answer's body. */
  readonly bytes: number;
  readonly ms: number;
}

interface Case {
  readonly program: string;
  readonly input: string;
  readonly expected: string;
  /** Clear values and accounts by input; a `TypedValue` is proven on this machine, in a list of its own. */
  readonly inputs: Readonly<Record<string, RunInput | TypedValue>>;
  readonly writes: Readonly<Record<string, string>>;
  /** What is decrypted afterwards. */
  readonly read: (run: FinishedRun, reader: Reader) => Promise<string>;
}

const balancesOf = async (_: FinishedRun, { balance }: Reader) => `alice ${await balance("alice")}, bob ${await balance("bob")}`;

function transfer(amount: string, expected: string, words: string): Case {
  return {
    program: "transfer-u64",
    input: `alice pays bob ${amount}: ${words}`,
    expected,
    inputs: { from: { account: "alice" }, to: { account: "bob" }, amount: { t: "u64", v: amount } },
    writes: { from_after: "alice", to_after: "bob" },
    read: balancesOf,
  };
}

/** The record that is scored without being read. */
const SCORED = { model: "breast-cancer-logistic", row: 7 };

const BIDS = ["120", "450", "300"];

const CASES: readonly Case[] = [
  {
    program: "mint-u64",
    input: "1000 units for alice, under the asset's cap of 1000 (amount and cap are public)",
    expected: "alice 1000",
    inputs: { balance: { account: "alice" }, amount: { clear: "1000" } },
    writes: { balance_after: "alice", supply: ASSET },
    read: async (_, { balance }) => `alice ${await balance("alice")}`,
  },
  transfer("300", "alice 700, bob 300", "proven and encrypted here"),
  transfer("900", "alice 700, bob 300", "more than there is, which the service cannot see"),
  {
    program: "auction-3x32",
    input: `three sealed bids, ${BIDS.join(", ")}, each proven by its bidder`,
    expected: "bidder 1 wins",
    inputs: Object.fromEntries(BIDS.map((v, index) => [`bid${index}`, { t: "u32", v }])),
    writes: {},
    read: async (run, { output }) => `bidder ${await output(run, "winner")} wins`,
  },
];

/** Decrypts, with the key that never left. */
interface Reader {
  readonly balance: (account: string) => Promise<string>;
  readonly output: (run: FinishedRun, name: string) => Promise<string>;
}

class EncryptedDemo {
  private readonly fhe: FheClient;
  private readonly native: NativeProgram;
  private readonly keys: KeyFolder;
  private readonly folder: string;

  constructor(client: TrisealClient, native: NativeProgram, keys: KeyFolder, folder: string) {
    this.fhe = fheClient(client);
    this.native = native;
    this.keys = keys;
    this.folder = folder;
  }

  /** Uploads what the service needs, and makes the accounts. */
  async open(apiKey: string): Promise<void> {
    await this.fhe.uploadKey(this.keys.key, uploadFiles(this.keys));
    const owner = encodeHex(sha256Bytes(utf8(apiKey)));
    const base = { v: 1, tenant: TENANT, owner, keyId: this.keys.key.keyId, type: "u64", created: systemClock() } as const;
    const acl = { read: [], debit: [], credit: [], programs: "any" } as const;
    const make = (more: Pick<AccountDocument, "kind" | "account" | "cap"> & Partial<AccountDocument>) =>
      this.fhe.createAccount({ ...base, acl, nonce: encodeHex(crypto.getRandomValues(new Uint8Array(16))), ...more });
    await make({ kind: "asset", account: ASSET, cap: "1000" });
    for (const account of ["alice", "bob"]) await make({ kind: "account", account, cap: null, asset: ASSET });
  }

  run({ program, inputs, writes }: Case): Promise<FinishedRun> {
    const secrets = Object.entries(inputs).flatMap(([name, input]) => ("t" in input ? [[name, input] as const] : []));
    const named = Object.entries(inputs).map(([name, input]): [string, RunInput] => {
      const list = secrets.findIndex(([secret]) => secret === name);
      return [name, "t" in input ? { list, index: 0 } : input];
    });
    const values = secrets.map(([, value]) => value);
    const lists = (metadata: Uint8Array, terms: RunTerms) => this.lists(values, metadata, terms);
    const wish = { inputs: new Map(named), writes: new Map(Object.entries(writes)), lists };
    return this.fhe.run({ program, keyId: this.keys.key.keyId, wish });
  }

  readonly reader: Reader = {
    balance: async (account) => {
      const { digest } = await this.fhe.account(account);
      return digest === null ? "nothing yet" : this.decrypt("u64", digest);
    },
    output: async ({ answer }, name) => {
      const found = answer.outputs.find(({ n }) => n === name);
      if (found === undefined) throw new TrisealError("FORMAT_INVALID", `the run has no output ${name}`);
      return this.decrypt(found.t, found.digest);
    },
  };

  private async lists(values: readonly TypedValue[], metadata: Uint8Array, { crs }: RunTerms): Promise<readonly Uint8Array[]> {
    const crsFile = join(this.folder, "crs");
    await writeFile(crsFile, await this.fhe.blob(crs.digest, crs.bytes));
    const lists: Uint8Array[] = [];
    for (const value of values) {
      const out = join(this.folder, "list");
      await rm(out, { force: true });
      await this.native.prove(this.keys.publicKey ?? "", crsFile, metadata, [value], out);
      lists.push(new Uint8Array(await readFile(out)));
    }
    return lists;
  }

  private async decrypt(type: string, digest: Sha256Digest): Promise<string> {
    const file = join(this.folder, "value");
    await writeFile(file, await this.fhe.blob(digest, MAX_VALUE_BYTES));
    return this.native.decrypt(this.keys.clientKey, type, file);
  }
}

/** What one case gave, before its bundle is judged. */
interface Outcome extends Pick<EncryptedAnswer, "program" | "input" | "answer" | "expected"> {
  readonly run: FinishedRun;
  readonly ms: number;
}

async function answerOf({ run, ...outcome }: Outcome, number: number, place: DemoPlace): Promise<EncryptedAnswer> {
  const left = await leaveBundle(run.bundle, number, outcome.program, place);
  return { path: "fhe", ...outcome, price: run.answer.price, bytes: run.body.length, ...left };
}

async function outcomeOf(demo: EncryptedDemo, demoCase: Case): Promise<Outcome> {
  const begun = performance.now();
  const run = await demo.run(demoCase);
  const ms = Math.round(performance.now() - begun);
  const { program, input, expected } = demoCase;
  return { program, input, expected, run, ms, answer: await demoCase.read(run, demo.reader) };
}

/** A held-back record, scored by a model that never sees it; under a key set of its own kind. */
async function scoreOf(client: TrisealClient, native: NativeProgram, folder: string): Promise<Outcome> {
  const { raw: record, expected } = await readHeldBack(SCORED.model, SCORED.row, false);
  await native.keygen(join(folder, "lwe"), "lwe");
  const keys = await readKeyFolder(join(folder, "lwe"));
  await fheClient(client).uploadKey(keys.key, uploadFiles(keys));
  const begun = performance.now();
  const asked = { model: `${SCORED.model}-int`, record, parameters: { classification: "personal" } };
  const { integers, label, finished } = await classifyEncrypted(client, native, keys, asked);
  const ms = Math.round(performance.now() - begun);
  const input = `held-back row ${SCORED.row}, ${record.length} values, encrypted here; score ${integers.join(", ")}`;
  return { program: asked.model, input, answer: label ?? "no label", expected, run: finished, ms };
}

function print(answer: EncryptedAnswer): void {
  const { program, input, why, price, receiptId, ms, bundle, verified } = answer;
  const right = answer.answer === answer.expected ? "as expected" : `expected ${answer.expected}`;
  console.log(program);
  console.log(`  input     ${input}`);
  console.log(`  answer    ${answer.answer} (decrypted here), ${right}`);
  console.log(`  path      fhe: ${why}; ${price.pbs} bootstraps, ${answer.bytes} bytes answered`);
  console.log(`  receipt   ${receiptId}, ${ms} ms with proofs and verification`);
  console.log(`  bundle    ${bundle}: ${verified ? "verifies with the trust file, is refused without it" : "DOES NOT VERIFY"}\n`);
}

/**
 * Runs the encrypted cases against a development service.
 * @param first number of the first bundle.
 * @throws TrisealError `PATH_UNAVAILABLE` where the native program is not built.
 */
export async function runEncrypted(
  client: TrisealClient,
  apiKey: string,
  first: number,
  place: DemoPlace,
  flags: { readonly json?: true },
): Promise<readonly EncryptedAnswer[]> {
  const native = needNative();
  const folder = await mkdtemp(join(tmpdir(), "triseal-demo-keys-"));
  try {
    if (!flags.json) console.log("making key sets for encrypted values; the client keys stay in a temporary folder\n");
    await native.keygen(join(folder, "keys"), "integer");
    const demo = new EncryptedDemo(client, native, await readKeyFolder(join(folder, "keys")), folder);
    await demo.open(apiKey);
    const answers: EncryptedAnswer[] = [];
    const steps = [...CASES.map((demoCase) => () => outcomeOf(demo, demoCase)), () => scoreOf(client, native, folder)];
    for (const [index, step] of steps.entries()) {
      const answer = await answerOf(await step(), first + index, place);
      answers.push(answer);
      if (flags.json) console.log(JSON.stringify(answer));
      else print(answer);
    }
    return answers;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
