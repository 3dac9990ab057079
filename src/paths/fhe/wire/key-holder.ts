/**
 * What a key holder is measured with (SPEC 11): the whole rule of what it decrypts. Its evidence commits to the digest of this document, so
 * that whoever appraises the evidence knows the rule.
 */
import { array, type Decoded, digest, hexText, jsonObject, object, oneOf, text } from "../../../core/decode.ts";
import { digestOfJson, type Sha256Digest } from "../../../core/digest.ts";
import { TrisealError } from "../../../core/errors.ts";
import type { JsonValue } from "../../../core/json.ts";
import { assertDistinct, MAX_VALUES, valueName } from "./document.ts";

const KIND = "triseal.fhe.key-holder.v1";

const decodeFields = object({
  v: oneOf(1),
  kind: oneOf(KIND),
  /** The key set whose client key it holds. */
  keyId: hexText(32),
  /** Digest of the program file that decrypts. */
  decryptsWith: digest,
  /** Programs as receipts name their model, and their outputs that may be revealed. */
  programs: array(object({ name: text(128), digest, outputs: array(valueName, MAX_VALUES) }), 64),
  /** Engines whose claims count, by key and program file. */
  engines: array(object({ publicKey: hexText(32), builds: array(digest, 64) }), 64),
  /** What vouches for an engine: its signature. No engine of this version is attested. */
  engineBasis: oneOf("signature"),
  /** What inputs may be: values of proven lists that were submitted in the run itself. */
  inputs: oneOf("proven-lists"),
  /** The service whose receipts count: its entry of a trust file, without `paths`. */
  service: jsonObject,
});

/** The rule of one key holder. */
export type HolderConfiguration = Decoded<typeof decodeFields>;

/**
 * Decodes a configuration. That `service` can be read as an entry of a trust file is not checked.
 * @throws TrisealError `FORMAT_INVALID`, also where it permits nothing or names something twice.
 */
export function decodeHolderConfiguration(value: JsonValue | undefined, place: string): HolderConfiguration {
  const configuration = decodeFields(value, place);
  const { programs, engines } = configuration;
  if (programs.length === 0 || engines.length === 0 || programs.some(({ outputs }) => outputs.length === 0))
    throw new TrisealError("FORMAT_INVALID", `${place}: expected programs with outputs, and engines`);
  assertDistinct(
    programs.map(({ digest }) => digest),
    `${place}.programs`,
  );
  for (const { outputs } of programs) assertDistinct(outputs, `${place}.programs.outputs`);
  return configuration;
}

/** The digest that a key holder's evidence commits to: of the JCS form. */
export function holderConfigurationDigest(configuration: HolderConfiguration): Sha256Digest {
  return digestOfJson({ ...configuration });
}
