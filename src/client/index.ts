/** The caller's SDK. Portable. */
export { parseTrust, type Trust } from "../trust/trust-file.ts";
export type { RetryOptions, Sleep } from "./retry.ts";
export * from "./triseal-client.ts";
