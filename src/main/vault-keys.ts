/** One key a day for stored answers, in files of mode 0600; keys older than `retainDays` are deleted, and their answers with them. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { type Clock, formatTime, unixSeconds } from "../core/time.ts";
import type { VaultKeys } from "../gateway/response-vault.ts";
import { type DurableFiles, makeDurableDirectory, replaceFile } from "../log/store/files.ts";

const NAME = /^\d{4}-\d\d-\d\d$/;
const DAY_SECONDS = 86_400;

/** The vault keys of a data folder. */
export interface VaultKeyFolder extends VaultKeys {
  /** Deletes the keys that are past retention. They open nothing from then on, deleted or not. */
  sweep(): Promise<void>;
}

/** Vault keys in `directory`, named by their day in UTC. */
export function createVaultKeys(directory: string, retainDays: number, clock: Clock, files: DurableFiles): VaultKeyFolder {
  let today: { readonly name: string; readonly key: Uint8Array } | null = null;
  let making: Promise<{ readonly name: string; readonly key: Uint8Array }> | null = null;
  const dayOf = (daysAgo: number) => formatTime(unixSeconds(Math.max(0, clock() - daysAgo * DAY_SECONDS))).slice(0, 10);
  const isRetained = (name: string) => NAME.test(name) && name > dayOf(retainDays);
  const path = (name: string) => join(directory, `${name}.key`);
  const find = async (name: string) => (isRetained(name) ? files.read(path(name)) : null);
  const sweep = async () => {
    await makeDurableDirectory(files, directory);
    const names = (await files.list(directory)).map((file) => file.replace(/\.key$/, ""));
    for (const name of names) if (NAME.test(name) && !isRetained(name)) await files.remove(path(name));
    await files.syncDirectory(directory);
  };
  const make = async (name: string) => {
    await sweep();
    const existing = await files.read(path(name));
    const key = existing ?? new Uint8Array(randomBytes(32));
    if (existing === null) await replaceFile(files, path(name), key);
    return { name, key };
  };
  return {
    find,
    sweep,
    async current() {
      const name = dayOf(0);
      if (today?.name === name) return today;
      making ??= make(name).finally(() => {
        making = null;
      });
      today = await making;
      return today;
    },
  };
}
