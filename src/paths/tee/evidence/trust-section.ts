/** The `paths.tee` section of a trust file: which evidence, worker builds and models a relying party accepts. */
import { array, type Decoded, type Decoder, digest, hexText, jsonObject, object, oneOf, text } from "../../../core/decode.ts";
import { TrisealError } from "../../../core/errors.ts";
import { isJsonObject, type JsonObject } from "../../../core/json.ts";
import { SIMULATED_TYPE } from "../wire/simulated.ts";
import { decodeCitation, type PlatformTrust, readPlatformTrust } from "./platform/platform-trust.ts";
import { decodeWithdrawn } from "./platform/reference-values.ts";

const because = text(500);
const acceptAny = object({ accept: oneOf("any"), because });

function anyOr<T>(list: Decoder<readonly T[]>): Decoder<readonly T[] | Decoded<typeof acceptAny>> {
  return (value, place) => (isJsonObject(value) ? acceptAny(value, place) : list(value, place));
}

/** `simulated` proves nothing about hardware and so needs its reason. */
const simulatedEntry = object({ type: oneOf(SIMULATED_TYPE), platformKeys: array(hexText(32), 64), because });

const decodeSection = object(
  {
    /** Evidence types that are accepted: `simulated`, and hardware evidence as EVIDENCE.md section 7 says. */
    evidence: array(jsonObject, 16),
    /** Reference values: digests of released worker files. */
    workers: anyOr(array(object({ digest }, { because }), 256)),
    /** Reference values: models by name and digest. */
    models: anyOr(array(object({ name: text(128), digest }, { because }), 1024)),
  },
  {
    /** Signed reference values that entries of `evidence` cite. */
    references: array(decodeCitation, 16),
    /** Values of registers and names of devices that were withdrawn. */
    withdrawn: decodeWithdrawn,
  },
);

/** What a relying party accepts on the tee path. */
export interface TeeTrust extends Pick<Decoded<typeof decodeSection>, "workers" | "models"> {
  readonly simulated: readonly Decoded<typeof simulatedEntry>[];
  readonly platforms: PlatformTrust;
}

function readSection(section: JsonObject): TeeTrust {
  const { evidence, workers, models, references = [], withdrawn = [] } = decodeSection(section, "paths.tee");
  const isSimulated = (entry: JsonObject) => entry["type"] === SIMULATED_TYPE;
  const simulated = evidence.filter(isSimulated).map((entry) => simulatedEntry(entry, "paths.tee.evidence"));
  const hardware = evidence.filter((entry) => !isSimulated(entry));
  return { simulated, platforms: readPlatformTrust(hardware, references, withdrawn), workers, models };
}

/**
 * The parsed section; a relying party that has none accepts nothing.
 * @throws TrisealError `TRUST_FILE_INVALID`.
 */
export function parseTeeTrust(section: JsonObject | null): TeeTrust {
  try {
    return readSection(section ?? { evidence: [], workers: [], models: [] });
  } catch (cause) {
    throw new TrisealError("TRUST_FILE_INVALID", cause instanceof Error ? cause.message : "malformed section", { cause });
  }
}
