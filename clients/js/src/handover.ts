/** What the office seals to one device: interviews handed over, rows of entity lists, households. */
import { type Bytes, concat, own, text, utf8, view } from "./bytes.ts";
import { EXCHANGE_BYTES, PLAINTEXT_BYTES, SIGNATURE_BYTES, SUITE_X25519 } from "./constants.ts";
import { type Json, type Members, readObject } from "./documents.ts";
import { ProtocolError } from "./errors.ts";
import { inflateWhole } from "./frames.ts";
import * as hpke from "./hpke.ts";
import { isSigned, sha256 } from "./primitives.ts";

/** To whom and about what: bound into seal and signature. */
export interface Address {
  readonly kind: "returned" | "draft";
  readonly deviceId: string;
  readonly instanceId: Uint8Array;
  readonly formVersionHash: Uint8Array;
}

export interface Handover {
  readonly instanceXml: Bytes;
  readonly members: Members;
}

/** Open an interview that is given back, or a draft; throws `signature-invalid` when no decision key signed it. */
export async function openHandover(
  frame: Uint8Array,
  address: Address,
  decisionKeys: readonly Uint8Array[],
  receivingSeed: Uint8Array,
): Promise<Handover> {
  const context = concat(
    utf8(["passerelle/1 handover", address.kind, address.deviceId, ""].join("\0")),
    address.instanceId,
    address.formVersionHash,
  );
  const [sealed, signature] = [frame.subarray(0, -SIGNATURE_BYTES), frame.subarray(-SIGNATURE_BYTES)];
  const message = concat(context, await sha256(sealed));
  const verified = await Promise.all(decisionKeys.map((key) => isSigned(key, message, signature)));
  if (!verified.includes(true)) throw new ProtocolError("signature-invalid", "no decision key signed this");
  const plain = inflateWhole(await hpke.open(SUITE_X25519, receivingSeed, sealed, context), PLAINTEXT_BYTES);
  const end = plain.length < 4 ? Infinity : 4 + view(plain).getUint32(0);
  if (end > plain.length) throw new ProtocolError("malformed", "the handed over interview is not what it should be");
  return { instanceXml: own(plain.subarray(end)), members: readObject(plain.subarray(4, end)) };
}

/** Open rows of an entity list. */
export async function openRows(
  frame: Uint8Array,
  listName: string,
  deviceId: string,
  receivingSeed: Uint8Array,
): Promise<readonly Json[]> {
  const info = utf8(["passerelle/1 entities", deviceId, listName].join("\0"));
  return list(inflateWhole(await hpke.open(SUITE_X25519, receivingSeed, frame, info), EXCHANGE_BYTES));
}

/** Open the households of a primary sampling unit. */
export async function openHouseholds(
  frame: Uint8Array,
  psu: string,
  deviceId: string,
  receivingSeed: Uint8Array,
): Promise<readonly Json[]> {
  const info = utf8(["passerelle/1 assignments", deviceId, psu].join("\0"));
  return list(await hpke.open(SUITE_X25519, receivingSeed, frame, info));
}

function list(bytes: Uint8Array): readonly Json[] {
  let found: Json;
  try {
    found = JSON.parse(text(bytes)) as Json;
  } catch {
    throw new ProtocolError("malformed", "not JSON");
  }
  if (!Array.isArray(found)) throw new ProtocolError("malformed", "not a list");
  return found as readonly Json[];
}
