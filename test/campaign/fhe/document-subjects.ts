/** Subjects of what the fhe path parses in TypeScript: programs, circuits, documents, claims, statements, and frames of a hostile engine. */
import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { fileURLToPath } from "node:url";
import { concatBytes, utf8 } from "../../../src/core/bytes.ts";
import { digestOf, digestOfJson } from "../../../src/core/digest.ts";
import { isTrisealError } from "../../../src/core/errors.ts";
import { encodeJcs } from "../../../src/core/jcs.ts";
import { isJsonObject, parseJson } from "../../../src/core/json.ts";
import { unixSeconds } from "../../../src/core/time.ts";
import { readPackage } from "../../../src/model/read/read-package.ts";
import { parseModelTerms } from "../../../src/paths/fhe/client/model-terms.ts";
import { makeBalanceKey, openBalance, sealBalance } from "../../../src/paths/fhe/client/sealed-balance.ts";
import { compileProgram } from "../../../src/paths/fhe/compile/compile.ts";
import { shippedPrograms } from "../../../src/paths/fhe/compile/shipped.ts";
import { parseFheTrust } from "../../../src/paths/fhe/evidence/trust-section.ts";
import { EngineConnection } from "../../../src/paths/fhe/server/engine-connection.ts";
import { encodeFrame } from "../../../src/paths/fhe/server/engine-frame.ts";
import { modelProgram } from "../../../src/paths/fhe/server/model-program.ts";
import { encodeAccount, parseAccount } from "../../../src/paths/fhe/wire/account.ts";
import { encodeBalance, parseBalance, signBalance, verifyBalance } from "../../../src/paths/fhe/wire/balance-statement.ts";
import { parseCircuit, priceOf } from "../../../src/paths/fhe/wire/circuit.ts";
import { encodeClaim, parseClaim, signClaim, verifyClaim } from "../../../src/paths/fhe/wire/claim.ts";
import { encodeKeyDocument, parseKeyDocument } from "../../../src/paths/fhe/wire/key-document.ts";
import { parseProgram } from "../../../src/paths/fhe/wire/program.ts";
import { encodeRun, encodeRunAnswer, parseRun, parseRunAnswer } from "../../../src/paths/fhe/wire/run.ts";
import { claimOver, engine, HOLDER, KEY_ID, PROGRAM, program } from "../../fixtures/fhe-leg.ts";
import { testSigner } from "../../fixtures/signer.ts";
import type { Judged, Subject } from "../fuzz-target.ts";
import { parsing } from "../verify-parsers.ts";

const answers = JSON.parse(readFileSync(new URL("../../vectors/fhe/known-answers.json", import.meta.url), "utf8"));

/** Programs of more bootstraps than that are not compiled for a case. */
const MAX_COMPILED_OPS = 24;

/** What is read has one form: it encodes to what is read as the same. */
function oneForm(name: string, examples: readonly Uint8Array[], again: (bytes: Uint8Array) => Uint8Array): Subject {
  return parsing(name, examples, (bytes) => {
    const written = again(bytes);
    if (digestOf(again(written)) !== digestOf(written)) throw new Error("what was read is written in two ways");
  });
}

/** A program that is read compiles to a circuit that its own checks take, at the price that was said. */
function programSubject(): Subject {
  const shipped = shippedPrograms().map((known) => known.program.bytes);
  return parsing("program", [program, ...shipped.filter((bytes) => bytes.length < 4000)], (bytes) => {
    const read = parseProgram(bytes);
    if (read.ops.length > MAX_COMPILED_OPS) return;
    const compiled = compileProgram(read);
    const clear = new Map(
      read.inputs.filter((input) => input.clear).map(({ n, t }) => [n, t === "bool" ? "false" : "0"] as const),
    );
    const { bytes: circuit, price } = compiled.circuit(clear);
    if (JSON.stringify(priceOf(parseCircuit(circuit))) !== JSON.stringify(price)) throw new Error("another price than was said");
  });
}

/** A leg whose signature holds says what the engine signed. */
function claimSubject(): Subject {
  const digest = digestOfJson("what is bound");
  const binding = {
    v: 1,
    requestDigest: digest,
    responseDigest: digest,
    modelDigest: PROGRAM,
    decisionDigest: digest,
    nonce: "0d".repeat(16),
  } as const;
  const leg = encodeClaim(signClaim(claimOver(binding, digest), engine));
  const examples = [leg, utf8(answers.leg.json)];
  const known = new Set(examples.map(digestOf));
  return parsing("leg", examples, (bytes) => {
    const signed = parseClaim(bytes);
    if (verifyClaim(signed) && !known.has(digestOf(encodeClaim(signed)))) throw new Error("a changed claim is accepted");
  });
}

/** Statements, signed and sealed: nobody reads another value than the holder's. */
async function statementSubjects(): Promise<readonly Subject[]> {
  const holder = testSigner("holder", 91);
  const reader = await makeBalanceKey();
  const statement = {
    keyId: KEY_ID,
    account: "alice",
    version: 3,
    handle: "22".repeat(32),
    digest: digestOfJson("a state"),
    type: "u64",
    value: "1250",
    receiptId: "rcpt-1",
    to: reader.publicKey,
    issuedAt: unixSeconds(5),
  } as const;
  const signed = encodeBalance(signBalance(statement, holder));
  const sealed = await sealBalance(statement, holder);
  const open = parsing("sealed statement", [sealed], () => undefined);
  return [
    parsing("statement", [signed], (bytes) => {
      const read = parseBalance(bytes);
      const same = digestOf(encodeBalance(read)) === digestOf(signed);
      if (verifyBalance(read) && read.publicKey === holder.publicKey && !same) throw new Error("a changed statement is accepted");
    }),
    {
      ...open,
      judge: async (bytes): Promise<Judged> => {
        try {
          const opened = await openBalance(bytes, reader, holder.publicKey);
          const same = digestOfJson(opened as never) === digestOfJson(statement as never);
          return { outcome: "read", fault: same ? null : "accepted: another statement" };
        } catch (error) {
          if (!isTrisealError(error)) throw error;
          return { outcome: error.code, fault: null };
        }
      },
    },
  ];
}

/** Whatever an engine sends: each request that waits is answered, or fails with a code, and nothing else happens. */
function hostileEngine(): Subject {
  const frame = (message: object, parts: readonly Uint8Array[] = []) =>
    concatBytes(...encodeFrame({ message: message as never, parts }));
  const ok = { v: 1, ok: true };
  const [one, two] = [new Uint8Array(40).fill(1), new Uint8Array(3)];
  const examples = [
    concatBytes(
      frame({ ...ok, id: 1, pbs: 1, inputs: [], outputs: [] }, [one, two]),
      frame({ v: 1, id: 2, error: { code: "FHE_INPUT_TYPE", message: "another type" } }),
      frame({ v: 1, id: 3, progress: { done: 1, of: 2 } }),
      frame({ ...ok, id: 3 }, [two]),
    ),
    concatBytes(
      frame({ ...ok, id: 3, types: ["bool", "u2"] }, [one, one]),
      frame({ v: 1, id: 7, error: { code: "INTERNAL", message: "" } }),
      frame({ v: 1, id: 1, error: { code: "USAGE", message: "no" } }),
      frame({ ...ok, id: 2, digest: "00".repeat(32), bytes: 3 }),
    ),
  ];
  return {
    name: "frames of a hostile engine",
    examples,
    judge: async (bytes): Promise<Judged> => {
      const socket = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
      // All that a connection asks of its socket: bytes, an end, and to be destroyed.
      const connection = new EngineConnection(socket as unknown as Socket);
      let steps = 0;
      const sent = ["run", "import", "open-list"].map((op) =>
        connection
          .send(op, {}, [], () => steps++)
          .answer.then(
            ({ message, parts }) =>
              isJsonObject(message) && parts.every((part) => part instanceof Uint8Array) ? "ok" : "malformed",
            (error: unknown) => (isTrisealError(error) ? error.code : `uncoded ${String(error)}`),
          ),
      );
      for (let at = 0; at < bytes.length; at += 29) socket.push(bytes.subarray(at, at + 29));
      socket.push(null);
      await new Promise((resolve) => setImmediate(resolve));
      socket.destroy();
      const ends = await Promise.all(sent);
      const wrong = ends.find((end) => end !== "ok" && !/^[A-Z_]+$/.test(end));
      return {
        outcome: ends.includes("ok") ? "some answered" : "all failed",
        fault: wrong === undefined ? null : `uncoded: ${wrong}`,
      };
    },
  };
}

/** What a challenge says of a shipped model. */
async function terms(): Promise<Uint8Array> {
  const [, form] = await readPackage(fileURLToPath(new URL("../../../models/breast-cancer-tree", import.meta.url)));
  if (form?.integer == null) throw new Error("no integer form");
  const made = modelProgram(form.model, form.integer.checked);
  return encodeJcs({ ...made.terms, programDigest: made.digest, price: { ...(await made.price()) } });
}

/** Every parser of the fhe path. */
export async function fheParserSubjects(): Promise<readonly Subject[]> {
  const trust = {
    engines: [{ publicKey: engine.publicKey, builds: [digestOfJson("a build")] }],
    keys: [{ keyId: KEY_ID, holder: HOLDER }],
    programs: [{ name: "risk", digest: PROGRAM }],
    models: [{ name: "cancer", digest: PROGRAM }],
  };
  const circuit = compileProgram(parseProgram(program)).circuit(new Map([["fee", "5"]])).bytes;
  return [
    programSubject(),
    parsing("circuit document", [circuit], (bytes) => priceOf(parseCircuit(bytes))),
    oneForm("key document", [utf8(answers.keyDocument.json)], (bytes) => encodeKeyDocument(parseKeyDocument(bytes))),
    oneForm("account", [utf8(answers.account.json)], (bytes) => encodeAccount(parseAccount(bytes))),
    oneForm("run document", [utf8(answers.run.json)], (bytes) => encodeRun(parseRun(bytes))),
    oneForm("run answer", [utf8(answers.answer.json)], (bytes) => encodeRunAnswer(parseRunAnswer(bytes))),
    claimSubject(),
    ...(await statementSubjects()),
    parsing("fhe trust", [encodeJcs(trust as never)], (bytes) => parseFheTrust(parseJson(bytes) as never)),
    parsing("model terms", [await terms()], (bytes) => parseModelTerms(parseJson(bytes) as never)),
    hostileEngine(),
  ];
}
