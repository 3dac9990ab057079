// Makes the image of an empty, migrated database that new data folders start from: opening it takes a second, making one takes many.
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PGlite } from "@electric-sql/pglite";
import { JobQueue, openDatabase } from "../dist/src/store/index.js";

const image = fileURLToPath(new URL("../dist/src/store/empty-database.tar.gz", import.meta.url));

if (!existsSync(image)) {
  const parent = mkdtempSync(join(tmpdir(), "triseal-database-"));
  const folder = join(parent, "database");
  try {
    const database = await openDatabase({ embedded: { folder, template: null } });
    await (await JobQueue.open(database)).close();
    await database.close();
    const pglite = await PGlite.create(folder);
    const archive = await pglite.dumpDataDir("gzip");
    await pglite.close();
    writeFileSync(`${image}.new`, new Uint8Array(await archive.arrayBuffer()));
    renameSync(`${image}.new`, image);
  } finally {
    rmSync(parent, { recursive: true, force: true });
  }
}
