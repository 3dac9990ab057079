/** One key a day for stored answers, in files of mode 0600; keys older than `retainDays` are deleted, and their answers with them. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { type Clock, formatTime } from "../core/time.ts";
import type { VaultKeys } from "../gateway/response-vault.ts";
import { nodeFiles, replaceFile } from "../log/store/files.ts";

const NAME = /^\d{4}-\d\d-\d\d$/;

/** Vault keys in `directory`. */
export function createVaultKeys(directory: string, retainDays: number, clock: Clock): VaultKeys {
  let today: { readonly name: string; readonly key: Uint8Array } | null = null;
  const find = async (name: string) => (NAME.test(name) ? nodeFiles.read(join(directory, `${name}.key`)) : null);
  const removeOld = async () => {
    const oldest = formatTime((clock() - retainDays * 86_400) as ReturnType<Clock>).slice(0, 10);
    for (const file of await nodeFiles.list(directory)) {
      const name = file.replace(/\.key$/, "");
      if (NAME.test(name) && name < oldest) await nodeFiles.remove(join(directory, file));
    }
    await nodeFiles.syncDirectory(directory);
  };
  const make = async (name: string) => {
    await nodeFiles.makeDirectory(directory);
    const existing = await find(name);
    const key = existing ?? new Uint8Array(randomBytes(32));
    if (existing === null) await replaceFile(nodeFiles, join(directory, `${name}.key`), key);
    await removeOld();
    return { name, key };
  };
  let making: Promise<{ readonly name: string; readonly key: Uint8Array }> | null = null;
  return {
    find,
    async current() {
      const name = formatTime(clock()).slice(0, 10);
      if (today?.name === name) return today;
      making ??= make(name).finally(() => {
        making = null;
      });
      today = await making;
      return today;
    },
  };
}
