/** Bad input of every kind: what a service must refuse, each with one of these codes. */
import { digestOf } from "../../../src/core/digest.ts";
import { SEALED_TYPES } from "../../../src/paths/tee/wire/envelope.ts";
import { digitsBody } from "../../e2e/gateway-harness.ts";
import { FLOAT_MODEL, INTEGER_MODEL } from "./service.ts";

/** One bad request. */
export interface BadInput {
  readonly name: string;
  readonly method?: string;
  readonly path: string;
  readonly body?: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  /** Codes that it may be refused with. */
  readonly codes: readonly string[];
}

const INFER = `/v2/models/${FLOAT_MODEL}/infer`;
const text = (body: unknown): string => JSON.stringify(body);
const good = (): string => text(digitsBody());
const malformed = ["REQUEST_MALFORMED"];
const tensor = ["REQUEST_TENSOR_INVALID"];
const denied = ["POLICY_DENIED"];
const json = (path: string, body: string, codes: readonly string[], name: string): BadInput => ({ name, path, body, codes });
const envelope = (more: object) =>
  text({
    v: 1,
    model: FLOAT_MODEL,
    keysetDigest: digestOf(new Uint8Array()),
    keyId: "seal-1",
    facts: {},
    exp: 2_000_000_000,
    enc: "AAAA",
    ct: "AAAA",
    ...more,
  });
const stated = (parameters: object): string => text(digitsBody(undefined, { parameters: parameters as never }));

const bodies: readonly BadInput[] = [
  json(INFER, good().slice(0, -7), malformed, "JSON that ends early"),
  json(INFER, `${good()}x`, malformed, "text behind JSON"),
  json(INFER, good().replace('"inputs"', '"inputs":[],"inputs"'), malformed, "a duplicate key"),
  json(INFER, good().replace('{"id"', '{"__proto__":{},"id"'), malformed, "the key __proto__"),
  json(INFER, good().replace('"e2e"', '"\\ud800"'), malformed, "a lone surrogate"),
  json(INFER, "[".repeat(5000), malformed, "nesting without end"),
  json(INFER, "", [...malformed, "REQUEST_TENSOR_INVALID"], "nothing"),
  json(INFER, good().replace("[1,1,1", "[NaN,1,1"), ["REQUEST_NOT_FINITE"], "NaN"),
  json(INFER, good().replace("[1,1,1", "[1e999,1,1"), [...malformed, "REQUEST_NOT_FINITE"], "a number beyond all doubles"),
  json(INFER, good().replace("[1,64]", "[1,63]"), tensor, "another shape"),
  json(INFER, good().replace("[1,64]", "[-1,64]"), [...tensor, ...malformed], "a negative shape"),
  json(
    INFER,
    good().replace("[1,64]", "[4294967296,64]"),
    [...tensor, ...malformed, "REQUEST_BATCH"],
    "a shape beyond all memory",
  ),
  json(INFER, good().replace("FP32", "INT64"), tensor, "another datatype"),
  json(INFER, good().replace("pixels", "pixel"), tensor, "an input of another name"),
  json(INFER, stated({ classification: "secret" }), denied, "a class that policy keeps out"),
  json(INFER, stated({ classification: "int\u0435rnal" }), denied, "a class with a Cyrillic letter"),
  json(INFER, stated({ assurance: "magic" }), denied, "an assurance that nobody offers"),
  json(INFER, stated({ value_usd: "much" }), ["REQUEST_MALFORMED"], "a fact of another type"),
  json("/v2/models/no-such-model/infer", good(), ["MODEL_UNKNOWN"], "an unknown model"),
  json(
    `/v2/models/${INTEGER_MODEL}/infer`,
    text({ inputs: [{ name: "features", datatype: "FP32", shape: [2, 30], data: Array<number>(60).fill(0) }] }),
    ["REQUEST_BATCH"],
    "two rows for an integer model",
  ),
];

const heads: readonly BadInput[] = [
  { name: "no key", path: INFER, body: good(), headers: { authorization: "" }, codes: ["AUTH_REQUIRED", "AUTH_INVALID"] },
  { name: "a wrong key", path: INFER, body: good(), headers: { authorization: "Bearer dev-0000" }, codes: ["AUTH_INVALID"] },
  {
    name: "another media type",
    path: INFER,
    body: good(),
    headers: { "content-type": "text/html" },
    codes: ["REQUEST_MEDIA_TYPE"],
  },
  {
    name: "an idempotency key with a space",
    path: INFER,
    body: good(),
    headers: { "idempotency-key": "a b" },
    codes: ["IDEMPOTENCY_KEY_INVALID"],
  },
  {
    name: "a JSON part that is longer than the body",
    path: INFER,
    body: good(),
    headers: { "inference-header-content-length": "99999" },
    codes: malformed,
  },
  { name: "another method", method: "DELETE", path: INFER, codes: ["REQUEST_METHOD"] },
  { name: "an address out of the tree", method: "GET", path: "/log/tile/0/..%2f..%2fleaves", codes: ["NOT_FOUND"] },
  {
    name: "an unknown receipt",
    method: "GET",
    path: `/v1/receipts/rcpt-${"0".repeat(32)}/bundle`,
    codes: ["RECEIPT_UNKNOWN", "NOT_FOUND"],
  },
  { name: "an unknown job", method: "GET", path: `/v1/jobs/job-${"0".repeat(32)}`, codes: ["JOB_UNKNOWN"] },
  {
    name: "a header beyond the limit",
    path: INFER,
    body: good(),
    headers: { "x-long": "x".repeat(40_000) },
    codes: ["REQUEST_HEADERS_TOO_LARGE"],
  },
];

const sealed = { "content-type": SEALED_TYPES.json };
const seals: readonly BadInput[] = [
  { name: "an envelope that is none", path: INFER, body: "{}", headers: sealed, codes: ["SEALED_MALFORMED"] },
  {
    name: "an envelope to a keyset of nobody",
    path: INFER,
    body: envelope({}),
    headers: sealed,
    codes: ["WORKER_KEY_STALE", "SEALED_EXPIRED"],
  },
  {
    name: "an envelope for another model",
    path: INFER,
    body: envelope({ model: "other" }),
    headers: sealed,
    codes: ["SEALED_MALFORMED", "MODEL_UNKNOWN", "REQUEST_MALFORMED"],
  },
  {
    name: "an envelope of the binary form, cut",
    path: INFER,
    body: Uint8Array.of(0, 0, 9, 9, 123),
    headers: { "content-type": SEALED_TYPES.binary },
    codes: ["SEALED_MALFORMED"],
  },
];

const submissions: readonly BadInput[] = [
  json("/v1/zk/challenges", "{}", malformed, "a challenge for nothing"),
  json("/v1/zk/proofs", '{"v":1}', [...malformed, "ZK_SUBMISSION_MALFORMED", "FORMAT_INVALID"], "a proof that is none"),
  json(
    "/v1/zk/statements",
    '{"v":1}',
    [...malformed, "NOT_FOUND", "ZK_SUBMISSION_MALFORMED", "FORMAT_INVALID"],
    "a statement that is none",
  ),
  json(
    "/v1/fhe/challenges",
    text({ model: "no-such-program", parameters: { kind: "state" } }),
    ["MODEL_UNKNOWN", "PATH_UNAVAILABLE", "NOT_FOUND"],
    "a run of an unknown program",
  ),
  json(
    "/v1/fhe/run",
    '{"v":1,"nonce":"00"}',
    [...malformed, "FORMAT_INVALID", "FHE_RUN_INVALID", "PATH_UNAVAILABLE", "NOT_FOUND"],
    "a run that is none",
  ),
  json(
    "/v1/fhe/accounts",
    '{"v":1}',
    [...malformed, "FORMAT_INVALID", "FHE_ACCOUNT_INVALID", "PATH_UNAVAILABLE", "NOT_FOUND"],
    "an account that is none",
  ),
];

/** All of them. */
export const badInputs: readonly BadInput[] = [...bodies, ...heads, ...seals, ...submissions];
