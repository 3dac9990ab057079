/** The transparency log's formats and proofs. Portable; `log/store` keeps a log on disk. */
export * from "./checkpoint.ts";
export * from "./cosignature.ts";
export * from "./leaf.ts";
export * from "./merkle.ts";
export * from "./note.ts";
export * from "./tile.ts";
export * from "./tlog-proof.ts";
