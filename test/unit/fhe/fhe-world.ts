/** A gateway in this process with the fhe path over an engine of clear values, its accounts in a real database. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { concatBytes, encodeBase64, encodeHex, utf8 } from "../../../src/core/bytes.ts";
import { digestHex, digestOf, digestOfJson, type Sha256Digest } from "../../../src/core/digest.ts";
import { encodeJcs } from "../../../src/core/jcs.ts";
import { isJsonObject, type JsonObject, parseJson } from "../../../src/core/json.ts";
import { type UnixSeconds, unixSeconds } from "../../../src/core/time.ts";
import { hashApiKey } from "../../../src/gateway/authenticate.ts";
import { createEngine } from "../../../src/paths/fhe/server/engine-client.ts";
import { createFhePath } from "../../../src/paths/fhe/server/fhe-path.ts";
import { KeyVault } from "../../../src/paths/fhe/server/key-vault.ts";
import type { StatePort } from "../../../src/paths/fhe/server/ports.ts";
import { Programs, type ReadProgram, type RunProgram } from "../../../src/paths/fhe/server/programs.ts";
import { AccountStates } from "../../../src/paths/fhe/server/state.ts";
import { type AccountDocument, encodeAccount } from "../../../src/paths/fhe/wire/account.ts";
import { codes } from "../../../src/paths/fhe/wire/codes.ts";
import { encodeKeyDocument, type KeyDocument } from "../../../src/paths/fhe/wire/key-document.ts";
import { listMetadata } from "../../../src/paths/fhe/wire/list-metadata.ts";
import { API_KEY, NOW, OTHER_KEY, startGateway, type TestGateway } from "../../contract/gateway-fixture.ts";
import { openTables } from "./state-fixture.ts";

const FAKE = fileURLToPath(new URL("../../fixtures/fake-engine.ts", import.meta.url));

/** The tenant's second API key, of another principal. */
export const OWNER = hashApiKey(API_KEY);
export const OTHER = hashApiKey(OTHER_KEY);

interface Shape {
  readonly name: string;
  readonly inputs: RunProgram["inputs"];
  readonly outputs: RunProgram["outputs"];
  readonly nodes: (clear: ReadonlyMap<string, string>) => readonly (readonly unknown[])[];
  readonly wires: readonly number[];
}

/** Programs of one block, so that what they do can be seen. */
function program({ name, inputs, outputs, nodes, wires }: Shape): RunProgram {
  const bytes = encodeJcs({
    v: 1,
    name,
    in: inputs.map((input) => ({ ...input })),
    out: outputs.map((output) => ({ ...output })),
  });
  const circuitOf = (clear: ReadonlyMap<string, string>) => {
    const made = nodes(clear);
    const types = inputs.filter((input) => !input.clear).map(({ t }) => t);
    const out = outputs.map(({ t }, place) => ({ t, w: [wires[place] ?? 0] }));
    const document = { v: 1, kind: "radix", inputs: types, nodes: made as never, outputs: out };
    return { bytes: encodeJcs(document), pbs: made.length, depth: made.length };
  };
  const zero = new Map(inputs.filter(({ clear }) => clear).map(({ n }) => [n, "0"] as const));
  const { pbs, depth } = circuitOf(zero);
  return {
    name,
    digest: digestOf(bytes),
    kind: "integer",
    bytes,
    terms: { program: parseJson(bytes) },
    inputs,
    outputs,
    price: async () => ({ pbs, depth }),
    circuit: async (clear) => circuitOf(clear),
  };
}

const sumTable = Array.from({ length: 16 }, (_, sum) => sum % 4);
const value = (n: string, clear = false) => ({ n, t: "u2", clear });

/** Moves `amount` units, of at most three, without a look at the balance: what is tested is who may, not the arithmetic. */
export const TRANSFER = program({
  name: "transfer-u64",
  inputs: [value("from"), value("to"), value("amount")],
  outputs: [
    { n: "from_after", t: "u2" },
    { n: "to_after", t: "u2" },
  ],
  nodes: () => [
    [
      [
        [0, 1],
        [2, -1],
      ],
      4,
      [sumTable],
    ],
    [
      [
        [1, 1],
        [2, 1],
      ],
      0,
      [sumTable],
    ],
  ],
  wires: [3, 4],
});

export const MINT = program({
  name: "mint-u64",
  inputs: [value("balance"), value("amount", true)],
  outputs: [{ n: "balance_after", t: "u2" }],
  nodes: (clear) => [[[[0, 1]], Number(clear.get("amount") ?? 0) % 4, [sumTable]]],
  wires: [1],
});

/** Gives what it got. */
export const COPY = program({
  name: "copy",
  inputs: [value("x")],
  outputs: [{ n: "y", t: "u2" }],
  nodes: () => [],
  wires: [0],
});

/** Runs under key sets of kind `lwe`, which the engine of clear values has none of. */
export const MODEL: RunProgram = {
  ...COPY,
  name: "a-model-int",
  digest: digestOf(utf8("the integer model")),
  kind: "lwe",
  bytes: null,
  terms: { kind: "lwe" },
  inputs: [{ n: "input", t: "lwe", clear: false }],
  outputs: [{ n: "output", t: "lwe" }],
};

/** An answer that was read. */
export interface Answer {
  readonly status: number;
  readonly json: JsonObject;
  readonly code: unknown;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
}

/** A challenge. */
export interface Asked {
  readonly nonce: string;
  readonly exp: UnixSeconds;
  readonly modelDigest: Sha256Digest;
  readonly terms: JsonObject;
}

export interface World {
  readonly gateway: TestGateway;
  readonly keyId: string;
  readonly table: StatePort;
  readonly call: (method: string, path: string, body?: Uint8Array | string, more?: CallOptions) => Promise<Answer>;
  readonly ask: (program: RunProgram, more?: CallOptions) => Promise<Asked>;
  /** Runs under a challenge of its own, or the given one. */
  readonly run: (program: RunProgram, wish: Wish, more?: CallOptions & { readonly asked?: Asked }) => Promise<Answer>;
  readonly makeAccount: (name: string, more?: Partial<AccountDocument>, options?: CallOptions) => Promise<Answer>;
  /** The clear value of an account, as its holder would decrypt it; null before its first write. */
  readonly balance: (name: string) => Promise<number | null>;
  readonly version: (name: string) => Promise<number>;
  readonly diary: () => Promise<string>;
  /** Forgets what the process has in memory, as if it had died, and opens the accounts again from log and database. */
  readonly reborn: () => Promise<void>;
}

export interface CallOptions {
  readonly apiKey?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Whose caller goes away. */
  readonly signal?: AbortSignal;
}

/** What to run. A fresh input `[value]` is put into one list that is bound to the run. */
export interface Wish {
  readonly inputs: Readonly<Record<string, JsonObject | number>>;
  readonly writes?: Readonly<Record<string, string>>;
  /** What the list is bound to in place of what it should be. */
  readonly bound?: Partial<Parameters<typeof listMetadata>[0]>;
  readonly list?: Uint8Array;
  readonly change?: JsonObject;
}

const RULES = `  - { id: state, when: 'request.kind in ["state", "inference"]', require: { all: [fhe] } }\n`;

export async function startWorld(
  options: {
    readonly fault?: string;
    readonly wrap?: (table: StatePort) => StatePort;
    /** Reads registered programs, in place of what takes any document for `COPY`. */
    readonly read?: ReadProgram;
    readonly mostPbs?: number;
    /** How long a run may take. */
    readonly timeoutMs?: number;
    /** What the engine may take. */
    readonly memoryBytes?: number;
  } = {},
): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), "triseal-fhe-world-"));
  const { table: rows, close } = await openTables();
  const table: StatePort = options.wrap?.(rows) ?? rows;
  await writeFile(join(folder, "seed"), encodeHex(new Uint8Array(32).fill(9)));
  const faulty = options.fault === undefined ? [] : ["--fault", options.fault];
  const program = {
    command: process.execPath,
    args: ["--import", "tsx", FAKE, "--diary", join(folder, "diary"), ...faulty],
    keysDir: join(folder, "keys"),
    signingKeyFile: join(folder, "seed"),
    cacheBytes: 1,
    threads: 1,
    memoryBytes: options.memoryBytes ?? 2 ** 31,
  };
  const engine = createEngine(program, () => undefined);
  const limits = { keysPerTenant: 2, bytesPerTenant: 1000, bytes: 2000, uploadSeconds: 60 };
  const keys = new KeyVault(folder, limits, engine);
  await keys.open(Date.now());
  const priced = {
    pbs: options.mostPbs ?? 100,
    depth: options.mostPbs ?? 100,
    programsPerTenant: 2,
    accountsPerTenant: 8,
    timeoutMs: options.timeoutMs ?? 20_000,
  };
  const shipped = [TRANSFER, MINT, COPY, MODEL];
  const copied = (bytes: Uint8Array) => ({ ...COPY, bytes, digest: digestOf(bytes), name: digestOf(bytes) });
  const programs = await Programs.open(shipped, folder, priced, options.read ?? copied);
  let states: Promise<AccountStates> | null = null;
  const port = {
    size: () => gateway.ledger.log.size,
    leafAt: (index: number) => gateway.ledger.loggedAt(index),
    logAccount: (document: Uint8Array) => gateway.ledger.logShared("account", document),
  };
  const open = () => AccountStates.open(table, port, () => undefined);
  const path = createFhePath({
    engine,
    compiler: { close: async () => undefined },
    keys,
    blobs: { put: (bytes) => gateway.ledger.store(bytes), get: (digest) => gateway.ledger.document(digest) },
    programs,
    get states() {
      states ??= open();
      return states;
    },
    limits: priced,
    claims: [],
  });
  const gateway = await startGateway({ paths: [path], models: [], rules: RULES, codes });
  onTestFinished(async () => {
    await path.close();
    await close();
    await rm(folder, { recursive: true, force: true });
  });
  return worldOf(gateway, table, folder, async () => {
    (await states)?.close();
    states = open();
    await states;
  });
}

/** A key set of one short file. */
export function keySet(text = "key one"): {
  readonly document: KeyDocument;
  readonly bytes: Uint8Array;
  readonly publicKey: Uint8Array;
} {
  const [bytes, publicKey] = [utf8(text), utf8(`public ${text}`)];
  const document: KeyDocument = {
    v: 1,
    kind: "integer",
    keyId: digestHex(digestOf(bytes)),
    tag: "ab".repeat(16),
    parameters: "clear",
    serverKey: { digest: digestOf(bytes), bytes: bytes.length },
    publicKey: { digest: digestOf(publicKey), bytes: publicKey.length },
    created: NOW,
  };
  return { document, bytes, publicKey };
}

async function worldOf(gateway: TestGateway, table: StatePort, folder: string, reborn: () => Promise<void>): Promise<World> {
  const call: World["call"] = async (method, path, body, more = {}) => {
    const type: Record<string, string> = typeof body === "string" ? { "content-type": "application/json" } : {};
    const headers = { authorization: `Bearer ${more.apiKey ?? API_KEY}`, ...type, ...more.headers };
    const init = {
      method,
      headers,
      ...(more.signal === undefined ? {} : { signal: more.signal }),
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : Uint8Array.from(body) }),
    };
    const response = await gateway.gateway.fetch(new Request(`http://gateway.test${path}`, init));
    const bytes = new Uint8Array(await response.arrayBuffer());
    const isJson = response.headers.get("content-type")?.includes("json") === true && bytes.length > 0;
    const parsed = isJson ? parseJson(bytes) : {};
    const json = isJsonObject(parsed) ? parsed : {};
    return { status: response.status, json, code: json["code"], headers: response.headers, bytes };
  };
  const { document, bytes, publicKey } = keySet();
  await call("POST", "/v1/fhe/keys", encodeKeyDocument(document));
  const patch = (piece: Sha256Digest, chunk: Uint8Array) =>
    call("PATCH", `/v1/fhe/keys/${digestHex(piece)}`, chunk, { headers: { "upload-offset": "0" } });
  await patch(document.serverKey.digest, bytes);
  await patch(digestOf(publicKey), publicKey);
  const { keyId } = document;
  const ask: World["ask"] = async ({ name }, more) => {
    const asked = await call("POST", "/v1/fhe/challenges", encodeJcs({ model: name, parameters: {} }), more);
    if (asked.status !== 200) throw new Error(`no challenge: ${JSON.stringify(asked.json)}`);
    return asked.json as unknown as Asked;
  };
  const account = async (name: string) => (await table.account("acme", name)) ?? null;
  return {
    gateway,
    keyId,
    table,
    call,
    ask,
    reborn,
    run: async (program, wish, more = {}) => {
      const asked = more.asked ?? (await ask(program, more));
      return call("POST", "/v1/fhe/run", runDocument(asked, keyId, wish), more);
    },
    makeAccount: (name, more = {}, options) =>
      call("POST", "/v1/fhe/accounts", encodeAccount(accountOf(name, keyId, more)), options),
    balance: async (name) => {
      const row = await account(name);
      if (row?.digest == null) return null;
      const held = await gateway.ledger.document(`sha256:${row.digest}` as Sha256Digest);
      return (JSON.parse(new TextDecoder().decode(held ?? new Uint8Array())) as { b: number[] }).b[0] ?? null;
    },
    version: async (name) => (await account(name))?.version ?? -1,
    diary: async () =>
      new TextDecoder().decode(await import("node:fs/promises").then((fs) => fs.readFile(join(folder, "diary")))),
  };
}

export function accountOf(name: string, keyId: string, more: Partial<AccountDocument> = {}): AccountDocument {
  return {
    v: 1,
    kind: "account",
    tenant: "acme",
    account: name,
    owner: OWNER,
    acl: { read: [], debit: [], credit: [], programs: "any" },
    keyId,
    type: "u2",
    cap: null,
    created: unixSeconds(NOW),
    nonce: "00".repeat(16),
    ...more,
  };
}

/** The run document of a wish. */
export function runDocument(asked: Asked, keyId: string, { inputs, writes = {}, bound, list, change }: Wish): Uint8Array {
  const fresh = Object.values(inputs).filter((input) => typeof input === "number");
  const accounts = [
    ...Object.values(inputs).flatMap((input) =>
      isJsonObject(input) && typeof input["account"] === "string" ? [input["account"]] : [],
    ),
    ...Object.values(writes),
  ];
  const { nonce, exp, modelDigest: programDigest } = asked;
  const metadata = listMetadata({ tenant: "acme", accounts, programDigest, nonce, exp, ...bound });
  const made = list ?? concatBytes(metadata, utf8(JSON.stringify(fresh.map((block) => ({ t: "u2", b: [block], key: keyId })))));
  let index = 0;
  const given = Object.entries(inputs).map(
    ([n, input]) => [n, typeof input === "number" ? { list: 0, index: index++ } : input] as const,
  );
  const lists = fresh.length === 0 ? [] : [encodeBase64(made)];
  return encodeJcs({ v: 1, nonce, programDigest, keyId, inputs: Object.fromEntries(given), lists, writes, ...change });
}

/** A ciphertext that proves nothing, as the engine of clear values takes it. */
export const bare = (keyId: string, block: number): JsonObject => ({
  ciphertext: encodeBase64(utf8(JSON.stringify({ t: "u2", b: [block], key: keyId }))),
});

export const handleIn = (answer: Answer, place = 0): string => {
  const outputs = answer.json["outputs"] as unknown as readonly { handle: string; digest: string }[];
  return outputs[place]?.handle ?? "";
};
export const digestIn = (answer: Answer, place = 0): string => {
  const outputs = answer.json["outputs"] as unknown as readonly { handle: string; digest: string }[];
  return (outputs[place]?.digest ?? "").replace("sha256:", "");
};
export const sameApart = (answer: Answer): unknown => {
  const { request_id: _, receipt_id: __, ...rest } = answer.json;
  return [answer.status, rest, digestOfJson(rest)];
};
