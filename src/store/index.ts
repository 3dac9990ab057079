/** The store: what can be looked up, and what is to be done. The log is the truth; everything here is brought up to it. */
export { type DatabaseLocation, openDatabase, type StoreDatabase } from "./database.ts";
export { type JobHandler, JobQueue, type QueueOptions } from "./job-queue.ts";
export { type AcceptedJob, JOB_STATES, type Job, type JobEnd, type JobState, JobTable } from "./job-table.ts";
export { MemoryReceiptIndex } from "./memory-receipt-index.ts";
export { emptyTables, migrate } from "./migrations.ts";
export type { IndexEntry, IndexedReceipt, KeyUse, ListedReceipt, ReceiptIndex, ReceiptListing } from "./receipt-index.ts";
export { type IndexedLog, SqlReceiptIndex } from "./sql-receipt-index.ts";
