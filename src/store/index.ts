/** The store: what can be looked up, and what is to be done. The log is the truth; everything here is brought up to it. */
export { type DatabaseLocation, openDatabase, type StoreDatabase } from "./database.ts";
export { JobQueue } from "./job-queue.ts";
export { type AcceptedJob, type Job, JobTable } from "./job-table.ts";
export { MemoryReceiptIndex } from "./memory-receipt-index.ts";
export { emptyTables } from "./migrations.ts";
export type { IndexEntry, ReceiptIndex } from "./receipt-index.ts";
export { SqlReceiptIndex } from "./sql-receipt-index.ts";
export { StateTable } from "./state-table.ts";
