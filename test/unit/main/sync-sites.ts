/** Tells the places in the code where something is synced apart, and lets one of them do nothing. */
import { type DurableFiles, performSteps } from "../../../src/log/store/files.ts";

/** The function of ours that asked for the sync. */
function askedBy(): string {
  const frames = (new Error().stack ?? "").split("\n").filter((line) => line.includes("/src/"));
  // Functions without a name are called by one that has one.
  const names = frames.flatMap((line) => /at (?:async )?(?:Object\.|Function\.)?([\w.$]+) \(/.exec(line)?.[1] ?? []);
  return names[0] ?? "unknown";
}

/** A path without what differs from run to run; null above `base`, which was there before. */
function kindOf(path: string, base: string): string | null {
  if (!`${path}/`.startsWith(`${base}/`)) return null;
  return `base${path.slice(base.length)}`
    .replaceAll(/[0-9a-f]{64}/g, "<hash>")
    .replaceAll(/\/[0-9a-f]{2}(?=\/|$)/g, "/<hh>")
    .replaceAll(/(gateway|log|policy)-[0-9a-f]{12}/g, "<key>")
    .replaceAll(/\d{4}-\d\d-\d\d/g, "<day>")
    .replaceAll(/checkpoints\/\d+/g, "checkpoints/<size>")
    .replace(/\.(?:\d+\.)?tmp$/, "");
}

/** `files` that note every place that syncs in `seen`, and at the place `disabled` sync nothing. */
export function syncSites(files: DurableFiles, base: string, seen: Set<string>, disabled: string | null): DurableFiles {
  const isOn = (operation: string, path: string) => {
    const kind = kindOf(path, base);
    if (kind === null) return true;
    const site = `${operation} ${kind} in ${askedBy()}`;
    seen.add(site);
    return site !== disabled;
  };
  const sites: DurableFiles = {
    read: (path) => files.read(path),
    mode: (path) => files.mode(path),
    list: (path) => files.list(path),
    makeDirectory: (path) => files.makeDirectory(path),
    write: (path, bytes, sync) => files.write(path, bytes, sync && isOn("sync of", path)),
    rename: (from, to) => files.rename(from, to),
    remove: (path) => files.remove(path),
    syncDirectory: async (path) => {
      if (isOn("names of", path)) await files.syncDirectory(path);
    },
    perform: (steps) => performSteps(sites, steps),
    openAppend: async (path) => {
      const file = await files.openAppend(path);
      const sync = async () => {
        if (isOn("sync of", path)) await file.sync();
      };
      return {
        append: (bytes, synced) => file.append(bytes, synced && isOn("sync of", path)),
        sync,
        truncate: (length) => file.truncate(length),
        close: () => file.close(),
      };
    },
  };
  return sites;
}
