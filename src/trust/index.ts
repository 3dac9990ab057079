/** The trust file: what a relying party accepts, and why. Portable. */
export * from "./trust-file.ts";
