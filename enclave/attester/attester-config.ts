/** How a worker names its attester: one object, whose `type` says what else stands in it. */
import { array, type Decoded, type Decoder, integer, map, matching, object, oneOf, text } from "../../src/core/decode.ts";
import { TrisealError } from "../../src/core/errors.ts";
import { isJsonObject } from "../../src/core/json.ts";

const path = text(4096);
/** Collateral that the operator keeps in files, by role: one file, or several in order. They are read anew for each report. */
const endorsements = map(matching(/[A-Za-z][A-Za-z0-9]{0,31}/, "the name of a role"), array(path, 16), 16);

const gpu = object(
  {},
  {
    /** NVIDIA's CLI, with arguments before its own; `nvattest` by default. */
    command: array(path, 16),
    deadlineMs: integer(100, 600_000),
    endorsements,
  },
);

const decodeByType = {
  simulated: object({ type: oneOf("simulated"), seedFile: path }),
  "sev-snp": object({ type: oneOf("sev-snp") }, { privilegeLevel: integer(0, 3), endorsements, gpu }),
  tdx: object({ type: oneOf("tdx") }, { endorsements, gpu }),
  tpm2: object({ type: oneOf("tpm2") }, { device: path, bootLog: path, enrolment: path, endorsements, gpu }),
  "tpm2-simulated": object({ type: oneOf("tpm2-simulated"), socket: text(100) }, { bootLog: path, enrolment: path }),
};

/** An attester as a configuration names it. */
export type AttesterConfig = {
  [Type in keyof typeof decodeByType]: Decoded<(typeof decodeByType)[Type]>;
}[keyof typeof decodeByType];

/** Types of attesters. */
export const ATTESTER_TYPES = Object.keys(decodeByType) as readonly AttesterConfig["type"][];

/** Decodes the name of an attester. @throws TrisealError `FORMAT_INVALID`. */
export const decodeAttesterConfig: Decoder<AttesterConfig> = (value, place) => {
  const type = isJsonObject(value) ? value["type"] : undefined;
  const known = ATTESTER_TYPES.find((candidate) => candidate === type);
  if (known === undefined)
    throw new TrisealError("FORMAT_INVALID", `${place}.type: expected one of ${ATTESTER_TYPES.join(", ")}`);
  return decodeByType[known](value, place);
};
