/** Words of the project: tensors, digests, the binding, error codes, bytes, time. Portable. */
export * from "./binding.ts";
export * from "./bytes.ts";
export * from "./check.ts";
export * from "./digest.ts";
export * from "./ed25519.ts";
export * from "./errors.ts";
export * from "./jcs.ts";
export * from "./json.ts";
export * from "./oip.ts";
export type { MessageTensor, OutgoingTensor } from "./oip-body.ts";
export * from "./stage.ts";
export * from "./tensor.ts";
export * from "./time.ts";
