/**
 * Real TDX quotes beside another verifier, Phala's `dcap-qvl`: what we accept it accepts, with the same status. Quotes of our own are
 * no test of it: it knows no identities of TDX modules, and takes the quoting enclave's authentication data to have 32 bytes.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { QuoteVerifier } from "@phala/dcap-qvl";
import { describe, expect, it } from "vitest";
import { parseHex, utf8 } from "../../../../src/core/bytes.ts";
import { codeOf } from "../../../../src/paths/tee/evidence/appraisal/findings.ts";
import { TCB_STATUSES } from "../../../../src/paths/tee/evidence/tdx/collateral.ts";
import { intelRoots } from "../../../../src/paths/tee/evidence/tdx/roots.ts";
import type { Certificate } from "../../../../src/paths/tee/evidence/x509/certificate.ts";
import { parsePem } from "../../../../src/paths/tee/evidence/x509/pem.ts";
import { Dice } from "../../../campaign/dice.ts";
import { ask, seconds } from "../../../fixtures/evidence/question.ts";
import { tdxQuestion } from "../../../fixtures/evidence/tdx.ts";
import { vectorFolder } from "../../../fixtures/evidence/vectors.ts";

/** Collateral in the form of Phala's library: texts, and CRLs and signatures in hexadecimal. */
type Collateral = Readonly<Record<string, string>>;

interface Sample {
  readonly quote: Uint8Array;
  readonly collateral: Collateral;
  readonly anchors: readonly Certificate[];
  readonly at: number;
}

const CHANGES_PER_SAMPLE = 150;

/** All but `Revoked`, as the other verifier has it; it also wants SEPT_VE_DISABLE and ignores what trails. */
const POLICY = {
  acceptedTcbStatus: TCB_STATUSES.filter((status) => status !== "Revoked"),
  requireSeptVeDisable: true,
  trailing: "any",
};

interface Answer {
  readonly accepted: boolean;
  readonly status: string | null;
  readonly why: string;
}

function text(collateral: Collateral, name: string): string {
  return collateral[name] ?? "";
}

async function ours({ quote, collateral, anchors, at }: Sample): Promise<Answer> {
  const raw = (name: string) => utf8(text(collateral, name));
  const endorsements = {
    tcbInfo: raw("tcb_info"),
    tcbInfoSignature: parseHex(text(collateral, "tcb_info_signature")),
    tcbSigningChain: parsePem(text(collateral, "tcb_info_issuer_chain")),
    qeIdentity: raw("qe_identity"),
    qeIdentitySignature: parseHex(text(collateral, "qe_identity_signature")),
    qeSigningChain: parsePem(text(collateral, "qe_identity_issuer_chain")),
    pckCrl: parseHex(text(collateral, "pck_crl")),
    rootCrl: parseHex(text(collateral, "root_ca_crl")),
  };
  const { checks, claims } = await ask({ ...tdxQuestion(), evidence: { quote }, endorsements, policy: POLICY, anchors, at });
  const code = codeOf(checks);
  return { accepted: code === null, status: (claims?.["tcbStatus"] as string | null) ?? null, why: code ?? "" };
}

function theirs({ quote, collateral, anchors, at }: Sample): Answer {
  try {
    const { status } = QuoteVerifier.newWithRootCa(Buffer.from(anchors[0]?.der ?? [])).verify(
      Buffer.from(quote),
      collateral as never,
      at,
    );
    return { accepted: true, status: String(status), why: "" };
  } catch (error) {
    return { accepted: false, status: null, why: error instanceof Error ? error.message : "" };
  }
}

/** A real quote with the collateral of its time. */
function realSample(folder: string): Sample {
  const collateral = JSON.parse(readFileSync(join(folder, "tdx/phala/tdx_quote_collateral.json"), "utf8")) as Collateral;
  const quote = new Uint8Array(readFileSync(join(folder, "tdx/phala/tdx_quote")));
  return { quote, collateral, anchors: intelRoots(), at: seconds("2025-06-20T00:00:00Z") };
}

const MUTABLE = ["tcb_info", "qe_identity", "tcb_info_signature", "qe_identity_signature", "pck_crl", "root_ca_crl"];

/** One digit or byte of quote or collateral changed. */
function changed(sample: Sample, dice: Dice): Sample {
  if (!dice.oneIn(3)) {
    const at = dice.below(sample.quote.length);
    return { ...sample, quote: sample.quote.with(at, (sample.quote[at] ?? 0) ^ (1 << dice.below(8))) };
  }
  const name = dice.pick(MUTABLE);
  const value = text(sample.collateral, name);
  const digits = Array.from(value).flatMap((character, index) => (/[0-9]/.test(character) ? [index] : []));
  const at = dice.pick(digits);
  return { ...sample, collateral: { ...sample.collateral, [name]: value.slice(0, at) + dice.below(10) + value.slice(at + 1) } };
}

/** What the other verifier does not look at, and we refuse: strict forms, signatures and dates of CRLs, the module's identity. */
const STRICTER = [
  "EVIDENCE_MALFORMED",
  "EVIDENCE_UNSUPPORTED",
  "EVIDENCE_COLLATERAL_SIGNATURE_INVALID",
  "EVIDENCE_COLLATERAL_EXPIRED",
];

async function compare(sample: Sample, seed: number): Promise<void> {
  const [mine, other] = [await ours(sample), theirs(sample)];
  expect({ mine: [mine.accepted, mine.status], why: mine.why }).toEqual({ mine: [other.accepted, other.status], why: "" });
  const dice = new Dice(seed);
  for (let change = 0; change < CHANGES_PER_SAMPLE; change++) {
    const altered = changed(sample, dice);
    const [left, right] = [await ours(altered), theirs(altered)];
    if (left.accepted) expect([right.accepted, right.status]).toEqual([true, left.status]);
    else if (right.accepted) expect(STRICTER).toContain(left.why);
  }
}

const folder = vectorFolder();

describe("beside dcap-qvl", () => {
  it("a real quote, and changes of it", async ({ skip }) => {
    if (folder === null) skip("no ../shared/vectors/attestation beside this repository");
    await compare(realSample(folder ?? ""), 1);
  });
});
