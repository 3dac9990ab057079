/** What every path must do, whoever wrote it: server, appraiser and client of one path, held to `src/paths/path.ts`. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeHex, utf8 } from "../../src/core/bytes.ts";
import { digestOf, isDigest } from "../../src/core/digest.ts";
import { isTrisealError } from "../../src/core/errors.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { type CallerFacts, factsDigest, parseInferenceResponse } from "../../src/core/oip.ts";
import type { UnixSeconds } from "../../src/core/time.ts";
import type {
  Appraisal,
  AppraisalInputs,
  Appraiser,
  BoundRequest,
  InferencePath,
  PathAnswer,
  PathClient,
  ServedModel,
} from "../../src/paths/path.ts";
import { ATTRIBUTES, candidateOf, screenFacts } from "../../src/policy/index.ts";
import { decodeSession, sessionId } from "../../src/receipt/index.ts";

/** A path that runs, and what it takes to ask it. */
export interface PathUnderTest {
  readonly path: InferencePath;
  /** A model that the path serves now. */
  readonly model: ServedModel;
  /** An OIP body for that model with a random `id` and these parameters. */
  readonly body: (parameters: CallerFacts) => Uint8Array;
  /** The trust section under which an honest answer of this path passes. */
  readonly trust: JsonObject;
  /** What the relying party compiled itself; nothing by default. */
  readonly programs?: AppraisalInputs["programs"];
  readonly clock: () => UnixSeconds;
  /** Waits until the path can be asked. */
  readonly ready: () => Promise<void>;
}

/** The roles of one path. */
export interface PathContract {
  readonly name: string;
  readonly newPath: () => Promise<PathUnderTest>;
  readonly newAppraiser: () => Appraiser;
  /** Null where callers cannot seal to this path. */
  readonly newClient: (() => PathClient) | null;
  /** Why the whole contract cannot run here; null where it can. */
  readonly skip: string | null;
}

/** An answer's JSON, to be changed. */
interface Answered {
  outputs: { name?: string; data: number[] }[];
  parameters?: JsonObject;
}

const never = new AbortController().signal;
const facts: CallerFacts = { classification: "personal" };

function bound(subject: PathUnderTest, change: Partial<BoundRequest> = {}): BoundRequest {
  const backend = subject.path.backends(subject.model)[0];
  const session = backend?.facts.find(({ name }) => name === "session_id")?.value;
  return {
    model: subject.model,
    backendId: backend?.id ?? "none",
    sessionId: typeof session === "string" ? session : null,
    context: {
      modelDigest: subject.model.digest,
      decisionDigest: digestOf(utf8("a decision")),
      nonce: encodeHex(crypto.getRandomValues(new Uint8Array(16))),
    },
    facts: {},
    sealedBy: "none",
    body: subject.body(change.facts ?? {}),
    ...change,
  };
}

/** What a verifier would hand to the appraiser for this answer. */
function inputsFor(subject: PathUnderTest, answer: PathAnswer, change: Partial<AppraisalInputs> = {}): AppraisalInputs {
  const at = { seconds: subject.clock(), basis: "assertion" } as const;
  const session = subject.path.sessions().find(({ id }) => id === answer.leg.sessionId);
  const blobs = new Map((answer.leg.blobs ?? []).map((blob) => [digestOf(blob), blob]));
  return {
    trust: subject.trust,
    revoked: { keys: new Set(), measurements: new Set() },
    model: subject.model.name,
    tenant: "acme",
    session: session?.document ?? null,
    programs: subject.programs ?? new Map(),
    blob: (digest) => blobs.get(digest) ?? null,
    at,
    answeredAt: at,
    now: at.seconds,
    ...change,
  };
}

const passes = ({ checks, claims }: Appraisal): boolean =>
  claims !== null && checks.length > 0 && checks.every(({ status }) => status === "pass");

async function refusal(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => "answered",
    (error: unknown) => error,
  );
}

/** Runs the contract as tests. */
export function runPathContract(contract: PathContract): void {
  const { newPath, newAppraiser, newClient, skip } = contract;
  if (skip !== null) console.log(`skipped: contract of ${contract.name}: ${skip}`);

  describe.skipIf(skip !== null)(`the contract of ${contract.name}`, () => {
    let subject: PathUnderTest;
    let appraiser: Appraiser;

    beforeAll(async () => {
      appraiser = newAppraiser();
      subject = await newPath();
      await subject.ready();
    });
    afterAll(() => subject?.path.close());

    it("has one id and one idea of its upstream in every role", () => {
      const { path } = subject;
      expect(path.id).toMatch(/^[a-z][a-z0-9-]{0,31}$/);
      expect(appraiser.path).toBe(path.id);
      expect(appraiser.attestedUpstream).toBe(path.attestedUpstream);
      expect(path.sealed === null).toBe(newClient === null);
      if (newClient !== null) expect(newClient().id).toBe(path.id);
    });

    it("names its models, and candidates for them alone", async () => {
      const { path, model } = subject;
      expect(path.models().map(({ digest }) => digest)).toContain(model.digest);
      for (const { digest } of path.models()) expect(isDigest(digest)).toBe(true);
      expect(path.backends({ ...model, digest: digestOf(utf8("no model")) })).toEqual([]);
      expect(await path.ready(never)).toEqual({ ready: true });
    });

    it("states facts that a policy can read, each once", () => {
      const backends = subject.path.backends(subject.model);
      expect(backends.length).toBeGreaterThan(0);
      expect(new Set(backends.map(({ id }) => id)).size).toBe(backends.length);
      for (const backend of backends) {
        expect(backend.path).toBe(subject.path.id);
        const screened = screenFacts(candidateOf(backend).facts, ATTRIBUTES, "backend");
        expect(screened.rejected).toEqual([]);
        expect(screened.usable).toHaveLength(backend.facts.length);
      }
    });

    it("says of each leg what its appraiser claims of the run", async () => {
      const answer = await subject.path.infer(bound(subject), { signal: never });
      const { claims } = await appraiser.appraise(answer.leg.bytes, inputsFor(subject, answer));
      expect(claims).toMatchObject(answer.leg.states);
      expect(Object.keys(answer.leg.states).sort()).toEqual(["inputCommitment", "outputCommitment", "outputs"]);
    });

    it("hears of a backend that it does not have, or has no more, without an error", () => {
      for (const backendId of ["none", subject.path.backends(subject.model)[0]?.id ?? ""])
        for (const sessionId of [null, "00".repeat(32)]) subject.path.contradicted(backendId, sessionId, "a test");
      expect(subject.path.backends(subject.model).length).toBeGreaterThan(0);
    });

    it("confirms the answer of another path with a leg about the same exchange and run, where it confirms at all", async () => {
      const { confirmer } = subject.path;
      if (confirmer === null) return;
      const request = bound(subject, { facts });
      const { body, leg: own } = await subject.path.infer(request, { signal: never });
      // Another decision, as another path's answer would have had.
      const later = { ...request, context: { ...request.context, nonce: "5a".repeat(16) } };
      expect(confirmer.assertConfirmable(later)).toBeUndefined();
      const leg = await confirmer.confirm(later, body, { signal: never });
      expect([leg.sessionId, leg.mediaType, leg.states]).toEqual([null, appraiser.legMediaType, own.states]);
      const answer = { body, mediaType: "", forwardedDigest: digestOf(request.body), leg };
      const { checks, claims } = await appraiser.appraise(leg.bytes, inputsFor(subject, answer));
      expect(checks.filter(({ status }) => status !== "pass")).toEqual([]);
      expect(claims).toMatchObject({ requestDigest: digestOf(request.body), responseDigest: digestOf(body), ...later.context });
    });

    it("confirms no answer that is not what it finds, nothing that it cannot open, and nothing for a backend that it lacks", async () => {
      const { confirmer } = subject.path;
      if (confirmer === null) return;
      const request = bound(subject);
      const { body } = await subject.path.infer(request, { signal: never });
      const refusalOf = async (change: Partial<BoundRequest>, response: Uint8Array, signal = never) =>
        refusal(confirmer.confirm({ ...request, ...change }, response, { signal }));
      const edited = (edit: (document: Answered) => void) => {
        const document = JSON.parse(new TextDecoder().decode(body)) as Answered;
        edit(document);
        return utf8(JSON.stringify(document));
      };
      const lies: readonly (readonly [string, Uint8Array])[] = [
        [
          "LEG_OUTPUT_MISMATCH",
          edited(({ outputs }) => {
            for (const { data } of outputs) data.push(data.pop() === 1 ? 2 : 1);
          }),
        ],
        ["LEG_OUTPUT_MISMATCH", edited(({ outputs }) => void outputs.splice(0))],
        ["LEG_OUTPUT_MISMATCH", edited(({ outputs }) => void outputs.push({ ...(outputs[0] ?? { data: [] }), name: "more" }))],
        ["LEG_INPUT_MISMATCH", edited((document) => void delete document.parameters)],
        ["LEG_INPUT_MISMATCH", edited((document) => void Object.assign(document, { parameters: { triseal_salt: "00" } }))],
        ["LEG_INPUT_MISMATCH", utf8("no answer at all")],
      ];
      for (const [code, response] of lies) expect(await refusalOf({}, response)).toMatchObject({ code });
      expect(await refusalOf({ backendId: "none" }, body)).toMatchObject({ code: "PATH_UNAVAILABLE" });
      expect(await refusalOf({}, body, AbortSignal.abort())).toMatchObject({ code: "CLIENT_ABORTED" });
      for (const change of [{ sealedBy: "caller" as const }, { backendId: "none" }, { body: utf8("{}") }]) {
        expect(() => confirmer.assertConfirmable({ ...request, ...change })).toThrow();
        expect(isTrisealError(await refusalOf(change, body))).toBe(true);
      }
    });

    it("answers with a leg that its appraiser passes, about exactly this exchange", async () => {
      const request = bound(subject, { facts });
      const backend = subject.path.backends(subject.model).find(({ id }) => id === request.backendId);
      const answer = await subject.path.infer(request, { signal: never });
      expect(answer.leg.mediaType).toBe(appraiser.legMediaType);
      expect(parseInferenceResponse(answer.body).modelName).toBe(subject.model.name);
      const appraisal = await appraiser.appraise(answer.leg.bytes, inputsFor(subject, answer));
      expect(appraisal.checks.filter(({ status }) => status !== "pass")).toEqual([]);
      const { claims } = appraisal;
      expect(claims).toMatchObject({
        requestDigest: digestOf(request.body),
        responseDigest: digestOf(answer.body),
        ...request.context,
        factsDigest: appraiser.factsBoundBy === "request" ? null : factsDigest(facts),
        evidence: { digest: answer.leg.evidenceDigest, mediaType: answer.leg.evidenceMediaType },
      });
      expect(claims?.wire?.requestDigest ?? digestOf(request.body)).toBe(answer.forwardedDigest);
      const shown: Readonly<Record<string, unknown>> = claims?.backendFacts ?? {};
      const stated = backend?.facts.filter(({ name, origin }) => origin === "evidence" && name !== "evidence_age_seconds") ?? [];
      for (const { name, value } of stated) expect(shown[name]).toBe(value);
    });

    it("cites a session exactly where its upstream is attested, and shows it under its id", async () => {
      const { path } = subject;
      const { leg } = await path.infer(bound(subject), { signal: never });
      expect(leg.sessionId === null).toBe(!path.attestedUpstream);
      for (const { id, document } of path.sessions()) expect([sessionId(document), decodeSession(document).id]).toEqual([id, id]);
      if (leg.sessionId === null) return;
      const session = path.sessions().find(({ id }) => id === leg.sessionId);
      expect(session).toMatchObject({ current: true, models: expect.arrayContaining([subject.model.name]) });
      expect(session?.document["evidence"]).toMatchObject({ digest: leg.evidenceDigest });
    });

    it("does not answer for a backend of another path, nor once the caller is gone", async () => {
      const other = await refusal(subject.path.infer(bound(subject, { backendId: "other:backend" }), { signal: never }));
      expect(other).toMatchObject({ code: "PATH_UNAVAILABLE" });
      const aborted = await refusal(subject.path.infer(bound(subject), { signal: AbortSignal.abort() }));
      expect(aborted).toMatchObject({ code: "CLIENT_ABORTED" });
      expect(isTrisealError(aborted) && aborted.details["forwarded"]).not.toBe(true);
    });

    it("has an appraiser that passes nothing without trust, evidence or session", async () => {
      const answer = await subject.path.infer(bound(subject), { signal: never });
      const appraise = (change: Partial<AppraisalInputs>) =>
        appraiser.appraise(answer.leg.bytes, inputsFor(subject, answer, change));
      expect(passes(await appraise({}))).toBe(true);
      expect(passes(await appraise({ trust: null }))).toBe(false);
      expect(passes(await appraise({ trust: { unknown: "section" } }))).toBe(false);
      expect(passes(await appraise({ session: null, blob: () => null }))).toBe(false);
      if (answer.leg.sessionId !== null) expect(passes(await appraise({ session: {} }))).toBe(false);
    });

    it("has an appraiser that passes no leg with another bit, and never throws", async () => {
      const answer = await subject.path.infer(bound(subject), { signal: never });
      const inputs = inputsFor(subject, answer);
      const { bytes } = answer.leg;
      for (let place = 0; place < bytes.length; place += 5) {
        const appraisal = await appraiser.appraise(
          bytes.map((byte, at) => (at === place ? byte ^ 1 : byte)),
          inputs,
        );
        // Evidence that exists before the response does cannot cover it: then the leg states another one than was returned.
        const isOther = appraisal.claims?.responseDigest !== digestOf(answer.body);
        expect(passes(appraisal) && !isOther).toBe(false);
      }
      for (const garbage of [
        new Uint8Array(),
        utf8("{}"),
        utf8("null"),
        utf8('{"v":1}'),
        bytes.subarray(1),
        bytes.subarray(0, -1),
        new Uint8Array(1000),
      ]) {
        expect(passes(await appraiser.appraise(garbage, inputs))).toBe(false);
      }
    });

    it("binds a leg to its decision: no two requests have one leg", async () => {
      const request = bound(subject);
      const one = await subject.path.infer(request, { signal: never });
      const context = { ...request.context, nonce: "00".repeat(16), decisionDigest: digestOf(utf8("another decision")) };
      const two = await subject.path.infer({ ...request, context }, { signal: never });
      expect(digestOf(one.leg.bytes)).not.toBe(digestOf(two.leg.bytes));
      const { claims } = await appraiser.appraise(two.leg.bytes, inputsFor(subject, two));
      expect(claims).toMatchObject({ nonce: context.nonce, decisionDigest: context.decisionDigest });
    });

    it.skipIf(newClient === null)("has a client that seals what only the backend opens", async () => {
      const client = newClient?.();
      const session = subject.path.sessions().find(({ current }) => current);
      if (client === undefined || session === undefined) throw new Error("no client, or no session");
      const now = subject.clock();
      const inputs = {
        trust: subject.trust,
        revoked: { keys: new Set<string>(), measurements: new Set<string>() },
        at: { seconds: now, basis: "assertion" as const },
        now,
      };
      const checks = await client.appraiseSession(session.document, inputs);
      expect(checks.length).toBeGreaterThan(0);
      expect(checks.filter(({ status }) => status !== "pass")).toEqual([]);
      const distrusted = await client.appraiseSession(session.document, { ...inputs, trust: null });
      expect(distrusted.every(({ status }) => status === "pass")).toBe(false);
      const body = subject.body(facts);
      const prepared = await client.prepare({ model: subject.model.name, facts, body }, session, now);
      expect(subject.path.sealed?.mediaTypes).toContain(prepared.mediaType);
      expect(subject.path.sealed?.read(prepared.body, prepared.mediaType)).toMatchObject({ model: subject.model.name, facts });
      const { id } = JSON.parse(new TextDecoder().decode(body)) as { id: string };
      expect(Buffer.from(prepared.body).includes(Buffer.from(id))).toBe(false);
      const answer = await subject.path.infer(bound(subject, { facts, sealedBy: "caller", body: prepared.body }), {
        signal: never,
      });
      expect(Buffer.from(answer.body).includes(Buffer.from(id))).toBe(false);
      expect(parseInferenceResponse(await prepared.open(answer.body)).id).toBe(id);
      await expect(
        prepared.open(answer.body.map((byte, place) => (place === answer.body.length - 9 ? byte ^ 1 : byte))),
      ).rejects.toThrow();
      const { claims } = await appraiser.appraise(answer.leg.bytes, inputsFor(subject, answer));
      expect(claims).toMatchObject({
        requestDigest: digestOf(body),
        wire: { requestDigest: digestOf(prepared.body), responseDigest: digestOf(answer.body) },
      });
    });

    it("answers nothing after it was closed", async () => {
      const request = bound(subject);
      await subject.path.close();
      expect(await subject.path.ready(never)).toMatchObject({ ready: false });
      const error = await refusal(subject.path.infer(request, { signal: never }));
      expect(isTrisealError(error)).toBe(true);
      await subject.path.close();
    });
  });
}
