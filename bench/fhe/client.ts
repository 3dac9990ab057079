/** What a client does, natively and with node-tfhe, on the same parameters: keys, encryption, proofs, decryption. Nothing is read from disk. */
import { readFileSync } from "node:fs";
import tfhe, {
  type ShortintCompactPublicKeyEncryptionParametersName,
  type ShortintParametersName,
  type ZkComputeLoad,
} from "node-tfhe";
import { type Interval, percentiles, ratioOfMedians } from "../statistics.ts";
import type { Direct, DirectKeys } from "./direct.ts";
import type { ClientPart, ClientRow } from "./result.ts";

const LIMIT = 2n ** 30n;
const VALUE = 0x0123_4567_89ab_cdefn;
const METADATA = new Uint8Array(256).fill(7);
/** `PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128`: of version 1.7, as in the native set. Enums are types alone where modules stand alone. */
const PARAMETERS = 0 as ShortintParametersName;
const PUBLIC_PARAMETERS = 0 as ShortintCompactPublicKeyEncryptionParametersName;
const VERIFIER_WORKS = 1 as ZkComputeLoad;

const STEPS = ["keygen", "keygen, whole set", "encrypt u64", "prove u64", "decrypt u64"] as const;
type Step = (typeof STEPS)[number];
type Times = Readonly<Record<Step, number[]>>;

const noTimes = (): Times => ({ keygen: [], "keygen, whole set": [], "encrypt u64": [], "prove u64": [], "decrypt u64": [] });

function timed<T>(times: number[], work: () => T): T {
  const started = performance.now();
  const made = work();
  times.push(performance.now() - started);
  return made;
}

/** Client, server and public key with their bytes: what node-tfhe can make of a set. */
function wasmKeygen(times: Times): void {
  timed(times.keygen, () => {
    const config = tfhe.TfheConfigBuilder.with_custom_parameters(new tfhe.ShortintParameters(PARAMETERS))
      .use_dedicated_compact_public_key_parameters(new tfhe.ShortintCompactPublicKeyEncryptionParameters(PUBLIC_PARAMETERS))
      .build();
    const client = tfhe.TfheClientKey.generate(config);
    const keys = [client, tfhe.TfheCompressedServerKey.new(client), tfhe.TfheCompactPublicKey.new(client)];
    for (const key of keys) {
      key.safe_serialize(LIMIT);
      key.free();
    }
  });
}

/** Under the native key set, whose keys and reference string node-tfhe reads. */
function wasmRound({ clientKey, publicKey, crs }: DirectKeys, times: Times): void {
  const read = (file: string) => new Uint8Array(readFileSync(file));
  const client = tfhe.TfheClientKey.safe_deserialize(read(clientKey), LIMIT);
  const compact = tfhe.TfheCompactPublicKey.safe_deserialize(read(publicKey), LIMIT);
  const reference = tfhe.CompactPkeCrs.safe_deserialize(read(crs), LIMIT);
  const bytes = timed(times["encrypt u64"], () => tfhe.FheUint64.encrypt_with_client_key(VALUE, client).safe_serialize(LIMIT));
  timed(times["prove u64"], () => {
    const builder = tfhe.ProvenCompactCiphertextList.builder(compact);
    builder.push_u64(VALUE);
    builder.build_with_proof_packed(reference, METADATA, VERIFIER_WORKS).safe_serialize(LIMIT);
  });
  const value = timed(times["decrypt u64"], () => tfhe.FheUint64.safe_deserialize(bytes, LIMIT).decrypt(client));
  if (BigInt(value) !== VALUE) throw new Error("node-tfhe decrypted another value");
  for (const held of [client, compact, reference]) held.free();
}

async function nativeRound(direct: Direct, times: Times): Promise<Readonly<Record<string, number>>> {
  const few = await direct.ask({ op: "keygen" });
  times.keygen.push(Number(few["ms"]));
  const all = await direct.ask({ op: "keygen", parts: "all" });
  times["keygen, whole set"].push(Number(all["ms"]));
  const of = await direct.ask({ op: "client" });
  times["encrypt u64"].push(Number(of["encryptMs"]));
  times["prove u64"].push(Number(of["proveMs"]));
  times["decrypt u64"].push(Number(of["decryptMs"]));
  const number = (name: string) => Number(of[name]);
  return {
    clientKey: Number(all["clientBytes"]),
    serverKeyUploaded: Number(all["serverBytes"]),
    publicKeyUploaded: Number(all["publicBytes"]),
    serverKeyOfNodeTfhe: Number(few["serverBytes"]),
    referenceString: number("crsBytes"),
    provenList: number("listBytes"),
    expandedU64: number("ciphertextBytes"),
  };
}

/** Each step once a round, natively and in WebAssembly. */
export async function measureClient(direct: Direct, keys: DirectKeys, rounds: number): Promise<ClientPart> {
  const [native, wasm] = [noTimes(), noTimes()];
  let bytes: ClientPart["bytes"] = {};
  for (let round = 0; round < rounds; round++) {
    bytes = await nativeRound(direct, native);
    wasmKeygen(wasm);
    wasmRound(keys, wasm);
  }
  const rows = STEPS.map((step): ClientRow => {
    const [ours, theirs] = [native[step], wasm[step]];
    const wasmOverNative: Interval | null = theirs.length === 0 ? null : ratioOfMedians(theirs, ours);
    return { step, native: percentiles(ours), wasm: theirs.length === 0 ? null : percentiles(theirs), wasmOverNative };
  });
  return { bytes, rows };
}
