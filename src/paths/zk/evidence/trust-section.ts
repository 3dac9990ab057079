/** The `paths.zk` section of a trust file: which models, keys and setups a relying party accepts. */
import { anyJson, array, type Decoded, type Decoder, digest, hexText, object, oneOf, text } from "../../../core/decode.ts";
import { TrisealError } from "../../../core/errors.ts";
import { isJsonObject, type JsonObject } from "../../../core/json.ts";
import { type AcceptedSetup, parseAcceptedSetups } from "./setup.ts";

const because = text(500);
const acceptAny = object({ accept: oneOf("any"), because });

function anyOr<T>(list: Decoder<readonly T[]>): Decoder<readonly T[] | Decoded<typeof acceptAny>> {
  return (value, place) => (isJsonObject(value) ? acceptAny(value, place) : list(value, place));
}

const decodeSection = object(
  {
    /** Models by name and digest. */
    models: anyOr(array(object({ name: text(128), digest }, { because }), 1024)),
    /** Verification keys by digest, each for one model: who names one says that its circuit is that of the model. */
    keys: anyOr(array(object({ digest, model: digest }, { because }), 1024)),
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
