/** What the gateway gives to the addresses of every path: who may ask, what is decided, once, and with which receipt. */
import { describe, expect, it, vi } from "vitest";
import { utf8 } from "../../src/core/bytes.ts";
import { digestOf, digestOfJson, type Sha256Digest } from "../../src/core/digest.ts";
import { TrisealError } from "../../src/core/errors.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { factsDigest } from "../../src/core/oip.ts";
import { unixSeconds } from "../../src/core/time.ts";
import { parseBundle } from "../../src/receipt/index.ts";
import type { BundleVerifier, Trust } from "../../src/verify/index.ts";
import { NOW, OTHER_KEY, type TestGateway } from "./gateway-fixture.ts";

/** What a challenge says, as an honest caller reads it. */
export interface ReadChallenge {
  readonly nonce: string;
  readonly modelDigest: Sha256Digest;
  readonly decisionDigest: Sha256Digest;
  readonly factsDigest: Sha256Digest;
  readonly decision: JsonObject;
  readonly exp: number;
  readonly terms: JsonObject;
}

/** A path with addresses of its own, and an honest caller of it. */
export interface RoutesUnderTest {
  readonly name: string;
  /** Addresses below `/v1/`. */
  readonly challenges: string;
  readonly submissions: string;
  readonly documents: string;
  readonly model: string;
  readonly submits: string;
  /** Code of a submission that is not what it says. */
  readonly invalid: string;
  /** Code of a body that is no submission. */
  readonly malformed: string;
  readonly start: (more: {
    readonly rules?: string;
    readonly clock?: () => ReturnType<typeof unixSeconds>;
  }) => Promise<TestGateway>;
  readonly document: (challenge: ReadChallenge) => Uint8Array;
  /** The document, about something else. */
  readonly tampered: (challenge: ReadChallenge) => Uint8Array;
  /** A document that is served, and its name. */
  readonly served: { readonly name: string; readonly bytes: Uint8Array };
  readonly verify: BundleVerifier;
  readonly trust: Trust;
}

const PARAMETERS = { classification: "personal" };

async function read(response: Response) {
  const bytes = new Uint8Array(await response.arrayBuffer());
  const json = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
  return { status: response.status, bytes, json, code: json["code"], headers: response.headers };
}

/** Runs the contract as tests. */
export function runRouteContract(routes: RoutesUnderTest): void {
  const { challenges, submissions, documents, model, verify, trust } = routes;
  const options = { now: NOW, at: null, request: null, response: null, opening: null, allowPending: false };
  const asked = (parameters: object = PARAMETERS) => JSON.stringify({ model, parameters });
  const ask = async (gateway: TestGateway, body = asked(), headers = {}) =>
    read(await gateway.post(`/v1/${challenges}`, body, headers));
  const submit = async (gateway: TestGateway, body: Uint8Array, headers = {}) =>
    read(await gateway.post(`/v1/${submissions}`, body, headers));
  const challengeOf = ({ json }: Awaited<ReturnType<typeof ask>>, facts = PARAMETERS): ReadChallenge =>
    ({ ...json, factsDigest: factsDigest(facts) }) as unknown as ReadChallenge;
  const receipted = async (gateway: TestGateway, { headers }: Awaited<ReturnType<typeof ask>>) => {
    const bundle = await gateway.bundle(headers.get("x-receipt-id") ?? "none");
    return { bundle, verdict: await verify(bundle, trust, options) };
  };

  describe(`the addresses of ${routes.name}`, () => {
    it("give a challenge with the decision that it is, and answer what is made under it once, with a receipt", async () => {
      const gateway = await routes.start({});
      const answer = await ask(gateway);
      expect(answer.status).toBe(200);
      expect(answer.headers.get("x-receipt-id")).toBeNull();
      const challenge = challengeOf(answer);
      expect(digestOfJson(challenge.decision)).toBe(challenge.decisionDigest);
      expect(challenge.decision).toMatchObject({ nonce: challenge.nonce, effect: "allow" });
      const facts = challenge.decision["facts"];
      expect(facts).toContainEqual({ name: "request.submits", origin: "gateway", value: routes.submits });
      expect(challenge.exp).toBe(NOW + 300);
      const document = routes.document(challenge);
      const submitted = await submit(gateway, document);
      expect([submitted.status, submitted.code]).toEqual([200, undefined]);
      const { bundle, verdict } = await receipted(gateway, submitted);
      expect(verdict.checks.filter(({ status }) => status === "fail")).toEqual([]);
      expect(verdict.outcome).toBe("accepted");
      const { receipt, blobs } = parseBundle(bundle);
      expect(receipt).toMatchObject({ model, endpoint: `/v1/${submissions}` });
      expect(receipt.event_log).toContainEqual({ type: "request.received", body_hash: digestOf(document) });
      expect(blobs.get(digestOf(document))).toEqual(document);
      const shown = { ...options, request: document, response: submitted.bytes };
      expect((await verify(bundle, trust, shown)).outcome).toBe("accepted");
    });

    it("take a nonce once, and no nonce of nobody, of another key, or of another gateway's life", async () => {
      const gateway = await routes.start({});
      const challenge = challengeOf(await ask(gateway));
      const document = routes.document(challenge);
      const foreign = await submit(gateway, document, { authorization: `Bearer ${OTHER_KEY}` });
      expect([foreign.status, foreign.code]).toEqual([404, "CHALLENGE_UNKNOWN"]);
      const madeUp = await submit(gateway, routes.document({ ...challenge, nonce: "0".repeat(32) }));
      expect(madeUp.code).toBe("CHALLENGE_UNKNOWN");
      expect((await receipted(gateway, madeUp)).verdict.outcome).toBe("accepted");
      expect((await submit(gateway, document)).status).toBe(200);
      const twice = await submit(gateway, document);
      expect([twice.status, twice.code]).toEqual([404, "CHALLENGE_UNKNOWN"]);
      expect((await receipted(gateway, twice)).verdict.outcome).toBe("accepted");
      const restarted = await routes.start({});
      expect((await submit(restarted, routes.document(challengeOf(await ask(gateway))))).code).toBe("CHALLENGE_UNKNOWN");
    });

    it("take nothing once the challenge ended, to the second, or another policy is in force", async () => {
      let now = NOW;
      const gateway = await routes.start({ clock: () => now });
      const [first, second, third] = [await ask(gateway), await ask(gateway), await ask(gateway)].map((one) => challengeOf(one));
      if (first === undefined || second === undefined || third === undefined) throw new Error("no challenge");
      now = unixSeconds(NOW + 299);
      expect((await submit(gateway, routes.document(first))).status).toBe(200);
      now = unixSeconds(NOW + 300);
      const late = await submit(gateway, routes.document(second));
      expect([late.status, late.code]).toEqual([410, "CHALLENGE_EXPIRED"]);
      now = NOW;
      await gateway.usePolicy(`  - { id: other, when: "true", require: { all: [tee] } }\n`);
      expect((await submit(gateway, routes.document(third))).code).toBe("CHALLENGE_EXPIRED");
    });

    it("use a challenge up where what is submitted is false, and keep it where the gateway failed", async () => {
      const gateway = await routes.start({});
      const challenge = challengeOf(await ask(gateway));
      const refused = await submit(gateway, routes.tampered(challenge));
      expect(refused.code).toBe(routes.invalid);
      expect((await receipted(gateway, refused)).verdict.outcome).toBe("accepted");
      expect((await submit(gateway, routes.document(challenge))).code).toBe("CHALLENGE_UNKNOWN");
      const other = routes.document(challengeOf(await ask(gateway)));
      const failing = vi.spyOn(gateway.ledger, "logExchange");
      failing.mockRejectedValueOnce(new TrisealError("LOG_UNAVAILABLE", "the disk is full"));
      expect((await submit(gateway, other)).code).toBe("LOG_UNAVAILABLE");
      expect((await submit(gateway, other)).status).toBe(200);
    });

    it("answer a repeat under its idempotency key, and refuse other bytes under it", async () => {
      const gateway = await routes.start({});
      const document = routes.document(challengeOf(await ask(gateway)));
      const key = { "idempotency-key": "one" };
      const first = await submit(gateway, document, key);
      const again = await submit(gateway, document, key);
      expect([first.status, again.status, again.headers.get("idempotency-replayed")]).toEqual([200, 200, "true"]);
      expect(again.bytes).toEqual(first.bytes);
      expect(again.headers.get("x-receipt-id")).toBe(first.headers.get("x-receipt-id"));
      const other = routes.document(challengeOf(await ask(gateway)));
      expect((await submit(gateway, other, key)).code).toBe("IDEMPOTENCY_KEY_REUSED");
      expect((await submit(gateway, other)).status).toBe(200);
    });

    it("open no more challenges to a tenant than it may have, until some have ended", async () => {
      let now = NOW;
      const gateway = await routes.start({ clock: () => now });
      for (let open = 0; open < 8; open++) expect((await ask(gateway)).status).toBe(200);
      const refused = await ask(gateway);
      expect([refused.status, refused.code]).toEqual([429, "TOO_MANY_REQUESTS"]);
      expect((await ask(gateway, asked(), { authorization: `Bearer ${OTHER_KEY}` })).status).toBe(200);
      now = unixSeconds(NOW + 300);
      expect((await ask(gateway)).status).toBe(200);
    });

    it("are refused by policy, with a receipt, and decided on the stated facts", async () => {
      const rules = `  - { id: public-only, when: 'request.classification == "public"', require: { all: [${routes.challenges.split("/")[0]}] } }\n`;
      const gateway = await routes.start({ rules });
      const denied = await ask(gateway);
      expect([denied.status, denied.code]).toEqual([403, "POLICY_DENIED"]);
      expect((await receipted(gateway, denied)).verdict.outcome).toBe("accepted");
      const tee = await routes.start({ rules: `  - { id: attested, when: "true", require: { all: [tee] } }\n` });
      expect((await ask(tee)).code).toBe("PATH_UNAVAILABLE");
      const unknown = await ask(gateway, JSON.stringify({ model: "no-such-model", parameters: {} }));
      expect([unknown.status, unknown.code]).toEqual([404, "MODEL_UNKNOWN"]);
      expect((await receipted(gateway, unknown)).verdict.outcome).toBe("accepted");
      expect((await ask(gateway, asked({ seal: "caller" }))).code).toBe("REQUEST_NOT_SEALED");
    });

    it("take nothing without a key, of another type, too long, or malformed, and receipt none of it", async () => {
      const gateway = await routes.start({});
      const challenge = challengeOf(await ask(gateway));
      const document = routes.document(challenge);
      const size = gateway.log.size;
      for (const address of [challenges, submissions]) {
        const post = async (body: string | Uint8Array, headers = {}) => read(await gateway.post(`/v1/${address}`, body, headers));
        expect((await post("{}", { authorization: "Bearer nobody-knows-this-key" })).code).toBe("AUTH_INVALID");
        expect((await post("{}", { "content-type": "text/plain" })).code).toBe("REQUEST_MEDIA_TYPE");
        expect((await post(utf8("x".repeat(500_000)))).code).toBe("REQUEST_TOO_LARGE");
        const malformed = address === challenges ? "REQUEST_MALFORMED" : routes.malformed;
        for (const body of ["", "null", "{}", `{"v":1,"v":1}`, "[".repeat(100)]) expect((await post(body)).code).toBe(malformed);
      }
      const text = new TextDecoder().decode(document);
      for (const body of [`${text}x`, text.slice(0, -1), text.replace("{", `{"more":1,`), text.replace('"v":1', '"v":2')])
        expect((await submit(gateway, utf8(body))).code).toBe(routes.malformed);
      expect(gateway.log.size).toBe(size);
      expect((await read(await gateway.get(`/v1/${submissions}`))).code).toBe("REQUEST_METHOD");
    });

    it("serve documents by name to whoever holds a key", async () => {
      const gateway = await routes.start({});
      const { name, bytes } = routes.served;
      const found = await gateway.get(`/v1/${documents}/${name}`);
      expect([found.status, new Uint8Array(await found.arrayBuffer())]).toEqual([200, bytes]);
      expect((await read(await gateway.get(`/v1/${documents}/${name}`, "nobody-knows-this-key"))).code).toBe("AUTH_INVALID");
      for (const other of ["0".repeat(64), "x".repeat(129), "..%2F..%2Fkeys"])
        expect((await read(await gateway.get(`/v1/${documents}/${other}`))).code).toBe("NOT_FOUND");
    });
  });
}
