/** Makes the image of an empty, migrated database that new data folders start from: opening it takes a second, making one takes many. */
import { existsSync } from "node:fs";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PGlite } from "@electric-sql/pglite";
import { openDatabase } from "./database.ts";
import { JobQueue } from "./job-queue.ts";

const image = fileURLToPath(new URL("./empty-database.tar.gz", import.meta.url));

async function makeImage(): Promise<void> {
  const parent = await mkdtemp(join(tmpdir(), "triseal-database-"));
  const folder = join(parent, "database");
  try {
    const database = await openDatabase({ embedded: { folder, template: null } });
    await (await JobQueue.open(database)).close();
    await database.close();
    const pglite = await PGlite.create(folder);
    const archive = await pglite.dumpDataDir("gzip");
    await pglite.close();
    await writeFile(`${image}.new`, new Uint8Array(await archive.arrayBuffer()));
    await rename(`${image}.new`, image);
  } finally {
    await rm(parent, { recursive: true, force: true });
  }
}

if (!existsSync(image)) await makeImage();
