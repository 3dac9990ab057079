/** `triseal.config.yaml`: every key has a default, so that none is needed. */
import { readFile } from "node:fs/promises";
import { parse as parseYaml } from "yaml";
import { z } from "zod";
import { TrisealError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import { SEAL_ALGORITHMS } from "../paths/tee/wire/seal-suite.ts";
import { attesterForm } from "./attester-form.ts";

const hexKey = z.string().regex(/^[0-9a-f]{64}$/);

/** A number of mebibytes. */
const mib = (most: number) => z.int().min(1).max(most);

const fheForm = z
  .strictObject({
    enabled: z.boolean().default(true).describe("run programs on encrypted values, where the engine is built"),
    models: z
      .array(z.string().min(1).max(64))
      .max(64)
      .default([])
      .describe("integer models that are run on encrypted inputs, by name, such as breast-cancer-logistic-int"),
    memoryMib: mib(1_048_576).default(8192).describe("memory of the engine's process; beyond it the process is ended"),
    cacheMib: mib(1_048_576).default(2048).describe("server keys and values that the engine keeps expanded"),
    threads: z.int().min(0).max(1024).default(0).describe("threads of the engine; 0 takes all cores"),
    timeoutMs: z.int().min(100).max(86_400_000).default(120_000).describe("longest that one run may take"),
    maxPbs: z.int().min(1).max(10_000_000).default(100_000).describe("most bootstraps of one run"),
    maxDepth: z.int().min(1).max(1_000_000).default(10_000).describe("longest chain of bootstraps of one run"),
    compileMs: z.int().min(100).max(3_600_000).default(60_000).describe("longest that compiling one program may take"),
    compileMib: mib(65_536).default(2048).describe("memory of the thread that compiles programs"),
    programsPerTenant: z.int().min(0).max(10_000).default(64).describe("programs that one tenant may register"),
    accountsPerTenant: z.int().min(0).max(10_000_000).default(10_000).describe("accounts of one tenant"),
    separateAccounts: z
      .boolean()
      .default(false)
      .describe("start beside other gateways on one PostgreSQL: each has accounts of its own, and callers know which has theirs"),
    keysPerTenant: z.int().min(0).max(10_000).default(8).describe("key sets of one tenant, half uploaded ones included"),
    keyMibPerTenant: mib(1_048_576).default(2048).describe("bytes of one tenant's key sets"),
    keyMib: mib(1_073_741_824).default(16_384).describe("bytes of all key sets"),
    uploadHours: z.int().min(1).max(8760).default(24).describe("an upload that nobody went on with is deleted after this"),
  })
  .prefault({});

/** Whether only this machine reaches an address. */
export function isLoopback(host: string): boolean {
  return host === "127.0.0.1" || host === "::1";
}

/** A tenant's id. */
export const TENANT_ID = /^[a-z0-9][a-z0-9-]{0,63}$/;

const configForm = z.strictObject({
  listen: z
    .strictObject({
      host: z
        .union([z.ipv4(), z.ipv6()], { error: "an IPv4 or IPv6 address of this machine" })
        .default("127.0.0.1")
        .describe("address; without tls 127.0.0.1 or ::1, with it any, such as 0.0.0.0"),
      port: z.int().min(0).max(65_535).default(8080).describe("0 takes a free port and prints it"),
      tls: z
        .strictObject({ certFile: z.string().min(1), keyFile: z.string().min(1) })
        .nullable()
        .default(null)
        .describe("{certFile, keyFile} in PEM, chain included, key of mode 0600: TLS 1.3 only; null serves plain HTTP"),
    })
    .prefault({})
    .refine(({ host, tls }) => tls !== null || isLoopback(host), {
      path: ["host"],
      error: "plain HTTP is served on 127.0.0.1 or ::1 only: configure listen.tls {certFile, keyFile} for other addresses",
    }),
  dataDir: z.string().default("triseal-data").describe("folder of keys, log and records; one process owns it"),
  modelsDir: z.string().nullable().default(null).describe("folder of model packages; null serves the shipped ones"),
  policy: z
    .strictObject({
      file: z
        .string()
        .nullable()
        .default(null)
        .describe("policy in YAML; null takes the shipped default (with --dev: the demo policy)"),
      statement: z
        .string()
        .nullable()
        .default(null)
        .describe("signed statement; null reads `<file>.sig.json`, which `triseal policy sign` writes"),
    })
    .prefault({}),
  trust: z
    .string()
    .nullable()
    .default(null)
    .describe("trust file that workers are admitted under; with --dev one is made in the data folder"),
  apiKeys: z
    .array(
      z.strictObject({
        hash: hexKey.describe("SHA-256 of the key; `triseal keys api` makes a pair"),
        tenant: z.string().regex(TENANT_ID),
        tier: z.string().min(1).max(64).nullable().default(null).describe("read by policies as tenant.tier"),
        jurisdiction: z.string().min(1).max(64).nullable().default(null),
      }),
    )
    .max(10_000)
    .default([]),
  log: z
    .strictObject({
      origin: z
        .string()
        .regex(/^[^\s+]{1,128}$/)
        .default("triseal.local/log")
        .describe("name of the transparency log, for good"),
    })
    .prefault({}),
  witnesses: z
    .strictObject({
      quorum: z.int().min(0).max(16).default(0).describe("cosignatures that a checkpoint needs; 0 asks no witness"),
      timeoutMs: z.int().min(50).max(30_000).default(3000).describe("how long a bundle waits for cosignatures"),
      peers: z
        .array(z.strictObject({ name: z.string().regex(/^[^\s+]{1,128}$/), url: z.url(), publicKey: hexKey }))
        .max(16)
        .default([])
        .describe("witnesses: key name, address and Ed25519 key in hexadecimal"),
    })
    .prefault({}),
  workers: z
    .strictObject({
      count: z.int().min(1).max(64).default(1).describe("worker processes"),
      attester: attesterForm,
      jurisdiction: z
        .string()
        .min(1)
        .max(64)
        .nullable()
        .default(null)
        .describe("the operator's claim, read by policies as backend.jurisdiction"),
      executionProviders: z
        .array(z.enum(["cpu", "cuda"]))
        .min(1)
        .default(["cpu"])
        .describe("in order of preference"),
      concurrency: z
        .int()
        .min(1)
        .max(64)
        .default(2)
        .describe("model runs at one time per worker; each holds its own copy of the models"),
      queueLength: z.int().min(0).max(65_536).default(64).describe("requests that may wait in a worker beyond those that run"),
      intraOpThreads: z.int().min(0).max(1024).default(1).describe("threads within one model run; 0 leaves it to onnxruntime"),
      sealAlgorithms: z
        .array(z.enum(SEAL_ALGORITHMS))
        .min(1)
        .default([...SEAL_ALGORITHMS])
        .describe("seal keys that workers offer; callers take the strongest one offered, and can see which"),
      maxSessionAgeSeconds: z
        .int()
        .min(60)
        .max(86_400)
        .default(600)
        .describe("a worker is appraised anew before its session is that old"),
    })
    .prefault({}),
  zk: z
    .strictObject({
      models: z
        .array(z.string().min(1).max(64))
        .max(64)
        .default([])
        .describe("integer models that are answered with a proof; with --dev a key is made for each that has none"),
      threshold: z
        .strictObject({
          keyDir: z
            .string()
            .nullable()
            .default(null)
            .describe("folder of model.zkey and setup.json; null makes a key with --dev"),
          signers: z.array(z.strictObject({ name: z.string().min(1).max(128), publicKey: hexKey })).max(256),
        })
        .nullable()
        .default(null)
        .describe("{keyDir, signers: [{name, publicKey}]} takes statements `balance >= t` on what these sign; null takes none"),
      provers: z.int().min(1).max(16).default(1).describe("prover processes per model; each holds the model's whole key"),
      memoryMib: z
        .int()
        .min(128)
        .max(1_048_576)
        .default(4096)
        .describe("memory of one prover process; beyond it the process is ended"),
      queueLength: z.int().min(0).max(65_536).default(64).describe("proofs of one model that may wait"),
      timeoutMs: z.int().min(100).max(86_400_000).default(600_000).describe("longest that one proof may take, waiting included"),
    })
    .prefault({}),
  fhe: fheForm,
  limits: z
    .strictObject({
      maxBodyBytes: z
        .int()
        .min(1024)
        .max(64 * 1024 * 1024)
        .default(16 * 1024 * 1024)
        .describe("longest request body"),
      maxTensorElements: z
        .int()
        .min(1)
        .max(16 * 1024 * 1024)
        .default(4 * 1024 * 1024)
        .describe("most elements of one tensor"),
      maxInFlight: z.int().min(1).max(100_000).default(256).describe("requests that are answered at one time"),
      maxInFlightPerTenant: z.int().min(1).max(100_000).default(128).describe("those of one tenant among them"),
      maxHeldBytes: z
        .int()
        .min(64 * 1024)
        .max(2 ** 40)
        .default(256 * 1024 * 1024)
        .describe("bytes of request bodies and unsent answers in memory; parsed forms take several times as much"),
      maxHeldBytesPerTenant: z
        .int()
        .min(64 * 1024)
        .max(2 ** 40)
        .default(128 * 1024 * 1024)
        .describe("those of one tenant among them"),
      challengeSeconds: z.int().min(1).max(300).default(300).describe("how long a caller may take to answer a challenge"),
      maxChallengesPerTenant: z.int().min(1).max(4096).default(64).describe("challenges of one tenant that are open"),
      requestTimeoutMs: z.int().min(10).max(3_600_000).default(30_000).describe("how long a worker may take for one request"),
      sendTimeoutMs: z.int().min(100).max(3_600_000).default(60_000).describe("how long a caller may take to read an answer"),
      maxConnections: z.int().min(1).max(1_000_000).default(4096).describe("open connections"),
    })
    .refine(
      ({ maxHeldBytes, maxHeldBytesPerTenant, maxBodyBytes }) => Math.min(maxHeldBytes, maxHeldBytesPerTenant) >= maxBodyBytes,
      {
        error: "maxHeldBytes and maxHeldBytesPerTenant hold no body of maxBodyBytes: it could never be sent",
      },
    )
    .prefault({}),
  diagnostics: z
    .strictObject({
      stageTimes: z
        .boolean()
        .default(false)
        .describe("log how long each stage of a request took, and the memory in use; with --dev only"),
    })
    .prefault({}),
  jobs: z
    .strictObject({
      maxOpenPerTenant: z.int().min(1).max(100_000).default(64).describe("requests of one tenant that wait for a later answer"),
      deadlineSeconds: z.int().min(1).max(86_400).default(900).describe("a job is refused when it takes longer"),
      maxAttempts: z.int().min(1).max(16).default(3).describe("starts of one job, where a failure may pass or its process died"),
      concurrency: z.int().min(1).max(64).default(1).describe("jobs of one path that are done at one time"),
    })
    .prefault({}),
  keysetLifetimeDays: z
    .int()
    .min(1)
    .max(366)
    .default(90)
    .describe("how long verifiers accept the gateway's keyset, from its start on"),
  retainDays: z.int().min(1).max(3650).default(7).describe("how long stored answers can be opened"),
});

/** The configuration with its defaults filled in. */
export type TrisealConfig = z.infer<typeof configForm>;

/** JSON Schema of the configuration, for editors. */
export function configJsonSchema(): JsonObject {
  return z.toJSONSchema(configForm, { io: "input" }) as JsonObject;
}

/**
 * The configuration of a YAML text.
 * @throws TrisealError `CONFIG_INVALID`, naming the key.
 */
export function parseConfig(text: string): TrisealConfig {
  let document: unknown;
  try {
    document = parseYaml(text, { uniqueKeys: true, maxAliasCount: 0, schema: "core" }) ?? {};
  } catch (cause) {
    throw new TrisealError("CONFIG_INVALID", `not YAML: ${cause instanceof Error ? (cause.message.split("\n")[0] ?? "") : ""}`, {
      cause,
    });
  }
  const parsed = configForm.safeParse(document);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const place = issue === undefined || issue.path.length === 0 ? "the configuration" : issue.path.join(".");
  const message = `${place}: ${issue?.message ?? "invalid"} (\`triseal config\` prints every key)`;
  throw new TrisealError("CONFIG_INVALID", message, { cause: parsed.error });
}

/**
 * The configuration of a file; the defaults where no file is named and `triseal.config.yaml` does not exist.
 * @throws TrisealError `CONFIG_INVALID`.
 */
export async function readConfig(path: string | null): Promise<TrisealConfig> {
  try {
    return parseConfig(await readFile(path ?? "triseal.config.yaml", "utf8"));
  } catch (cause) {
    if (path === null && cause instanceof Error && "code" in cause && cause.code === "ENOENT") return parseConfig("");
    if (cause instanceof TrisealError) throw cause;
    throw new TrisealError("CONFIG_INVALID", `cannot read ${path ?? "triseal.config.yaml"}`, { cause });
  }
}
