/** `triseal config`: every key of the configuration with its default and meaning. */
import type { Command } from "commander";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { configJsonSchema } from "./config.ts";

/** The lines for the members of one schema object, indented by `depth` levels. */
function keyLines(schema: JsonObject, depth: number): readonly string[] {
  const properties = schema["properties"];
  if (!isJsonObject(properties)) return [];
  return Object.entries(properties).flatMap(([name, member]) => (isJsonObject(member) ? memberLines(name, member, depth) : []));
}

function memberLines(name: string, member: JsonObject, depth: number): readonly string[] {
  const indent = "  ".repeat(depth);
  const meaning = typeof member["description"] === "string" ? `  # ${member["description"]}` : "";
  if (isJsonObject(member["properties"])) return [`${indent}${name}:${meaning}`, ...keyLines(member, depth + 1)];
  const fallback: JsonValue = "default" in member ? (member["default"] ?? null) : "(required)";
  const items = member["items"];
  const itemLines = isJsonObject(items) ? keyLines(items, depth + 2).map((line) => `${indent}# ${line.trim()}`) : [];
  return [
    `${indent}${name}: ${JSON.stringify(fallback)}${meaning}`,
    ...(itemLines.length > 0 ? [`${indent}# each entry:`, ...itemLines] : []),
  ];
}

/** Adds `config` to the command line. */
export function addConfigCommand(program: Command): void {
  program
    .command("config")
    .description("print every key of triseal.config.yaml with its default and meaning")
    .option("--json", "print the JSON Schema instead")
    .action((flags: { readonly json?: true }) => {
      const schema = configJsonSchema();
      console.log(flags.json ? JSON.stringify(schema, null, 2) : keyLines(schema, 0).join("\n"));
    });
}
