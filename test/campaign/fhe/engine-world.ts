/** What messages of a campaign are about: key sets in an engine's folder, values, circuits and a proven list. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeHex } from "../../../src/core/bytes.ts";
import { digestHex, digestOf, digestOfJson, type Sha256Digest } from "../../../src/core/digest.ts";
import { encodeJcs } from "../../../src/core/jcs.ts";
import type { JsonObject } from "../../../src/core/json.ts";
import { type NativeProgram, needNative } from "../../../src/main/fhe/native-program.ts";
import { seedOf } from "../../../src/paths/fhe/wire/handle.ts";
import { type EngineStart, FuzzedEngine } from "./engine-process.ts";

/** The metadata of the proven list, in hexadecimal digits. */
export const METADATA = "00ff10";
/** Stands in examples where a run's name has to be new each time. */
export const FRESH_RUN = "f".repeat(32);

const BINDING = { v: 1, requestDigest: digestOfJson(1), modelDigest: digestOfJson(2), decisionDigest: digestOfJson(3) } as const;

/** The binding of every claim, and the seed that follows from it. */
export const CLAIMED = { binding: { ...BINDING, nonce: "00".repeat(16) }, seed: seedOf({ ...BINDING, nonce: "00".repeat(16) }) };

/** Pieces of bodies by the names that scripts call them. */
export type Blobs = Readonly<Record<string, Uint8Array>>;

/** Keys and bytes that an engine knows. */
export interface EngineWorld {
  readonly start: EngineStart;
  readonly keyId: string;
  readonly publicKey: string;
  /** Another key set of the same kind. */
  readonly otherKeyId: string;
  /** A key set of kind `lwe`. */
  readonly lweKeyId: string;
  readonly crs: string;
  readonly blobs: Blobs;
  /** The clear value of an output, by the client key. */
  decrypt(type: string, bytes: Uint8Array): Promise<string>;
  close(): Promise<void>;
}

const bit = (table: readonly number[]) => [...table, ...Array<number>(16 - table.length).fill(0)];

/** Circuits of a `bool`: as it is, and turned over; and one of two blocks that has nodes of every form. */
function circuits(): Blobs {
  const of = (inputs: readonly string[], nodes: readonly unknown[], outputs: readonly unknown[]) =>
    encodeJcs({ v: 1, kind: "radix", inputs, nodes, outputs } as unknown as JsonObject);
  const lwe: JsonObject = {
    v: 1,
    kind: "lwe",
    parameters: "TRISEAL_LWE_918_2048_L2",
    inputs: { count: 2, exponent: 59 },
    tables: [[59, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]]],
    nodes: [
      [
        "dot",
        [
          [0, 1],
          [1, 2],
        ],
        [1, 59],
      ],
      ["lut", 2, 0, [0]],
    ],
    outputs: [[[3, 59, 1]]],
  };
  return {
    same: of(["bool"], [], [{ t: "bool", w: [0] }]),
    not: of(["bool"], [[[[0, 1]], 0, [bit([1, 0])]]], [{ t: "bool", w: [1] }]),
    mixed: of(
      ["bool", "bool"],
      [
        [
          [
            [0, 1],
            [1, -1],
          ],
          1,
          [
            [0, 1, 1, 2],
            [3, 2, 1, 0],
          ].map((row) => [...row, 0, 0, 0, 0]),
        ],
        [[[2, 2]], 3, [bit([0, 1, 2, 3, 0, 1, 2, 3, 3])]],
      ],
      [
        { t: "u2", w: [3] },
        { t: "u2", w: [4] },
      ],
    ),
    lwe: encodeJcs(lwe),
    lweDot: encodeJcs({
      ...lwe,
      tables: [],
      nodes: [(lwe["nodes"] as readonly unknown[])[0]],
      outputs: [[[2, 59, 1]]],
    } as JsonObject),
  };
}

async function keySet(native: NativeProgram, folder: string, name: string, kind: "integer" | "lwe"): Promise<readonly string[]> {
  await native.keygen(join(folder, name), kind);
  const files = kind === "integer" ? ["server.key", "public.key"] : ["server.key"];
  return Promise.all(
    files.map(async (file) => {
      const bytes = await readFile(join(folder, name, file));
      const digest = digestHex(digestOf(bytes));
      await writeFile(join(folder, "keys", digest), bytes);
      return digest;
    }),
  );
}

/** Makes key sets and bytes. The cache holds all keys: what is measured is not how long one takes to expand. */
export async function makeEngineWorld(): Promise<EngineWorld> {
  const native = needNative();
  const folder = await mkdtemp(join(tmpdir(), "triseal-fuzz-fhe-world-"));
  await mkdir(join(folder, "keys"));
  await writeFile(join(folder, "seed"), `${encodeHex(new Uint8Array(32).fill(9))}\n`);
  const [keyId = "", publicKey = ""] = await keySet(native, folder, "own", "integer");
  const [otherKeyId = ""] = await keySet(native, folder, "other", "integer");
  const [lweKeyId = ""] = await keySet(native, folder, "lwe", "lwe");
  const start = { keysDir: join(folder, "keys"), cacheBytes: 1600 * 2 ** 20, threads: 2 };
  const engine = await FuzzedEngine.start(start);
  const { digest: crs } = (await engine.ask("crs", {})).message as { digest: string };
  const client = join(folder, "own", "client.key");
  const plain = async (key: string, out: string) => {
    await native.encrypt(join(folder, key, "client.key"), { t: "bool", v: "true" }, join(folder, out));
    return new Uint8Array(await readFile(join(folder, out)));
  };
  const expanded = await plain("own", "own-true");
  const value = (await engine.ask("import", { keyId, type: "bool" }, [expanded])).parts[0];
  const foreign = (await engine.ask("import", { keyId: otherKeyId, type: "bool" }, [await plain("other", "other-true")]))
    .parts[0];
  if (value === undefined || foreign === undefined) throw new Error("nothing was imported");
  const [list, vector] = [join(folder, "list"), join(folder, "vector")];
  const values = [
    { t: "bool", v: "true" },
    { t: "u2", v: "2" },
  ];
  await native.prove(join(start.keysDir, publicKey), join(start.keysDir, crs), Buffer.from(METADATA, "hex"), values, list);
  const made = circuits();
  await writeFile(join(folder, "lwe.json"), made["lwe"] ?? "");
  await native.encryptVector(join(folder, "lwe", "client.key"), join(folder, "lwe.json"), [3, 4], vector);
  await engine.close();
  let decrypted = 0;
  return {
    start,
    keyId,
    publicKey,
    otherKeyId,
    lweKeyId,
    crs,
    blobs: {
      ...made,
      value,
      foreign,
      expanded,
      list: new Uint8Array(await readFile(list)),
      vector: new Uint8Array(await readFile(vector)),
    },
    async decrypt(type, bytes) {
      const file = join(folder, `decrypt-${decrypted++}`);
      await writeFile(file, bytes);
      return native.decrypt(client, type, file).finally(() => rm(file));
    },
    close: () => rm(folder, { recursive: true, force: true }),
  };
}

/** The document that the engine is asked to sign for a run of circuit `same` on `value`. */
export function claimOf(input: Sha256Digest, output: Sha256Digest): JsonObject {
  return {
    v: 1,
    programDigest: digestOfJson("a program"),
    inputs: [
      { n: "x", digest: input, handle: null },
      { n: "limit", clear: "7" },
    ],
    lists: [],
    outputs: [{ n: "y", t: "bool", digest: output, handle: "00".repeat(32) }],
    reads: [],
    writes: [],
    factsDigest: digestOfJson("facts"),
    binding: { ...CLAIMED.binding, responseDigest: digestOfJson(4) },
  };
}
