/** The `paths.zk` section of a trust file: which models, keys and setups a relying party accepts. */
import { anyJson, array, type Decoded, type Decoder, digest, hexText, object, oneOf, text } from "../../../core/decode.ts";
import { TrisealError } from "../../../core/errors.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../../core/json.ts";
import { type AcceptedSetup, parseAcceptedSetups } from "./setup.ts";

const because = text(500);
const acceptAny = object({ accept: oneOf("any"), because });

function anyOr<T>(list: Decoder<readonly T[]>): Decoder<readonly T[] | Decoded<typeof acceptAny>> {
  return (value, place) => (isJsonObject(value) ? acceptAny(value, place) : list(value, place));
}

/** Several commitments to the weights of one model differ in their salt. */
const decodeModels = anyOr(array(object({ name: text(128), digest }, { because, weights: array(hexText(32), 16) }), 1024));

const decodeKeyFields = object({ digest }, { model: digest, architecture: digest, because });
const decodeKey: Decoder<Decoded<typeof decodeKeyFields>> = (value, place) => {
  const key = decodeKeyFields(value, place);
  if ((key.model === undefined) !== (key.architecture === undefined)) return key;
  throw new TrisealError("FORMAT_INVALID", `${place}: a key is for one model or for one architecture`);
};

const decodeKeys = anyOr(array(decodeKey, 1024));

const decodeSection = object(
  {
    /** Models by name and digest. `weights` says which commitments are to this model's weights. */
    models: decodeModels,
    /**
     * Verification keys by digest, each for one model, or for the architecture of models with private weights: who names one says
     * that its circuit is that of the model or architecture.
     */
    keys: decodeKeys,
    /** See `parseAcceptedSetups`. */
    setups: anyJson,
  },
  {
    /** Who may say something of balances: name and key, as credentials state both. Nobody by default. */
    signers: array(object({ name: text(128), publicKey: hexText(32) }, { because }), 256),
  },
);

/** What a relying party accepts on the zk path. */
export type ZkTrust = Omit<Required<Decoded<typeof decodeSection>>, "setups"> & { readonly setups: readonly AcceptedSetup[] };

/**
 * The list `models` of a trust file's section `paths.zk`; absent, or any model, is the empty list.
 * @throws TrisealError `TRUST_FILE_INVALID`.
 */
export function parseTrustedModels(value: JsonValue | undefined): Exclude<ZkTrust["models"], { readonly accept: "any" }> {
  if (value === undefined) return [];
  try {
    const models = decodeModels(value, "paths.zk.models");
    return "accept" in models ? [] : models;
  } catch (cause) {
    throw new TrisealError("TRUST_FILE_INVALID", cause instanceof Error ? cause.message : "malformed models", { cause });
  }
}

/** A key by its digest, with the model or the architecture that it is for. */
export type TrustedKey = Decoded<typeof decodeKey>;

/**
 * The list `keys` of a trust file's section `paths.zk`; absent, or any key, is the empty list.
 * @throws TrisealError `TRUST_FILE_INVALID`.
 */
export function parseTrustedKeys(value: JsonValue | undefined): readonly TrustedKey[] {
  if (value === undefined) return [];
  try {
    const keys = decodeKeys(value, "paths.zk.keys");
    return "accept" in keys ? [] : keys;
  } catch (cause) {
    throw new TrisealError("TRUST_FILE_INVALID", cause instanceof Error ? cause.message : "malformed keys", { cause });
  }
}

/**
 * The parsed section; a relying party that has none accepts nothing.
 * @throws TrisealError `TRUST_FILE_INVALID`.
 */
export function parseZkTrust(section: JsonObject | null): ZkTrust {
  if (section === null) return { models: [], keys: [], setups: [], signers: [] };
  try {
    const { setups, signers = [], ...rest } = decodeSection(section, "paths.zk");
    return { ...rest, signers, setups: parseAcceptedSetups(setups) };
  } catch (cause) {
    throw new TrisealError("TRUST_FILE_INVALID", cause instanceof Error ? cause.message : "malformed section", { cause });
  }
}
