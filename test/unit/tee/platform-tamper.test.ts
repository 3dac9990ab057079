/** Every field of a session of hardware form, altered: by who has no key, and by the gateway itself. Each is refused, with its code. */
import { beforeAll, describe, expect, it } from "vitest";
import { encodeBase64, parseBase64, parseHex, utf8 } from "../../../src/core/bytes.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { encodeJcs } from "../../../src/core/jcs.ts";
import { isJsonObject, type JsonObject, type JsonValue, parseJson } from "../../../src/core/json.ts";
import { deviceEvidenceDigest } from "../../../src/paths/tee/wire/platform-evidence.ts";
import { sessionId } from "../../../src/receipt/session.ts";
import { defaultAppraisers } from "../../../src/verify/appraisers.ts";
import { createBundleVerifier, type Verdict } from "../../../src/verify/index.ts";
import { buildBundle } from "../../fixtures/bundle.ts";
import { createGpuWorld } from "../../fixtures/evidence/gpu.ts";
import {
  enrolmentOf,
  gpuDevice,
  gpuEntry,
  snpEntry,
  snpHardware,
  tpmEntry,
  tpmHardware,
} from "../../fixtures/evidence/worker-hardware.ts";
import { PLAIN } from "../../fixtures/verdict.ts";
import { createWorld, type EvidenceChange, START, serviceEntry, trustIn, type World } from "../../fixtures/world.ts";

type Path = readonly (string | number)[];

/** Another value of the same form, so that no reader refuses it for its form alone. */
function altered(value: JsonValue): JsonValue {
  if (typeof value === "number") return value + 1;
  if (typeof value === "boolean") return !value;
  if (value === null) return "x";
  if (typeof value !== "string") throw new Error("not a leaf");
  const last = value.at(-1) ?? "";
  return `${value.slice(0, -1)}${last === "0" ? "1" : /[0-9a-f]/.test(last) ? "0" : "x"}`;
}

/** Places of all leaves, and of all lists, which lose a member. */
function placesIn(value: JsonValue, at: Path = []): readonly Path[] {
  if (Array.isArray(value)) return [at, ...value.flatMap((item: JsonValue, index) => placesIn(item, [...at, index]))];
  if (isJsonObject(value)) return Object.entries(value).flatMap(([name, item]) => placesIn(item, [...at, name]));
  return [at];
}

function changedAt(value: JsonValue, [step, ...rest]: Path, change: (leaf: JsonValue) => JsonValue): JsonValue {
  if (step === undefined) return Array.isArray(value) ? (value as readonly JsonValue[]).slice(1) : change(value);
  if (Array.isArray(value)) return value.map((item: JsonValue, index) => (index === step ? changedAt(item, rest, change) : item));
  const members = value as JsonObject;
  return { ...members, [step]: changedAt(members[step] ?? null, rest, change) };
}

/** One bit of the bytes behind base64, turned; at the start, in the middle, at the end. */
const turned = (place: number) => (leaf: JsonValue): JsonValue => {
  if (typeof leaf !== "string") return altered(leaf);
  const bytes = parseBase64(leaf);
  const index = Math.floor((bytes.length - 1) * place);
  return encodeBase64(bytes.with(index, (bytes[index] ?? 0) ^ 1));
};

const PREFIX = "data:application/vnd.triseal.worker-evidence+json;base64,";

interface Layers {
  readonly session: JsonObject;
  readonly worker: JsonObject;
  readonly platform: JsonObject;
}

function layersOf(session: JsonObject): Layers {
  const { data } = session["evidence"] as { readonly data: string };
  const worker = parseJson(parseBase64(data.slice(PREFIX.length))) as JsonObject;
  return { session, worker, platform: parseJson(parseBase64(String(worker["evidence"]))) as JsonObject };
}

/** A session that holds this evidence package, its digest made anew. */
function withWorker(session: JsonObject, worker: JsonValue): JsonObject {
  const bytes = encodeJcs(worker as JsonObject);
  return { ...session, evidence: { digest: digestOf(bytes), data: `${PREFIX}${encodeBase64(bytes)}` } };
}

/** All sessions that differ in one field, by the field's place. */
function* tampered({ session, worker, platform }: Layers): Generator<readonly [string, JsonObject]> {
  for (const place of placesIn(session)) yield [place.join("."), changedAt(session, place, altered) as JsonObject];
  for (const place of placesIn(worker)) {
    if (place.join(".") === "evidence") continue;
    yield [`package.${place.join(".")}`, withWorker(session, changedAt(worker, place, altered))];
  }
  for (const place of placesIn(platform)) {
    const isBytes = place[0] !== "v" && !place.includes("kind") && !place.includes("json");
    const changes = isBytes ? [turned(0), turned(0.5), turned(1)] : [altered];
    for (const [index, change] of changes.entries()) {
      const evidence = encodeBase64(encodeJcs(changedAt(platform, place, change) as JsonObject));
      yield [`platform.${place.join(".")}#${index}`, withWorker(session, { ...worker, evidence })];
    }
  }
}

interface Shown {
  readonly evidence: EvidenceChange;
  readonly entries: readonly JsonObject[];
  readonly facts: Readonly<Record<string, string | boolean>>;
}

function shownBy(kind: "tpm2" | "composite"): Shown {
  if (kind === "tpm2") {
    const hardware = tpmHardware(enrolmentOf({ type: "tpm2" }));
    return { evidence: { type: "tpm2", hardware }, entries: [tpmEntry("tpm2")], facts: { evidence_type: "tpm2", simulated: false } };
  }
  const gpu = createGpuWorld();
  const devices = [gpuDevice(gpu, parseHex("5a".repeat(32)), START)];
  return {
    evidence: {
      type: "sev-snp",
      hardware: snpHardware({}, devices),
      statement: (plain) => ({ ...plain, gpuEvidenceDigest: deviceEvidenceDigest(devices) }),
    },
    entries: [snpEntry(), gpuEntry(gpu)],
    facts: { evidence_type: "sev-snp", simulated: false, tcb: "up-to-date" },
  };
}

/** What the operator says about a session, and no evidence does. */
const OPERATORS_WORD = new Set(["upstream_name", "endpoint", "verifier_id"]);

describe.each(["tpm2", "composite"] as const)("a session that shows %s", (kind) => {
  let world: World;
  let shown: Shown;
  let session: JsonObject;
  let verdictOn: (bundle: Uint8Array) => Promise<Verdict>;
  let honest: Uint8Array;

  beforeAll(async () => {
    world = await createWorld();
    shown = shownBy(kind);
    const service = serviceEntry(world);
    service.paths.tee.evidence = shown.entries as never;
    const trust = trustIn(service);
    verdictOn = async (bundle) => await createBundleVerifier(defaultAppraisers)(bundle, trust, PLAIN);
    const { evidence, facts: backendFacts } = shown;
    const seen: JsonObject[] = [];
    const note = (document: JsonObject) => {
      seen.push(document);
      return document;
    };
    honest = (await buildBundle(world, { evidence, backendFacts, session: note })).bundle;
    session = seen[0] ?? {};
    expect(await verdictOn(honest)).toMatchObject({ outcome: "accepted", code: null });
  });

  it("is refused with any field altered by who has no key, under its id and under a new one", async () => {
    const bundle = parseJson(honest) as JsonObject;
    const id = sessionId(session);
    const sessions = bundle["sessions"] as JsonObject;
    expect(Object.keys(sessions)).toEqual([id]);
    const accepted: string[] = [];
    for (const [place, document] of tampered(layersOf(session))) {
      for (const key of [id, sessionId(document)]) {
        const { outcome, code } = await verdictOn(utf8(JSON.stringify({ ...bundle, sessions: { [key]: document } })));
        if (outcome === "accepted" || code === null) accepted.push(place);
      }
    }
    expect(accepted).toEqual([]);
  });

  it("is refused with any field altered by the gateway that signs and logs it", async () => {
    const { evidence, facts: backendFacts } = shown;
    const codes = new Map<string, string | null>();
    for (const [place, document] of tampered(layersOf(session))) {
      const { bundle } = await buildBundle(world, { evidence, backendFacts, session: () => document });
      codes.set(place, (await verdictOn(bundle)).code);
    }
    console.log(JSON.stringify(Object.fromEntries(codes), null, 1));
    expect([...codes].filter(([, code]) => code === null).map(([place]) => place)).toEqual([...OPERATORS_WORD]);
  });
});
