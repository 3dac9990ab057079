/** Every field of a session of hardware form, altered: by who has no key, and by the gateway itself. Each is refused, with its code. */
import { beforeAll, describe, expect, it } from "vitest";
import { encodeBase64, parseBase64, parseHex, utf8 } from "../../../src/core/bytes.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { encodeJcs } from "../../../src/core/jcs.ts";
import { isJsonObject, type JsonObject, type JsonValue, parseJson } from "../../../src/core/json.ts";
import { appraiseSession } from "../../../src/paths/tee/evidence/appraise-session.ts";
import { deviceEvidenceDigest } from "../../../src/paths/tee/wire/platform-evidence.ts";
import { sessionId } from "../../../src/receipt/session.ts";
import { defaultAppraisers } from "../../../src/verify/appraisers.ts";
import { createBundleVerifier, type Verdict } from "../../../src/verify/index.ts";
import { buildBundle } from "../../fixtures/bundle.ts";
import { createGpuWorld } from "../../fixtures/evidence/gpu.ts";
import { NONCE, TAKES_TPMS } from "../../fixtures/evidence/platform-scene.ts";
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
import { at, createWorld, type EvidenceChange, START, serviceEntry, trustIn, type World } from "../../fixtures/world.ts";

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
function placesIn(value: JsonValue, under: Path = []): readonly Path[] {
  if (Array.isArray(value)) return [under, ...value.flatMap((item: JsonValue, index) => placesIn(item, [...under, index]))];
  if (isJsonObject(value)) return Object.entries(value).flatMap(([name, item]) => placesIn(item, [...under, name]));
  return [under];
}

function changedAt(value: JsonValue, [step, ...rest]: Path, change: (leaf: JsonValue) => JsonValue): JsonValue {
  if (step === undefined) return Array.isArray(value) ? (value as readonly JsonValue[]).slice(1) : change(value);
  if (Array.isArray(value)) return value.map((item: JsonValue, index) => (index === step ? changedAt(item, rest, change) : item));
  const members = value as JsonObject;
  return { ...members, [step]: changedAt(members[step] ?? null, rest, change) };
}

/** One bit of the bytes behind base64, turned; at the start, in the middle, at the end. */
const turned =
  (place: number) =>
  (leaf: JsonValue): JsonValue => {
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
  return { session, worker, platform: parseJson(parseBase64(worker["evidence"] as string)) as JsonObject };
}

/** A session that holds this evidence package, its digest made anew. */
function withWorker(session: JsonObject, worker: JsonValue): JsonObject {
  const bytes = encodeJcs(worker as JsonObject);
  return { ...session, evidence: { digest: digestOf(bytes), data: `${PREFIX}${encodeBase64(bytes)}` } };
}

/** All sessions that differ in one field, by the field's place. */
function tampered(layers: Layers): readonly (readonly [string, JsonObject])[] {
  const honest = sessionId(layers.session);
  // A list that is empty has no member to lose.
  return [...changedSessions(layers)].filter(([, document]) => sessionId(document) !== honest);
}

function* changedSessions({ session, worker, platform }: Layers): Generator<readonly [string, JsonObject]> {
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
    return {
      evidence: { type: "tpm2", hardware },
      entries: [tpmEntry("tpm2")],
      facts: { evidence_type: "tpm2", simulated: false },
    };
  }
  const gpu = createGpuWorld();
  const devices = [gpuDevice(gpu, parseHex(NONCE), START)];
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

/** What the operator says about a session, and no evidence does (SPEC 5.2); each is signed, and none counts for the worker. */
const OPERATORS_WORD = ["upstream_name", "endpoint", "verifier_id", "established_at", "expires_at"];

/** The code that an altered place is refused with; the first that fits. Bytes of vendors' formats fail in many ways. */
const CODES: readonly (readonly [RegExp, RegExp])[] = [
  [/^(?:api_version|evidence\.)/, /^SESSION_MISMATCH$/],
  [/^(?:identity|channel_binding|claims)/, /^SESSION_CLAIMS_UNFOUNDED$/],
  [/^package\.(?:v|keyset\.v|statement\.purpose|keyset\.legKeys\.0\.algo)$/, /^EVIDENCE_MALFORMED$/],
  [/^package\.type$/, /^EVIDENCE_UNSUPPORTED$/],
  [/^package\.files/, /^EVIDENCE_MEASUREMENT_MISMATCH$/],
  [/^package\.keyset/, /^EVIDENCE_KEY_BINDING_INVALID$/],
  [/^package\.statement/, /^EVIDENCE_(?:NONCE_MISMATCH|REPORT_DATA_MISMATCH|MALFORMED)$/],
  [/^platform\.evidence\.pcrs/, /^EVIDENCE_MEASUREMENT_MISMATCH$/],
  [/^platform\.devices(?:#|\.0\.kind)/, /^EVIDENCE_KEY_BINDING_INVALID$/],
  [/^platform\.v/, /^EVIDENCE_MALFORMED$/],
  [/^platform\.(?:.+\.)?evidence/, /^EVIDENCE_(?:MALFORMED|UNSUPPORTED|SIGNATURE_INVALID|CHAIN_UNTRUSTED)$/],
  [
    /^platform\.(?:.+\.)?endorsements/,
    /^EVIDENCE_(?:MALFORMED|UNSUPPORTED|COLLATERAL_[A-Z_]+|CHAIN_UNTRUSTED|RIM_SIGNATURE_INVALID)$/,
  ],
];

describe.each(["tpm2", "composite"] as const)("a session that shows %s", { timeout: 120_000 }, (kind) => {
  let world: World;
  let shown: Shown;
  let session: JsonObject;
  let verdictOn: (bundle: Uint8Array) => Promise<Verdict>;
  let honest: Uint8Array;
  let section: JsonObject;

  beforeAll(async () => {
    world = await createWorld();
    shown = shownBy(kind);
    const service = serviceEntry(world);
    service.paths.tee.evidence = shown.entries as never;
    const trust = trustIn(service);
    section = service.paths.tee as unknown as JsonObject;
    verdictOn = async (bundle) => await createBundleVerifier(defaultAppraisers)(bundle, trust, PLAIN);
    const { evidence, facts: backendFacts } = shown;
    const seen: JsonObject[] = [];
    const note = (document: JsonObject) => {
      seen.push(document);
      return document;
    };
    honest = (await buildBundle(world, { evidence, backendFacts, policyText: TAKES_TPMS, session: note })).bundle;
    session = seen[0] ?? {};
    expect(await verdictOn(honest)).toMatchObject({ outcome: "accepted", code: null });
  });

  /** What the appraisal of the session says, as verifier, gateway and SDK make it. */
  async function codeOfSession(document: JsonObject): Promise<string | null> {
    const inputs = { trust: section, revoked: { keys: new Set<string>(), measurements: new Set<string>() }, now: at(0) };
    const checks = await appraiseSession(document, { ...inputs, at: { seconds: at(0), basis: "assertion" } });
    return checks.find(({ status }) => status === "fail")?.code ?? null;
  }

  it("is refused with any field altered by who has no key, under its id and under a new one", async () => {
    const bundle = parseJson(honest) as JsonObject;
    const id = sessionId(session);
    const sessions = bundle["sessions"] as JsonObject;
    expect(Object.keys(sessions)).toEqual([id]);
    const accepted: string[] = [];
    for (const [place, document] of tampered(layersOf(session))) {
      const isInside = /^(?:package|platform)/.test(place);
      for (const key of isInside ? [id] : [id, sessionId(document)]) {
        const { outcome, code } = await verdictOn(utf8(JSON.stringify({ ...bundle, sessions: { [key]: document } })));
        if (outcome === "accepted" || code === null) accepted.push(place);
      }
    }
    expect(accepted).toEqual([]);
  });

  it("is refused with any field altered by the gateway that signs and logs it", async () => {
    const { evidence, facts: backendFacts } = shown;
    const codes = new Map<string, string | null>();
    for (const [place, document] of tampered(layersOf(session)))
      if (/^(?:package|platform)/.test(place)) codes.set(place, await codeOfSession(document));
    for (const place of placesIn(session)) {
      // Evidence is signed anew for each bundle.
      const change = (document: JsonObject) => changedAt(document, place, altered) as JsonObject;
      const { bundle } = await buildBundle(world, { evidence, backendFacts, policyText: TAKES_TPMS, session: change });
      codes.set(place.join("."), (await verdictOn(bundle)).code);
    }
    expect([...codes].filter(([, code]) => code === null).map(([place]) => place)).toEqual(OPERATORS_WORD);
    const refused = [...codes].filter((entry): entry is [string, string] => entry[1] !== null);
    const wrong = refused.filter(([place, code]) => CODES.find(([of]) => of.test(place))?.[1].test(code) !== true);
    expect(wrong).toEqual([]);
    expect(refused.length).toBeGreaterThan(70);
  });
});
