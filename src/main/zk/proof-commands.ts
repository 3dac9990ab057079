/** `triseal zk prove` and `zk verify`: proofs without a server, and proofs that a gateway asked for. */
import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Command } from "commander";
import { encodeHex } from "../../core/bytes.ts";
import type { Basis } from "../../core/check.ts";
import type { Sha256Digest } from "../../core/digest.ts";
import { TrisealError } from "../../core/errors.ts";
import { type AcceptedSetup, parseAcceptedSetups } from "../../paths/zk/evidence/setup.ts";
import { type StandaloneClaims, verifyStandalone } from "../../paths/zk/evidence/standalone.ts";
import { parseTrustedKeys, parseTrustedModels, type TrustedKey } from "../../paths/zk/evidence/trust-section.ts";
import { zkError } from "../../paths/zk/wire/codes.ts";
import { SETUP_STATES, type SetupState } from "../../paths/zk/wire/setup.ts";
import { parseStandalone, standaloneDocument } from "../../paths/zk/wire/standalone.ts";
import { parseTrust, pathSection, revokedBy } from "../../trust/trust-file.ts";
import { type GatewayFlags, withClient } from "../gateway-client.ts";
import { readNamed } from "../refusing.ts";
import { PROVER_MEMORY_MIB } from "./make-key.ts";
import { proveForGateway } from "./prove-for-gateway.ts";
import { proveStandalone } from "./prove-standalone.ts";
import { recompute } from "./recompute.ts";
import { refusing } from "./refusing.ts";
import { compileModel, readIntegerForm, readProvingPackage } from "./zk-package.ts";

interface ProveFlags extends GatewayFlags {
  readonly input: string;
  readonly out: string;
  readonly memoryMib: string;
  readonly json?: true;
}

function prove(dir: string, flags: ProveFlags): Promise<void> {
  return refusing(flags.json, async () => {
    const stage = (text: string) => {
      if (flags.json === undefined) process.stderr.write(`zk: ${text}\n`);
    };
    if (flags.gateway !== undefined) return proveAndSubmit(dir, { ...flags, gateway: flags.gateway }, stage);
    const body = await readNamed(flags.input);
    stage("compiling the circuit");
    const zk = await readProvingPackage(dir);
    const made = await proveStandalone(zk, body, { memoryMib: Number(flags.memoryMib), stage });
    await writeFile(flags.out, `${JSON.stringify(standaloneDocument(made.document))}\n`);
    const [ms, outputs, salt] = [Math.round(made.ms), Array.from(made.outputs), encodeHex(made.salt)];
    const { setup } = zk;
    if (flags.json) {
      const { loadMs, prover } = made;
      console.log(
        JSON.stringify({ ok: true, out: flags.out, outputs, salt, setup: setup.state, prover, loadMs, proveMs: made.ms }),
      );
      return;
    }
    const lines = [
      `model     ${zk.model.name} ${zk.checked.digest}`,
      `outputs   ${outputs.join(", ")} (${zk.checked.model.output.meaning})`,
      `salt      ${salt} (keep it: with the input it opens the commitment; it is not in the proof)`,
      `setup     ${setup.state}`,
      `prover    ${made.prover}, key loaded in ${Math.round(made.loadMs)} ms`,
      `proved in ${ms} ms`,
    ];
    console.log(lines.join("\n"));
  });
}

async function proveAndSubmit(
  dir: string,
  flags: ProveFlags & { readonly gateway: string },
  stage: (text: string) => void,
): Promise<void> {
  const body = await readNamed(flags.input);
  stage("compiling the circuit");
  const model = await compileModel(dir);
  const options = { memoryMib: Number(flags.memoryMib), stage };
  const made = await withClient(flags, (client) => proveForGateway(model, body, client, options));
  const { answer, prover, loadMs, ms } = made;
  await writeFile(flags.out, answer.bundle);
  const [outputs, salt] = [Array.from(made.outputs), encodeHex(made.salt)];
  const { receiptId } = answer;
  if (flags.json) {
    console.log(JSON.stringify({ ok: true, out: flags.out, receiptId, outputs, salt, prover, loadMs, proveMs: ms }));
    return;
  }
  const lines = [
    `model     ${model.model.name} ${model.checked.digest}`,
    `outputs   ${outputs.join(", ")} (${model.checked.model.output.meaning})`,
    `salt      ${salt} (keep it: with the input it opens the commitment; neither left this machine)`,
    `receipt   ${receiptId}, verified; its bundle is in ${flags.out}`,
    ...answer.verdict.waivers.map(({ entry, because }) => `accepted  ${entry}: ${because}`),
    `prover    ${prover}, key loaded in ${Math.round(loadMs)} ms`,
    `proved in ${Math.round(ms)} ms`,
  ];
  console.log(lines.join("\n"));
}

interface VerifyFlags {
  readonly trust?: string;
  readonly service?: string;
  readonly acceptSetup?: string;
  readonly model?: string;
  readonly json?: true;
}

/** What one service of the trust file names: no entry counts for another service. */
interface Accepted {
  readonly setups: readonly AcceptedSetup[];
  readonly keys: readonly TrustedKey[];
  /** Digests of models, architectures, circuits and keys that are withdrawn. */
  readonly revoked: ReadonlySet<string>;
  /** Commitments to the private weights of a model. */
  readonly weightsOf: (model: Sha256Digest) => readonly string[];
}

async function accepted({ trust, service }: VerifyFlags): Promise<Accepted> {
  if (trust === undefined) return { setups: [], keys: [], revoked: new Set(), weightsOf: () => [] };
  const { services } = parseTrust(await readNamed(trust));
  const [chosen, ...others] = services.filter(({ name }) => service === undefined || name === service);
  if (chosen === undefined) throw new TrisealError("TRUST_FILE_INVALID", "the trust file has no such service");
  if (others.length > 0)
    throw new TrisealError("TRUST_FILE_INVALID", "the trust file has several services: choose with --service");
  const section = pathSection(chosen, "zk");
  const member = (name: string) => (section !== null && Object.hasOwn(section, name) ? section[name] : undefined);
  const models = parseTrustedModels(member("models"));
  const weightsOf = (model: Sha256Digest) =>
    models.filter(({ digest }) => digest === model).flatMap(({ weights = [] }) => weights);
  const { measurements: revoked } = revokedBy(chosen);
  return { setups: parseAcceptedSetups(member("setups")), keys: parseTrustedKeys(member("keys")), revoked, weightsOf };
}

function stateOf(text: string | undefined): SetupState | null {
  if (text === undefined) return null;
  const state = SETUP_STATES.find((item) => item === text);
  if (state === undefined) throw new TrisealError("FORMAT_INVALID", `--accept-setup wants one of ${SETUP_STATES.join(", ")}`);
  return state;
}

/** Who says that circuit and weights are the model's. */
interface Link {
  readonly recompiled: boolean;
  /** Null where the weights are the circuit's. */
  readonly weights: "named" | "recomputed" | "asserted" | null;
}

function otherThan(what: string): never {
  throw new TrisealError("MODEL_INVALID", `the proof is about another ${what} than that of --model`);
}

/** What the model in `dir` compiles to in the mode of the proof. @throws TrisealError `MODEL_INVALID` for another model or circuit. */
async function recompile(dir: string, claims: StandaloneClaims): Promise<boolean> {
  const { checked } = await readIntegerForm(dir);
  const { committed, circuitDigest } = await recompute(checked, resolve(dir));
  const own = claims.weights === null ? { circuitDigest } : committed;
  if (checked.digest !== claims.modelDigest || own?.circuitDigest !== claims.circuitDigest) otherThan("model or circuit");
  if (claims.weights === null || committed === null) return false;
  if (committed.architectureDigest !== claims.weights.architectureDigest) otherThan("architecture");
  if (committed.weights === null) return false;
  if (committed.weights !== claims.weights.commitment) otherThan("model's weights, or a salt of its own,");
  return true;
}

/**
 * Who vouches for a proof's model.
 * @throws TrisealError `MODEL_INVALID` where --model is another model, `ZK_WEIGHTS_NOT_ACCEPTED` where the trust file names other
 *   weights for it.
 */
async function linkOf({ model }: VerifyFlags, claims: StandaloneClaims, { weightsOf }: Accepted): Promise<Link> {
  const recomputed = model === undefined ? false : await recompile(model, claims);
  if (claims.weights === null) return { recompiled: model !== undefined, weights: null };
  const named = weightsOf(claims.modelDigest);
  if (named.length > 0 && !named.includes(claims.weights.commitment)) {
    throw zkError("ZK_WEIGHTS_NOT_ACCEPTED", "the trust file names other private weights for this model");
  }
  const vouched = recomputed ? "recomputed" : "asserted";
  return { recompiled: model !== undefined, weights: named.length > 0 ? "named" : vouched };
}

const WEIGHTS: Readonly<Record<NonNullable<Link["weights"]>, string>> = {
  named: "  your trust file names the committed weights for this model",
  recomputed: "  the commitment was made again from the model and the salt of its weights, and is the one that was proven",
  asserted:
    "  [assertion] that the committed weights are the model's is the prover's word: give --model with its salt, or name them",
};

const UNNAMED_KEY =
  "  [assertion] that the key is the one which that setup made is the prover's word, and under another one it could forge: name the key, or the transcript";

/** What a proof rests on: on nothing but the prover's word where nobody says that the key is the setup's, or its maker can forge. */
function basisOf({ setup, isKeyNamed }: StandaloneClaims): Basis {
  if (!isKeyNamed || setup.state === "dev-insecure") return "assertion";
  return setup.accepted === "named" ? "proof" : "signature";
}

function claimLines(claims: StandaloneClaims, { recompiled, weights }: Link): readonly string[] {
  const { modelDigest, circuitDigest, keyDigest, outputs, inputCommitment, setup, isKeyNamed } = claims;
  const of = claims.weights === null ? "model" : "architecture";
  const link = recompiled
    ? `the circuit was compiled again from the ${of} and is the one that the setup names`
    : `[assertion] that the circuit is the ${of}'s is the prover's word: give --model to compile it again`;
  return [
    "ACCEPTED",
    `model     ${modelDigest}`,
    ...(claims.weights === null
      ? []
      : [
          `weights   private, commitment ${claims.weights.commitment}`,
          `          architecture ${claims.weights.architectureDigest}`,
        ]),
    `circuit   ${circuitDigest}`,
    `key       ${keyDigest}`,
    `outputs   ${outputs.join(", ")}`,
    `input     commitment ${inputCommitment}`,
    `setup     ${setup.state}: ${setup.text}${setup.because === null ? "" : ` (${setup.because})`}`,
    "",
    "what this shows",
    `  [${basisOf(claims)}] the circuit of this key gives these outputs for the committed input${weights === null ? "" : " and weights"}, unless the parties of its setup forged it`,
    ...(isKeyNamed ? [] : [UNNAMED_KEY]),
    `  ${link}`,
    ...(weights === null ? [] : [WEIGHTS[weights]]),
    "what it does not show",
    "  whose input was committed, or that it is the one of any request: that takes input and salt",
    "  when the proof was made, or that it was made once: it is no part of a receipt",
  ];
}

/** @throws TrisealError `VERIFICATION_FAILED`. */
function assertNotRevoked(claims: StandaloneClaims, { revoked }: Accepted): void {
  const { modelDigest, circuitDigest, keyDigest, weights } = claims;
  const cited = [modelDigest, circuitDigest, keyDigest, ...(weights === null ? [] : [weights.architectureDigest])];
  const withdrawn = cited.find((digest) => revoked.has(digest));
  if (withdrawn !== undefined) throw new TrisealError("VERIFICATION_FAILED", `the trust file revokes ${withdrawn}`);
}

function verify(file: string, flags: VerifyFlags): Promise<void> {
  return refusing(flags.json, async () => {
    const document = parseStandalone(await readNamed(file));
    const named = await accepted(flags);
    const claims = verifyStandalone(document, named.setups, stateOf(flags.acceptSetup), named.keys);
    assertNotRevoked(claims, named);
    const link = await linkOf(flags, claims, named);
    if (flags.json) {
      const [outputs, inputCommitment] = [claims.outputs.map(Number), claims.inputCommitment.toString()];
      const { recompiled: circuitRecompiled, weights: weightsVouchedBy } = link;
      console.log(JSON.stringify({ ok: true, ...claims, outputs, inputCommitment, circuitRecompiled, weightsVouchedBy }));
    } else console.log(claimLines(claims, link).join("\n"));
  });
}

/** Adds `zk prove` and `zk verify`. */
export function addProofCommands(zk: Command): void {
  zk.command("prove <dir>")
    .description("prove one inference of the model package in <dir>")
    .requiredOption("--input <file>", "the body of an Open Inference Protocol request of one sample")
    .requiredOption("--out <file>", "file to write the proof to, with its key and setup")
    .option("--memory-mib <n>", "most memory of the prover", String(PROVER_MEMORY_MIB))
    .option("--gateway <url>", "prove under a challenge of this gateway, submit the proof, and write the receipt's bundle")
    .option("--trust <file>", "with --gateway: the trust file that gateway, key and setup must stand in")
    .option("--key <key>", "with --gateway: the API key; by default the one in the environment variable TRISEAL_KEY")
    .option("--ca <file>", "with --gateway over TLS: authorities in PEM in place of the system's")
    .option("--json", "print one JSON object")
    .action(prove);
  zk.command("verify <file>")
    .description("verify a proof of `zk prove`, offline")
    .option("--trust <file>", "trust file that names the setups you accept, under paths.zk.setups")
    .option("--service <name>", "service of the trust file, where it has several")
    .option("--accept-setup <state>", `accept a setup of this state, whoever made it: ${SETUP_STATES.join(", ")}`)
    .option("--model <dir>", "model package: compile its circuit again and compare")
    .option("--json", "print one JSON object")
    .addHelpText("after", "\nExit codes: 0 accepted, 10 rejected, 20 unsupported, 30 malformed, 1 anything else.")
    .action(verify);
}
