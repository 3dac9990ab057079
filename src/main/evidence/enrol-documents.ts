/** The four files of an enrolment between a machine and its enroller: JSON, each of its own purpose, read strictly. */
import type { EnrolmentRequest, PendingEnrolment } from "../../../enclave/attester/tpm2/enrol.ts";
import type { Credential } from "../../../enclave/attester/tpm2/make-credential.ts";
import { encodeBase64, utf8 } from "../../core/bytes.ts";
import { base64Bytes, type Decoder, digest, matching, object, oneOf } from "../../core/decode.ts";
import { parseJson } from "../../core/json.ts";
import { readNamed } from "../refusing.ts";

/** Largest file that is read, in bytes. */
const MAX_FILE_BYTES = 16_384;
const area = base64Bytes(512);
const content = base64Bytes(64);

const purposeOf = (step: string) => `triseal.tpm-enrolment-${step}.v1`;
const form = <Shape extends Readonly<Record<string, Decoder<unknown>>>>(step: string, shape: Shape) =>
  object({ v: oneOf(1), purpose: oneOf(purposeOf(step)), ...shape });

const decoders: { readonly [Step in keyof EnrolmentFiles]: Decoder<EnrolmentFiles[Step]> } = {
  request: form("request", { attestationArea: area, endorsementArea: area }),
  challenge: form("challenge", { blob: area, secret: area }),
  pending: form("pending", {
    content,
    attestationKey: digest,
    endorsementKey: digest,
    name: matching(/000b[0-9a-f]{64}/, "a name of SHA-256"),
  }),
  answer: form("answer", { content }),
};

/** What each file holds. */
export interface EnrolmentFiles {
  readonly request: EnrolmentRequest;
  readonly challenge: Credential;
  readonly pending: PendingEnrolment;
  readonly answer: { readonly content: Uint8Array };
}

/** Reads the file of one step. @throws TrisealError `FORMAT_INVALID`, also for the file of another step. */
export async function readEnrolmentFile<Step extends keyof EnrolmentFiles>(
  step: Step,
  file: string,
): Promise<EnrolmentFiles[Step]> {
  const decode: Decoder<EnrolmentFiles[Step]> = decoders[step];
  return decode(parseJson(await readNamed(file, MAX_FILE_BYTES)), step);
}

/** The text of the file of one step. */
export function encodeEnrolmentFile<Step extends keyof EnrolmentFiles>(step: Step, parts: EnrolmentFiles[Step]): Uint8Array {
  const members = Object.entries(parts).map(([name, value]: [string, unknown]) => [
    name,
    value instanceof Uint8Array ? encodeBase64(value) : value,
  ]);
  return utf8(`${JSON.stringify({ v: 1, purpose: purposeOf(step), ...Object.fromEntries(members) }, null, 2)}\n`);
}
