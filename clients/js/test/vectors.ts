/** The vectors of the protocol, as they are read by whoever implements it. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";

import { type Bytes, fromHex, ProtocolError } from "../src/index.ts";

const FOLDER = new URL("../../../tests/vectors/", import.meta.url);

export function names(kind: string, pattern: RegExp): string[] {
  const found = readdirSync(new URL(`${kind}/`, FOLDER)).map((file) => file.replace(/\.json$/, ""));
  const chosen = found.filter((name) => pattern.test(name)).sort();
  assert.ok(chosen.length > 0, `no vector of ${kind} is called like ${pattern}`);
  return chosen;
}

/** Members are of many shapes, and every test says which it expects. */
export function vector(kind: string, name: string): any {
  return JSON.parse(readFileSync(new URL(`${kind}/${name}.json`, FOLDER), "utf8"));
}

export function bytes(digits: string): Bytes {
  return fromHex(digits);
}

/** Check that something is refused under a code. */
export async function refused(code: string, work: () => unknown): Promise<void> {
  await assert.rejects(async () => await work(), (error) => {
    assert.ok(error instanceof ProtocolError, String(error));
    assert.equal(error.code, code);
    return true;
  });
}
