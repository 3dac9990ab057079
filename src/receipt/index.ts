/** The receipt and bundle formats. Portable. SPEC.md beside this file is the normative description. */
export * from "./bundle.ts";
export * from "./keyset.ts";
export * from "./receipt.ts";
export * from "./report-signature.ts";
export * from "./session.ts";
export * from "./supplement.ts";
