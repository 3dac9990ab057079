import { describe, expect, it } from "vitest";
import { utf8 } from "../../../../src/core/bytes.ts";
import { issueChain, leafOf, signEs384 } from "../../../fixtures/evidence/device-chain.ts";
import { DRIVER, measurement, rimQuestion } from "../../../fixtures/evidence/gpu.ts";
import { type Answer, AT, answerTo } from "../../../fixtures/evidence/question.ts";
import { encodeRim, RIM_CLOSE, RIM_OPEN, rimContent, rimSignature, unsignedRim } from "../../../fixtures/evidence/rim.ts";

const signers = issueChain(["TEST RIM signer", "TEST RIM L3", "TEST RIM CA", "TEST RIM root"]);
const good = encodeRim(DRIVER, signers);
/** A RIM that nobody signed, with another golden value. */
const evil = { ...DRIVER, measurements: [{ index: 1, values: [measurement(99)] }] };

const appraise = (text: string, at: number = AT): Promise<Answer> => answerTo({ ...rimQuestion(utf8(text), signers), at });

/** A root element with this content, signed as it stands; the content must be canonical. */
function signed(content: string, attributes = ' name="GH100" tagId="test"'): string {
  const unsigned = `${RIM_OPEN}${attributes}>${content}${RIM_CLOSE}`;
  return unsigned.replace(RIM_CLOSE, `${rimSignature(unsigned, signers)}${RIM_CLOSE}`);
}

describe("a RIM", () => {
  it("is accepted, and says for which product and version it is", async () => {
    const { code, claims } = await appraise(good);
    expect(code).toBe(null);
    expect(claims).toEqual({ name: "GH100", version: "545.00", activeMeasurements: 4 });
  });

  it("is accepted in another spelling of the same document", async () => {
    const spelt = good
      .replaceAll("></ns0:Resource>", "/>")
      .replace(/(<ns0:Meta) colloquialVersion="545.00" product="GH100">/, "$1\n product='GH100'  colloquialVersion='545.00'>");
    expect(spelt).not.toBe(good);
    expect((await appraise(`<?xml version="1.0"?>\n${spelt}\n`)).code).toBe(null);
  });

  it("is accepted with canonical XML 1.0, which is the same here", async () => {
    const canonicalization = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
    expect((await appraise(encodeRim(DRIVER, signers, { canonicalization }))).code).toBe(null);
  });
});

describe("a RIM is refused", () => {
  const cases: readonly (readonly [string, string, () => string])[] = [
    ["with a golden value changed", "RIM_SIGNATURE_INVALID", () => good.replace(/Hash0="./, 'Hash0="0')],
    ["with a golden value that is no longer hexadecimal", "RIM_SIGNATURE_INVALID", () => good.replace(/Hash0="./, 'Hash0="`')],
    ["with its version changed", "RIM_SIGNATURE_INVALID", () => good.replace("545.00", "545.01")],
    ["with white space changed", "RIM_SIGNATURE_INVALID", () => good.replace("\n  <ns0:Payload", "\n <ns0:Payload")],
    ["with an attribute that nobody signed", "RIM_SIGNATURE_INVALID", () => good.replace(' tagId="test"', ' tagId="test" x="1"')],
    ["with its digest changed", "RIM_SIGNATURE_INVALID", () => good.replace(/(<ds:DigestValue>)./, "$1/")],
    [
      "with the signature of another RIM",
      "RIM_SIGNATURE_INVALID",
      () =>
        good.replace(
          /<ds:SignatureValue>.*<\/ds:SignatureValue>/,
          /<ds:SignatureValue>.*<\/ds:SignatureValue>/.exec(encodeRim(evil, signers))?.[0] ?? "",
        ),
    ],
    ["without a signature", "RIM_SIGNATURE_INVALID", () => unsignedRim(DRIVER)],
    [
      "with a signature of 64 bytes",
      "RIM_SIGNATURE_INVALID",
      () =>
        good.replace(/<ds:SignatureValue>.*<\/ds:SignatureValue>/, `<ds:SignatureValue>${"A".repeat(86)}==</ds:SignatureValue>`),
    ],
    [
      "with certificates in another order",
      "RIM_SIGNATURE_INVALID",
      () => encodeRim(DRIVER, [leafOf(signers), ...signers.slice(1).toReversed()]),
    ],
    ["with a signer of nobody's", "RIM_SIGNATURE_INVALID", () => encodeRim(DRIVER, issueChain(["x", "y"], {}))],
    [
      "with SHA-256 as its digest",
      "UNSUPPORTED",
      () => encodeRim(DRIVER, signers, { digest: "http://www.w3.org/2001/04/xmlenc#sha256" }),
    ],
    [
      "with HMAC as its method (algorithm confusion)",
      "UNSUPPORTED",
      () => encodeRim(DRIVER, signers, { method: "http://www.w3.org/2001/04/xmldsig-more#hmac-sha384" }),
    ],
    [
      "with an XPath transform",
      "UNSUPPORTED",
      () => encodeRim(DRIVER, signers, { transforms: ["http://www.w3.org/TR/1999/REC-xpath-19991116"] }),
    ],
    [
      "with three transforms",
      "UNSUPPORTED",
      () =>
        encodeRim(DRIVER, signers, {
          transforms: [
            "http://www.w3.org/2000/09/xmldsig#enveloped-signature",
            ...Array.from({ length: 2 }, () => "http://www.w3.org/2006/12/xml-c14n11"),
          ],
        }),
    ],
    [
      "with exclusive canonicalization",
      "UNSUPPORTED",
      () => encodeRim(DRIVER, signers, { canonicalization: "http://www.w3.org/2001/10/xml-exc-c14n#" }),
    ],
    [
      "with canonicalization that keeps comments",
      "UNSUPPORTED",
      () => encodeRim(DRIVER, signers, { canonicalization: "http://www.w3.org/2006/12/xml-c14n11#WithComments" }),
    ],
    ["without certificates", "MALFORMED", () => good.replace(/<ds:X509Data>.*<\/ds:X509Data>/s, "<ds:X509Data></ds:X509Data>")],
    [
      "with a certificate that does not parse",
      "MALFORMED",
      () => good.replace(/<ds:X509Certificate>..../, "<ds:X509Certificate>AAAA"),
    ],
    ["with a signature value that is no base64", "MALFORMED", () => good.replace("<ds:SignatureValue>", "<ds:SignatureValue>*")],
    ["with two signatures", "MALFORMED", () => good.replace(/<ds:Signature .*<\/ds:Signature>/s, (one) => one + one)],
    ["with two references", "MALFORMED", () => good.replace(/<ds:Reference.*<\/ds:Reference>/, (one) => one + one)],
    ["with an object in its signature", "MALFORMED", () => good.replace("</ds:KeyInfo>", "</ds:KeyInfo><ds:Object></ds:Object>")],
    ["with an entity", "MALFORMED", () => `<!DOCTYPE x [<!ENTITY v "545.00">]>${good.replace("545.00", "&v;")}`],
    ["with a comment in it", "MALFORMED", () => good.replace("<ns0:Payload>", "<!-- --><ns0:Payload>")],
    ["with another root", "MALFORMED", () => `<x>${good}</x>`],
    ["with its end cut", "MALFORMED", () => good.slice(0, -3)],
    ["with bytes behind it", "MALFORMED", () => `${good}x`],
  ];
  it.each(cases)("%s", async (_name, code, text) => {
    expect((await appraise(text())).code).toBe(`EVIDENCE_${code}`);
  });
});

/** Ways to leave a good signature good and have something else read (McIntosh and Austel 2005). */
describe("XML signature wrapping", () => {
  const signature = () => /<ds:Signature .*<\/ds:Signature>/s.exec(good)?.[0] ?? "";
  const cases: readonly (readonly [string, string, () => string])[] = [
    [
      "the signed RIM inside an evil one",
      "RIM_SIGNATURE_INVALID",
      () => unsignedRim(evil).replace(RIM_CLOSE, `<ns0:Link>${good}</ns0:Link>${RIM_CLOSE}`),
    ],
    [
      "the signature moved to an evil root, the signed RIM beside it",
      "RIM_SIGNATURE_INVALID",
      () => unsignedRim(evil).replace(RIM_CLOSE, `<ns0:Link>${unsignedRim(DRIVER)}</ns0:Link>${signature()}${RIM_CLOSE}`),
    ],
    [
      "the signature on an evil root",
      "RIM_SIGNATURE_INVALID",
      () => unsignedRim(evil).replace(RIM_CLOSE, `${signature()}${RIM_CLOSE}`),
    ],
    [
      "a signature over an element by its id",
      "RIM_SIGNATURE_INVALID",
      () => {
        const part = unsignedRim(DRIVER).replace(' name="', ' id="inner" name="');
        return unsignedRim(evil).replace(
          RIM_CLOSE,
          `<ns0:Link>${part}</ns0:Link>${rimSignature(part, signers, { uri: "#inner" })}${RIM_CLOSE}`,
        );
      },
    ],
    [
      "a signature over the document by XPointer",
      "RIM_SIGNATURE_INVALID",
      () => encodeRim(DRIVER, signers, { uri: "#xpointer(/)" }),
    ],
    [
      "a payload hidden in the signature, which is not signed",
      "MALFORMED",
      () => good.replace("</ds:Signature>", `${rimContent(evil)}</ds:Signature>`),
    ],
    [
      "a payload hidden beside the certificates",
      "MALFORMED",
      () => good.replace("</ds:X509Data>", `${rimContent(evil)}</ds:X509Data>`),
    ],
    [
      "a second payload in front",
      "RIM_SIGNATURE_INVALID",
      () => good.replace("<ns0:Payload>", `${rimContent(evil)}<ns0:Payload>`),
    ],
  ];
  it.each(cases)("%s", async (_name, code, text) => {
    const { code: answer, claims } = await appraise(text());
    expect(answer).toBe(`EVIDENCE_${code}`);
    expect(claims).toBe(null);
  });

  it("a golden value is read from the signed root's own children only", async () => {
    const nested = `<ns0:Other>${rimContent(evil)}</ns0:Other>`;
    const { code, claims } = await appraise(signed(`${nested}${rimContent(DRIVER)}`));
    expect(code).toBe(null);
    expect(claims).toMatchObject({ activeMeasurements: 4 });
  });
});

describe("what a signed RIM says wrongly", () => {
  const value = "00".repeat(48);
  const resource = (attributes: string) => `<ns0:Resource ${attributes} type="Measurement" ns2:Hash0="${value}"></ns0:Resource>`;
  const payload = (inner: string) => `<ns0:Meta colloquialVersion="1"></ns0:Meta><ns0:Payload>${inner}</ns0:Payload>`;
  const usual = 'active="True" alternatives="1" index="1" name="m" size="48"';
  const cases: readonly (readonly [string, string, string])[] = [
    ["no measurement", "MALFORMED", payload("")],
    ["no version", "MALFORMED", `<ns0:Payload>${resource(usual)}</ns0:Payload>`],
    ["an index twice", "MALFORMED", payload(resource(usual) + resource(usual))],
    ["two payloads", "MALFORMED", payload(resource(usual)) + payload(resource(usual))],
    ["neither active nor inactive", "MALFORMED", payload(resource(usual.replace("True", "true")))],
    ["an index that is no number", "MALFORMED", payload(resource(usual.replace('index="1"', 'index="1e0"')))],
    ["an index out of range", "MALFORMED", payload(resource(usual.replace('index="1"', 'index="9999"')))],
    ["more alternatives than hashes", "MALFORMED", payload(resource(usual.replace('alternatives="1"', 'alternatives="2"')))],
    ["no alternative", "MALFORMED", payload(resource(usual.replace('alternatives="1"', 'alternatives="0"')))],
    ["a short hash", "MALFORMED", payload(resource(usual)).replace(value, "00")],
    ["another size", "UNSUPPORTED", payload(resource(usual.replace('size="48"', 'size="32"')))],
    ["a resource of another type", "UNSUPPORTED", payload(resource(usual).replace('type="Measurement"', 'type="MinSvn"'))],
    ["an element that is no resource", "UNSUPPORTED", payload(`${resource(usual)}<ns0:File></ns0:File>`)],
  ];
  it.each(cases)("%s", async (_name, code, content) => {
    expect((await appraise(signed(content))).code).toBe(`EVIDENCE_${code}`);
  });
});

describe("the signer of a RIM", () => {
  it("is judged as of the clock of the appraisal", async () => {
    expect((await appraise(good, AT + 20 * 365 * 86_400)).code).toBe("EVIDENCE_RIM_EXPIRED");
    expect((await appraise(good, AT - 20 * 365 * 86_400)).code).toBe("EVIDENCE_RIM_EXPIRED");
  });

  it("is not believed for a signature over something else", async () => {
    const other = Buffer.from(signEs384(leafOf(signers), utf8("something else"))).toString("base64");
    expect((await appraise(good.replace(/(<ds:SignatureValue>)[^<]*/, `$1${other}`))).code).toBe(
      "EVIDENCE_RIM_SIGNATURE_INVALID",
    );
  });
});
