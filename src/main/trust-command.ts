/** `triseal trust`: drafts a trust file from what a service says, and shows what one accepts. */
import { readFile, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Command } from "commander";
import type { Fetch } from "../client/index.ts";
import { createPinnedTransport } from "../client/node/index.ts";
import { readBoundedBody } from "../core/bounded-body.ts";
import { array, boolean, digest, hexText, integer, object, text } from "../core/decode.ts";
import { digestOfJson } from "../core/digest.ts";
import { TrisealError } from "../core/errors.ts";
import { isJsonObject, type JsonObject, type JsonValue, parseJson } from "../core/json.ts";
import { parseWorkerEvidence } from "../paths/tee/wire/keyset.ts";
import { parseSimulatedEvidence, SIMULATED_TYPE } from "../paths/tee/wire/simulated.ts";
import { decodeReport, decodeSession, keysetDigest } from "../receipt/index.ts";
import { parseTrust } from "../trust/trust-file.ts";
import { readConfig } from "./config.ts";
import { encodeTrustDraft, simulatedEvidence, teeSection } from "./draft-trust.ts";
import { askGateway } from "./operator-client.ts";
import { readAuthorities } from "./refusing.ts";

const MAX_ANSWER_BYTES = 8 * 1024 * 1024;
const TODO_BECAUSE = "CHECK: drafted from the service's own word; write here why you accept it";

const decodeHints = object({
  gateway_keys: array(hexText(32), 16),
  log: object({ origin: text(128), public_keys: array(hexText(32), 16) }),
  witnesses: object({ quorum: integer(0, 16), keys: array(object({ name: text(128), public_key: hexText(32) }), 16) }),
  policy_signers: array(hexText(32), 16),
  models: array(object({ name: text(128), digest }), 1024),
  dev: boolean,
});

/** A service that a draft is made from. */
interface Source {
  readonly base: string;
  readonly fetch: Fetch;
}

async function fetchJson({ base, fetch }: Source, path: string): Promise<JsonObject> {
  const response = await fetch(`${base}${path}`, { redirect: "error", signal: AbortSignal.timeout(15_000) });
  const bytes = await readBoundedBody(response, MAX_ANSWER_BYTES);
  if (bytes === null) throw new TrisealError("VERIFICATION_FAILED", `${path} answered more than ${MAX_ANSWER_BYTES} bytes`);
  if (!response.ok) throw new TrisealError("VERIFICATION_FAILED", `${path} answered ${response.status}`);
  const document = parseJson(bytes);
  if (!isJsonObject(document)) throw new TrisealError("FORMAT_INVALID", `${path} gave no JSON object`);
  return document;
}

/** What the current sessions of a service show about its workers. */
async function shownWorkers(source: Source) {
  const list = (await fetchJson(source, "/v1/aci/sessions"))["sessions"];
  const ids = (Array.isArray(list) ? (list as readonly JsonValue[]) : []).flatMap((entry) =>
    isJsonObject(entry) && typeof entry["session_id"] === "string" ? [entry["session_id"]] : [],
  );
  const platformKeys = new Set<string>();
  const workers = new Set<string>();
  const types = new Set<string>();
  for (const id of ids.slice(0, 64)) {
    const evidence = parseWorkerEvidence(decodeSession(await fetchJson(source, `/v1/aci/sessions/${id}`)).evidenceBytes);
    if (evidence.type === SIMULATED_TYPE) platformKeys.add(parseSimulatedEvidence(evidence.evidence).platformKey);
    else types.add(evidence.type);
    workers.add(evidence.statement.workerDigest);
  }
  return { evidence: simulatedEvidence([...platformKeys], TODO_BECAUSE), workers: [...workers], types: [...types] };
}

interface DraftFlags {
  readonly from: string;
  readonly name: string;
  readonly ca?: string;
  readonly out?: string;
}

async function draft(flags: DraftFlags): Promise<void> {
  const base = flags.from.replace(/\/$/, "");
  const transport = flags.ca === undefined ? null : createPinnedTransport({ ca: await readAuthorities(flags.ca) });
  try {
    await writeDraft({ base, fetch: transport?.contact ?? ((url, init) => fetch(url, init)) }, flags);
  } finally {
    await transport?.close();
  }
}

async function writeDraft(source: Source, flags: DraftFlags): Promise<void> {
  const { base } = source;
  const report = decodeReport(await fetchJson(source, "/v1/aci/attestation"), "report");
  const hints = decodeHints(await fetchJson(source, "/.well-known/triseal.json"), "hints");
  const shown = await shownWorkers(source);
  const yaml = encodeTrustDraft(
    flags.name,
    {
      gatewayKeys: hints.gateway_keys,
      teeType: report.attestation.tee_type,
      dev: hints.dev,
      log: { origin: hints.log.origin, publicKeys: hints.log.public_keys },
      witnesses: {
        quorum: hints.witnesses.quorum,
        keys: hints.witnesses.keys.map((key) => ({ name: key.name, publicKey: key.public_key })),
      },
      policySigners: hints.policy_signers.map((publicKey) => ({ publicKey, minSequence: 0 })),
      paths: { tee: teeSection({ ...shown, models: hints.models }) },
    },
    TODO_BECAUSE,
    [
      `Draft from ${base}, keyset ${keysetDigest(report.attestation.workload_keyset)}.`,
      "Nothing here was authenticated. Before you rely on it, compare over another channel: the gateway key, the log key, the",
      "witnesses (they must not be the operator's), the policy signer and the least sequence you accept, and the worker and",
      "model digests with releases that you reviewed. Replace every reason that begins with CHECK.",
      ...shown.types.map(
        (type) => `Workers show evidence of type ${type}, which has no entry here: write one from values that you checked.`,
      ),
    ],
  );
  if (flags.out === undefined) process.stdout.write(yaml);
  else {
    await writeFile(flags.out, yaml, { flag: "wx" });
    console.log(`wrote ${flags.out}; read its head before you rely on it`);
  }
}

async function show(file: string, flags: { readonly json?: true }): Promise<void> {
  const trust = parseTrust(new Uint8Array(await readFile(file)));
  if (flags.json) {
    console.log(JSON.stringify(trust));
    return;
  }
  for (const service of trust.services) {
    const { witnesses } = service;
    console.log(`service ${service.name}`);
    console.log(`  gateway keys   ${service.gateway.keys.map((key) => key.publicKey).join(", ")}`);
    console.log(
      `  attested as    ${service.gateway.teeTypes.map((entry) => `${entry.accept} because ${entry.because}`).join("; ") || "nothing accepted"}`,
    );
    console.log(`  logs           ${service.logs.map((log) => `${log.origin} ${log.publicKey}`).join(", ")}`);
    console.log(
      `  witnesses      ${"keys" in witnesses ? `${witnesses.quorum} of ${witnesses.keys.map((key) => key.name).join(", ")}` : `none, because ${witnesses.because}`}`,
    );
    console.log(
      `  policy signers ${service.policySigners.map((signer) => `${signer.publicKey} from sequence ${signer.minSequence}`).join(", ")}`,
    );
    console.log(`  development    ${service.dev === undefined ? "refused" : `accepted because ${service.dev.because}`}`);
    for (const [path, section] of Object.entries(service.paths))
      console.log(`  path ${path}       ${digestOfJson(section as JsonObject)} ${JSON.stringify(section)}`);
    console.log(`  revoked        ${service.revoked.keys.length} keys, ${service.revoked.measurements.length} measurements`);
  }
}

async function reload(flags: { readonly data?: string; readonly config?: string }): Promise<void> {
  const dataDir = resolve(flags.data ?? (await readConfig(flags.config ?? null)).dataDir);
  if ((await askGateway(dataDir, "/trust/reload", {})) === null)
    throw new TrisealError("OPERATOR_UNREACHABLE", `no gateway serves ${dataDir}`);
  console.log("the gateway read its trust file");
}

/** Adds `trust` to the command line. */
export function addTrustCommand(program: Command): void {
  const trust = program.command("trust").description("trust files: whom you rely on, and why");
  trust
    .command("init")
    .description("draft a trust file from what a service says about itself, and say what you must still check")
    .requiredOption("--from <url>", "origin of the gateway")
    .option("--ca <file>", "authorities in PEM for an `https:` address, in place of the system's; the TLS key is not pinned")
    .option("--name <name>", "name of the service in the file", "service")
    .option("--out <file>", "file to make (default: standard output)")
    .action(draft);
  trust
    .command("show")
    .argument("<file>")
    .option("--json", "JSON")
    .description("what a trust file accepts, with its reasons")
    .action(show);
  trust
    .command("reload")
    .description("have the running gateway read its trust file again: signers, revocations, and what workers are admitted by")
    .option("--data <dir>", "data folder")
    .option("--config <file>", "configuration")
    .action(reload);
}
