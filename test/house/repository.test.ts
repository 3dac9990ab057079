/** What holds for every file of the repository. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, relative } from "node:path";
import { describe, expect, it } from "vitest";

interface LockEntry {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly optional?: boolean;
}

const ROOT = new URL("../../", import.meta.url);
const read = (file: string): string => readFileSync(new URL(file, ROOT), "utf8");

/** Files that git tracks or would track; in a copy without git, all but what is built or installed. */
function trackedFiles(): string[] {
  try {
    const options = ["--cached", "--others", "--exclude-standard", "-z"];
    return execFileSync("git", ["ls-files", ...options], { cwd: ROOT, encoding: "utf8", stdio: "pipe" }).split("\0");
  } catch {
    const all = readdirSync(ROOT, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const paths = all.map((entry) => relative(ROOT.pathname, join(entry.parentPath, entry.name)));
    return paths.filter((path) => !/^(?:\.git|node_modules|dist|demo-out|fuzz-out|coverage)\/|\.tsbuildinfo$|\.log$/.test(path));
  }
}

const files = trackedFiles().filter((file) => file !== "" && existsSync(new URL(file, ROOT)));

/** Home folders and package registries, wherever. */
const TRACES = [/(?<![\w.])\/(?:home|Users)\/[a-z][\w.-]*\//, /registry\.(?:[a-z-]+\.)+(?:com|dev|io|net|org)/];
/** This checkout's folder and this user's home, unless they are too short to mean anything in another file. */
const FOLDERS = [ROOT.pathname, `${homedir()}/`].filter((folder) => folder.split("/").length > 3);

const hasTrace = (text: string): boolean =>
  TRACES.some((trace) => trace.test(text)) || FOLDERS.some((folder) => text.includes(folder));

describe("tracked files", () => {
  it("name no folder of the machine and no package registry", () => {
    expect(files.length).toBeGreaterThan(20);
    expect(files.filter((file) => hasTrace(read(file)))).toEqual([]);
  });

  it("would be caught if they did", () => {
    const planted = [
      `see ${["", "home", "somebody", "notes"].join("/")}`,
      `https://${["registry", "npmjs", "org"].join(".")}/zod`,
    ];
    expect(planted.map(hasTrace)).toEqual([true, true]);
  });
});

describe("package-lock.json", () => {
  const entries = Object.entries((JSON.parse(read("package-lock.json")) as { packages: Record<string, LockEntry> }).packages);

  it("names no registry host", () => {
    expect(entries.filter(([, entry]) => entry.resolved !== undefined).map(([place]) => place)).toEqual([]);
  });

  it("pins every package by version, and by digest unless it is an optional platform package", () => {
    const loose = entries.filter(
      ([place, entry]) =>
        place !== "" && (entry.version === undefined || (entry.integrity === undefined && entry.optional !== true)),
    );
    expect(loose.map(([place]) => place)).toEqual([]);
  });

  it("names the optional packages of every platform, without which `npm ci` refuses it", () => {
    const run = () =>
      execFileSync(process.execPath, ["--import", "tsx", "scripts/complete-lock.ts", "--check"], { cwd: ROOT, encoding: "utf8" });
    expect(run()).toContain("names every optional package");
  });
});

describe("documents", () => {
  const documents = files.filter((file) => file.endsWith(".md"));
  const slug = (heading: string) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, "")
      .replaceAll(" ", "-");
  const headings = (text: string) => [...text.matchAll(/^#+ (.+)$/gm)].map((match) => slug(match[1] ?? ""));
  /** Links of `text`, which stands in `file`, that lead to no file or no heading. */
  const brokenLinks = (file: string, text: string): string[] =>
    [...text.matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)/g)].flatMap(([link, place = "", heading]) => {
      const target = place === "" ? file : join(dirname(file), place);
      if (!existsSync(new URL(target, ROOT))) return [link];
      return heading === undefined || headings(read(target)).includes(heading) ? [] : [link];
    });

  it("name only npm scripts that exist", () => {
    const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
    const named = documents.flatMap((file) => [...read(file).matchAll(/npm run ([a-z:]+[a-z])/g)].map((match) => match[1] ?? ""));
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });

  it("link only to files and headings that exist", () => {
    expect(documents.length).toBeGreaterThan(10);
    expect(documents.flatMap((file) => brokenLinks(file, read(file)))).toEqual([]);
    const planted = "[a](README.md#use-it) [b](nowhere.md) [c](README.md#nowhere)";
    expect(brokenLinks("CONTRIBUTING.md", planted)).toEqual(["](nowhere.md)", "](README.md#nowhere)"]);
  });

  it("carry the whole licence", () => {
    expect(read("LICENSE")).toContain("END OF TERMS AND CONDITIONS");
    expect(read("NOTICE")).toContain("Apache License, Version 2.0");
  });
});
